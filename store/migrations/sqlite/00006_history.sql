-- Calls that are received are most of the events: that becomes a column.

-- +goose Up

ALTER TABLE calls ADD COLUMN received text;
