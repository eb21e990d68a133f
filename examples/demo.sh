#!/usr/bin/env bash
# The main job on embedded services, in a directory of its own: code from a git
# repository, sockets on queues, plugs between them. 'make demo' runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

command -v python3 >/dev/null || { echo "demo: Python 3 is needed to run the example processors" >&2; exit 1; }

dir=$(mktemp -d)
export XDG_CONFIG_HOME=$dir/config XDG_DATA_HOME=$dir/data PATH=$root/bin:$PATH
up=
finish() {
  if [ -n "$up" ]; then kill "$up" 2>/dev/null || true; wait "$up" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap finish EXIT

bold=; plain=
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m'; plain=$'\e[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
run() { printf '$ %s\n' "$*"; "$@"; }
# await CONDITION…: asks again until it holds, for at most 20 seconds.
await() {
  for _ in $(seq 200); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "demo: gave up waiting for: $*" >&2
  tail -n 20 "$dir/up.log" >&2
  return 1
}
ready() { grep -q 'flow is ready' "$dir/up.out"; }
ended() { flow ls calls --socket "$1" --state succeeded -o name | grep -q .; }

# The processors come from this very repository. A checkout that came as an
# archive has no history: then a repository is made of them.
repo=$root modulepath=examples/processors
if [ ! -e "$root/.git" ]; then
  repo=$dir/processors modulepath=.
  go run ./examples/mkrepo examples/processors "$repo"
fi

say "1. One process runs everything: the server, an agent, and embedded services."
echo '$ flow up &'
flow up --listen 127.0.0.1:0 >"$dir/up.out" 2>"$dir/up.log" &
up=$!
await ready
cat "$dir/up.out"

say "2. Processors are code in a git repository, pinned to a commit."
run flow add processor -n sample -g "$repo" -mp "$modulepath" -m pyfi.processors.sample
run flow add processor -n text -g "$repo" -mp "$modulepath" -m pyfi.processors.text

say "3. Sockets are functions behind durable queues. A fanout queue reaches all its sockets."
run flow add queue -n demo
run flow add queue -n news -t fanout
run flow add socket -n one -q demo -pn sample -t emit_one
run flow add socket -n two -q demo -pn sample -t emit_two
run flow add socket -n add -q demo -pn sample -t add_two
run flow add socket -n say -q demo -pn sample -t do_something
run flow add socket -n loud -q news -pn text -t upper
run flow add socket -n words -q news -pn text -t count_words
run flow add socket -n fail -q demo -pn sample -t raise_error
run flow add socket -n alarm -q demo -pn sample -t report_error

say "4. Plugs wire outputs to inputs:"
cat <<'PICTURE'
     one ──argument one──┐                       ┌──► loud
                         ├──► add       say ─────┤          (the queue "news" is a fanout)
     two ──argument two──┘                       └──► words
                                        fail ──ERROR──► alarm
PICTURE
run flow add plug -n p1 -s one -t add --argument one
run flow add plug -n p2 -s two -t add --argument two -q edge
run flow add plug -n p3 -s say -t loud
run flow add plug -n p4 -s fail -t alarm --type ERROR

say "5. Run a function. Its result, alone, goes to stdout."
run flow task run -s say --data "['some data']"

say "6. Two sources meet in add_two(one, two), whichever comes first."
run flow task run -s two --data 4
run flow task run -s one --data 3
await ended add
run flow ls calls --socket add -o json

say "7. The fan-out: both sockets of the queue got what 'say' returned."
await ended loud
await ended words
run flow ls calls --socket words

say "8. A function that fails: its traceback on stderr, exit code 8, and the ERROR plug fires."
run flow task run -s fail --data "on purpose" || echo "(exit code $?)"
await ended alarm
run flow ls calls --socket alarm -o json | grep '"result"'

say "9. Text goes in by pipes and comes out by pipes."
echo '$ echo "HI THERE!" | flow task run -s say | flow task run -s loud'
echo "HI THERE!" | flow task run -s say | flow task run -s loud
echo '$ printf "a\nb\nc\n" | flow task run -s say --lines'
printf 'a\nb\nc\n' | flow task run -s say --lines

say "10. What happened is recorded: every call, what it came from, what followed."
call=$(flow ls calls --socket say --ascend -r 1 -o name)
run flow ls call --id "$call" --tree
run flow ls calls -r 8
run flow ls workers

say "11. And told as it happens (here from the backlog, for a second):"
echo '$ flow listen --name sample --since 10m'
timeout 1 flow listen --name sample --since 10m 2>/dev/null | head -n 3 | cut -c -150 || true

say "12. Everything is also an API, described by OpenAPI 3.1:"
api=$(sed -n 's/.*listens on \(http[^ ,]*\).*/\1/p' "$dir/up.out")
echo "    $api/v1/openapi.json"
run flow status

say "Stopping; calls that run may finish."
kill "$up"
wait "$up"
up=
echo "done: nothing is left running"
