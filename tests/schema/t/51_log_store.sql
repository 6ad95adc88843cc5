-- The log store: batches of chunks, and a partition for each day.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a'), t.image('other', 'b')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.ready(t.job('build:plant:base@main:amd64')), t.ready(t.job('build:plant:other@main:amd64'));
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT t.claim(t.job('build:plant:other@main:amd64')) AS b \gset
SELECT t.worker('hub-1') AS w \gset

-- ---- batches -----------------------------------------------------------------------------------------------------------------

CREATE FUNCTION t.put(attempts uuid[], offsets bigint[], raws int[], gaps bigint[], datas bytea[], worker bigint DEFAULT t.worker('hub-1')) RETURNS TABLE (attempt uuid, stored bigint) LANGUAGE sql AS $$
    SELECT * FROM farm.log_put(attempts, array_fill(worker, ARRAY[cardinality(attempts)]), offsets, raws, gaps, datas)
$$;
CREATE FUNCTION t.log(attempt uuid) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s+%s-%s:%s', byte_offset, raw_bytes, gap_bytes, encode(data, 'escape')), ' ' ORDER BY byte_offset) FROM dashboard.job_log(attempt, 0, 100)
$$;

SELECT set_eq(format($$SELECT * FROM t.put(ARRAY[%1$L, %2$L, %1$L, %2$L]::uuid[], '{0,0,3,5}', '{3,5,4,1}', '{0,0,0,0}', '{one,first,more,x}')$$, :'a', :'b'),
    format('VALUES (%L::uuid, 7::bigint), (%L, 6)', :'a', :'b'), 'chunks of two logs: where each stands');
SELECT is(t.log(:'a'), '0+3-0:one 3+4-0:more', 'stored');
SELECT is(t.log(:'b'), '0+5-0:first 5+1-0:x', 'each in its own log');
SELECT is(current_setting('synchronous_commit'), 'off', 'not flushed at commit');
SELECT is((SELECT stored FROM t.put(ARRAY[:'a', :'a', :'a', :'a', :'a']::uuid[], '{0,5,20,7,10}', '{3,3,2,3,2}', '{0,0,0,0,0}', '{rep,lap,far,now,on}')), 12::bigint,
    'repetitions, overlaps and what is ahead are dropped, what goes on is taken');
SELECT is(t.log(:'a'), '0+3-0:one 3+4-0:more 7+3-0:now 10+2-0:on', 'and nothing twice');
SELECT is((SELECT stored FROM t.put(ARRAY[:'a', :'a']::uuid[], '{100,103}', '{3,1}', '{88,0}', '{gap,.}')), 104::bigint, 'a gap that is declared');
SELECT is((SELECT stored FROM t.put(ARRAY[:'a', :'a']::uuid[], '{110,110}', '{0,2}', '{6,0}', '{"",z}')), 112::bigint, 'a gap alone, and what follows it');
SELECT is((SELECT stored FROM t.put(ARRAY[:'a']::uuid[], '{112}', '{0}', '{0}', '{""}')), 112::bigint, 'nothing at all');
SELECT is(substr(t.log(:'a'), strpos(t.log(:'a'), '100+3')), '100+3-88:gap 103+1-0:. 110+2-6:z', 'what readers get');
SELECT is((SELECT stored FROM t.put(ARRAY[:'a']::uuid[], '{112}', '{1}', '{0}', '{x}', t.worker('acp-1'))), NULL, 'not for another worker');
SELECT is((SELECT stored FROM t.put(ARRAY[t.uuid(9999)], '{0}', '{1}', '{0}', '{x}')), NULL, 'nor for an attempt that is unknown');
SELECT throws_ok(format($$SELECT * FROM t.put(ARRAY[%L]::uuid[], '{112}', '{300000}', '{0}', '{x}')$$, :'a'), '22023', NULL, 'a chunk that is too large');
SELECT throws_ok(format($$SELECT * FROM t.put(ARRAY[%L]::uuid[], '{112}', '{1}', '{-1}', '{x}')$$, :'a'), '22023', NULL, 'a negative gap');
SELECT is_empty($$SELECT * FROM t.put('{}', '{}', '{}', '{}', '{}')$$, 'no chunks');

SELECT t.do('setting_set', '{"name": "log_limit", "value": "120"}');
SELECT is((SELECT stored FROM t.put(ARRAY[:'a', :'a', :'a']::uuid[], '{112,120,140}', '{8,20,5}', '{0,0,0}', '{fits,not,"nor this"}')), 145::bigint, 'past the cap it counts as stored');
SELECT is(substr(t.log(:'a'), strpos(t.log(:'a'), '112+8')), '112+8-0:fits 145+0-25:', 'one row says how much is missing');
SELECT ok(sealed) FROM farm.log_close(:'a', :w, 145, 145, sha256('x'));
SELECT is((SELECT stored FROM t.put(ARRAY[:'a']::uuid[], '{145}', '{1}', '{0}', '{x}')), 145::bigint, 'after the seal nothing is taken');

