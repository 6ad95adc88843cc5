-- The views' answers at each stage of an image's life.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));

SELECT is((SELECT array_agg(id ORDER BY id) FROM dashboard.site_demand WHERE site = 'hub'), '{hub/amd64/build,hub/amd64/mirror,hub/amd64/publish,hub/amd64/test}', 'site_demand has a row where nothing is wanted');
SELECT is((SELECT sum(jobs) || ' ' || sum(workers) FROM dashboard.site_demand), '0 0', 'which says 0');
SELECT is((SELECT count(*) FROM dashboard.images), 0::bigint, 'no image');

CREATE FUNCTION t.image_state(img text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', state, reason, phase) FROM dashboard.images WHERE image = img $$;
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}')]));
SELECT is(t.image_state('base'), 'Progressing build-waiting seen', 'seen');
SELECT farm.set_waiting(ARRAY[t.job('build:plant:hmi@main:amd64')], '{parent}', '{plant:base@main}');
SELECT is(t.image_state('hmi'), 'Progressing parent seen', 'waits for its parent');
SELECT results_eq($$SELECT name, state, reason, detail, run_site, since IS NOT NULL FROM dashboard.queue WHERE id = t.job('build:plant:hmi@main:amd64')$$,
    $$VALUES ('build:plant:hmi@main:amd64', 'waiting', 'parent', 'plant:base@main', 'hub', true)$$, 'the queue says for whom');
SELECT results_eq($$SELECT kind, reason, regexp_replace(detail, 'job \d+', 'job N') FROM dashboard.queue WHERE image = 'plant:base@main' AND (site IS NULL OR site = 'acp-1') ORDER BY id$$,
    $$VALUES ('build', 'parent', NULL), ('test', 'parent', 'build:plant:base@main:amd64 (job N)'), ('publish', 'parent', 'test:plant:base@main:amd64 (job N)'),
             ('mirror', 'parent', 'publish:plant:base@main (job N)')$$, 'what waits for its own chain says so, though nobody wrote it');
SELECT is((SELECT count(*) FROM farm.load_jobs(NULL) WHERE reason IS NOT NULL AND image_id = (SELECT id FROM farm.image WHERE name = 'base')), 0::bigint, 'the brain is told what was written');
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.ready(t.job('build:plant:base@main:amd64'));
SELECT is(t.image_state('base'), 'Progressing build-ready queued', 'queued');
SELECT results_eq($$SELECT bucket, status FROM farm.explain_wait('{9,7,7}', '{busy,busy,worker}', '{NULL,NULL,no worker at hub}')$$, $$VALUES (9::bigint, 'ok'), (7, 'ok'), (7, 'ok')$$, 'why the jobs of two buckets wait');
SELECT is(t.image_state('base'), 'Progressing worker queued', 'for a worker');
SELECT results_eq($$SELECT reason, detail FROM dashboard.queue WHERE name = 'build:plant:base@main:amd64'$$, $$VALUES ('worker', 'no worker at hub')$$, 'the last word counts');
SELECT results_eq($$SELECT jobs, workers FROM dashboard.site_demand WHERE id = 'hub/amd64/build'$$, $$VALUES (1, 1)$$, 'which the autoscaler sees');
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT is(t.image_state('base'), 'Progressing build-leased running', 'leased');
SELECT farm.start(ARRAY[:'a'::uuid], '{1}');
SELECT farm.phases(ARRAY[t.worker('hub-1'), t.worker('hub-2')], ARRAY[:'a', :'a']::uuid[], '{pull,forged}');
SELECT is(t.image_state('base'), 'Progressing build-running running', 'running');
SELECT results_eq($$SELECT worker, phase, state, attempts, attempt FROM dashboard.jobs WHERE name = 'build:plant:base@main:amd64'$$, format($$VALUES ('hub-1', 'pull', 'running', 1, %L::uuid)$$, :'a'), 'the job says where and in which phase');
SELECT results_eq($$SELECT busy FROM dashboard.workers WHERE name = 'hub-1'$$, $$VALUES (1)$$, 'the worker is busy');
SELECT farm.set_waiting(ARRAY[t.job('build:plant:base@main:amd64')], '{disconnected}', '{hub-1}');
SELECT is((SELECT reason FROM dashboard.jobs WHERE name = 'build:plant:base@main:amd64'), 'disconnected', 'its link is down');
SELECT t.finish(:'a', t.bad('user', 'run-failed'), 'failed');
SELECT results_eq($$SELECT state, reason, phase, failing_step, failing_message, failing_code, failing_class, log_attempt FROM dashboard.images WHERE image = 'base'$$,
    format($$VALUES ('Degraded', 'build-failed', 'stopped', 'RUN x', 'it broke', 'run-failed', 'user', %L::uuid)$$, :'a'), 'Degraded, with the failing step');
