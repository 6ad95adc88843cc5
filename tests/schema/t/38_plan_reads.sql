-- A plan reads what it changes and what stands on that, by keys, however many images the farm has.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
-- PREFIX1 and n - 1 images that stand on it; all of them on `outside`, too.
CREATE FUNCTION t.many(prefix text, content text, n int, outside text DEFAULT 'quay.io/os/debian:12') RETURNS jsonb[] LANGUAGE sql AS $$
    SELECT array_agg(t.image(prefix || g, content, CASE WHEN g > 1 THEN ARRAY[prefix || 1] ELSE '{}' END, jsonb_build_object('externals', jsonb_build_array(jsonb_build_object('ref', outside)))) ORDER BY g)
      FROM generate_series(1, n) g
$$;
-- rows of tables that hold the whole farm, which this transaction has read so far
CREATE FUNCTION t.read() RETURNS TABLE (of_table name, n bigint) LANGUAGE sql AS $$
    SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
     WHERE schemaname = 'farm' AND relname IN ('image', 'image_arch_plan', 'image_arch_state', 'image_parent', 'image_base', 'image_site', 'provided', 'spec', 'job_fixed', 'job_state')
$$;
CREATE TEMP TABLE before (of_table name, n bigint);
-- What the plan made, where it read no more than so many rows of any table; else what it read.
CREATE FUNCTION t.push_reading(plan jsonb, most int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    jobs int;
    much text;
BEGIN
    TRUNCATE before;
    INSERT INTO before SELECT * FROM t.read();
    jobs := cardinality(t.push(plan));
    SELECT string_agg(format('%s rows of %s', a.n - b.n, a.of_table), ', ') INTO much FROM t.read() a JOIN before b USING (of_table) WHERE a.n - b.n > most;
    RETURN coalesce(much, jobs || ' jobs');
END $$;

SELECT t.push(t.plan('1', t.many('a', 'x', 12000), 'stable')) \g (format=unaligned) /dev/null
SELECT t.push(t.plan('1', t.many('b', 'x', 300))) \g (format=unaligned) /dev/null
SELECT is(t.push_reading(t.plan('2', t.many('b', 'y', 300)), 30 * 300), 300 * 5 || ' jobs', 'a plan that changes 300 images reads at most 30 rows of a table for each');
SELECT is(t.push_reading(t.plan('3', t.many('b', 'y', 299)), 30 * 300), '0 jobs', 'one that drops an image');
SELECT is(t.push_reading(t.plan('4', (t.many('b', 'z', 299))[2:]), 30 * 300), 298 * 5 || ' jobs', 'one that drops the parent of all, which they then have from before');
SELECT is(t.push_reading(t.plan('5', t.many('b', 'v', 300)), 30 * 300), 300 * 5 || ' jobs', 'and gets it back');

-- 300 images of one ref stand on an image of another: they are linked when that comes, and looked at when it changes or goes. They wait as it is.
SELECT t.push(t.plan('1', t.many('c', 'x', 300, 'release.test:5000/plant/zero:main'), 'edge')) \g (format=unaligned) /dev/null
SELECT is(t.push_reading(t.plan('1', ARRAY[t.image('zero', 'x')], 'zero'), 30 * 300), '5 jobs', 'what 300 images of another ref need');
SELECT is((SELECT count(*) FROM farm.image_parent WHERE reference IS NOT NULL), 300::bigint, 'is their parent');
SELECT is(t.push_reading(t.plan('2', ARRAY[t.image('zero', 'y')], 'zero'), 30 * 300), '5 jobs', 'it changes');
SELECT is(t.push_reading(t.plan('2', t.many('c', 'y', 300, 'release.test:5000/plant/zero:main'), 'edge'), 40 * 300), 300 * 5 || ' jobs', 'they do');
SELECT is(t.push_reading(t.plan('3', ARRAY[t.image('one', 'x')], 'zero'), 30 * 300), '5 jobs', 'it goes');
SELECT is((SELECT count(*) FROM farm.image_parent WHERE reference IS NOT NULL), 0::bigint, 'and is nobody''s parent');

SELECT * FROM finish();
ROLLBACK;
