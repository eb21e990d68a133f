-- Which version of its plan an agent has taken up, as it told some server: another
-- one waits for that after a change. Empty: not known.

-- +goose Up

ALTER TABLE agents ADD COLUMN plan text NOT NULL DEFAULT '';