SELECT results_eq(format('SELECT job, number, worker, site, outcome, fail_class, code, step, message, log_sealed FROM dashboard.attempts WHERE id = %L', :'a'),
    $$VALUES ('build:plant:base@main:amd64', 1, 'hub-1', 'hub', 'failed', 'user', 'run-failed', 'RUN x', 'it broke', false)$$, 'the attempt');
SELECT farm.set_waiting(ARRAY[t.job('build:plant:hmi@main:amd64')], '{blocked}', '{plant:base@main}');
SELECT is((SELECT concat_ws(' ', state, reason, detail) FROM dashboard.images WHERE image = 'hmi'), 'Degraded blocked plant:base@main', 'its child waits, with the parent''s name');

SELECT farm.reopen(ARRAY[t.job('build:plant:base@main:amd64')], '{ann}');
SELECT is(t.run_all('plant:base@main', t.d('B1')), 'succeeded succeeded succeeded succeeded succeeded', 'it is retried');
SELECT results_eq($$SELECT state, reason, phase, desired, released, tags, sites_wanted, sites_present, revision, released_revision, failing_step, job FROM dashboard.images WHERE image = 'base'$$,
    $$SELECT 'Synced', NULL::text, 'mirrored', t.d('B1'), t.d('B1'), ARRAY['main', left(t.oid('1'), 12), '1.0-1'], 2, 2, t.oid('1'), t.oid('1'), NULL::text, NULL::bigint$$, 'Synced and mirrored');
SELECT results_eq($$SELECT name, serial, build, state, revision, digest, reference, current FROM dashboard.releases$$,
    $$VALUES ('plant:base@main', 1::bigint, 1, 'released', t.oid('1'), t.d('B1'), 'release.test:5000/plant/base', true)$$, 'the release');

-- The old release stays while the new revision is under way, or fails.
SELECT t.push(t.plan('2', ARRAY[t.image('base', 'b'), t.image('hmi', 'a', '{base}')]));
SELECT results_eq($$SELECT state, desired, released, revision, released_revision FROM dashboard.images WHERE image = 'base'$$, $$VALUES ('Progressing', NULL::text, t.d('B1'), t.oid('2'), t.oid('1'))$$, 'the next revision: the old release stays');
SELECT t.run('build:plant:base@main:amd64', t.d('B2'));
SELECT t.ready(t.job('test:plant:base@main:amd64'));
SELECT t.claim(t.job('test:plant:base@main:amd64')) AS a \gset
SELECT t.finish(:'a', t.bad('timeout', 'not-settled'), 'failed');
SELECT results_eq($$SELECT state, reason, desired, released FROM dashboard.images WHERE image = 'base'$$, $$VALUES ('Degraded', 'test-failed', t.d('B2'), t.d('B1'))$$, 'a test that fails: too');
SELECT * FROM farm.end_jobs(ARRAY[t.job('publish:plant:base@main')], '{cancelled}', '{ann}');
SELECT farm.reopen(ARRAY[t.job('test:plant:base@main:amd64')], '{ann}');
SELECT t.run('test:plant:base@main:amd64');
SELECT is(t.image_state('base'), 'OutOfSync cancelled stopped', 'a publish that was cancelled: OutOfSync');

