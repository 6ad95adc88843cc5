-- Definitions with errors, places, sites, architectures, manual publishing.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}'), t.image('app', 'a')]));

-- An error keeps what it concerns.
SELECT is(t.push(t.plan('2', ARRAY[t.image('app', 'a')], 'main', '[{"file": "images/base/Containerfile", "line": 3, "column": 8, "code": "unset-argument", "message": "X is empty", "hint": "set it"},
                                                                   {"file": "images/hmi/image.yaml", "line": 1, "column": 1, "code": "unknown-key", "message": "foo"}]')), '{}', 'broken definitions make no jobs');
SELECT results_eq('SELECT image, state, reason, detail FROM dashboard.images ORDER BY id',
    $$VALUES ('base', 'Degraded', 'definition', 'images/base/Containerfile:3:8: X is empty'), ('hmi', 'Degraded', 'definition', 'images/hmi/image.yaml:1:1: foo'), ('app', 'Progressing', 'build-waiting', NULL)$$,
    'they are Degraded, with the place of the error; others go on');
SELECT results_eq('SELECT repository, ref, revision, severity, file, line, "column", code, message, hint FROM dashboard.definition_errors ORDER BY id LIMIT 1',
    $$VALUES ('plant', 'main', t.oid('2'), 'error', 'images/base/Containerfile', 3, 8, 'unset-argument', 'X is empty', 'set it')$$, 'the errors are listed');
SELECT t.push(t.plan('2b', ARRAY[t.image('app', 'a')], 'main', '[{"file": "images/x/Containerfile", "line": 2, "column": 6, "code": "x", "message": "of base", "images": ["base"]},
                                                                {"file": "images/x/Containerfile", "line": 2, "column": 6, "code": "x", "message": "of hmi", "images": ["hmi"]}]'));
SELECT results_eq($$SELECT image, detail FROM dashboard.images WHERE reason = 'definition' ORDER BY id$$,
    $$VALUES ('base', 'images/x/Containerfile:2:6: of base'), ('hmi', 'images/x/Containerfile:2:6: of hmi')$$, 'each shows the error that names it');
SELECT is(t.push(t.plan('3', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}'), t.image('app', 'a')])), '{}', 'put right, nothing changed after all');
SELECT is((SELECT array_agg(DISTINCT state) FROM dashboard.images), '{Progressing}', 'and nothing is Degraded');
SELECT is((SELECT count(*) FROM dashboard.definition_errors), 0::bigint, 'no error is left');
SELECT t.push(t.plan('4', '{}', 'main', '[{"file": "bootfarm.yaml", "line": 1, "column": 1, "code": "x", "message": "y"}]'));
SELECT is((SELECT count(*) FROM dashboard.images WHERE reason = 'definition'), 3::bigint, 'an error of bootfarm.yaml concerns all');
SELECT t.push(t.plan('4b', '{}', 'main', '[{"file": "main", "line": 0, "column": 0, "code": "unsigned-commit", "message": "commit x is not signed", "images": []}]'));
SELECT is((SELECT array_agg(DISTINCT detail) FROM dashboard.images), '{main: commit x is not signed}', 'an error of the commit itself has no line');
SELECT t.push(t.plan('5', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}')], 'main', '[{"file": "other/Containerfile", "line": 1, "column": 1, "code": "x", "message": "y"}]'));
SELECT is((SELECT array_agg(image ORDER BY image) FROM dashboard.images), '{base,hmi}', 'an error elsewhere does not keep what is gone');

-- Parents without a usable definition, and unknown sites, are errors, too; what builds on them follows.
SELECT is(t.push(t.plan('6', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}'), t.image('x', 'a', '{nobody}'), t.image('y', 'a', '{x}'), t.image('z', 'a', '{}', '{"place": {"site": "acp-9"}}')])), '{}', 'none can be placed');
SELECT results_eq('SELECT code, file, message FROM dashboard.definition_errors ORDER BY file, code', $$VALUES
    ('parent-missing', 'images/x/Containerfile', 'its parent nobody has no usable definition'), ('parent-missing', 'images/y/Containerfile', 'its parent x has no usable definition'),
    ('unknown-site', 'images/z/Containerfile', 'there is no site acp-9')$$, 'each says why');
SELECT is(t.do('site_add', '{"name": "acp-9", "kind": "acp", "registry": "acp9.test:5000"}'), 'done', 'the site is added');
SELECT ok((SELECT sync_pending FROM dashboard.repositories), 'its repository is polled again');
SELECT is((SELECT known_refs FROM farm.due_repos(0)), '{}', 'and its ref is planned again');
SELECT is((t.push(t.plan('6', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}'), t.image('z', 'a', '{}', '{"place": {"site": "acp-9"}}')])))[1], 'build:plant:z@main:amd64', 'with success');
SELECT results_eq($$SELECT DISTINCT j.kind, s.name::text FROM farm.job j JOIN farm.site s ON s.id = j.run_site_id JOIN farm.image i ON i.id = j.image_id WHERE i.name = 'z' ORDER BY 1, 2$$,
    $$VALUES ('build', 'acp-9'), ('mirror', 'acp-1'), ('mirror', 'acp-2'), ('mirror', 'acp-9'), ('publish', 'acp-9'), ('test', 'acp-9')$$, 'jobs run at the place; mirrors at their site');
SELECT results_eq($$SELECT j.kind, s.name::text, j.needs, j.priority FROM farm.job j JOIN farm.site s ON s.id = j.run_site_id WHERE j.id IN (t.job('build:plant:base@main:amd64'), t.job('test:plant:base@main:amd64'), t.job('publish:plant:base@main')) ORDER BY j.id$$,
    $$VALUES ('build', 'hub', '{secret:key}'::text[], 10), ('test', 'hub', '{kvm}', 10), ('publish', 'hub', '{}', 10)$$, 'at the hub else; kvm for the test, secrets for the build');

-- Sites of mirrors.
SELECT is(t.push(t.plan('7', ARRAY[t.image('base', 'a', '{}', '{"mirror": {"sites": ["acp-{1,9}", "none-*", "[broken"]}}'), t.image('hmi', 'a', '{base}'), t.image('z', 'a', '{}', '{"place": {"site": "acp-9"}}')])),
    '{}', 'fewer sites: no job');
SELECT is((SELECT array_agg(site ORDER BY site) FROM dashboard.presence WHERE image = 'base'), '{acp-1,acp-9}', 'the sites that match');
SELECT is(t.push(t.plan('8', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}'), t.image('z', 'a', '{}', '{"place": {"site": "acp-9"}}')])), '{mirror:plant:base@main:acp-2}', 'one site more: a mirror');
SELECT is((SELECT because || ' ' || because_of FROM farm.job ORDER BY id DESC LIMIT 1), 'site acp-2', 'because: the site');
SELECT ok(farm.glob('acp-[1-3]', 'acp-2') AND NOT farm.glob('acp-[!1-3]', 'acp-2') AND farm.glob('a?p-*', 'acp-77') AND NOT farm.glob('acp', 'acp-1') AND NOT farm.glob('a.p-1', 'acp-1'), 'globs');

-- Manual publishing.
SELECT is(t.push(t.plan('9', ARRAY[t.image('base', 'a'), t.image('m', 'a', '{}', '{"publish": {"tags": ["m"], "when": "manual"}}')])), '{build:plant:m@main:amd64,test:plant:m@main:amd64}', 'manual: built and tested');
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.run('build:plant:m@main:amd64', t.d('M1')), t.run('test:plant:m@main:amd64');
SELECT results_eq($$SELECT state, reason FROM dashboard.images WHERE image = 'm'$$, $$VALUES ('OutOfSync', 'manual')$$, 'OutOfSync until somebody publishes it');
SELECT is(t.do('publish', '{"image": "m"}'), 'done', 'which somebody does');
SELECT t.run('publish:plant:m@main');
SELECT results_eq($$SELECT state, phase FROM dashboard.images WHERE image = 'm'$$, $$VALUES ('Synced', 'released')$$, 'Synced, not yet mirrored');

-- Architectures.
SELECT is(t.push(t.plan('10', ARRAY[t.image('base', 'a'), t.image('base', 'a', '{}', '{"arch": "arm64"}')])),
    '{build:plant:base@main:arm64,test:plant:base@main:arm64,publish:plant:base@main,mirror:plant:base@main:acp-1,mirror:plant:base@main:acp-2,mirror:plant:base@main:acp-9}', 'one more architecture');
SELECT is((SELECT cardinality(image_archs) FROM farm.load_jobs(ARRAY[t.job('publish:plant:base@main')])), 2, 'both are released together');
SELECT t.push(t.plan('11', ARRAY[t.image('base', 'a')]));
SELECT is((SELECT array_agg(removed ORDER BY arch) FROM farm.load_images(ARRAY(SELECT id FROM farm.image_arch WHERE image_id = (SELECT image_id FROM farm.image_arch WHERE id = t.id('plant:base@main'))))), '{f,t}', 'one less: that one is removed');

-- A parent of another architecture (FROM --platform) is pinned as that; only the one whose layers come first is checked at the publish.
SELECT t.push(t.plan('x1', ARRAY[t.image('os', 'a'), t.image('os', 'a', '{}', '{"arch": "arm64"}'), t.image('tool', 'a'),
    t.image('cross', 'a', '{}', '{"wave": 2, "externals": [{"ref": "q.io/e:1", "written": ["q.io/e:1"], "use": "from", "arch": "arm64"}],
        "parents": [{"ref": "localhost/os:latest", "written": ["os"], "image": "os", "use": "from", "arch": "arm64", "final": true}, {"ref": "localhost/tool:latest", "written": ["tool"], "image": "tool", "use": "from", "arch": "amd64"}]}')]));
SELECT set_eq($$SELECT i.name, a.arch FROM farm.image_parent e JOIN farm.image_arch a ON a.id = e.parent_arch_id JOIN farm.image i ON i.id = a.image_id WHERE e.image_arch_id = t.id('plant:cross@main')$$,
    $$VALUES ('os', 'arm64'), ('tool', 'amd64')$$, 'edges by architecture');
SELECT farm.base_resolved(id, t.d(arch), NULL) FROM farm.base;
SELECT t.run('build:plant:os@main:arm64', t.d('O')), t.run('test:plant:os@main:arm64'), t.run('build:plant:tool@main:amd64', t.d('T')), t.run('test:plant:tool@main:amd64');
SELECT t.ready(t.job('build:plant:cross@main:amd64'));
SELECT t.claim(t.job('build:plant:cross@main:amd64')) AS a \gset
SELECT is((SELECT jsonb_agg(p->>'image') FROM farm.work(ARRAY[:'a'::uuid]) w, jsonb_array_elements(w.work::jsonb->'pins') p),
    jsonb_build_array('staging.test:5000/build/plant/os@' || t.d('O'), 'staging.test:5000/build/plant/tool@' || t.d('T'), 'q.io/e@' || t.d('arm64')), 'pins by architecture');
SELECT t.finish(:'a', t.ok(t.d('X')), 'succeeded');
SELECT is(farm.layer_parents(t.d('X')), jsonb_build_array('staging.test:5000/build/plant/os@' || t.d('O')), 'the parent that comes first');

-- What a hostile plan may try.
SELECT throws_ok($$SELECT t.push(t.plan('12', ARRAY[t.image('../x', 'a')]))$$, '23514', NULL, 'a name that is no path of a registry');
SELECT throws_ok($$SELECT t.push(t.plan('12', ARRAY[t.image('x', 'a', '{}', '{"recipe": "x"}')]))$$, '23514', NULL, 'a key that is none');
SELECT throws_ok($$SELECT t.push(t.plan('12', ARRAY[t.image('x', 'a'), t.image('x', 'a')]))$$, '23505', NULL, 'two images of one name');
SELECT is((SELECT count(*) FROM farm.plan_stage), 0::bigint, 'the stage is empty after each plan');
SELECT * FROM finish();
ROLLBACK;
