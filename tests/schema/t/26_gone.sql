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

-- A result whose message names the digest, as the executors' do.
CREATE FUNCTION t.gone(ref text) RETURNS jsonb LANGUAGE sql AS $$ SELECT t.bad('infra', 'digest-gone') || jsonb_build_object('message', ref || ': manifest unknown') $$;
CREATE FUNCTION t.lose(attempt uuid, result jsonb, next text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    f record;
BEGIN
    SELECT q.* INTO f FROM farm.finish(ARRAY[attempt], ARRAY[(SELECT a.worker_id FROM farm.attempt a WHERE a.id = attempt)], ARRAY[result], ARRAY[next], '{backoff}', '{1}') q;
    RETURN concat_ws(' ', f.status, f.state, (SELECT string_agg(farm.job_title(u.id) || CASE WHEN j.forced > 0 THEN '!' ELSE '' END, ' ' ORDER BY u.ord)
                                                FROM unnest(f.created) WITH ORDINALITY u (id, ord) JOIN farm.job j ON j.id = u.id));
END $$;

-- The release registry has lost a release.
SELECT t.do('mirror', '{"image": "base", "site": "acp-1"}');
SELECT t.ready(t.job('mirror:plant:base@main:acp-1'));
SELECT t.claim(t.job('mirror:plant:base@main:acp-1'), 'acp-1-mirror') AS a \gset
SELECT is(t.lose(:'a', t.gone('release.test:5000/plant/base@' || t.d('B1')), 'waiting'), 'accepted superseded publish:plant:base@main! mirror:plant:base@main:acp-1', 'a mirror: it is published once more');
SELECT is(t.run('publish:plant:base@main'), 'succeeded', 'not skipped');
SELECT is(t.run('mirror:plant:base@main:acp-1', NULL, 'acp-1-mirror'), 'succeeded', 'and mirrored');

-- A build whose farm parent is lost: not the user's failure, whatever the worker says.
SELECT t.push(t.plan('two', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}')]));
SELECT t.ready(t.job('build:plant:hmi@main:amd64'));
SELECT t.claim(t.job('build:plant:hmi@main:amd64')) AS a \gset
SELECT is(t.lose(:'a', t.gone('staging.test:5000/build/plant/base@' || t.d('B1')) || '{"code": "base-not-found", "class": "user"}', 'failed'),
    'accepted superseded build:plant:base@main:amd64 test:plant:base@main:amd64 build:plant:hmi@main:amd64', 'a build: the parent is made again, and the child');
SELECT is((SELECT fail_class FROM farm.attempt WHERE id = :'a'), 'infra', 'our fault');
SELECT is(t.run('build:plant:base@main:amd64', t.d('B9')) || ' ' || t.run('test:plant:base@main:amd64'), 'succeeded succeeded', 'the parent');
SELECT t.ready(t.job('build:plant:hmi@main:amd64'));
SELECT t.claim(t.job('build:plant:hmi@main:amd64')) AS a \gset
SELECT is((SELECT work::jsonb->'pins'->0->>'image' FROM farm.work(ARRAY[:'a'::uuid])), 'staging.test:5000/build/plant/base@' || t.d('B9'), 'the child is built on what there is now');
SELECT t.finish(:'a', t.ok(t.d('H1')), 'succeeded');
SELECT t.run('test:plant:hmi@main:amd64');

-- The same at the publish, whose layers are compared with the parent's.
SELECT t.ready(t.job('publish:plant:hmi@main'));
SELECT t.claim(t.job('publish:plant:hmi@main')) AS a \gset
SELECT is(t.lose(:'a', t.gone('staging.test:5000/build/plant/base@' || t.d('B9')), 'waiting'),
    'accepted superseded build:plant:base@main:amd64 test:plant:base@main:amd64 build:plant:hmi@main:amd64 test:plant:hmi@main:amd64 publish:plant:hmi@main', 'a publish: the parent, and its own chain');
SELECT is(t.run('build:plant:base@main:amd64', t.d('B9')) || ' ' || t.run('test:plant:base@main:amd64') || ' ' || t.run('build:plant:hmi@main:amd64') || ' ' || t.run('test:plant:hmi@main:amd64') || ' ' || t.run('publish:plant:hmi@main'),
    'succeeded skipped skipped skipped succeeded', 'only what was lost is built');

-- A context is lost: the ref is planned again, and the same job goes on with what was uploaded.
SELECT farm.repo_polled((SELECT id FROM farm.repo), 1, 'main', '[{"name": "main"}]', NULL);
SELECT t.push(t.plan('three', ARRAY[t.image('base', 'b'), t.image('hmi', 'a', '{base}')]));
SELECT t.ready(t.job('build:plant:base@main:amd64'));
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT is(t.lose(:'a', t.gone('docker://staging.test:5000/contexts/plant@' || t.d('art' || t.d('cbaseb'))), 'waiting'), 'accepted waiting', 'a context: the job waits');
SELECT ok(NOT t.d('cbaseb') IN (SELECT farm.known_contexts((SELECT id FROM farm.repo))), 'the planner is told that it is not there');
SELECT results_eq('SELECT next_us, known_refs FROM farm.due_repos(0)', $$VALUES (0::bigint, '{}'::jsonb)$$, 'and asked at once');
SELECT is(t.push(t.plan('three', ARRAY[t.image('base', 'b'), t.image('hmi', 'a', '{base}')])), '{}', 'which makes no job');
SELECT ok(t.d('cbaseb') IN (SELECT farm.known_contexts((SELECT id FROM farm.repo))), 'it is there again');
SELECT results_eq(format('SELECT status FROM farm.retry_ready(ARRAY[%s])', t.job('build:plant:base@main:amd64')), $$VALUES ('ready')$$, 'the job goes on');

-- What is not the farm's stays the user's.
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT is(t.lose(:'a', t.bad('user', 'base-not-found') || jsonb_build_object('message', 'quay.io/os/debian@' || t.d('debian') || ': not found'), 'failed'), 'accepted failed', 'an external base that is not there');
SELECT is((SELECT fail_class FROM farm.job WHERE id = t.job('build:plant:base@main:amd64')), 'user', 'is the user''s failure');

-- A registry that loses what was just made again: no chain without end, but a back-off that says why.
SELECT t.push(t.plan('four', ARRAY[t.image('base', 'b'), t.image('hmi', 'a', '{base}'), t.image('web', 'c')]));
SELECT t.run('build:plant:web@main:amd64', t.d('B4'));
SELECT t.ready(t.job('test:plant:web@main:amd64'));
SELECT is(t.lose(t.claim(t.job('test:plant:web@main:amd64')), t.gone('x@' || t.d('B4')), 'waiting'), 'accepted superseded build:plant:web@main:amd64 test:plant:web@main:amd64', 'gone for the first time: a chain');
SELECT t.run('build:plant:web@main:amd64', t.d('B4'));
SELECT t.ready(t.job('test:plant:web@main:amd64'));
SELECT is(t.lose(t.claim(t.job('test:plant:web@main:amd64')), t.gone('x@' || t.d('B4')), 'waiting'), 'accepted waiting', 'gone again: it waits, and nothing is made');
SELECT results_eq($$SELECT reason, detail FROM farm.job WHERE id = t.job('test:plant:web@main:amd64')$$, $$VALUES ('backoff', 'x@' || t.d('B4') || ': manifest unknown')$$, 'and says why');
SELECT * FROM finish();
ROLLBACK;
