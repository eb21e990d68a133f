-- Which calls have not succeeded, or not yet. They are few of many, as a rule.

-- +goose Up

-- A table, and not an index on the state of calls: that would make each second
-- write of a call touch all indexes (see migration 6). Who writes calls keeps it in
-- step, in the same transaction; calls that have ended well when they are first
-- written, most of them, have nothing to do with it.
CREATE TABLE call_states (
  call_id text COLLATE "C" NOT NULL PRIMARY KEY,
  network text COLLATE "C" NOT NULL,
  socket  text COLLATE "C" NOT NULL,
  state   text COLLATE "C" NOT NULL,
  created timestamptz NOT NULL
);
CREATE INDEX idx_call_states_list ON call_states (network, state, created, call_id);

INSERT INTO call_states (call_id, network, socket, state, created)
SELECT id, network, socket, state, created FROM calls WHERE state <> 'succeeded';
