-- A registry has lost a digest: it is built again, and what waits goes on by itself.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.run('build:plant:base@main:amd64', t.d('B1'));
SELECT t.job('test:plant:base@main:amd64') AS test \gset
SELECT t.ready(:test);
SELECT t.claim(:test) AS a \gset
SELECT status AS s, state AS st, created AS c FROM farm.finish(ARRAY[:'a'::uuid], ARRAY[t.worker('hub-1')], ARRAY[t.bad('infra', 'digest-gone')], '{waiting}', '{backoff}', '{1}') \gset
SELECT is(:'s' || ' ' || :'st', 'accepted superseded', 'the job is superseded, whatever state was asked for');
SELECT results_eq(format('SELECT farm.job_title(u) FROM unnest(%L::bigint[]) u', :'c'), $$VALUES ('build:plant:base@main:amd64'), ('test:plant:base@main:amd64')$$, 'by a build and a test');
SELECT is((SELECT array_agg(DISTINCT because) FROM farm.job WHERE id = ANY (:'c')), '{gone}', 'because it is gone');
SELECT is(t.ready(t.job('build:plant:base@main:amd64')), 'ready', 'the same inputs do not count as built');
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT t.finish(:'a', t.ok(t.d('B1')), 'succeeded');
SELECT is((SELECT gone_at FROM farm.build_result), NULL, 'built again, it is there again');
SELECT is(t.run('test:plant:base@main:amd64'), 'succeeded', 'the test passes');

-- At the publish: the verdict stands, so the test is skipped.
SELECT t.ready(t.job('publish:plant:base@main'));
SELECT t.claim(t.job('publish:plant:base@main')) AS a \gset
SELECT status AS s, state AS st, created AS c FROM farm.finish(ARRAY[:'a'::uuid], ARRAY[t.worker('hub-1')], ARRAY[t.bad('infra', 'digest-gone')], '{waiting}', '{backoff}', '{1}') \gset
SELECT is((SELECT state FROM farm.release), 'abandoned', 'the release is abandoned');
SELECT is((SELECT passing_digest FROM farm.image_arch), NULL, 'children are not built from what is gone');
SELECT is(t.run_all('plant:base@main', t.d('B1')), 'succeeded skipped succeeded succeeded succeeded', 'built, not tested again, published, mirrored');
SELECT is((SELECT passing_digest::text FROM farm.image_arch), t.d('B1'), 'children may use it again');
SELECT * FROM finish();
ROLLBACK;
