-- How fast and how many calls may run, and how long they may wait.

-- +goose Up

ALTER TABLE sockets ADD COLUMN rate text NOT NULL DEFAULT ''; -- "10/s"; empty: no limit
ALTER TABLE sockets ADD COLUMN burst bigint NOT NULL DEFAULT 0;
ALTER TABLE sockets ADD COLUMN max_running bigint NOT NULL DEFAULT 0; -- 0: no limit
ALTER TABLE sockets ADD COLUMN queue_timeout_ms bigint NOT NULL DEFAULT 0; -- 0: no limit
ALTER TABLE processors ADD COLUMN rate text NOT NULL DEFAULT '';
ALTER TABLE processors ADD COLUMN burst bigint NOT NULL DEFAULT 0;
