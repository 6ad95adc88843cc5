-- Edges across refs and repositories: found, pinned, followed, and given up.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.do('repo_add', '{"url": "file:///srv/line.git"}');
UPDATE farm.repo SET head = 'main';

CREATE FUNCTION t.push_to(slug text, plan jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    i jsonb;
    made bigint[];
BEGIN
    FOR i IN SELECT * FROM jsonb_array_elements(plan->'images') LOOP
        PERFORM farm.add_artifact(i->>'context_key', t.d('art' || (i->>'context_key')), 'staging.test:5000/contexts/' || slug, 1000);
        PERFORM farm.add_artifact(i->>'scripts_key', t.d('art' || (i->>'scripts_key')), 'staging.test:5000/contexts/' || slug, 100);
    END LOOP;
    SELECT c.jobs INTO made FROM farm.plan_commit((SELECT id FROM farm.repo p WHERE p.slug = push_to.slug), plan) c;
    RETURN ARRAY(SELECT farm.job_title(u.id) FROM unnest(made) WITH ORDINALITY u (id, ord) ORDER BY u.ord);
END $$;
-- An image that needs a reference from elsewhere; no mirrors.
CREATE FUNCTION t.user_of(name text, content text, reference text, more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT t.image(name, content, '{}', jsonb_build_object('externals', jsonb_build_array(jsonb_build_object('ref', reference, 'written', jsonb_build_array(reference), 'use', 'from')),
                                                           'mirror', '{"sites": []}'::jsonb) || more)
$$;
CREATE FUNCTION t.edges(title text) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce((SELECT string_agg(farm.image_title(a.image_id), ' ' ORDER BY 1) FROM farm.image_parent e JOIN farm.image_arch a ON a.id = e.parent_arch_id WHERE e.image_arch_id = t.id(title)), '')
           || '|' || coalesce((SELECT string_agg(b.reference, ' ' ORDER BY 1) FROM farm.image_base e JOIN farm.base b ON b.id = e.base_id WHERE e.image_arch_id = t.id(title)), '')
$$;
CREATE FUNCTION t.none(name text, content text) RETURNS jsonb LANGUAGE sql AS $$ SELECT t.image(name, content, '{}', '{"mirror": {"sites": []}}') $$;

-- The child first: what nobody provides is a base.
SELECT is(t.push_to('line', t.plan('1', ARRAY[t.user_of('robot', 'a', 'release.test:5000/plant/base:main'), t.image('arm', 'a', '{robot}', '{"mirror": {"sites": []}}')])),
    '{build:line:robot@main:amd64,test:line:robot@main:amd64,publish:line:robot@main,build:line:arm@main:amd64,test:line:arm@main:amd64,publish:line:arm@main}', 'a plan with a reference that nobody provides');
SELECT is(t.edges('line:robot@main'), '|release.test:5000/plant/base:main', 'an external base');
SELECT is((SELECT count(*) FROM farm.bases_due('1 hour') WHERE reference LIKE 'release.test%'), 1::bigint, 'which is looked up');

-- Then its provider.
SELECT is(t.push(t.plan('1', ARRAY[t.none('base', 'a')])), '{build:plant:base@main:amd64,test:plant:base@main:amd64,publish:plant:base@main}',
    'the provider is planned; the child waits already and is not doubled');
SELECT is(t.edges('line:robot@main'), 'plant:base@main|', 'now it is a parent');
SELECT is((SELECT count(*) FROM farm.bases_due('1 hour') WHERE reference LIKE 'release.test%'), 0::bigint, 'and no base to look up');
SELECT is((SELECT parents FROM farm.load_images(ARRAY[t.id('line:robot@main')])), ARRAY[t.id('plant:base@main')], 'which the brain is told');

SELECT farm.base_resolved((SELECT id FROM farm.base WHERE reference LIKE 'quay%'), t.d('debian'), NULL);
SELECT t.run('build:plant:base@main:amd64', t.d('B1')), t.run('test:plant:base@main:amd64'), t.run('publish:plant:base@main');
SELECT is(t.ready(t.job('build:line:robot@main:amd64')), 'ready', 'the child is built');
SELECT t.claim(t.job('build:line:robot@main:amd64')) AS attempt \gset
SELECT is((SELECT w.work::jsonb->'pins'->0->>'image' FROM farm.work(ARRAY[:'attempt'::uuid]) w), 'staging.test:5000/build/plant/base@' || t.d('B1'), 'from the exact digest of the parent, where it was built');
SELECT is((SELECT w.work::jsonb->'pins'->0->'written'->>0 FROM farm.work(ARRAY[:'attempt'::uuid]) w), 'release.test:5000/plant/base:main', 'under the name that its file says');
SELECT farm.start(ARRAY[:'attempt'::uuid], ARRAY[1]);
SELECT is(t.finish(:'attempt', t.ok(t.d('R1')), 'succeeded'), 'accepted', 'it is');
SELECT t.run('test:line:robot@main:amd64'), t.run('publish:line:robot@main');
SELECT t.run('build:line:arm@main:amd64', t.d('A1')), t.run('test:line:arm@main:amd64'), t.run('publish:line:arm@main');

-- A change of the provider.
SELECT is(t.push(t.plan('2', ARRAY[t.none('base', 'b')])),
    '{build:plant:base@main:amd64,test:plant:base@main:amd64,publish:plant:base@main,build:line:robot@main:amd64,test:line:robot@main:amd64,publish:line:robot@main,build:line:arm@main:amd64,test:line:arm@main:amd64,publish:line:arm@main}',
    'what stands on it in other repositories is built again, all the way');
SELECT is((SELECT because || ' ' || because_of FROM farm.job WHERE id = t.job('build:line:robot@main:amd64')), 'parent plant:base@main', 'because: the parent');
SELECT is((SELECT v.ref_id FROM farm.job j JOIN farm.revision v ON v.id = j.revision_id WHERE j.id = t.job('build:line:robot@main:amd64')),
    (SELECT i.ref_id FROM farm.image i WHERE i.name = 'robot'), 'as a job of its own ref''s revision');
SELECT t.run('build:plant:base@main:amd64', t.d('B2')), t.run('test:plant:base@main:amd64');
SELECT is(t.run('build:line:robot@main:amd64', t.d('R2')), 'succeeded', 'another digest: it is built');
SELECT is(t.push(t.plan('3', ARRAY[t.none('base', 'b')])), '{}', 'a commit that changes nothing of it makes no job anywhere');
SELECT t.run('test:line:robot@main:amd64'), t.run('publish:line:robot@main'), t.run('build:line:arm@main:amd64', t.d('A2')), t.run('test:line:arm@main:amd64'), t.run('publish:line:arm@main');

-- The same digest once more costs the children nothing.
SELECT t.push(t.plan('4', ARRAY[t.none('base', 'c')]));
SELECT t.run('build:plant:base@main:amd64', t.d('B2')), t.run('test:plant:base@main:amd64');
SELECT is(t.run('build:line:robot@main:amd64', t.d('R3')), 'skipped', 'a parent that gives the same digest: the child is not built');

-- Other names for it; other refs.
SELECT t.push_to('line', t.plan('5', ARRAY[t.user_of('other', 'a', 'release.test:5000/plant/os:1'), t.user_of('stranger', 'a', 'elsewhere.test/os:1')]));
SELECT t.push(t.plan('6', ARRAY[t.image('base', 'c', '{}', '{"provides": ["release.test:5000/plant/os:1", "elsewhere.test/os:1"], "mirror": {"sites": []}}')]));
SELECT is(t.edges('line:other@main'), 'plant:base@main|', '`provides` below the repository''s own name makes an edge');
SELECT is(t.edges('line:stranger@main'), '|elsewhere.test/os:1', 'one that belongs to somebody else does not');
SELECT is(t.push(t.plan('7', ARRAY[t.user_of('dev', 'a', 'release.test:5000/plant/base:main')], 'next')) @> '{build:plant:dev@next:amd64}', true, 'another ref of the repository');
SELECT is(t.edges('plant:dev@next'), 'plant:base@main|', 'has edges to the first, too');

-- Circles between repositories are cut, and said.
SELECT t.push_to('line', t.plan('8', ARRAY[t.user_of('x', 'a', 'release.test:5000/plant/y:main', '{"publish": {"tags": ["main"]}}')]));
SELECT t.push(t.plan('9', ARRAY[t.none('base', 'c'), t.user_of('y', 'a', 'release.test:5000/line/x:main', '{"publish": {"tags": ["main"]}}')]));
SELECT is(t.edges('line:x@main') <> '' AND (t.edges('line:x@main') = '|release.test:5000/plant/y:main') <> (t.edges('plant:y@main') = '|release.test:5000/line/x:main'), true, 'one of the two is a base');
SELECT is((SELECT count(*) FROM farm.definition_error WHERE code = 'cycle' AND severity = 'warning'), 1::bigint, 'with a warning');

-- The provider goes.
SELECT is(t.edges('plant:dev@next'), 'plant:base@main|', 'an edge');
SELECT t.push(t.plan('10', ARRAY[t.none('other', 'c')]));
SELECT is(t.edges('plant:dev@next'), '|release.test:5000/plant/base:main', 'is a base again when the parent is removed');
SELECT t.push(t.plan('11', ARRAY[t.none('base', 'c')]));
SELECT is(t.edges('plant:dev@next'), 'plant:base@main|', 'and an edge when it is back');
SELECT farm.repo_polled((SELECT id FROM farm.repo WHERE slug = 'plant'), 0, 'next', '[{"name": "next"}]', NULL);
SELECT is(t.edges('plant:dev@next'), '|release.test:5000/plant/base:main', 'the same where its ref is deleted');

-- An error that names images concerns those, wherever it stands.
SELECT t.push_to('line', t.plan('20', ARRAY[t.none('p', 'a'), t.none('q', 'a')], 'main'));
SELECT t.push_to('line', t.plan('21', '{}', 'main', '[{"file": "common/x.conf", "line": 1, "column": 1, "code": "bad-args-file", "message": "m", "images": ["p"]}]'));
SELECT is((SELECT string_agg(name || ' ' || (removed_at IS NULL), ',' ORDER BY name) FROM farm.image WHERE name IN ('p', 'q')), 'p true,q false', 'the one that it names is broken, not gone');
SELECT t.push_to('line', t.plan('22', ARRAY[t.none('q', 'a')], 'main'));
SELECT t.push_to('line', t.plan('23', '{}', 'main', '[{"file": "x/image.yaml", "line": 1, "column": 1, "code": "too-large", "message": "m", "images": []}]'));
SELECT is((SELECT removed_at IS NULL FROM farm.image WHERE name = 'q'), true, 'one that names none may concern any');
-- Triggers of what others may be built from.
SELECT is(farm.triggers_across(), '{}', 'no image has triggers');
SELECT t.push_to('line', t.plan('24', ARRAY[t.image('q', 'b', '{}', '{"onbuild": ["COPY app /srv"], "mirror": {"sites": []}}'), t.none('r', 'a')], 'main'));
SELECT is(farm.triggers_across(), '{"release.test:5000/line/q:main": ["COPY app /srv"]}', 'a planner is told those of images that have them, by their references');
SELECT t.push_to('line', t.plan('25', ARRAY[t.image('q', 'b', '{}', '{"onbuild": null, "mirror": {"sites": []}}'), t.none('r', 'a')], 'main'));
SELECT is(farm.triggers_across(), '{"release.test:5000/line/q:main": null}', 'or that there are some');
SELECT t.push_to('line', t.plan('26', ARRAY[t.none('r', 'a')], 'main'));
SELECT is(farm.triggers_across(), '{}', 'nothing of an image that is gone');
SELECT * FROM finish();
ROLLBACK;
