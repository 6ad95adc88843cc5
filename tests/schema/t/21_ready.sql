-- make_ready and retry_ready: what they answer, what they keep, what counts as done already.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a'), t.image('other', 'a'), t.image('third', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.job('build:plant:base@main:amd64') AS base, t.job('build:plant:other@main:amd64') AS other, t.job('build:plant:third@main:amd64') AS third \gset

-- One bad row does not stop the others; answers come in the order of the question.
SELECT results_eq(format($$SELECT job, status FROM farm.make_ready(ARRAY[%s, 999999, %s, %s], ARRAY[t.d('k3'), t.d('k'), 'no digest', t.d('k1')], array_fill(t.base_pin(), '{4}'))$$, :third, :other, :base),
    format($$VALUES (%s::bigint, 'ready'), (999999, 'stale'), (%s, 'refused'), (%s, 'ready')$$, :third, :other, :base), 'ready, stale, refused, ready');
SELECT results_eq('SELECT what, object FROM farm.quarantine', format($$VALUES ('make_ready', 'job %s')$$, :other), 'the refused one is in quarantine');
SELECT results_eq(format('SELECT state, reason FROM farm.job WHERE id = %s', :other), $$VALUES ('waiting', 'quarantined')$$, 'and says so');
SELECT is((SELECT detail->>'refused' FROM farm.event WHERE job_id = :other ORDER BY seq DESC LIMIT 1), 'make_ready', 'with an event');
SELECT is((SELECT status FROM farm.make_ready(ARRAY[:base::bigint], ARRAY[t.d('k1')], '{NULL}')), 'stale', 'ready already');
SELECT is((SELECT status FROM farm.make_ready(ARRAY[t.job('mirror:plant:base@main:acp-1')], ARRAY[t.d('m')], '{NULL}')), 'refused', 'a mirror before any release');
SELECT is((SELECT status FROM farm.make_ready(ARRAY[t.job('test:plant:base@main:amd64')], '{NULL}', '{NULL}')), 'refused', 'a test without a key');

-- A reopened one is waiting again.
SELECT results_eq(format('SELECT status FROM farm.reopen(ARRAY[%s], ARRAY[''ann''])', :other), $$VALUES ('ok')$$, 'reopen takes the quarantine away');
SELECT is((SELECT reason FROM farm.job WHERE id = :other), NULL, 'no reason is left');
SELECT is(t.ready(:other), 'ready', 'it can become ready');

-- back-off
SELECT t.claim(:base) AS a \gset
SELECT is(t.finish(:'a', t.bad('infra', 'registry'), 'waiting', 'backoff', farm.now_us() + 5000000), 'accepted', 'infrastructure failed');
SELECT results_eq(format('SELECT state, reason, detail, attempts, losses, input_key::text, not_before > now() FROM farm.job WHERE id = %s', :base),
    $$VALUES ('waiting', 'backoff', 'it broke', 1, 0, t.d('k1'), true)$$, 'it waits with the key that it has');
SELECT results_eq(format('SELECT * FROM farm.retry_ready(ARRAY[%s, %s, 999999])', :base, :third), format($$VALUES (%s::bigint, 'ready'), (%s, 'stale'), (999999, 'stale')$$, :base, :third), 'retry_ready');
SELECT is((SELECT not_before FROM farm.job WHERE id = :base), NULL, 'the back-off is over');
SELECT is((SELECT status FROM farm.retry_ready(ARRAY[t.job('publish:plant:base@main')])), 'stale', 'one that never had a key is not retried');

-- What is done already.
SELECT t.claim(:base) AS a \gset
SELECT t.finish(:'a', t.ok(t.d('B1')), 'succeeded');
SELECT results_eq(format($$SELECT status, digest, repository FROM farm.make_ready(ARRAY[t.job('test:plant:base@main:amd64')], ARRAY[t.d('tk')], '{NULL}')$$, ''),
    $$VALUES ('ready', NULL::text, NULL::text)$$, 'a test without pins takes the newest build');
