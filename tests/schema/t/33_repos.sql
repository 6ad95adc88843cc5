-- Polls, artifacts, bases.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT id AS repo FROM farm.repo \gset

SELECT results_eq('SELECT slug, url, refs, head, git, known_refs, sync_wanted, next_us FROM farm.due_repos(0.5)',
    $$VALUES ('plant', 'file:///srv/plant.git', '{HEAD}'::text[], NULL::text, '{}'::jsonb, '{}'::jsonb, 1::bigint, 0::bigint)$$, 'a new repository is due at once');
SELECT farm.repo_polled(:repo, 1, 'main', '[]', NULL);
SELECT ok((SELECT next_us = farm.us(now() + interval '60 s') FROM farm.due_repos(0)), 'then after its interval');
SELECT ok((SELECT next_us BETWEEN farm.us(now() + interval '30 s') AND farm.us(now() + interval '60 s') FROM farm.due_repos(0.5)), 'less the jitter');
SELECT is((SELECT next_us FROM farm.due_repos(0.5)), (SELECT next_us FROM farm.due_repos(0.5)), 'which is the same however often one asks');
SELECT is(t.do('repo_sync', '{"slug": "plant"}'), 'done', 'a sync is asked for');
SELECT is((SELECT next_us FROM farm.due_repos(0)), 0::bigint, 'due at once');
SELECT farm.repo_polled(:repo, 2, NULL, NULL, 'no route to host');
SELECT results_eq('SELECT error, failures, sync_pending, head, error_since IS NOT NULL FROM dashboard.repositories', $$VALUES ('no route to host', 1, false, 'main', true)$$, 'a poll that failed says so, and has answered the request');
SELECT ok((SELECT next_us = farm.us(now() + interval '5 s') FROM farm.due_repos(0)), 'it is tried again soon');
SELECT farm.repo_polled(:repo, 2, NULL, NULL, 'no route to host') FROM generate_series(1, 20);
SELECT ok((SELECT next_us = farm.us(now() + interval '30 minutes') FROM farm.due_repos(0)), 'it backs off to 30 minutes');
SELECT farm.repo_polled(:repo, 2, 'trunk', '[]', NULL);
SELECT results_eq('SELECT error, failures, head, error_since FROM dashboard.repositories', $$VALUES (NULL::text, 0, 'trunk', NULL::timestamptz)$$, 'a poll that succeeds forgets it');

SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a')], 'trunk'));
SELECT is((SELECT known_refs FROM farm.due_repos(0)), jsonb_build_object('trunk', t.oid('1')), 'the planner is told what is known');
SELECT set_eq(format('SELECT farm.known_contexts(%s)', :repo), $$VALUES (t.d('cbasea')), (t.d('sbase'))$$, 'and which artifacts are there');
SELECT farm.add_artifact(t.d('cbasea'), t.d('other'), 'staging.test:5000/contexts/plant', 7);
SELECT results_eq($$SELECT digest::text, size FROM farm.artifact WHERE key = t.d('cbasea')$$, $$VALUES (t.d('other'), 7::bigint)$$, 'an artifact may be uploaded again');

