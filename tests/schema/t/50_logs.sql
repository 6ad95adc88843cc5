-- Logs: a contiguous prefix, or a gap that says so.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.ready(t.job('build:plant:base@main:amd64'));
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset

SELECT is(farm.log_append(t.uuid(9999), 0, 3, 0, 'abc'), NULL, 'an attempt that is unknown');
SELECT is(farm.log_append(:'a', 0, 10, 0, 'one'), 10::bigint, 'the first chunk');
SELECT is(current_setting('synchronous_commit'), 'off', 'not flushed at commit');
SELECT is(farm.log_append(:'a', 0, 10, 0, 'one'), 10::bigint, 'a repetition is dropped');
SELECT is(farm.log_append(:'a', 5, 10, 0, 'two'), 10::bigint, 'an overlap is dropped');
SELECT is(farm.log_append(:'a', 20, 5, 0, 'two'), 10::bigint, 'a sender that is ahead is told where to go on');
SELECT is(farm.log_append(:'a', 20, 5, 9, 'two'), 10::bigint, 'also when its gap is too small');
SELECT is(farm.log_append(:'a', 10, 5, 0, 'two'), 15::bigint, 'the next');
SELECT is(farm.log_append(:'a', 100, 5, 85, 'end'), 105::bigint, 'a gap that is declared');
SELECT is(farm.log_append(:'a', 110, 0, 5, ''), 110::bigint, 'a gap alone');
SELECT is(farm.log_append(:'a', 110, 7, 0, 'x'), 117::bigint, 'and what follows it');
SELECT is(farm.log_append(:'a', 117, 0, 0, ''), 117::bigint, 'nothing at all');
SELECT results_eq(format('SELECT byte_offset, raw_bytes, gap_bytes, encode(data, ''escape'') COLLATE "C" FROM dashboard.job_log(%L, 0, 100)', :'a'),
    $$VALUES (0::bigint, 10, 0::bigint, 'one' COLLATE "C"), (10, 5, 0, 'two'), (100, 5, 85, 'end'), (110, 7, 5, 'x')$$, 'what readers get');
SELECT is((SELECT array_agg(byte_offset) FROM dashboard.job_log(:'a', 12, 100)), '{10,100,110}', 'from the chunk that holds an offset');
SELECT is((SELECT array_agg(byte_offset) FROM dashboard.job_log(:'a', 15, 1)), '{100}', 'so many');
SELECT is((SELECT array_agg(byte_offset) FROM dashboard.job_log(:'a', 117, 10)), NULL, 'nothing at the end');
SELECT throws_ok(format('SELECT farm.log_append(%L, 117, 300000, 0, ''x'')', :'a'), '22023', NULL, 'a chunk that is too large');
SELECT throws_ok(format('SELECT farm.log_append(%L, 117, 1, -5, ''x'')', :'a'), '22023', NULL, 'a negative gap');

SELECT results_eq(format('SELECT log_length, log_sealed FROM dashboard.attempts WHERE id = %L', :'a'), $$VALUES (117::bigint, false)$$, 'not sealed');
SELECT ok(NOT farm.log_seal(:'a', 200, 200, '\x00'), 'a seal over more than is stored is not given');
SELECT is(farm.log_end(:'a'), 117::bigint, 'the sender goes on from here');
SELECT ok(NOT farm.log_seal(t.uuid(9999), 0, 0, '\x00'), 'nor for an unknown attempt');
SELECT ok(farm.log_seal(:'a', 117, 117, '\x00'), 'sealed');
SELECT ok(farm.log_seal(:'a', 117, 117, '\x00'), 'sealed again');
SELECT results_eq(format('SELECT log_length, log_sealed FROM dashboard.attempts WHERE id = %L', :'a'), $$VALUES (117::bigint, true)$$, 'which readers see');

