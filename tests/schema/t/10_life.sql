-- The whole life of a chain of images, driven through the functions only.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));

SELECT is(t.push(t.plan('one', ARRAY[t.image('base', 'a'), t.image('site-1/hmi', 'a', '{base}')])),
    ARRAY['build:plant:base@main:amd64', 'test:plant:base@main:amd64', 'publish:plant:base@main', 'mirror:plant:base@main:acp-1', 'mirror:plant:base@main:acp-2',
          'build:plant:site-1/hmi@main:amd64', 'test:plant:site-1/hmi@main:amd64', 'publish:plant:site-1/hmi@main', 'mirror:plant:site-1/hmi@main:acp-1', 'mirror:plant:site-1/hmi@main:acp-2'],
    'a first plan makes a chain for each image, parents first');
SELECT is((SELECT array_agg(DISTINCT because) FROM farm.job), '{new}', 'because: new');
SELECT is((SELECT array_agg(DISTINCT state) FROM farm.job), '{waiting}', 'all wait');
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);

SELECT is(t.ready(t.job('build:plant:base@main:amd64')), 'ready', 'the build of base becomes ready');
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT is(work::jsonb, jsonb_build_object('v', 1, 'kind', 'build', 'job', 'build:plant:base@main:amd64', 'attempt', :'a', 'image', 'plant:base@main', 'arch', 'amd64',
        'input_key', (SELECT input_key FROM farm.job WHERE id = t.job('build:plant:base@main:amd64')), 'timeout_ms', 3600000, 'silence_ms', 900000,
        'context', jsonb_build_object('ref', 'staging.test:5000/contexts/plant@' || t.d('art' || t.d('cbasea')), 'size', 1000), 'containerfile', 'Containerfile',
        'target', '', 'args', '{"V": "1"}'::jsonb,
        'pins', jsonb_build_array(jsonb_build_object('written', '["quay.io/os/debian:12"]'::jsonb, 'ref', 'quay.io/os/debian:12', 'use', 'from',
                                                     'image', 'quay.io/os/debian@' || t.d('debian'))),
        'push', 'staging.test:5000/build/plant/base', 'cache', 'staging.test:5000/cache/plant', 'network', 'none', 'memory', 1073741824, 'cpus', 2,
        'secrets', '["key"]'::jsonb, 'timestamp', 0, 'no_cache', false, 'contexts', '{}'::jsonb), 'the work order of a build')
  FROM farm.work(ARRAY[:'a'::uuid]);
SELECT is(status, 'ok', 'it starts') FROM farm.start(ARRAY[:'a'::uuid], ARRAY[1000]);
SELECT results_eq(format($$SELECT status, job, digest, repository, state, created FROM farm.finish(ARRAY[%L::uuid], ARRAY[t.worker('hub-1')], ARRAY[t.ok(t.d('B1'))], '{succeeded}', ARRAY[NULL], '{0}')$$, :'a'),
    $$SELECT 'accepted', t.job('build:plant:base@main:amd64'), t.d('B1'), 'staging.test:5000/build/plant/base', 'succeeded', '{}'::bigint[]$$, 'its success is accepted');

SELECT t.ready(t.job('test:plant:base@main:amd64'));
SELECT t.claim(t.job('test:plant:base@main:amd64')) AS a \gset
SELECT is(work::jsonb - '{v,kind,job,attempt,image,arch,input_key,test}'::text[], jsonb_build_object('timeout_ms', 1200000, 'silence_ms', 0,
        'source', 'staging.test:5000/build/plant/base@' || t.d('B1'),
        'scripts', jsonb_build_object('ref', 'staging.test:5000/contexts/plant@' || t.d('art' || t.d('sbase')), 'size', 100)), 'the work order of a test')
  FROM farm.work(ARRAY[:'a'::uuid]);
SELECT is(t.finish(:'a', t.ok(), 'succeeded'), 'accepted', 'the test passes');
SELECT results_eq($$SELECT passing_digest::text, passing_repository FROM farm.image_arch WHERE id = t.id('plant:base@main')$$,
    $$SELECT t.d('B1'), 'staging.test:5000/build/plant/base'$$, 'children are built from it now');
SELECT results_eq($$SELECT digest::text, passed, flaky FROM farm.verdict$$, $$SELECT t.d('B1'), true, false$$, 'the verdict stands');

