-- A plan reads what it changes, by keys, however many images the farm has.
BEGIN;
SET search_path = t, public;
SELECT plan(2);
SELECT farm.check_term((SELECT term FROM farm.leader));
CREATE FUNCTION t.many(prefix text, content text, n int) RETURNS jsonb[] LANGUAGE sql AS $$
    SELECT array_agg(t.image(prefix || g, content, CASE WHEN g > 1 THEN ARRAY[prefix || 1] ELSE '{}' END) ORDER BY g) FROM generate_series(1, n) g
$$;
-- rows of tables that hold the whole farm, which this transaction has read so far
CREATE FUNCTION t.read() RETURNS TABLE (of_table name, n bigint) LANGUAGE sql AS $$
    SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
     WHERE schemaname = 'farm' AND relname IN ('image', 'image_arch_plan', 'image_arch_state', 'image_parent', 'image_base', 'image_site', 'provided', 'job_fixed', 'job_state')
$$;
SELECT t.push(t.plan('1', t.many('a', 'x', 8000), 'stable')) \g (format=unaligned) /dev/null
SELECT t.push(t.plan('1', t.many('b', 'x', 300))) \g (format=unaligned) /dev/null
CREATE TEMP TABLE before AS SELECT * FROM t.read();
SELECT is(cardinality(t.push(t.plan('2', t.many('b', 'y', 300)))), 300 * 5, 'a plan that changes 300 images, each with a parent');
SELECT is_empty($$SELECT b.of_table, a.n - b.n AS rows FROM t.read() a JOIN before b USING (of_table) WHERE a.n - b.n > 20 * 300$$, 'reads at most twenty rows of a table for each');

SELECT * FROM finish();
ROLLBACK;