SELECT results_eq('SELECT reference, arch, digest, error FROM farm.load_bases()', $$VALUES ('quay.io/os/debian:12', 'amd64', NULL::text, NULL::text)$$, 'a base that was never resolved');
SELECT results_eq($$SELECT reference FROM farm.bases_due('1 hour')$$, $$VALUES ('quay.io/os/debian:12')$$, 'is due');
SELECT ok(farm.base_resolved((SELECT id FROM farm.base), NULL, 'registry is down'), 'the error of a base that was never resolved is news: images wait for it');
SELECT ok(NOT farm.base_resolved((SELECT id FROM farm.base), NULL, 'registry is down'), 'the same error again is none');
SELECT is((SELECT count(*) FROM farm.bases_due('1 hour')), 0::bigint, 'it was just looked at');
UPDATE farm.base SET checked_at = now() - interval '40 s', failures = 1;
SELECT is((SELECT count(*) FROM farm.bases_due('1 hour')), 1::bigint, 'after an error it is due again soon');
SELECT ok(farm.base_resolved((SELECT id FROM farm.base), t.d('D'), NULL), 'resolved: a change');
SELECT ok(NOT farm.base_resolved((SELECT id FROM farm.base), t.d('D'), NULL), 'the same again: none');
UPDATE farm.base SET checked_at = now() - interval '40 s';
SELECT is((SELECT count(*) FROM farm.bases_due('1 hour')), 0::bigint, 'without an error it is left alone for its time');
SELECT ok(NOT farm.base_resolved((SELECT id FROM farm.base), NULL, 'registry is down'), 'an error is no change');
SELECT results_eq('SELECT digest, error FROM farm.load_bases()', $$VALUES (t.d('D'), 'registry is down')$$, 'cannot resolve is not changed: the digest stays');
SELECT t.push(t.plan('2', '{}', 'trunk'));
SELECT is((SELECT count(*) FROM farm.load_bases()), 0::bigint, 'bases that nobody wants are not watched');

-- the weight of its share
SELECT is((SELECT weight FROM dashboard.repositories WHERE name = 'plant'), 1, 'a repository weighs 1');
SELECT is(t.do('repo_set', '{"slug": "plant", "weight": "3"}'), 'done', 'repo_set');
SELECT is((SELECT outcome - 'repo_id' FROM farm.command ORDER BY id DESC LIMIT 1), '{"weight": 3, "image_archs": []}', 'of a repository without images there is nothing for the brain');
SELECT t.push(t.plan('2b', ARRAY[t.image('base', 'a'), t.image('more', 'a')], 'trunk'));
SELECT is((SELECT array_agg(DISTINCT repo_weight) FROM farm.load_images(NULL)), '{3}', 'images that come later bring it');
SELECT is(t.do('repo_set', '{"slug": "plant", "weight": "1000"}'), 'done', 'the most');
SELECT is((SELECT array_agg(l.repo_weight) FROM farm.command c, jsonb_array_elements_text(c.outcome->'image_archs') e, farm.load_images(ARRAY[e::bigint]) l
            WHERE c.id = (SELECT max(id) FROM farm.command)), '{1000}', 'with images it is given to the brain by the row of one');
SELECT throws_ok(format($$SELECT t.do('repo_set', '{"slug": "plant", "weight": "%s"}')$$, w), '22023', 'repo_set: weight must be a number from 1 to 1000, and is not: ' || w, 'weight ' || w)
  FROM unnest('{0,1001,-1,half,1.5,99999999999}'::text[]) w;
SELECT throws_ok($$SELECT t.do('repo_set', '{"slug": "plant"}')$$, '22023', 'repo_set needs weight', 'nothing to set');
SELECT is(t.do('repo_add', jsonb_build_object('slug', 'plant', 'url', (SELECT url FROM farm.repo WHERE slug = 'plant'))), 'done', 'repo_add again');
SELECT is((SELECT weight FROM farm.repo WHERE slug = 'plant'), 1000, 'leaves it');

SELECT is(t.do('repo_remove', '{"slug": "plant"}'), 'done', 'repo_remove');
SELECT is((SELECT count(*) FROM farm.due_repos(0)), 0::bigint, 'is not polled any more');
SELECT is(t.push(t.plan('3', ARRAY[t.image('base', 'a')], 'trunk')), '{}', 'and a plan that was under way changes nothing');
SELECT is(t.do('repo_add', '{"url": "file:///srv/other/plant.git"}'), 'done', 'the name can be given again');
SELECT is((SELECT known_refs FROM farm.due_repos(0)), '{}', 'nothing of it is known');
SELECT * FROM finish();
ROLLBACK;
