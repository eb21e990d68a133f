-- The model. Names are unique per network and kind, and refer to each other by
-- name: an object keeps its name for life. Names and ids compare by bytes, so
-- that listings have one order on every database. JSON is kept as text, exactly
-- as it came.

-- +goose Up

-- What people declare.

CREATE TABLE networks (
  id      text COLLATE "C" NOT NULL PRIMARY KEY,
  name    text COLLATE "C" NOT NULL,
  owner   text NOT NULL,
  created timestamptz NOT NULL,
  updated timestamptz NOT NULL
);
CREATE UNIQUE INDEX idx_networks_name ON networks (name);

CREATE TABLE users (
  id      text COLLATE "C" NOT NULL PRIMARY KEY,
  name    text COLLATE "C" NOT NULL,
  email   text NOT NULL,
  created timestamptz NOT NULL,
  updated timestamptz NOT NULL
);
CREATE UNIQUE INDEX idx_users_name ON users (name);

CREATE TABLE tokens (
  id        text COLLATE "C" NOT NULL PRIMARY KEY,
  user_name text COLLATE "C" NOT NULL REFERENCES users (name),
  name      text NOT NULL,
  scope     text NOT NULL,
  hash      bytea NOT NULL, -- SHA-256 of the secret
  created   timestamptz NOT NULL,
  expires   timestamptz,
  last_used timestamptz
);
CREATE UNIQUE INDEX idx_tokens_hash ON tokens (hash);

CREATE TABLE queues (
  id             text COLLATE "C" NOT NULL PRIMARY KEY,
  network        text COLLATE "C" NOT NULL REFERENCES networks (name),
  name           text COLLATE "C" NOT NULL,
  owner          text NOT NULL,
  created        timestamptz NOT NULL,
  updated        timestamptz NOT NULL,
  type           text NOT NULL,
  message_ttl_ms bigint NOT NULL,
  max_messages   bigint NOT NULL,
  max_bytes      bigint NOT NULL,
  expires_ms     bigint NOT NULL
);
CREATE UNIQUE INDEX idx_queues_name ON queues (network, name);

CREATE TABLE processors (
  id          text COLLATE "C" NOT NULL PRIMARY KEY,
  network     text COLLATE "C" NOT NULL REFERENCES networks (name),
  name        text COLLATE "C" NOT NULL,
  owner       text NOT NULL,
  created     timestamptz NOT NULL,
  updated     timestamptz NOT NULL,
  git_repo    text NOT NULL, -- without credentials
  ref         text NOT NULL,
  ref_kind    text NOT NULL,
  commit_hash text NOT NULL,
  module      text NOT NULL,
  module_path text NOT NULL,
  runtime     text NOT NULL,
  interpreter text NOT NULL,
  hostname    text NOT NULL,
  concurrency bigint NOT NULL,
  wanted      text NOT NULL,
  generation  bigint NOT NULL,
  -- observed, written by reports only
  status      text NOT NULL,
  message     text NOT NULL,
  observed    bigint NOT NULL
);
CREATE UNIQUE INDEX idx_processors_name ON processors (network, name);

CREATE TABLE credentials (
  processor_id text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES processors (id) ON DELETE CASCADE,
  sealed       bytea NOT NULL
);

CREATE TABLE tasks (
  id          text COLLATE "C" NOT NULL PRIMARY KEY,
  network     text COLLATE "C" NOT NULL,
  processor   text COLLATE "C" NOT NULL,
  module      text COLLATE "C" NOT NULL,
  name        text COLLATE "C" NOT NULL,
  doc         text NOT NULL,
  source      text NOT NULL,
  returns     text,
  commit_hash text NOT NULL,
  FOREIGN KEY (network, processor) REFERENCES processors (network, name) ON DELETE CASCADE
);
CREATE UNIQUE INDEX idx_tasks_name ON tasks (network, processor, name);

CREATE TABLE arguments (
  task_id       text COLLATE "C" NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  position      bigint NOT NULL,
  name          text NOT NULL,
  kind          text NOT NULL,
  has_default   boolean NOT NULL,
  default_value text,
  schema        text,
  PRIMARY KEY (task_id, position)
);

