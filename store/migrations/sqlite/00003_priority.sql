-- Calls of a higher priority are begun before others. Empty: normal.

-- +goose Up

ALTER TABLE calls ADD COLUMN priority text NOT NULL DEFAULT '';
ALTER TABLE join_arrivals ADD COLUMN priority text NOT NULL DEFAULT '';
ALTER TABLE join_fired ADD COLUMN priority text NOT NULL DEFAULT '';