SELECT t.ready(t.job('publish:plant:base@main'));
SELECT t.claim(t.job('publish:plant:base@main')) AS a \gset
SELECT is(work::jsonb - '{v,kind,job,attempt,image,arch,input_key}'::text[], jsonb_build_object('timeout_ms', 1800000, 'silence_ms', 0,
        'source', 'staging.test:5000/build/plant/base@' || t.d('B1'), 'digest', t.d('B1'), 'dest', 'release.test:5000/plant/base',
        'tags', jsonb_build_array('main', left(t.oid('one'), 12), '1.0-1'), 'fixed_tags', '["1.0-1"]'::jsonb, 'parents', '[]'::jsonb, 'serial', 1), 'the work order of a publish: unset placeholders leave their tag out')
  FROM farm.work(ARRAY[:'a'::uuid]);
SELECT is((SELECT state FROM farm.release), 'publishing', 'the release row stands before the first tag moves');
SELECT is(t.finish(:'a', t.ok(t.d('B1')), 'succeeded'), 'accepted', 'published');
SELECT is((SELECT state FROM farm.release), 'released', 'released');

SELECT t.ready(t.job('mirror:plant:base@main:acp-1'));
SELECT t.claim(t.job('mirror:plant:base@main:acp-1'), 'acp-1-mirror') AS a \gset
SELECT is(work::jsonb - '{v,kind,job,attempt,image,arch,input_key}'::text[], jsonb_build_object('timeout_ms', 21600000, 'silence_ms', 0,
        'source', 'release.test:5000/plant/base@' || t.d('B1'), 'digest', t.d('B1'), 'dest', 'acp1.test:5000/plant/base',
        'tags', jsonb_build_array('main', left(t.oid('one'), 12), '1.0-1')), 'the work order of a mirror')
  FROM farm.work(ARRAY[:'a'::uuid]);
SELECT is(t.finish(:'a', t.ok(t.d('B1')), 'succeeded'), 'accepted', 'mirrored');
SELECT results_eq($$SELECT site, state FROM dashboard.presence WHERE image = 'base' ORDER BY site$$, $$VALUES ('acp-1', 'Present'), ('acp-2', 'Absent')$$, 'present at one site');

-- The child is built on the parent's passing digest.
SELECT t.ready(t.job('build:plant:site-1/hmi@main:amd64'));
SELECT t.claim(t.job('build:plant:site-1/hmi@main:amd64')) AS a \gset
SELECT is(work::jsonb->'pins', jsonb_build_array(jsonb_build_object('written', '["localhost/base"]'::jsonb, 'ref', 'localhost/base:latest', 'use', 'from',
        'image', 'staging.test:5000/build/plant/base@' || t.d('B1'))), 'the parent is pinned') FROM farm.work(ARRAY[:'a'::uuid]);
SELECT t.finish(:'a', t.ok(t.d('H1')), 'succeeded');
SELECT is(t.run('test:plant:site-1/hmi@main:amd64'), 'succeeded', 'the child passes');
SELECT t.ready(t.job('publish:plant:site-1/hmi@main'));
SELECT t.claim(t.job('publish:plant:site-1/hmi@main')) AS a \gset
SELECT is(work::jsonb->'parents', jsonb_build_array('staging.test:5000/build/plant/base@' || t.d('B1')), 'publish gets the parent whose layers begin the image') FROM farm.work(ARRAY[:'a'::uuid]);
SELECT t.finish(:'a', t.ok(t.d('H1')), 'succeeded');
SELECT is(t.run('mirror:plant:base@main:acp-2'), 'succeeded', 'base at acp-2');
SELECT is(t.run('mirror:plant:site-1/hmi@main:acp-1'), 'succeeded', 'hmi at acp-1');
SELECT is(t.run('mirror:plant:site-1/hmi@main:acp-2'), 'succeeded', 'hmi at acp-2');
SELECT results_eq($$SELECT name, state, phase, released, sites_present FROM dashboard.images ORDER BY id$$,
    $$VALUES ('plant:base@main', 'Synced', 'mirrored', t.d('B1'), 2), ('plant:site-1/hmi@main', 'Synced', 'mirrored', t.d('H1'), 2)$$, 'everything is Synced and Present');

-- Every transition stands in exactly one event: the events of each job, one after the other, are a legal path to its state.
SELECT results_eq($$SELECT DISTINCT array_agg(s.state ORDER BY e.seq, s.ord)
                      FROM farm.event e CROSS JOIN unnest(e.via) WITH ORDINALITY s (state, ord) GROUP BY e.job_id$$,
    $$VALUES (ARRAY['waiting', 'ready', 'leased', 'running', 'succeeded'])$$, 'events replay each job');
SELECT * FROM finish();
ROLLBACK;
