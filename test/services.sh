#!/usr/bin/env bash
# Makes sure that RabbitMQ, Redis and PostgreSQL listen on loopback for the
# tests: those that run are used as they are; the others are started, with
# Docker Compose where an engine runs, else from Debian's packages as root.
set -euo pipefail
cd "$(dirname "$0")/.."

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

await() { # name port
  for _ in $(seq 1 120); do
    if listens "$2"; then return 0; fi
    sleep 0.5
  done
  echo "services: $1 does not listen on port $2 after 60 s" >&2
  return 1
}

missing=()
listens 5672 || missing+=(rabbitmq)
listens 6379 || missing+=(redis)
listens 5432 || missing+=(postgres)
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
echo "services: starting ${missing[*]}"

if docker info >/dev/null 2>&1; then
  docker compose -f test/services.yml up -d --wait "${missing[@]}"
elif [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  for s in "${missing[@]}"; do
    case $s in
      rabbitmq)
        apt-get install -q -y rabbitmq-server
        ulimit -n "$(ulimit -H -n)" # it counts three files for each queue
        listens 5672 || rabbitmq-server -detached
        await RabbitMQ 5672 ;;
      redis)
        apt-get install -q -y redis-server
        listens 6379 || redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save "" --appendonly no
        await Redis 6379 ;;
      postgres)
        apt-get install -q -y postgresql
        conf=$(ls -d /etc/postgresql/*/main | tail -n 1)
        # Loopback only, on a machine made for tests: trust it, as the tests expect.
        sed -i -E 's#^(host +all +all +(127\.0\.0\.1/32|::1/128) +).*#\1trust#' "$conf/pg_hba.conf"
        version=$(basename "$(dirname "$conf")")
        pg_ctlcluster --skip-systemctl-redirect "$version" main restart || pg_ctlcluster --skip-systemctl-redirect "$version" main start
        await PostgreSQL 5432
        psql -h 127.0.0.1 -U postgres -tc "select 1 from pg_database where datname='test'" | grep -q 1 || createdb -h 127.0.0.1 -U postgres test ;;
    esac
  done
else
  echo "services: there is no Docker engine and this is not root on Debian:" >&2
  echo "services: start ${missing[*]} on their standard ports, then run 'make test' again" >&2
  if [ "${CI:-}" = true ]; then exit 1; fi
  echo "services: going on without; the tests that need them say SKIPPED" >&2
fi
