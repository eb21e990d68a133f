-- The history is in partitions by time, so that days that are past their
-- retention are dropped as a whole. Ids of calls begin with the time in
-- milliseconds, as 12 hexadecimal digits (UUIDs of version 7 and what descends
-- from one): 01900000-0000 is June 2024, 03000000-0000 the year 2074. The server
-- makes the partitions of the days to come. There are also, of each table,
--
--   _first  what was written before, and until two days after this
--   _low    ids that are no times: people may give their own
--   _high
--   _rest   times that have no partition: of wrong clocks, and of dropped days
--
-- All is one transaction: it happens or does not. The tables that were are kept
-- as _first, so that nothing is copied but what does not belong there.

-- +goose Up
-- +goose StatementBegin
DO $$
DECLARE
  t     record;
  low   constant text := '01900000-0000';
  high  constant text := '03000000-0000';
  until constant text := regexp_replace(lpad(to_hex((extract(epoch FROM date_trunc('day', now() AT TIME ZONE 'UTC') + interval '2 days') * 1000)::bigint), 12, '0'), '^(.{8})', '\1-');
BEGIN
  FOR t IN SELECT * FROM (VALUES
    ('calls', 'id', 'id', '{idx_calls_tracking,idx_calls_created,idx_calls_socket}'::text[], 'fillfactor = 45'),
    ('call_parents', 'parent', 'parent, child', '{}', 'fillfactor = 100'),
    ('call_logs', 'call_id', 'call_id, attempt', '{}', 'fillfactor = 100'),
    ('events', 'call_id', 'call_id, name, time', '{}', 'fillfactor = 100')
  ) AS tables (name, key, keys, indexes, storage) LOOP
    DECLARE
      definitions text[];
      i           text;
    BEGIN
      EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', t.name);
      SELECT array_agg(pg_get_indexdef(format('%I', x)::regclass)) INTO definitions FROM unnest(t.indexes) AS x;
      EXECUTE format('ALTER TABLE %I RENAME TO %I', t.name, t.name || '_first');
      EXECUTE format('ALTER INDEX %I RENAME TO %I', t.name || '_pkey', t.name || '_first_pkey');
      FOREACH i IN ARRAY t.indexes LOOP
        EXECUTE format('ALTER INDEX %I RENAME TO %I', i, replace(i, 'idx_calls', 'calls_first'));
      END LOOP;
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS, PRIMARY KEY (%s)) PARTITION BY RANGE (%I)', t.name, t.name || '_first', t.keys, t.key);
      FOREACH i IN ARRAY coalesce(definitions, '{}') LOOP
        EXECUTE i;
      END LOOP;
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (MINVALUE) TO (%L) WITH (%s)', t.name || '_low', t.name, low, t.storage);
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (MAXVALUE) WITH (%s)', t.name || '_high', t.name, high, t.storage);
      EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT WITH (%s)', t.name || '_rest', t.name, t.storage);
      EXECUTE format('WITH gone AS (DELETE FROM %I WHERE %I < %L OR %I >= %L RETURNING *) INSERT INTO %I SELECT * FROM gone',
        t.name || '_first', t.key, low, t.key, until, t.name);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', t.name, t.name || '_first', low, until);
    END;
  END LOOP;
END $$;
-- +goose StatementEnd
