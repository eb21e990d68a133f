-- How calls end before their time, and how they begin again.

-- +goose Up

-- What a person cancelled: one call, or all of a run.
CREATE TABLE cancels (
  id      text NOT NULL PRIMARY KEY, -- of the call, or the tracking of the run
  run     numeric NOT NULL,
  origin  text NOT NULL, -- who did
  created text NOT NULL
);
CREATE INDEX idx_cancels_created ON cancels (created);

-- Calls that ended badly and wait for a person; calls has all about them. They
-- are a table of their own so that no index is on the state of every call.
CREATE TABLE dead_letters (
  call_id text NOT NULL PRIMARY KEY,
  network text NOT NULL,
  died    text NOT NULL,
  dropped text -- null: on the list
);
CREATE INDEX idx_dead_letters_list ON dead_letters (network, died, call_id) WHERE dropped IS NULL;

-- The outbox of calls that are to be run again.
CREATE TABLE redrives (
  call_id text NOT NULL PRIMARY KEY,
  tried   text NOT NULL
);
CREATE INDEX idx_redrives_tried ON redrives (tried);

INSERT INTO dead_letters (call_id, network, died)
SELECT id, network, coalesce(finished, created) FROM calls WHERE state IN ('dead', 'failed', 'expired');
