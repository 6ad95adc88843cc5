-- finish and lose: what each result does, and to whom it is denied.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a'), t.image('other', 'a'), t.image('third', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.job('build:plant:base@main:amd64') AS base, t.job('build:plant:other@main:amd64') AS other, t.job('build:plant:third@main:amd64') AS third,
       t.job('test:plant:base@main:amd64') AS test \gset

-- A batch with one of each answer.
SELECT t.ready(:base), t.ready(:other), t.ready(:third);
SELECT t.claim(:base) AS a1, t.claim(:other) AS a2, t.claim(:third, 'hub-2') AS a3 \gset
SELECT results_eq(format($$SELECT attempt, status, job, digest, state FROM farm.finish(ARRAY[%L, %L, %L, %L]::uuid[], ARRAY[t.worker('hub-1'), t.worker('hub-1'), t.worker('hub-1'), t.worker('hub-1')],
                            ARRAY[t.ok(t.d('T1')), t.ok('no digest'), t.ok(t.d('B1')), t.ok(t.d('X'))], '{succeeded,succeeded,succeeded,failed}', '{NULL,NULL,NULL,NULL}', '{0,0,0,0}')$$,
                         :'a3', :'a2', :'a1', t.uuid(9999)),
    format($$VALUES (%L::uuid, 'fenced', %s::bigint, NULL, 'leased'), (%L, 'refused', %s, NULL, 'leased'), (%L, 'accepted', %s, t.d('B1'), 'succeeded'), (t.uuid(9999), 'unknown', NULL, NULL, NULL)$$,
           :'a3', :third, :'a2', :other, :'a1', :base), 'fenced (another worker''s), refused (no digest), accepted, unknown');
SELECT results_eq('SELECT what, object FROM farm.quarantine', format($$VALUES ('finish', 'job %s')$$, :other), 'the refused result is in quarantine');
SELECT is(t.finish(:'a1', t.ok(t.d('B1')), 'succeeded'), 'duplicate', 'the same result again');
SELECT is(t.finish(:'a1', t.bad('user', 'run-failed'), 'failed'), 'fenced', 'another outcome for what has ended');
SELECT is((SELECT count(*) FROM farm.event WHERE job_id = :base AND via @> '{succeeded}'), 1::bigint, 'one accepted result, one event');
SELECT results_eq(format('SELECT outcome, digest::text, size, started_at IS NOT NULL, ended_at IS NOT NULL FROM farm.attempt WHERE id = %L', :'a1'),
    $$VALUES ('succeeded', t.d('B1'), 5::bigint, true, true)$$, 'the attempt');
SELECT results_eq('SELECT digest::text, repository, size, gone_at FROM farm.build_result', $$VALUES (t.d('B1'), 'staging.test:5000/build/plant/base', 5::bigint, NULL::timestamptz)$$, 'the build result');
SELECT is(t.finish(:'a2', t.bad('user', 'run-failed'), 'failed'), 'accepted', 'the same attempt may still end otherwise');
SELECT results_eq(format('SELECT state, fail_class, detail FROM farm.job WHERE id = %s', :other), $$VALUES ('failed', 'user', 'it broke')$$, 'failed');

-- What does not fit together.
SELECT is(t.finish(:'a3', t.ok(t.d('Z')), 'failed'), 'refused', 'a success does not lead to failed');
SELECT is(t.finish(:'a3', t.bad('user', 'x'), 'succeeded'), 'refused', 'a failure does not lead to succeeded');
SELECT is(t.finish(:'a3', t.bad('user', 'x'), 'superseded'), 'refused', 'a failure does not supersede');
SELECT is(t.finish(:'a3', t.ok(), 'succeeded'), 'refused', 'a build without a digest');
SELECT is(t.finish(:'a3', '{}', 'failed'), 'refused', 'no outcome at all');
SELECT is((SELECT state FROM farm.job WHERE id = :third), 'leased', 'none of it moved the job');