CREATE TABLE sockets (
  id             text COLLATE "C" NOT NULL PRIMARY KEY,
  network        text COLLATE "C" NOT NULL REFERENCES networks (name),
  name           text COLLATE "C" NOT NULL,
  owner          text NOT NULL,
  created        timestamptz NOT NULL,
  updated        timestamptz NOT NULL,
  processor      text COLLATE "C" NOT NULL,
  queue          text COLLATE "C" NOT NULL,
  task           text COLLATE "C" NOT NULL,
  max_attempts   bigint NOT NULL,
  backoff_ms     bigint NOT NULL,
  backoff_max_ms bigint NOT NULL,
  timeout_ms     bigint NOT NULL,
  join_policy    text NOT NULL,
  FOREIGN KEY (network, processor) REFERENCES processors (network, name),
  FOREIGN KEY (network, queue) REFERENCES queues (network, name)
);
CREATE UNIQUE INDEX idx_sockets_name ON sockets (network, name);
CREATE UNIQUE INDEX idx_sockets_address ON sockets (network, processor, queue, task);

CREATE TABLE plugs (
  id       text COLLATE "C" NOT NULL PRIMARY KEY,
  network  text COLLATE "C" NOT NULL REFERENCES networks (name),
  name     text COLLATE "C" NOT NULL,
  owner    text NOT NULL,
  created  timestamptz NOT NULL,
  updated  timestamptz NOT NULL,
  type     text NOT NULL,
  source   text COLLATE "C" NOT NULL,
  target   text COLLATE "C" NOT NULL,
  argument text NOT NULL,
  queue    text COLLATE "C", -- null: the target's
  FOREIGN KEY (network, source) REFERENCES sockets (network, name),
  FOREIGN KEY (network, target) REFERENCES sockets (network, name),
  FOREIGN KEY (network, queue) REFERENCES queues (network, name)
);
CREATE UNIQUE INDEX idx_plugs_name ON plugs (network, name);

-- What runs. Agents report nodes, themselves and workers.

CREATE TABLE nodes (
  id       text COLLATE "C" NOT NULL PRIMARY KEY,
  network  text COLLATE "C" NOT NULL,
  name     text COLLATE "C" NOT NULL,
  created  timestamptz NOT NULL,
  updated  timestamptz NOT NULL,
  cores    bigint NOT NULL,
  memory   bigint NOT NULL,
  mem_free bigint NOT NULL,
  load     text NOT NULL,
  status   text NOT NULL,
  platform text NOT NULL
);
CREATE UNIQUE INDEX idx_nodes_name ON nodes (name);

CREATE TABLE agents (
  id      text COLLATE "C" NOT NULL PRIMARY KEY,
  network text COLLATE "C" NOT NULL,
  name    text COLLATE "C" NOT NULL,
  created timestamptz NOT NULL,
  updated timestamptz NOT NULL,
  node    text COLLATE "C" NOT NULL,
  cpus    bigint NOT NULL,
  pid     bigint NOT NULL,
  status  text NOT NULL,
  beat    timestamptz NOT NULL,
  version text NOT NULL,
  started timestamptz NOT NULL
);
CREATE UNIQUE INDEX idx_agents_name ON agents (name);

CREATE TABLE deployments (
  id        text COLLATE "C" NOT NULL PRIMARY KEY,
  network   text COLLATE "C" NOT NULL REFERENCES networks (name),
  name      text COLLATE "C" NOT NULL,
  owner     text NOT NULL,
  created   timestamptz NOT NULL,
  updated   timestamptz NOT NULL,
  processor text COLLATE "C" NOT NULL,
  node      text COLLATE "C" NOT NULL,
  cpus      bigint NOT NULL,
  manual    boolean NOT NULL,
  status    text NOT NULL, -- observed
  FOREIGN KEY (network, processor) REFERENCES processors (network, name) ON DELETE CASCADE
);
CREATE UNIQUE INDEX idx_deployments_name ON deployments (network, name);

