-- Publishing: one at a time, never backwards, the release row first.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.job('publish:plant:base@main') AS p1 \gset
SELECT t.run('build:plant:base@main:amd64', t.d('B1')), t.run('test:plant:base@main:amd64');
SELECT t.ready(:p1);
SELECT t.push(t.plan('two', ARRAY[t.image('base', 'b')]));
SELECT t.job('publish:plant:base@main') AS p2 \gset
SELECT t.run('build:plant:base@main:amd64', t.d('B2')), t.run('test:plant:base@main:amd64');
SELECT t.ready(:p2);
SELECT t.claim(:p1) AS a \gset
SELECT results_eq(format($$SELECT status FROM farm.claim(ARRAY[%1$s], ARRAY[t.attempt(%1$s, 500)], ARRAY[t.worker('hub-1')], ARRAY[t.uuid(0)])$$, :p2), $$VALUES ('busy')$$, 'another publish is under way');
SELECT results_eq(format('SELECT state, reason FROM farm.job WHERE id = %s', :p2), $$VALUES ('ready', NULL::text)$$, 'it stays ready');
SELECT t.finish(:'a', t.bad('infra', 'registry'), 'waiting', 'backoff');
SELECT is((SELECT status FROM farm.claim(ARRAY[:p2::bigint], ARRAY[t.attempt(:p2, 500)], ARRAY[t.worker('hub-1')], ARRAY[t.uuid(0)])), 'busy',
    'also while it waits to be tried again: it may have moved tags');
SELECT t.attempt(:p1, 501) AS a2 \gset
SELECT * FROM farm.retry_ready(ARRAY[:p1::bigint]);
SELECT results_eq(format($$SELECT status, work::jsonb->>'serial' FROM farm.claim(ARRAY[%s], ARRAY[%L::uuid], ARRAY[t.worker('hub-1')], ARRAY[t.uuid(0)])$$, :p1, :'a2'), $$VALUES ('ok', '1')$$,
    'the next attempt goes on with the same release row');
SELECT t.finish(:'a2', t.ok(t.d('B1')), 'succeeded');
SELECT t.claim(:p2) AS a \gset
SELECT results_eq(format($$SELECT work::jsonb->>'serial', work::jsonb->'tags'->>2, work::jsonb->'fixed_tags' FROM farm.work(ARRAY[%L::uuid])$$, :'a'), $$VALUES ('2', '1.0-2', '["1.0-2"]'::jsonb)$$, 'then the newer one, under the next number');
SELECT t.finish(:'a', t.ok(t.d('B2')), 'succeeded');
SELECT results_eq('SELECT serial, state, digest::text FROM farm.release ORDER BY serial', $$VALUES (1::bigint, 'released', t.d('B1')), (2, 'released', t.d('B2'))$$, 'both releases stand');

-- An older revision comes late.
SELECT t.do('publish', '{"image": "base"}');
UPDATE farm.job_fixed SET revision_id = (SELECT min(id) FROM farm.revision) WHERE id = t.job('publish:plant:base@main');
SELECT t.ready(t.job('publish:plant:base@main'));
SELECT is((SELECT status FROM farm.claim(ARRAY[t.job('publish:plant:base@main')], ARRAY[t.attempt(t.job('publish:plant:base@main'), 502)], ARRAY[t.worker('hub-1')], ARRAY[t.uuid(0)])), 'outdated', 'a newer revision was released');
SELECT is(t.state('publish:plant:base@main'), 'ready', 'the brain ends it');

-- Without a verdict nothing gets a tag.
UPDATE farm.job_fixed SET revision_id = (SELECT max(id) FROM farm.revision) WHERE id = t.job('publish:plant:base@main');
UPDATE farm.verdict SET passed = false WHERE digest = t.d('B2');
SELECT is((SELECT status FROM farm.claim(ARRAY[t.job('publish:plant:base@main')], ARRAY[t.attempt(t.job('publish:plant:base@main'), 503)], ARRAY[t.worker('hub-1')], ARRAY[t.uuid(0)])), 'refused', 'a digest without a passing verdict');
SELECT matches((SELECT error FROM farm.quarantine ORDER BY id DESC LIMIT 1), 'has no passing verdict', 'which the quarantine says');

-- Two refs, one repository: neither at the same time, nor one over the other's tags.
UPDATE farm.verdict SET passed = true;
SELECT * FROM farm.end_jobs(ARRAY[t.job('publish:plant:base@main')], '{cancelled}', '{ann}');
SELECT t.push(t.plan('three', ARRAY[t.image('base', 'c')]));
SELECT t.push(t.plan('three', ARRAY[t.image('base', 'd')], 'dev'));
SELECT t.run('build:plant:base@main:amd64', t.d('B3')), t.run('test:plant:base@main:amd64'), t.run('build:plant:base@dev:amd64', t.d('D3')), t.run('test:plant:base@dev:amd64');
SELECT t.ready(t.job('publish:plant:base@main')), t.ready(t.job('publish:plant:base@dev'));
SELECT t.claim(t.job('publish:plant:base@main')) AS a \gset
CREATE FUNCTION t.try(n int) RETURNS text LANGUAGE sql AS $$ SELECT status FROM farm.claim(ARRAY[t.job('publish:plant:base@dev')], ARRAY[t.attempt(t.job('publish:plant:base@dev'), n)], ARRAY[t.worker('hub-1')], ARRAY[t.uuid(0)]) $$;
SELECT is(t.try(510), 'busy', 'another ref publishes to the same repository');
SELECT t.finish(:'a', t.ok(t.d('B3')), 'succeeded');
SELECT is(t.try(511), 'refused', 'the tag is that of another ref');
SELECT is((SELECT reason || ': ' || detail FROM farm.job WHERE id = t.job('publish:plant:base@dev')),
    'quarantined: the tag main of release.test:5000/plant/base is that of plant:base@main: plant:base@dev must not publish it, too (use `{ref}` in `publish.tags`)', 'both are named');
SELECT t.push(t.plan('four', ARRAY[t.image('base', 'c', '{}', jsonb_build_object('publish_key', t.d('p4'), 'publish', '{"tags": ["stable"], "when": "tested"}'::jsonb))]));
SELECT is(t.try(512), 'ok', 'which gives it up');
SELECT * FROM finish();
ROLLBACK;