-- Lost.
SELECT results_eq(format($$SELECT * FROM farm.lose(ARRAY[t.uuid(9999), %L, %L], '{ready,ready,ready}', '{NULL,NULL,NULL}', '{0,0,0}')$$, :'a1', :'a3'),
    format($$VALUES (t.uuid(9999), 'unknown'), (%L::uuid, 'fenced'), (%L, 'ok')$$, :'a1', :'a3'), 'lose: unknown, ended, live');
SELECT results_eq(format($$SELECT * FROM farm.lose(ARRAY[%L::uuid], '{ready}', '{NULL}', '{0}')$$, :'a3'), format($$VALUES (%L::uuid, 'duplicate')$$, :'a3'), 'lost before');
SELECT results_eq(format('SELECT state, losses, attempts, attempt_id FROM farm.job WHERE id = %s', :third), $$VALUES ('ready', 1, 1, NULL::uuid)$$, 'ready again, with a loss');
SELECT is(t.finish(:'a3', t.ok(t.d('C1')), 'succeeded', NULL, 0, 'hub-2'), 'fenced', 'the late result of a lost attempt');
SELECT t.claim(:third) AS a3 \gset
SELECT results_eq(format($$SELECT status FROM farm.lose(ARRAY[%L::uuid], '{failed}', '{quarantined}', '{0}')$$, :'a3'), $$VALUES ('ok')$$, 'lost once too often');
SELECT results_eq(format('SELECT state, reason, fail_class, losses FROM farm.job WHERE id = %s', :third), $$VALUES ('failed', 'quarantined', 'infra', 2)$$, 'failed by us, not by the user');
SELECT results_eq(format($$SELECT status FROM farm.reopen(ARRAY[%s], '{ann}')$$, :third), $$VALUES ('ok')$$, 'job retry');
SELECT results_eq(format('SELECT state, reason, fail_class, losses, input_key FROM farm.job WHERE id = %s', :third), $$VALUES ('waiting', NULL::text, NULL::text, 0, NULL::farm.digest)$$, 'as if new');

-- A flaky test: failed, passed on the rerun.
SELECT t.ready(:test);
SELECT t.claim(:test) AS a \gset
SELECT is(t.finish(:'a', t.bad('user', 'script-failed'), 'ready'), 'accepted', 'a test fails for the first time');
SELECT is((SELECT count(*) FROM farm.verdict), 0::bigint, 'no verdict yet');
SELECT ok((SELECT rerun FROM farm.load_jobs(ARRAY[:test::bigint])), 'the next attempt is a rerun');
SELECT t.claim(:test, 'hub-2') AS a \gset
SELECT is(t.finish(:'a', t.ok(), 'succeeded'), 'accepted', 'it passes');
SELECT results_eq('SELECT passed, flaky, digest::text FROM farm.verdict', $$VALUES (true, true, t.d('B1'))$$, 'the verdict says flaky');

-- An infrastructure failure first is no flake; a failure that stands is a verdict, too.
SELECT t.do('test', '{"image": "base"}');
SELECT t.job('test:plant:base@main:amd64') AS test \gset
SELECT t.ready(:test);
SELECT t.claim(:test) AS a \gset
SELECT t.finish(:'a', t.bad('infra', 'vm-failed'), 'waiting', 'backoff', 1);
SELECT * FROM farm.retry_ready(ARRAY[:test::bigint]);
SELECT ok(NOT (SELECT rerun FROM farm.load_jobs(ARRAY[:test::bigint])), 'our own failure is no first attempt of the image');
SELECT t.claim(:test) AS a \gset
SELECT t.finish(:'a', t.ok(), 'succeeded');
SELECT results_eq('SELECT passed, flaky FROM farm.verdict', $$VALUES (true, false)$$, 'no flake');
SELECT t.do('test', '{"image": "base"}');
SELECT t.ready(t.job('test:plant:base@main:amd64'));
SELECT t.claim(t.job('test:plant:base@main:amd64')) AS a \gset
SELECT t.finish(:'a', t.bad('timeout', 'not-settled'), 'failed');
SELECT results_eq('SELECT passed, flaky FROM farm.verdict', $$VALUES (false, false)$$, 'a verdict that fails');
SELECT is((SELECT passing_digest::text FROM farm.image_arch WHERE id = t.id('plant:base@main')), t.d('B1'), 'what passed last is what children are built from');

