-- plan_commit: jobs for what changed, and for nothing else; with the reason.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.run_all('plant:base@main', t.d('B1')), t.run_all('plant:hmi@main', t.d('H1'));

-- because of the newest job of a name
CREATE FUNCTION t.because(name text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', because, because_of) FROM farm.job WHERE id = t.job(name) $$;

SELECT is(t.push(t.plan('2', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}')])), '{}', 'a commit that changes nothing relevant creates no job');
SELECT is((SELECT count(*) FROM farm.revision), 2::bigint, 'but a revision');
SELECT is((SELECT max(v.serial) FROM farm.image i JOIN farm.revision v ON v.id = i.revision_id), 1::bigint, 'and no image is said to have changed');
SELECT is(t.push(t.plan('2', ARRAY[t.image('base', 'x')])), '{}', 'a commit that was planned already is not planned again');
SELECT results_eq($$SELECT jobs, cardinality(image_archs) FROM farm.plan_commit((SELECT id FROM farm.repo), t.plan('2', '{}'))$$, $$VALUES ('{}'::bigint[], 2)$$, 'it answers what it was');

SELECT is(t.push(t.plan('3', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}', jsonb_build_object('tests_key', t.d('t2')))])),
    '{test:plant:hmi@main:amd64,publish:plant:hmi@main,mirror:plant:hmi@main:acp-1,mirror:plant:hmi@main:acp-2}', 'an edit of a test script: test and what follows');
SELECT is(t.because('test:plant:hmi@main:amd64'), 'tests', 'because: tests');
SELECT is(t.run('test:plant:hmi@main:amd64'), 'succeeded', 'the test runs');
SELECT is(t.run('publish:plant:hmi@main') || ' ' || t.run('mirror:plant:hmi@main:acp-1'), 'skipped skipped', 'the rest is there already');

SELECT is(t.push(t.plan('4', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}', jsonb_build_object('tests_key', t.d('t2'), 'publish_key', t.d('p2'),
                                                                                              'publish', '{"tags": ["stable"], "when": "tested"}'::jsonb))])),
    '{publish:plant:hmi@main,mirror:plant:hmi@main:acp-1,mirror:plant:hmi@main:acp-2}', 'other tags: publish and mirrors');
SELECT is(t.because('publish:plant:hmi@main'), 'publish', 'because: publish');
SELECT is(t.run('publish:plant:hmi@main'), 'succeeded', 'the same digest is published under other tags');
SELECT is(t.run('mirror:plant:hmi@main:acp-1', NULL, 'acp-1-mirror'), 'succeeded', 'and mirrored with them');
SELECT is((SELECT tags FROM farm.presence p JOIN farm.site s ON s.id = p.site_id JOIN farm.image i ON i.id = p.image_id WHERE s.name = 'acp-1' AND i.name = 'hmi'), '{stable}', 'which the presence shows');

-- Reasons of a changed recipe.
SELECT t.push(t.plan('5', ARRAY[t.image('base', 'b'), t.image('hmi', 'b', '{base}', jsonb_build_object('context_key', t.d('chmia')))]));
SELECT is(t.because('build:plant:base@main:amd64'), 'context images/base', 'because: its context');
SELECT is(t.because('build:plant:hmi@main:amd64'), 'parent base', 'because: only its parent');
SELECT t.push(t.plan('6', ARRAY[t.image('base', 'c'), t.image('hmi', 'c', '{base}')]));
SELECT is(t.because('build:plant:hmi@main:amd64'), 'context images/hmi', 'a reason of its own goes before the parent');
SELECT t.push(t.plan('7', ARRAY[t.image('base', 'c'), t.image('hmi', 'd', '{base}', '{"build": {"args": {"V": "2"}, "timeout_ms": 1}}')]));
SELECT is(t.because('build:plant:hmi@main:amd64'), 'argument V', 'because: an argument');
SELECT t.push(t.plan('8', ARRAY[t.image('base', 'c'), t.image('hmi', 'e', '{base}', '{"build": {"args": {"V": "2"}, "timeout_ms": 1, "target": "x"}}')]));
SELECT is(t.because('build:plant:hmi@main:amd64'), 'definition images/hmi/Containerfile', 'because: the definition');
SELECT t.push(t.plan('9', ARRAY[t.image('base', 'c'), t.image('hmi', 'f', '{base}', jsonb_build_object('context_key', t.d('chmie'), 'build', '{"args": {"V": "2"}, "timeout_ms": 2, "target": "x"}'::jsonb))]));
SELECT is(t.because('build:plant:hmi@main:amd64'), 'input', 'because: an input that the plan does not name');
SELECT is(t.push(t.plan('10', ARRAY[t.image('base', 'c'), t.image('hmi', 'f', '{base}', '{"priority": 3, "build": {"args": {"V": "2"}, "timeout_ms": 9, "target": "x"}}')])), '{}',
    'what cannot change the result makes no job');

-- The newest revision supersedes: the newest of each name is what counts, and carries its own spec.
SELECT results_eq($$SELECT count(*), count(DISTINCT spec_id) FROM farm.job WHERE kind = 'build' AND image_arch_id = t.id('plant:hmi@main')$$, $$VALUES (6::bigint, 6::bigint)$$, 'each build has its own spec');
SELECT ok((SELECT array_agg(id) FROM farm.load_jobs(NULL)) @> (SELECT array_agg(id) FROM farm.job WHERE state = 'waiting'), 'all that live are loaded');
SELECT ok((SELECT count(*) FROM farm.load_jobs(NULL) WHERE kind = 'build') < (SELECT count(*) FROM farm.job WHERE kind = 'build'), 'what is long over is not');
-- A plan leaves rows alone that it does not change: the hot turns need them. xmax also shows a mere lock.
SELECT t.push(t.plan('20', ARRAY[t.image('base', 'z'), t.image('app', 'z'), t.image('web', 'z', '{app}')]));
CREATE FUNCTION t.rows_of(image text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', i.ctid, i.xmin, i.xmax, a.ctid, a.xmin, a.xmax,
                     (SELECT string_agg(concat_ws(' ', e.ctid, e.xmin, e.xmax), ' ') FROM farm.image_parent e WHERE e.image_arch_id = a.id),
                     (SELECT string_agg(concat_ws(' ', e.ctid, e.xmin, e.xmax), ' ') FROM farm.image_base e WHERE e.image_arch_id = a.id))
      FROM farm.image i JOIN farm.image_arch_plan a ON a.image_id = i.id WHERE i.name = image AND i.removed_at IS NULL
$$;
SELECT t.rows_of('base') AS base, t.rows_of('app') AS app, t.rows_of('web') AS web \gset
SELECT t.push(t.plan('21', ARRAY[t.image('base', 'y'), t.image('app', 'z', '{}', '{"artifact": "/out/1/c.tar"}'), t.image('web', 'z', '{app}')]));
SELECT isnt(t.rows_of('base'), :'base', 'a plan writes the image that it changes');
SELECT is(t.rows_of('app') || t.rows_of('web'), :'app' || :'web', 'neither the rows nor the edges of the others, nor a lock on them');
SELECT * FROM finish();
ROLLBACK;