-- Presence.
SELECT t.push(t.plan('3', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}')]));
SELECT t.run('build:plant:base@main:amd64'), t.run('test:plant:base@main:amd64'), t.run('publish:plant:base@main');
SELECT results_eq($$SELECT site, state, reason FROM dashboard.presence WHERE image = 'hmi' ORDER BY site$$, $$VALUES ('acp-1', 'Absent', 'unreleased'), ('acp-2', 'Absent', 'unreleased')$$, 'Absent: not released');
SELECT t.run('build:plant:hmi@main:amd64', t.d('H1')), t.run('test:plant:hmi@main:amd64'), t.run('publish:plant:hmi@main');
SELECT t.ready(t.job('mirror:plant:hmi@main:acp-1'));
SELECT t.claim(t.job('mirror:plant:hmi@main:acp-1'), 'acp-1-mirror') AS a \gset
SELECT results_eq($$SELECT site, state, reason, wanted, digest FROM dashboard.presence WHERE image = 'hmi' ORDER BY site$$,
    $$VALUES ('acp-1', 'Mirroring', 'mirror-leased', t.d('H1'), NULL::text), ('acp-2', 'Absent', 'mirror-waiting', t.d('H1'), NULL)$$, 'Mirroring');
SELECT is((SELECT jobs FROM dashboard.site_demand WHERE id = 'acp-1/amd64/mirror'), 1, 'the site''s demand');
SELECT t.finish(:'a', t.bad('user', 'x'), 'failed');
SELECT is((SELECT state || ' ' || reason FROM dashboard.presence WHERE image = 'hmi' AND site = 'acp-1'), 'Absent mirror-failed', 'a mirror that failed');
SELECT is(t.image_state('hmi'), 'Synced released', 'the image itself is released');
SELECT results_eq($$SELECT name, images_wanted, images_present FROM dashboard.sites WHERE kind = 'acp' ORDER BY name$$, $$VALUES ('acp-1', 2, 1), ('acp-2', 2, 1)$$, 'the sites know how much they have');

-- Workers and sites.
SELECT results_eq($$SELECT worker, status FROM farm.worker_seen(ARRAY[t.worker('hub-1'), 999999, t.worker('hub-2')], ARRAY[t.uuid(1), t.uuid(2), NULL], '{connected,connected,odd}',
    ARRAY['{"arch": "amd64", "slots": 4, "capabilities": ["kvm"], "version": "1.0", "pressure": {"accepting": true}}', '{}', '{}']::jsonb[])$$,
    $$VALUES (t.worker('hub-1'), 'ok'), (999999::bigint, 'unknown'), (t.worker('hub-2'), 'refused')$$, 'worker_seen: ok, unknown, refused');
SELECT throws_ok($$SELECT dashboard.settled('images')$$, '22023', 'nobody adds to the list images', 'a list that does not grow');
SELECT farm.worker_seen(ARRAY[t.worker('hub-1')], ARRAY[NULL::uuid], '{draining}', ARRAY['{}']::jsonb[]);
SELECT results_eq($$SELECT state, arch, slots, capabilities, version, pressure FROM dashboard.workers WHERE name = 'hub-1'$$,
    $$VALUES ('draining', 'amd64', 4, '{kvm}'::text[], '1.0', '{"accepting": true}'::jsonb)$$, 'what is not said stays');
SELECT results_eq($$SELECT status FROM farm.worker_drain(ARRAY[t.worker('hub-1'), 999999], '{true,true}')$$, $$VALUES ('ok'), ('unknown')$$, 'worker_drain');
SELECT results_eq($$SELECT drained FROM farm.load_workers() WHERE name = 'hub-1'$$, $$VALUES (true)$$, 'drained');
SELECT results_eq($$SELECT workers, connected FROM dashboard.sites WHERE name = 'hub'$$, $$VALUES (2, 1)$$, 'the site counts its workers');
SELECT results_eq('SELECT id, name, hub, continue_on_partition, grace_us FROM farm.load_sites() WHERE name = ''acp-1''', $$VALUES ((SELECT id FROM farm.site WHERE name = 'acp-1'), 'acp-1', false, true, 3600000000::bigint)$$, 'load_sites');
SELECT ok((SELECT bool_and(e.job IS NOT NULL AND cardinality(e.via) = cardinality(e.ats)) FROM dashboard.events e WHERE e.via <> '{}'), 'events name their jobs');
SELECT ok((SELECT term IS NOT NULL AND schema_version IS NULL FROM dashboard.leader), 'the leader');

-- Demand: more jobs than one worker has slots.
SELECT t.push(t.plan('4', ARRAY(SELECT t.image('n' || i, 'a') FROM generate_series(1, 9) i)));
SELECT t.ready(t.job('build:plant:n' || i || '@main:amd64')) FROM generate_series(1, 9) i;
SELECT results_eq($$SELECT jobs, workers FROM dashboard.site_demand WHERE id = 'hub/amd64/build'$$, $$VALUES (9, 3)$$, '9 jobs on workers of 4 slots want 3');
SELECT is((SELECT count(*) FROM dashboard.site_demand d WHERE d.jobs IS NULL OR d.workers IS NULL), 0::bigint, 'never NULL');
SELECT * FROM finish();
ROLLBACK;
