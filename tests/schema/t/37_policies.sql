-- What refs may do: pull requests, rules, grants; the preview of a pull request.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.do('repo_policy', '{"slug": "plant", "ref": "*", "remove": true}');
UPDATE farm.repo SET head = 'main';
CREATE FUNCTION t.plain(name text, content text, parents text[] DEFAULT '{}', more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_set(t.image(name, content, parents, more), '{build,secrets}', '[]')
$$;
CREATE FUNCTION t.rights(ref text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', CASE WHEN trusted THEN 'trusted' END, CASE WHEN publish THEN 'publish' END, CASE WHEN mirror THEN 'mirror' END, CASE WHEN secrets THEN 'secrets' END, CASE WHEN place THEN 'place' END)
      FROM dashboard.ref_policies p WHERE p.ref = rights.ref
$$;

-- Without rules a watched ref may do everything; a pull request builds and tests.
SELECT t.push(t.plan('1', ARRAY[t.plain('base', 'a'), t.plain('hmi', 'a', '{base}'), t.plain('web', 'a')]));
SELECT is(t.rights('main'), 'trusted publish mirror secrets place', 'a watched ref');
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.run_all('plant:base@main', t.d('B1')), t.run_all('plant:hmi@main', t.d('H1')), t.run_all('plant:web@main', t.d('W1'));
SELECT is(t.push(t.plan('2', ARRAY[t.plain('base', 'b'), t.plain('hmi', 'b', '{base}'), t.plain('web', 'a')], 'pull/7')),
    '{build:plant:base@pull/7:amd64,test:plant:base@pull/7:amd64,build:plant:web@pull/7:amd64,test:plant:web@pull/7:amd64,build:plant:hmi@pull/7:amd64,test:plant:hmi@pull/7:amd64}',
    'a pull request builds and tests only');
SELECT is(t.rights('pull/7'), '', 'it has no right');
SELECT isnt((SELECT a.recipe FROM farm.image_arch a WHERE a.id = t.id('plant:web@pull/7')), (SELECT a.recipe FROM farm.image_arch a WHERE a.id = t.id('plant:web@main')),
    'equal content has another key: what it builds is not taken for a result of the default ref');
SELECT is(t.do('publish', '{"image": "plant:base@pull/7"}'), 'refused: the ref pull/7 may not publish (pull requests build and test only)', 'an operator cannot publish it either');
SELECT is(t.do('mirror', '{"image": "plant:base@pull/7"}'), 'refused: the ref pull/7 may not mirror (pull requests build and test only)', 'or mirror');
SELECT is((SELECT count(*) FROM farm.provided p JOIN farm.image i ON i.id = p.image_id JOIN farm.ref r ON r.id = i.ref_id WHERE r.name = 'pull/7'), 0::bigint, 'it provides nothing');
SELECT t.push(t.plan('3', ARRAY[t.image('base', 'b'), t.plain('site', 'a', '{}', '{"place": {"site": "acp-1", "needs": []}}')], 'merge-requests/1'));
SELECT set_eq($$SELECT d.code, d.file FROM farm.definition_error d JOIN farm.ref r ON r.id = d.ref_id WHERE r.name = 'merge-requests/1'$$,
    $$VALUES ('secret-not-granted', 'images/base/Containerfile'), ('place-not-granted', 'images/site/Containerfile')$$, 'an image that needs a secret, or names a site, is an error there');
SELECT t.run('build:plant:base@pull/7:amd64', t.d('P1'));
SELECT is(t.ready(t.job('build:plant:web@pull/7:amd64')), 'ready', 'it is built although the same was');
SELECT t.claim(t.job('build:plant:web@pull/7:amd64'));
SELECT is((SELECT w.work::jsonb->>'cache' FROM farm.job j CROSS JOIN LATERAL farm.work(ARRAY[j.attempt_id]) w WHERE j.id = t.job('build:plant:web@pull/7:amd64')), 'staging.test:5000/cache-untrusted/plant', 'its layers have a cache of their own');

-- The preview.
SELECT is((SELECT summary FROM dashboard.previews WHERE ref = 'pull/7') ~ '^rebuilds 2 images, about [0-9]+ s$', true, 'the preview counts what differs');
SELECT is((SELECT images FROM dashboard.previews WHERE ref = 'pull/7'), 2, 'base and hmi, not web');
UPDATE farm.job_state SET started_at = finished_at - interval '4.5 hours' WHERE id IN (t.job('build:plant:base@main:amd64'), t.job('build:plant:hmi@main:amd64'));
SELECT is((SELECT summary FROM dashboard.previews WHERE ref = 'pull/7'), 'rebuilds 2 images, about 9 h', 'and says how long that takes');
SET LOCAL ROLE bootfarm_api;
SELECT is((SELECT count(*) FROM dashboard.previews), 2::bigint, 'which the API may read');
SELECT ok((SELECT count(*) FROM dashboard.ref_policies) >= 3, 'and the rights of refs');
RESET ROLE;
SELECT t.push(t.plan('4', ARRAY[t.plain('base', 'a'), t.plain('hmi', 'a', '{base}'), t.plain('web', 'a')], 'pull/8'));
SELECT is((SELECT summary FROM dashboard.previews WHERE ref = 'pull/8'), 'rebuilds nothing', 'one that changes nothing');

-- Without rules.
SELECT is(t.push(t.plan('5', ARRAY[t.plain('base', 'a')], 'dev')), '{build:plant:base@dev:amd64,test:plant:base@dev:amd64}', 'a branch that is not the remote''s HEAD builds and tests only');
SELECT is(t.push(t.plan('5', ARRAY[t.plain('base', 'a')], 'tags/v1')), '{build:plant:base@tags/v1:amd64,test:plant:base@tags/v1:amd64}', 'and so does a tag');
SELECT is(t.push(t.plan('5', ARRAY[t.plain('base', 'a')], 'tags/main')), '{build:plant:base@tags/main:amd64,test:plant:base@tags/main:amd64}', 'also one that is called as HEAD is');
SELECT is(concat_ws('|', t.rights('main'), t.rights('dev'), t.rights('tags/v1'), t.rights('tags/main')), 'trusted publish mirror secrets place|||', 'HEAD alone is trusted');
SELECT t.run('build:plant:base@dev:amd64', t.d('U1'));
SELECT is(t.run('test:plant:base@dev:amd64'), 'succeeded', 'its images are tested');
SELECT is((SELECT state || ' ' || reason || ': ' || detail FROM dashboard.images WHERE ref = 'dev'), 'OutOfSync policy: not released: the ref dev may not publish (see bootfarm repo policy)', 'and people are told why they are not released');
SELECT is((SELECT concat_ws(' ', state, reason, detail) FROM dashboard.images WHERE ref = 'tags/v1'), 'Progressing build-waiting', 'once there is nothing else to do');
SELECT is(t.do('build', '{"image": "plant:base@dev"}'), 'done', 'an operator may have them built');
SELECT is(t.do('publish', '{"image": "plant:base@dev"}'), 'refused: the ref dev may not publish (see bootfarm repo policy)', 'and not published');
SELECT is((SELECT array_agg(barred) FROM farm.load_images(ARRAY[t.id('plant:base@main'), t.id('plant:base@dev')])), '{f,t}', 'which the brain knows');

-- A rule gives a ref its rights and takes them; what no rule names stays as it was.
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "tags/v*"}'), 'done', 'a rule for tags');
SELECT is(concat_ws('|', t.rights('main'), t.rights('dev'), t.rights('tags/v1'), t.rights('tags/main')), 'trusted publish mirror secrets place||trusted publish mirror secrets place|', 'names those alone; HEAD stays trusted');
SELECT is((SELECT string_agg(r.name, ' ' ORDER BY r.name) FROM farm.ref r WHERE r.oid IS NULL), 'tags/v1', 'they are planned anew, and only they');
SELECT is(t.push(t.plan('5', ARRAY[t.plain('base', 'a')], 'tags/v1')),
    '{build:plant:base@tags/v1:amd64,test:plant:base@tags/v1:amd64,publish:plant:base@tags/v1,mirror:plant:base@tags/v1:acp-1,mirror:plant:base@tags/v1:acp-2}', 'to be released');
SELECT is(t.ready(t.job('build:plant:base@tags/v1:amd64')), 'skipped', 'what HEAD has built and tested');
SELECT is(t.ready(t.job('test:plant:base@tags/v1:amd64')), 'skipped', 'counts for it now');
SELECT is(t.ready(t.job('publish:plant:base@tags/v1')), 'ready', 'a release that is about to begin');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "tags/v*", "remove": true}'), 'done', 'does not');
SELECT throws_like($$SELECT t.claim(t.job('publish:plant:base@tags/v1'))$$, 'claim: outdated%', 'when the right is gone');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "main", "publish": false}'), 'done', 'a rule may take the rights of HEAD, too');
SELECT is(t.rights('main'), 'trusted secrets place', 'all that it names');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "main", "remove": true}'), 'done', 'without it');
SELECT is(t.rights('main'), 'trusted publish mirror secrets place', 'they are back');

