-- Which calls have not succeeded, or not yet. They are few of many, as a rule.

-- +goose Up

CREATE INDEX idx_calls_state ON calls (network, state, created, id) WHERE state <> 'succeeded';

-- PostgreSQL has a table of this name, for reasons of its own. What it says of the
-- states is also what the index says, so that the index is used.
CREATE VIEW call_states AS SELECT id AS call_id, network, socket, state, created FROM calls WHERE state <> 'succeeded';