SELECT is((SELECT pins FROM farm.job WHERE id = t.job('test:plant:base@main:amd64')),
    jsonb_build_object('image:' || t.id('plant:base@main'), jsonb_build_object('digest', t.d('B1'), 'repository', 'staging.test:5000/build/plant/base')), 'by digest, where it lies');
SELECT t.claim(t.job('test:plant:base@main:amd64')) AS a \gset
SELECT t.finish(:'a', t.ok(), 'succeeded');
SELECT is(t.run('publish:plant:base@main'), 'succeeded', 'published');
SELECT is(t.run('mirror:plant:base@main:acp-1', NULL, 'acp-1-mirror'), 'succeeded', 'mirrored');

SELECT t.push(t.plan('two', ARRAY[t.image('base', 'b'), t.image('other', 'a'), t.image('third', 'a')]));
SELECT results_eq($$SELECT status, digest, repository FROM farm.make_ready(ARRAY[t.job('build:plant:base@main:amd64')], ARRAY[t.d('k1')], '{NULL}')$$,
    $$VALUES ('skipped', t.d('B1'), 'staging.test:5000/build/plant/base')$$, 'a build of the same inputs is skipped');
SELECT results_eq($$SELECT status, digest, repository FROM farm.make_ready(ARRAY[t.job('test:plant:base@main:amd64')], ARRAY[t.d('tk')], '{NULL}')$$,
    $$VALUES ('skipped', t.d('B1'), 'staging.test:5000/build/plant/base')$$, 'a test with a passing verdict is skipped');
SELECT results_eq($$SELECT status, digest, repository FROM farm.make_ready(ARRAY[t.job('publish:plant:base@main')], '{NULL}', '{NULL}')$$,
    $$VALUES ('skipped', t.d('B1'), 'release.test:5000/plant/base')$$, 'a publish of what is released is skipped');
SELECT is((SELECT v.serial FROM farm.release r JOIN farm.revision v ON v.id = r.revision_id), 2::bigint, 'the release stands for the newer revision now');
SELECT results_eq($$SELECT status, digest, repository FROM farm.make_ready(ARRAY[t.job('mirror:plant:base@main:acp-1')], '{NULL}', '{NULL}')$$,
    $$VALUES ('skipped', t.d('B1'), 'acp1.test:5000/plant/base')$$, 'a mirror of what is present is skipped');
SELECT is((SELECT status FROM farm.make_ready(ARRAY[t.job('mirror:plant:base@main:acp-2')], '{NULL}', '{NULL}')), 'ready', 'at the other site it is not');

-- Forced: nothing counts.
SELECT is(t.do('build', '{"image": "base"}'), 'done', 'a forced build');
SELECT is((SELECT status FROM farm.make_ready(ARRAY[t.job('build:plant:base@main:amd64')], ARRAY[t.d('k1')], '{NULL}')), 'ready', 'runs although the same was built');

-- Only a passing verdict counts.
UPDATE farm.verdict SET passed = false;
SELECT is((SELECT status FROM farm.make_ready(ARRAY[t.job('test:plant:base@main:amd64')], ARRAY[t.d('tk')], '{NULL}')), 'ready', 'a failed verdict does not skip the test');

-- A key over a recipe that is no longer the job's would poison the results.
SELECT t.push(t.plan('three', ARRAY[t.image('base', 'b'), t.image('other', 'b'), t.image('third', 'a')]));
SELECT t.push(t.plan('four', ARRAY[t.image('base', 'b'), t.image('other', 'c'), t.image('third', 'a')]));
SELECT results_eq($$SELECT status FROM farm.make_ready(ARRAY[(SELECT max(id) FROM farm.job WHERE id < t.job('build:plant:other@main:amd64') AND kind = 'build' AND image_arch_id = t.id('plant:other@main'))],
                                                       ARRAY[t.d('k9')], '{NULL}')$$, $$VALUES ('stale')$$, 'a build whose recipe was overtaken is stale');
SELECT results_eq($$SELECT status FROM farm.make_ready(ARRAY[t.job('build:plant:other@main:amd64')], ARRAY[t.d('k9')], '{NULL}')$$, $$VALUES ('ready')$$, 'the newer one is not');
SELECT * FROM finish();
ROLLBACK;