-- A worker that gave up (cancelled) although it was wanted.
SELECT t.run('build:plant:third@main:amd64', t.d('C2'));
SELECT t.ready(t.job('test:plant:third@main:amd64'));
SELECT t.claim(t.job('test:plant:third@main:amd64')) AS a \gset
SELECT is(t.finish(:'a', '{"outcome": "cancelled"}', 'waiting', 'backoff', 1), 'accepted', 'cancelled by the worker');
SELECT is(t.state('test:plant:third@main:amd64'), 'waiting', 'waits to be tried again');

-- Cancelled by us while it runs: the late result is fenced, the echo of the cancellation is a duplicate.
SELECT * FROM farm.retry_ready(ARRAY[t.job('test:plant:third@main:amd64')]);
SELECT t.claim(t.job('test:plant:third@main:amd64')) AS a \gset
SELECT results_eq($$SELECT status FROM farm.end_jobs(ARRAY[t.job('test:plant:third@main:amd64'), 999999], '{cancelled,cancelled}', '{ann,ann}')$$, $$VALUES ('ok'), ('stale')$$, 'end_jobs');
SELECT results_eq(format('SELECT outcome FROM farm.attempt WHERE id = %L', :'a'), $$VALUES ('cancelled')$$, 'the attempt ends with it');
SELECT is(t.finish(:'a', t.ok(), 'succeeded'), 'fenced', 'a success that comes too late');
SELECT is(t.finish(:'a', '{"outcome": "cancelled"}', 'waiting'), 'duplicate', 'that it was cancelled is known');
SELECT results_eq($$SELECT status FROM farm.end_jobs(ARRAY[t.job('test:plant:third@main:amd64')], '{succeeded}', '{ann}')$$, $$VALUES ('stale')$$, 'what has ended does not end again');
SELECT results_eq($$SELECT status FROM farm.end_jobs(ARRAY[t.job('publish:plant:third@main')], '{succeeded}', '{ann}')$$, $$VALUES ('refused')$$, 'nor does it succeed that way');

-- A late test of an older revision is recorded, and turns nothing back.
SELECT t.push(t.plan('two', ARRAY[t.image('base', 'b'), t.image('other', 'a'), t.image('third', 'a')]));
SELECT t.run('build:plant:base@main:amd64', t.d('B2')), t.run('test:plant:base@main:amd64');
SELECT t.do('test', '{"image": "base"}');
UPDATE farm.job_fixed SET revision_id = (SELECT min(id) FROM farm.revision) WHERE id = t.job('test:plant:base@main:amd64');
SELECT farm.make_ready(ARRAY[t.job('test:plant:base@main:amd64')], ARRAY[t.d('late')], ARRAY[jsonb_build_object('image:' || t.id('plant:base@main'), jsonb_build_object('digest', t.d('B1')))]);
SELECT t.claim(t.job('test:plant:base@main:amd64')) AS a \gset
SELECT t.finish(:'a', t.ok(), 'succeeded');
SELECT ok((SELECT passed FROM farm.verdict WHERE test_key = t.d('late')), 'recorded');
SELECT is((SELECT passing_digest::text FROM farm.image_arch WHERE id = t.id('plant:base@main')), t.d('B2'), 'not what children are built from');

-- A publish or mirror that reports another digest than it was given.
SELECT t.ready(t.job('publish:plant:base@main'));
SELECT t.claim(t.job('publish:plant:base@main')) AS a \gset
SELECT is(t.finish(:'a', t.ok(t.d('evil')), 'succeeded'), 'refused', 'a publish of something else');
SELECT is((SELECT state FROM farm.release), 'publishing', 'is no release');
SELECT * FROM farm.lose(ARRAY[:'a'::uuid], '{failed}', '{quarantined}', '{0}');
SELECT is((SELECT state FROM farm.release), 'abandoned', 'the row is abandoned with the job');
SELECT * FROM finish();
ROLLBACK;
