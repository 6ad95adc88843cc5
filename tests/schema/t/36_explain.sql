-- Why an image was built, and the graph.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
CREATE FUNCTION t.why(image text, since text DEFAULT NULL) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(concat_ws(' ', build, step, subject, because, because_of, was, is_now) ORDER BY arch, build, step) FROM dashboard.explain(image, since)
$$;
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}'), t.image('panel', 'a', '{hmi}')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('D1'), NULL);
SELECT t.run_all('plant:base@main', t.d('B1')), t.run_all('plant:hmi@main', t.d('H1')), t.run_all('plant:panel@main', t.d('P1'));
SELECT is(t.why('panel'), '{1 0 plant:panel@main new}', 'it is new');

SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('D2'), NULL);
SELECT farm.rebuilds_due('0');
SELECT t.run_all('plant:base@main', t.d('B2')), t.run_all('plant:hmi@main', t.d('H2'));
SELECT is(t.why('plant:panel@main'), ARRAY['1 0 plant:panel@main parent hmi ' || t.d('H1'), '1 1 plant:hmi@main parent base ' || t.d('B1') || ' ' || t.d('B2'),
    '1 2 plant:base@main external quay.io/os/debian:12 ' || t.d('D1') || ' ' || t.d('D2')], 'the chain, down to the digest; it waits itself');
SELECT t.run_all('plant:panel@main', t.d('P2'));

SELECT t.push(t.plan('2', ARRAY[t.image('base', 'a'), t.image('hmi', 'b', '{base}', '{"build": {"args": {"V": "2"}}}'), t.image('panel', 'b', '{hmi}', jsonb_build_object('context_key', t.d('cpanela')))]));
SELECT is((t.why('panel'))[2], '1 1 plant:hmi@main argument V 1 2', 'down to the argument, with both values');
SELECT is(t.why('base'), ARRAY['1 0 plant:base@main external quay.io/os/debian:12 ' || t.d('D1') || ' ' || t.d('D2')], 'an image that the commit left alone: its newest build is older');
SELECT is(t.why('hmi'), '{1 0 plant:hmi@main argument V 1 2}', 'the newest build only');
UPDATE farm.revision SET seen_at = now() - interval '1 s' WHERE oid = t.oid('1');
UPDATE farm.revision SET seen_at = now() + interval '1 s' WHERE oid = t.oid('2');
SELECT is(cardinality(t.why('panel', left(t.oid('1'), 7))), 6, 'since a commit: each build with its chain');
SELECT is(t.why('panel', left(t.oid('2'), 7)), NULL, 'none since then');
SELECT throws_ok($$SELECT * FROM dashboard.explain('panel', 'main')$$, '22023', 'the farm saw no commit main at the head of the ref of plant:panel@main', 'an unknown commit');
SELECT throws_ok($$SELECT * FROM dashboard.explain('nothing', NULL)$$, '22023', 'there is no image nothing', 'an unknown image');
SELECT t.run('build:plant:hmi@main:amd64', t.d('H3'));
SELECT t.push(t.plan('3', ARRAY[t.image('base', 'c'), t.image('hmi', 'c', '{base}', '{"build": {"args": {"V": "2"}, "target": "x"}}'), t.image('panel', 'b', '{hmi}')]));
SELECT is((SELECT was || ' → ' || is_now FROM dashboard.explain('hmi', NULL)), 'target: none → target: "x"', 'down to what changed in the definition');
SELECT is((SELECT concat_ws(' ', because, because_of, was = t.d('cbasea'), is_now = t.d('cbasec'), previous_revision = t.oid('1'), revision = t.oid('3')) FROM dashboard.explain('base', NULL)),
    'context images/base t t t t', 'a context, with the commits between which it changed');

SELECT results_eq('SELECT child, kind, parent FROM dashboard.edges ORDER BY 1, 2', $$VALUES ('plant:base@main', 'base', 'quay.io/os/debian:12'), ('plant:hmi@main', 'image', 'plant:base@main'), ('plant:panel@main', 'image', 'plant:hmi@main')$$, 'edges');
SELECT t.push(t.plan('4', ARRAY[t.image('base', 'c')]));
SELECT is((SELECT count(*) FROM dashboard.edges), 1::bigint, 'what nobody wants has none');
SELECT * FROM finish();
ROLLBACK;