-- The cap: what is left out is counted in one row.
SELECT t.do('setting_set', '{"name": "log_limit", "value": "50"}');
SELECT t.finish(:'a', t.bad('infra', 'registry'), 'ready');
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT farm.log_append(:'a', 0, 40, 0, 'kept');
SELECT is(farm.log_append(:'a', 40, 40, 0, 'left out'), 80::bigint, 'past the cap it counts as stored');
SELECT is(farm.log_append(:'a', 80, 40, 0, 'left out'), 120::bigint, 'again');
SELECT results_eq(format('SELECT byte_offset, raw_bytes, gap_bytes FROM dashboard.job_log(%L, 0, 100)', :'a'), $$VALUES (0::bigint, 40, 0::bigint), (120, 0, 80)$$, 'one row says how much is missing');
SELECT ok(farm.log_seal(:'a', 120, 120, '\x00'), 'such a log can be sealed');

-- Seals that say what the worker was told.
CREATE FUNCTION t.attempt() RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
    PERFORM t.finish((SELECT attempt_id FROM farm.job WHERE id = t.job('build:plant:base@main:amd64')), t.bad('infra', 'registry'), 'ready');
    RETURN t.claim(t.job('build:plant:base@main:amd64'));
END $$;
SELECT t.do('setting_set', '{"name": "log_limit", "value": "1000000"}');
SELECT sha256('x') AS hash \gset
SELECT t.attempt() AS a \gset
SELECT farm.log_append(:'a', 0, 40, 0, 'some');
SELECT ok(NOT farm.log_seal(:'a', 100, 70, :'hash'), 'the store has lost something that it had said to have: no seal');
SELECT is(farm.log_end(:'a'), 40::bigint, 'the sender goes on from here');
SELECT ok(farm.log_seal(:'a', 100, 40, :'hash'), 'the worker has nothing more to send: sealed');
SELECT is(current_setting('synchronous_commit'), 'on', 'flushed at commit');
SELECT results_eq(format('SELECT byte_offset, raw_bytes, gap_bytes FROM dashboard.job_log(%L, 0, 100)', :'a'), $$VALUES (0::bigint, 40, 0::bigint), (100, 0, 60)$$, 'what is missing is a gap');
SELECT results_eq(format('SELECT log_length, log_sealed, log_truncated FROM dashboard.attempts WHERE id = %L', :'a'), $$VALUES (100::bigint, true, true)$$, 'and the log is truncated');
SELECT ok(farm.log_seal(:'a', 100, 100, :'hash'), 'sealed again');
SELECT is(farm.log_append(:'a', 100, 10, 0, 'late'), 100::bigint, 'a chunk after the seal is dropped');
SELECT is((SELECT count(*) FROM farm.log_chunk WHERE attempt_id = :'a'), 2::bigint, 'and does not grow the log');
SELECT t.attempt() AS a \gset
SELECT farm.log_append(:'a', 0, 40, 0, 'some');
SELECT is(current_setting('synchronous_commit'), 'on', 'a chunk in the same transaction does not take the flush back');
SELECT ok(farm.log_seal(:'a', 30, 30, :'hash'), 'a seal of less than is stored');
SELECT results_eq(format('SELECT log_length, log_truncated FROM dashboard.attempts WHERE id = %L', :'a'), $$VALUES (40::bigint, true)$$, 'is not the log that is stored');
SELECT t.attempt() AS a \gset
SELECT farm.log_append(:'a', 0, 40, 0, 'some');
SELECT ok(farm.log_seal(:'a', 40, 40, ''), 'an unknown hash');
SELECT is((SELECT log_truncated FROM dashboard.attempts WHERE id = :'a'), true, 'is marked, too');
SELECT t.attempt() AS a \gset
SELECT farm.log_append(:'a', 0, 40, 0, 'some');
SELECT results_eq(format('SELECT * FROM farm.log_close(%L, t.worker(''hub-1''), 40, 40, %L)', :'a', :'hash'), $$VALUES (true, true, 40::bigint)$$, 'as it should be');
SELECT is((SELECT log_truncated FROM dashboard.attempts WHERE id = :'a'), false, 'nothing is missing');
SELECT throws_ok(format('SELECT farm.log_seal(%L, -1, 0, %L)', :'a', :'hash'), '22023', NULL, 'a negative length');
SELECT * FROM finish();
ROLLBACK;
