-- Reverts, new branches, and refs that come and go.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT is(t.run_all('plant:base@main', t.d('A')), 'succeeded succeeded succeeded succeeded succeeded', 'A');
SELECT t.push(t.plan('2', ARRAY[t.image('base', 'b')]));
SELECT is(t.run_all('plant:base@main', t.d('B')), 'succeeded succeeded succeeded succeeded succeeded', 'B');
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a')]));
SELECT is(t.run_all('plant:base@main', t.d('never')), 'skipped skipped succeeded succeeded succeeded', 'back to A: nothing is built or tested, A is released again');
SELECT results_eq('SELECT serial, build, digest::text, tags FROM farm.release ORDER BY serial',
    $$VALUES (1::bigint, 1, t.d('A'), ARRAY['main', left(t.oid('1'), 12), '1.0-1']), (2, 2, t.d('B'), ARRAY['main', left(t.oid('2'), 12), '1.0-2']), (3, 1, t.d('A'), ARRAY['main', left(t.oid('1'), 12), '1.0-1'])$$,
    'serials rise, a digest keeps its number and its commit');
SELECT is((SELECT passing_digest::text FROM farm.image_arch), t.d('A'), 'children are built from A');
SELECT is((SELECT array_agg(digest::text) FROM farm.presence), ARRAY[t.d('A'), t.d('A')], 'A is present');

-- A new branch with equal content builds nothing and gets its tags.
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a', '{}', jsonb_build_object('publish', '{"tags": ["dev", "1.0-{build}"], "when": "tested"}'::jsonb, 'publish_key', t.d('dev')))], 'dev'));
SELECT is(t.run_all('plant:base@dev', t.d('never')), 'skipped skipped succeeded succeeded succeeded', 'a new branch with equal content');
SELECT results_eq($$SELECT digest::text, tags, build FROM farm.release r JOIN farm.image i ON i.id = r.image_id JOIN farm.ref f ON f.id = i.ref_id WHERE f.name = 'dev'$$,
    $$VALUES (t.d('A'), '{dev,1.0-1}'::text[], 1)$$, 'its own tags; the number is the digest''s, for both refs share the repository');
SELECT is((SELECT because FROM farm.job WHERE id = t.job('build:plant:base@dev:amd64')), 'new', 'because: new');

-- The branch is deleted: its images are removed, its jobs are the brain's to end; then it comes back.
SELECT t.push(t.plan('3', ARRAY[t.image('base', 'c')], 'dev'));
SELECT is(farm.repo_polled((SELECT id FROM farm.repo), 1, 'main', '[{"name": "main", "oid": "x"}]', NULL), ARRAY[t.id('plant:base@dev')], 'a ref that is gone removes its images');
SELECT ok((SELECT removed FROM farm.load_images(ARRAY[t.id('plant:base@dev')])), 'they are loaded as removed');
SELECT ok(t.id('plant:base@dev') = ANY (ARRAY(SELECT id FROM farm.load_images(NULL))), 'as long as they have live jobs');
SELECT ok(t.job('publish:plant:base@dev') = ANY (ARRAY(SELECT id FROM farm.load_jobs(NULL))), 'which are loaded, too');
SELECT is((SELECT known_refs FROM farm.due_repos(0)), jsonb_build_object('main', t.oid('1')), 'the planner is not told that it is known');
SELECT is((SELECT count(*) FROM dashboard.images), 1::bigint, 'nobody sees them');
SELECT * FROM farm.end_jobs(ARRAY(SELECT id FROM farm.job WHERE state = 'waiting'), ARRAY(SELECT 'superseded' FROM farm.job WHERE state = 'waiting'), ARRAY(SELECT NULL::text FROM farm.job WHERE state = 'waiting'));
SELECT is((SELECT count(*) FROM farm.load_images(NULL)), 1::bigint, 'then they are not loaded any more');
SELECT is(t.push(t.plan('3', ARRAY[t.image('base', 'c')], 'dev')),
    '{build:plant:base@dev:amd64,test:plant:base@dev:amd64,publish:plant:base@dev,mirror:plant:base@dev:acp-1,mirror:plant:base@dev:acp-2}', 'recreated at the same commit it is planned again');
SELECT is((SELECT because FROM farm.job WHERE id = t.job('build:plant:base@dev:amd64')), 'new', 'as new');

-- An image that leaves the plan, and returns.
SELECT t.push(t.plan('4', '{}'));
SELECT isnt((SELECT i.removed_at FROM farm.image i JOIN farm.image_arch a ON a.image_id = i.id WHERE a.id = t.id('plant:base@main')), NULL, 'an image that the plan does not have is removed');
SELECT t.push(t.plan('5', ARRAY[t.image('base', 'a')]));
SELECT is((SELECT i.removed_at FROM farm.image i JOIN farm.image_arch a ON a.image_id = i.id WHERE a.id = t.id('plant:base@main')), NULL, 'and comes back');
SELECT is(t.run_all('plant:base@main', t.d('never')), 'skipped skipped skipped skipped skipped', 'with everything it had');
SELECT * FROM finish();
ROLLBACK;