-- The remote's HEAD moves.
SELECT t.push(t.plan('1', ARRAY[t.plain('base', 'a'), t.plain('hmi', 'a', '{base}'), t.plain('web', 'a')]));
SELECT sync_wanted AS wanted FROM farm.repo \gset
SELECT farm.repo_polled((SELECT id FROM farm.repo), 1, 'dev', NULL, 'the plan was too large');
SELECT is(t.rights('main') || '|' || t.rights('dev'), '|trusted publish mirror secrets place', 'both branches have other rights');
SELECT is((SELECT string_agg(r.name, ' ' ORDER BY r.name) FROM farm.ref r WHERE r.oid IS NULL AND r.gone_at IS NULL AND r.name IN ('main', 'dev', 'tags/main')), 'dev main', 'and are planned anew');
SELECT is((SELECT sync_wanted > :wanted FROM farm.repo), true, 'at once');
SELECT is((t.push(t.plan('5', ARRAY[t.plain('base', 'a')], 'dev')))[3], 'publish:plant:base@dev', 'the new one is released');
SELECT is(t.push(t.plan('1', ARRAY[t.plain('base', 'a')])), '{build:plant:base@main:amd64,test:plant:base@main:amd64}', 'the old one builds and tests');
SELECT t.push(t.plan('6', ARRAY[t.plain('base', 'c')], 'dev') || '{"head": "main"}');
SELECT is(t.rights('main') || '|' || t.rights('dev'), 'trusted publish mirror secrets place|', 'the first plan of a poll tells it already');
SELECT is((SELECT oid FROM farm.ref WHERE name = 'dev'), t.oid('6'), 'which is not planned twice');
SELECT t.push(t.plan('7', ARRAY[t.plain('base', 'c')], 'dev') || '{"head": null}');
SELECT farm.repo_polled((SELECT id FROM farm.repo), 1, NULL, '[{"name": "main"}, {"name": "dev"}, {"name": "pull/7"}, {"name": "pull/8"}]', NULL);
SELECT is(t.rights('main') || '|' || t.rights('dev'), 'trusted publish mirror secrets place|', 'a HEAD that names no branch: as before');

