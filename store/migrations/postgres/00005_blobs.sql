-- Large values of calls, kept aside under the SHA-256 of their bytes.

-- +goose Up

CREATE TABLE blobs (
  hash    text COLLATE "C" NOT NULL,
  part    bigint NOT NULL, -- from 0
  parts   bigint NOT NULL, -- of how many
  data    bytea NOT NULL,
  created timestamptz NOT NULL, -- or brought again
  PRIMARY KEY (hash, part)
);
CREATE INDEX idx_blobs_created ON blobs (created);

-- Which calls have them, and where in the call: there is null.
CREATE TABLE call_blobs (
  call_id text COLLATE "C" NOT NULL,
  place   text COLLATE "C" NOT NULL, -- a JSON pointer
  hash    text COLLATE "C" NOT NULL,
  size    bigint NOT NULL,
  PRIMARY KEY (call_id, place)
);
CREATE INDEX idx_call_blobs_hash ON call_blobs (hash);

-- Those of values that wait for others, and of calls that are to be made.
ALTER TABLE join_arrivals ADD COLUMN refs text;
ALTER TABLE join_fired ADD COLUMN refs text;
CREATE INDEX idx_join_arrivals_refs ON join_arrivals (seq) WHERE refs IS NOT NULL;