-- ---- one who reads along ------------------------------------------------------------------------------------------------------

SELECT results_eq(format('SELECT ended, length, byte_offset FROM dashboard.log_tail(%L, 2, 100)', :'b'), $$VALUES (false, NULL::bigint, 0::bigint), (false, NULL, 5)$$, 'from the chunk that holds an offset');
SELECT results_eq(format('SELECT ended, byte_offset FROM dashboard.log_tail(%L, 6, 100)', :'b'), $$VALUES (false, NULL::bigint)$$, 'at the end: no chunk, but the state');
SELECT results_eq(format('SELECT ended, length, byte_offset FROM dashboard.log_tail(%L, 145, 100)', :'a'), $$VALUES (true, 145::bigint, NULL::bigint)$$, 'the seal');
SELECT is_empty($$SELECT * FROM dashboard.log_tail(t.uuid(9999), 0, 1)$$, 'no such attempt');
UPDATE farm.job_state SET state = 'ready', outcome = 'lost', next_state = 'ready', actor = 'scheduler', finished_at = now() - interval '2 minutes', finished_seq = nextval('farm.event_seq') WHERE attempt_id = :'b';
SELECT is((SELECT ended FROM dashboard.log_tail(:'b', 6, 1)), true, 'nobody sends any more');

-- ---- days ---------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION t.days() RETURNS SETOF date LANGUAGE sql AS $$
    SELECT to_date(substr(c.relname, 11), 'YYYYMMDD') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'farm.log_chunk'::regclass ORDER BY 1
$$;
SELECT farm.log_day(now()) AS today \gset
SELECT is((SELECT tableoid::regclass::text FROM farm.log_chunk LIMIT 1), 'farm.' || farm.log_partition(:'today'), 'a log lies in the day of its lease');
SELECT ok(farm.log_days(), 'nothing to drop');
SELECT set_has('SELECT * FROM t.days()', format('SELECT %L::date + generate_series(-1, 2)', :'today'), 'yesterday to the day after tomorrow are there');
CREATE TEMP TABLE before AS SELECT c.oid FROM pg_class c WHERE c.relname LIKE 'log\_chunk\_%';
SELECT ok(farm.log_days(), 'again');
SELECT set_eq($$SELECT c.oid FROM pg_class c WHERE c.relname LIKE 'log\_chunk\_%'$$, 'SELECT oid FROM before', 'changes nothing');
SELECT is((SELECT attstorage FROM pg_attribute WHERE attrelid = ('farm.' || farm.log_partition(:'today'))::regclass AND attname = 'data'), 'e', 'what is compressed is not compressed again');

SELECT ok(farm.log_days(:'today'::date + 10), 'ten days later');
SELECT set_has('SELECT * FROM t.days()', format('SELECT %L::date + generate_series(9, 12)', :'today'), 'the days of then');
SELECT isnt(t.log(:'b'), NULL, 'and everything is kept');
SELECT t.do('setting_set', '{"name": "log_keep", "value": "9"}');
SELECT ok(NOT farm.log_days(:'today'::date + 10), 'with nine days to keep there is more than one to drop');
SELECT is((SELECT min(d) FROM t.days() d), :'today'::date, 'one at a time');
SELECT isnt(t.log(:'b'), NULL, 'today is still there');
SELECT ok(farm.log_days(:'today'::date + 10), 'the last');
SELECT is((SELECT min(d) FROM t.days() d), :'today'::date + 1, 'today is gone');
SELECT is(t.log(:'b'), NULL, 'with its logs');
SELECT results_eq(format('SELECT log_length, log_sealed FROM dashboard.attempts WHERE id = %L', :'a'), $$VALUES (145::bigint, true)$$, 'how long one was is still known');
SELECT is(farm.log_append(:'b', 0, 3, 0, 'new'), 3::bigint, 'a day that is missing is made again');
SELECT ok(farm.log_add_day(:'today'::date - 20), 'a day can be made');
SELECT ok(NOT farm.log_add_day(:'today'::date - 20), 'once');
UPDATE farm.job_state SET leased_at = now() - interval '20 days' WHERE attempt_id = :'b';
SELECT is((SELECT stored FROM t.put(ARRAY[:'b']::uuid[], '{0}', '{1}', '{0}', '{x}')), NULL, 'a log whose day is no longer kept is not wanted');
SELECT is(farm.log_append(:'b', 0, 1, 0, 'x'), NULL, 'nor one chunk of it');
SELECT results_eq(format('SELECT known, sealed FROM farm.log_close(%L, %s, 1, 1, %L)', :'b', :w, sha256('x')), $$VALUES (false, false)$$, 'nor its seal');
SELECT is(t.do('setting_set', '{"name": "log_keep", "value": "0"}'), 'refused: 0 is not a log_keep (days, 1 to 9999)', 'days are a number');
SELECT is(t.do('setting_set', '{"name": "log_limit", "value": "much"}'), 'refused: much is not a log_limit (bytes)', 'bytes, too');
SELECT * FROM finish();
ROLLBACK;
