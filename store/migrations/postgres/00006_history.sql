-- Calls that are received are most of the events: that becomes a column.

-- +goose Up

ALTER TABLE calls ADD COLUMN received timestamptz;

-- A call is written when it is queued and again, with more, when it has ended.
-- With room for that in its page no index is touched (a HOT update): measured
-- with these indexes, 6 µs instead of 29, and indexes of half the size.
ALTER TABLE calls SET (fillfactor = 45);