-- Rules with fewer rights, and which of them counts.
SELECT t.push(t.plan('5', ARRAY[t.plain('base', 'a')], 'dev'));
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "d*", "publish": true, "mirror": false, "secrets": false, "place": false}'), 'done', 'a rule with fewer rights');
SELECT is(t.rights('dev'), 'trusted publish', 'gives those');
SELECT is(t.push(t.plan('5', ARRAY[t.plain('base', 'a')], 'dev')), '{build:plant:base@dev:amd64,test:plant:base@dev:amd64,publish:plant:base@dev}', 'no mirrors');
SELECT is((SELECT rule FROM dashboard.ref_policies WHERE ref = 'dev'), 'd*', 'the rule is shown');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "dev", "trusted": false}'), 'done', 'a name goes before a pattern');
SELECT is(t.rights('dev'), '', 'untrusted');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "dev", "remove": true}'), 'done', 'rules are removed');
SELECT is(t.rights('dev'), 'trusted publish', 'the pattern rules again');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "pull/*", "publish": true}'), 'refused: pull requests build and test only (no rule changes that)', 'not for pull requests');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "x", "trusted": false, "publish": true}'), 'refused: a ref that is not trusted builds and tests only', 'not without trust');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "x", "publish": false, "mirror": true}'), 'refused: what is not published cannot be mirrored', 'no mirror without release');
SELECT is(t.do('repo_policy', '{"slug": "plant", "ref": "x", "remove": true}'), 'refused: there is no rule for x', 'no rule');

-- HEAD is known from the plan itself, before the first poll has ended. Until then nothing is trusted.
SELECT t.do('repo_add', '{"url": "file:///srv/new.git"}');
SELECT farm.plan_commit((SELECT id FROM farm.repo WHERE slug = 'new'), t.plan('1', '{}', 'early'));
SELECT is((SELECT trusted OR may_publish OR may_mirror OR may_secrets OR may_place FROM farm.ref WHERE name = 'early'), false, 'a ref of a repository whose HEAD is not known');
SELECT farm.plan_commit((SELECT id FROM farm.repo WHERE slug = 'new'), t.plan('1', '{}', 'trunk') || '{"head": "trunk"}');
SELECT is((SELECT trusted FROM farm.ref WHERE name = 'trunk'), true, 'the default ref of a new repository');

-- Grants.
SELECT t.push(t.plan('10', ARRAY[t.plain('base', 'a', '{}', '{"provides": ["registry.other/os/base:1"]}')]));
SELECT is((SELECT count(*) FROM farm.provided WHERE reference = 'registry.other/os/base:1'), 0::bigint, 'a name of somebody else is not provided');
SELECT is(t.do('repo_grant', '{"slug": "plant", "reference": "registry.other/os/*"}'), 'done', 'a grant');
SELECT t.push(t.plan('10', ARRAY[t.plain('base', 'a', '{}', '{"provides": ["registry.other/os/base:1"]}')]));
SELECT is((SELECT count(*) FROM farm.provided WHERE reference = 'registry.other/os/base:1'), 1::bigint, 'allows it');
SELECT is(t.do('repo_grant', '{"slug": "plant", "reference": "x", "remove": true}'), 'refused: there is no grant of x', 'grants are removed');
SELECT * FROM finish();
ROLLBACK;