CREATE TABLE workers (
  id          text COLLATE "C" NOT NULL PRIMARY KEY,
  network     text COLLATE "C" NOT NULL,
  name        text COLLATE "C" NOT NULL,
  created     timestamptz NOT NULL,
  updated     timestamptz NOT NULL,
  node        text COLLATE "C" NOT NULL,
  processor   text COLLATE "C" NOT NULL,
  deployment  text NOT NULL,
  slot        bigint NOT NULL,
  pid         bigint NOT NULL,
  status      text NOT NULL,
  message     text NOT NULL,
  restarts    bigint NOT NULL,
  commit_hash text NOT NULL,
  generation  bigint NOT NULL,
  started     timestamptz
);
CREATE UNIQUE INDEX idx_workers_name ON workers (network, name);
CREATE INDEX idx_workers_node ON workers (node);

-- History. Calls are written in bulk and updated a few times soon after; they
-- refer to objects that may be deleted later, so nothing here is a foreign key,
-- and no index is on a column that changes.

CREATE TABLE calls (
  id          text COLLATE "C" NOT NULL PRIMARY KEY,
  tracking    text COLLATE "C" NOT NULL,
  network     text COLLATE "C" NOT NULL,
  socket      text COLLATE "C" NOT NULL,
  queue       text NOT NULL,
  processor   text NOT NULL,
  module      text NOT NULL,
  task        text NOT NULL,
  commit_hash text NOT NULL,
  plug        text NOT NULL,
  argument    text NOT NULL,
  joined      text NOT NULL,
  state       text NOT NULL,
  attempt     bigint NOT NULL,
  progress    bigint NOT NULL, -- orders what is known: the furthest counts
  parents     text,
  args        text,
  kwargs      text,
  result      text,
  failure     text,
  origin      text NOT NULL,
  node        text NOT NULL,
  worker      text NOT NULL,
  created     timestamptz NOT NULL,
  started     timestamptz,
  finished    timestamptz,
  deadline    timestamptz,
  reopened    timestamptz -- the end that was undone
) WITH (fillfactor = 70);
CREATE INDEX idx_calls_tracking ON calls (tracking);
CREATE INDEX idx_calls_created ON calls (network, created, id);
CREATE INDEX idx_calls_socket ON calls (network, socket, created, id);

CREATE TABLE call_parents (
  parent text COLLATE "C" NOT NULL,
  child  text COLLATE "C" NOT NULL,
  PRIMARY KEY (parent, child)
);

CREATE TABLE call_logs (
  call_id text COLLATE "C" NOT NULL,
  attempt bigint NOT NULL,
  lines   text NOT NULL,
  PRIMARY KEY (call_id, attempt)
);

CREATE TABLE events (
  call_id text COLLATE "C" NOT NULL,
  name    text COLLATE "C" NOT NULL,
  time    timestamptz NOT NULL,
  note    text NOT NULL,
  PRIMARY KEY (call_id, name, time)
);

-- Joins: arguments that wait for others, and the outbox of those that met.

CREATE TABLE join_arrivals (
  seq      bigserial PRIMARY KEY,
  id       text COLLATE "C" NOT NULL,
  network  text COLLATE "C" NOT NULL,
  socket   text COLLATE "C" NOT NULL,
  policy   text NOT NULL,
  needs    text NOT NULL,
  argument text COLLATE "C" NOT NULL,
  value    text,
  tracking text COLLATE "C" NOT NULL,
  parent   text NOT NULL,
  origin   text NOT NULL,
  created  timestamptz NOT NULL,
  used     boolean NOT NULL,
  settled  timestamptz -- null: may still meet others
);
CREATE UNIQUE INDEX idx_join_arrivals_id ON join_arrivals (id);
CREATE INDEX idx_join_arrivals_open ON join_arrivals (network, socket, argument, seq) WHERE settled IS NULL;
CREATE INDEX idx_join_arrivals_settled ON join_arrivals (settled) WHERE settled IS NOT NULL;

CREATE TABLE join_fired (
  id              text COLLATE "C" NOT NULL PRIMARY KEY,
  network         text COLLATE "C" NOT NULL,
  socket          text COLLATE "C" NOT NULL,
  tracking        text COLLATE "C" NOT NULL,
  origin          text NOT NULL,
  argument_values text NOT NULL,
  arrivals        text NOT NULL,
  parents         text NOT NULL,
  created         timestamptz NOT NULL
);
CREATE INDEX idx_join_fired_created ON join_fired (created);

INSERT INTO networks (id, name, owner, created, updated)
VALUES ('00000000-0000-7000-8000-000000000000', 'default', '', now(), now());
