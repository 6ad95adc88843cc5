-- submit_command: what it takes, what it says of the rest. command_apply: what each verb does.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}')]));
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a')], 'dev'));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);

SELECT is(t.submit('dance', '{}'), 'there is no command dance', 'an unknown verb');
SELECT is(t.submit('repo_sync', '{}'), 'repo_sync needs slug', 'a missing argument');
SELECT is(t.submit('repo_sync', '{"slug": null}'), 'repo_sync needs slug', 'null is missing');
SELECT is(t.submit('repo_sync', '{"slug": "plant", "fast": true}'), 'repo_sync has no argument fast', 'an unknown argument');
SELECT is(t.submit('repo_sync', '{"slug": 5}'), 'repo_sync: slug must be a text without control characters', 'a wrong type');
SELECT is(t.submit('repo_sync', '{"slug": "a\u0007"}'), 'repo_sync: slug must be a text without control characters', 'control characters');
SELECT is(t.submit('repo_sync', '{"slug": "tree"}'), 'repo_sync: there is no repository tree', 'something that is not there');
SELECT is(t.submit('repo_sync', '[]'), 'repo_sync: args must be an object of at most 64 KiB, who and source a text of at most 200 characters', 'no object');
SELECT is(t.submit('worker_enroll', '{"name": "w", "site": "hub", "roles": "build", "public_key": "x"}'), 'worker_enroll: roles must be a list of texts', 'a list that is none');
SELECT is(t.submit('worker_drain', '{"name": "nobody"}'), 'worker_drain: there is no worker nobody', 'a worker that is not there');
SELECT is(t.submit('job_cancel', '{"job": 999999}'), 'there is no job 999999', 'a job that is not there');
SELECT is(t.submit('job_cancel', '{"job": "build:x"}'), 'there is no job build:x', 'a name that is none');
SELECT is(t.submit('build', '{"image": "base"}'), 'base may mean plant:base@main, plant:base@dev', 'an image that is not clear');
SELECT is(t.submit('build', '{"image": "nothing"}'), 'there is no image nothing', 'an image that is not there');
SELECT is(t.submit('repo_add', jsonb_build_object('url', u)), 'repo_add: the url holds a user or a password, which everybody could read', 'credentials in a URL: ' || u)
  FROM unnest('{https://u:secret@h/a.git,https://secret@h/a.git,HTTP://u@h:80/a,ssh://git:secret@h/a.git,ftp://u:s@h/a,user:secret@h:a.git,"x https://u:s@h/a"}'::text[]) u;
SELECT ok(NOT farm.holds_secret(u), 'none in ' || u)
  FROM unnest('{https://h/a.git,https://h:8443/a@b.git,https://h/a:b@c,ssh://git@h/a.git,ssh://git@h:22/a.git,git@h:team/a.git,file:///srv/a@b.git,/srv/a:b@c.git,"https://[::1]:80/a"}'::text[]) u;
SELECT is((SELECT count(*) FROM farm.commands()), 0::bigint, 'none of them was stored');
SELECT throws_ok($$SELECT dashboard.submit_command('repo_sync', '{"slug": "plant"}', '', 'x')$$, '22023', NULL, 'who is mandatory');
SELECT farm.repo_polled((SELECT id FROM farm.repo), 1, 'main', '[{"name": "main"}, {"name": "dev"}]', NULL);
SELECT is(farm.find_image('base'), farm.find_image('plant:base@main'), 'the remote''s HEAD goes first');
SELECT is(farm.find_image('base@dev'), farm.find_image('plant:base@dev'), 'a part may be left out');

-- What is stored: names with their ids.
SELECT is(t.submit('job_cancel', '{"job": "build:plant:base@dev:amd64"}'), 'stored', 'a job by its name');
SELECT is(t.submit('worker_drain', '{"name": "hub-1"}'), 'stored', 'a worker by its name');
SELECT results_eq('SELECT verb, args, who FROM farm.commands()', $$VALUES
    ('job_cancel', jsonb_build_object('job', 'build:plant:base@dev:amd64', 'job_id', t.job('build:plant:base@dev:amd64')), 'ann'), ('worker_drain', jsonb_build_object('name', 'hub-1', 'worker_id', t.worker('hub-1')), 'ann')$$,
    'the leader gets ids');
SELECT results_eq($$SELECT status FROM farm.command_done(ARRAY(SELECT id FROM farm.commands()) || 999999::bigint, '{done,refused,done}', ARRAY['{}', NULL, NULL]::jsonb[], '{NULL,no,NULL}')$$,
    $$VALUES ('ok'), ('ok'), ('stale')$$, 'command_done');
SELECT results_eq('SELECT verb, state, message, who, source, ended_at IS NOT NULL FROM dashboard.commands ORDER BY id DESC LIMIT 2', $$VALUES ('worker_drain', 'refused', 'no', 'ann', 'unix:uid=0', true), ('job_cancel', 'done', NULL, 'ann', 'unix:uid=0', true)$$, 'they are kept');
SELECT is((SELECT count(*) FROM farm.command_apply(999999)), 0::bigint, 'a command that is not there');
SELECT dashboard.submit_command('worker_drain', '{"name": "hub-1"}', 'ann', 'x') AS c \gset
SELECT is((SELECT state || ': ' || message FROM farm.command_apply(:c)), 'refused: the command worker_drain is carried out by the leader itself', 'the brain''s own');
SELECT is((SELECT state || ': ' || message FROM farm.command_apply(:c)), 'refused: the command worker_drain is carried out by the leader itself', 'applied again it answers the same');

-- Verbs.
SELECT is(t.do('repo_add', '{"url": "ssh://git@forge.example/Team/My_App.git", "refs": ["HEAD", "release-*"], "poll_every": "5m", "known_hosts": "/etc/k"}'), 'done', 'repo_add');
SELECT results_eq($$SELECT slug, url, refs, git FROM farm.due_repos(0) WHERE slug = 'my-app'$$, $$VALUES ('my-app', 'ssh://git@forge.example/Team/My_App.git', '{HEAD,release-*}'::text[], '{"known_hosts": "/etc/k"}'::jsonb)$$, 'its slug is made of the URL');
SELECT is((SELECT poll_every FROM dashboard.repositories WHERE name = 'my-app'), '5 minutes', 'its interval');
SELECT is(t.do('repo_add', '{"url": "ssh://git@forge.example/Team/My_App.git"}'), 'done', 'again: idempotent');
SELECT is(t.do('repo_add', '{"url": "https://elsewhere/my-app"}'), 'refused: the repository my-app is ssh://git@forge.example/Team/My_App.git already (give another `slug`, or remove that one first)', 'another one of this name');
SELECT is(t.submit('repo_add', jsonb_build_object('url', 'x', 'poll_every', i)), 'repo_add: poll_every must be a duration from 00:00:01 to 7 days, and is not: ' || i, 'an interval that is none: ' || i)
  FROM unnest('{soon,0,-5m,8d,300000 years,999999999999 years}'::text[]) i;
SELECT is(t.submit('site_add', jsonb_build_object('name', 'x', 'kind', 'acp', 'grace', i)), 'site_add: grace must be a duration from 00:00:00 to 90 days, and is not: ' || i, 'a grace that is none: ' || i)
  FROM unnest('{soon,-1s,91d,300000 years}'::text[]) i;
SELECT throws_ok($$UPDATE farm.repo SET poll_every = '0'$$, '23514', NULL, 'nor by hand: no poll_every that due_repos cannot add');
SELECT throws_ok($$UPDATE farm.site SET grace = '300000 years'$$, '23514', NULL, 'nor a grace that load_sites cannot give in microseconds');
SELECT matches(t.do('repo_add', '{"url": "/"}'), '^refused: value for domain farm.slug', 'no slug can be made');
SELECT is(t.do('site_add', '{"name": "acp-1", "kind": "hub"}'), 'refused: the site acp-1 is of kind acp already', 'a site does not change its kind');
SELECT is(t.do('site_add', '{"name": "acp-1", "kind": "acp", "grace": "2h"}'), 'done', 'but the rest');
SELECT results_eq($$SELECT registry, grace, on_partition FROM dashboard.sites WHERE name = 'acp-1'$$, $$VALUES ('acp1.test:5000', interval '2 hours', 'continue')$$, 'what is not given stays');
SELECT is(t.submit('site_add', '{"name": "x", "kind": "moon"}'), 'site_add: kind must be hub or acp, and is not: moon', 'a kind that is none');
SELECT matches(t.submit('site_add', '{"name": "Bad name", "kind": "hub"}'), '^site_add: name must be of lower-case letters and digits, .* and is not: Bad name$', 'a name that is none');
SELECT matches(t.submit('repo_add', '{"url": "file:///srv/x", "slug": "-x"}'), '^repo_add: slug must be', 'nor a slug');
SELECT is(t.do('worker_enroll', jsonb_build_object('name', 'hub-1', 'site', 'acp-1', 'roles', '["mirror"]'::jsonb, 'public_key', rpad('new', 40, '-'))), 'done', 'a worker is enrolled again');
SELECT results_eq($$SELECT name, site_id, roles, public_key, drained, revoked FROM farm.load_workers() WHERE name = 'hub-1'$$,
    $$VALUES ('hub-1', (SELECT id FROM farm.site WHERE name = 'acp-1'), '{mirror}'::text[], rpad('new', 40, '-'), false, false)$$, 'with a new key, site and roles');
SELECT is(t.submit('worker_enroll', jsonb_build_object('name', 'w2', 'site', 'hub', 'roles', '["dance"]'::jsonb, 'public_key', rpad('w2', 40, '-'))), 'worker_enroll: roles are build, test, publish and mirror, and not: dance', 'a role that is none');
SELECT matches(t.do('worker_enroll', jsonb_build_object('name', 'w2', 'site', 'hub', 'roles', '["build"]'::jsonb, 'public_key', rpad('new', 40, '-'))), '^refused: duplicate key', 'a key of somebody else');
UPDATE farm.worker SET state_since = now() - interval '1 hour';
SELECT farm.workers_mark() AS mark \gset
UPDATE farm.worker SET state_since = now();
SELECT is(farm.workers_mark(), :mark, 'what workers do leaves the mark of the list as it is');
SELECT is(t.do('worker_revoke', '{"name": "hub-1"}'), 'done', 'worker_revoke');
SELECT results_eq($$SELECT revoked FROM farm.load_workers() WHERE name = 'hub-1'$$, $$VALUES (true)$$, 'revoked');
SELECT isnt(farm.workers_mark(), :mark, 'which shows in the mark');
SELECT is((SELECT state FROM dashboard.workers WHERE name = 'hub-1'), 'revoked', 'which people see');
SELECT is(t.do('setting_set', '{"name": "colour", "value": "red"}'), 'refused: there is no setting colour (known are staging_registry, release_registry, curve_public, arch, log_limit, log_keep, history_keep)', 'a setting that is none');
SELECT is(t.do('setting_set', '{"name": "log_limit", "value": "1000"}'), 'done', 'setting_set');
SELECT is((SELECT value FROM dashboard.settings WHERE name = 'log_limit'), '1000', 'set');
SELECT is(t.submit('debug_record', '{"file": "../x"}'), 'debug_record: a trace is named by letters, digits, ''.'', ''_'' and ''-'', not by a path', 'a trace elsewhere');
SELECT is(t.submit('debug_record', '{"file": "-x"}'), 'debug_record: a trace is named by letters, digits, ''.'', ''_'' and ''-'', not by a path', 'a name like an option');
SELECT is(t.do('debug_record', '{"file": "monday.1", "period": "5m"}'), 'done', 'debug_record');
SELECT is((SELECT outcome->>'file' FROM farm.command ORDER BY id DESC LIMIT 1), 'traces/monday.1', 'where it lies');

-- Those that make jobs.
CREATE FUNCTION t.made(verb text, args jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    SELECT * INTO r FROM farm.command_apply(dashboard.submit_command(verb, args, 'ann', 'x'));
    RETURN (SELECT coalesce(string_agg(farm.job_title(j.id) || CASE WHEN j.forced > 0 THEN '!' ELSE '' END, ' ' ORDER BY j.id), r.message) FROM farm.job j WHERE j.id = ANY (r.jobs));
END $$;
SELECT is(t.made('build', '{"image": "plant:base@dev"}'),
    'build:plant:base@dev:amd64! test:plant:base@dev:amd64 publish:plant:base@dev mirror:plant:base@dev:acp-1 mirror:plant:base@dev:acp-2', 'build: the whole chain, the build forced');
SELECT is(t.made('build', '{"image": "plant:base@dev", "force": false, "arch": "amd64"}'),
    'build:plant:base@dev:amd64 test:plant:base@dev:amd64 publish:plant:base@dev mirror:plant:base@dev:acp-1 mirror:plant:base@dev:acp-2', 'or not');
SELECT is(t.made('build', '{"image": "plant:base@dev", "arch": "s390x"}'), 'the image has no architecture s390x', 'an architecture that it has not');
SELECT is(t.made('test', '{"image": "plant:base@dev"}'), 'test:plant:base@dev:amd64!', 'test');
SELECT is(t.made('publish', '{"image": "plant:base@dev"}'), 'publish:plant:base@dev! mirror:plant:base@dev:acp-1 mirror:plant:base@dev:acp-2', 'publish');
SELECT is(t.made('mirror', '{"image": "plant:base@dev", "site": "acp-2"}'), 'mirror:plant:base@dev:acp-2!', 'mirror to one site');
SELECT is(t.made('mirror', '{"image": "plant:base@dev", "site": "hub"}'), 'the site hub is no ACP with a registry', 'a site without a registry');
SELECT is(t.made('mirror', '{"image": "plant:base@dev"}'), 'mirror:plant:base@dev:acp-1! mirror:plant:base@dev:acp-2!', 'mirror to all');
SELECT is((SELECT actor FROM farm.event ORDER BY seq DESC LIMIT 1), 'operator:ann', 'made by the operator');
SELECT is((SELECT count(DISTINCT forced) FROM farm.job WHERE forced > 0 AND kind = 'build'), 1::bigint, 'each forced build has a serial of its own');
SELECT isnt((SELECT forced FROM farm.job WHERE forced > 0 AND kind = 'build'), (SELECT forced FROM farm.job WHERE forced > 0 AND kind = 'test'), 'its own');

-- What a turn takes up: it carries out what makes jobs, unless something older is not carried out yet.
UPDATE farm.command SET state = 'done', ended_at = now() WHERE state = 'submitted';
SELECT t.submit('job_cancel', jsonb_build_object('job', t.job('test:plant:base@dev:amd64'))), t.submit('test', '{"image": "plant:base@dev"}'), t.submit('test', '{"image": "plant:base@dev", "arch": "s390x"}'),
       t.submit('repo_sync', '{"slug": "plant"}'), t.submit('publish', '{"image": "plant:base@dev"}'), t.submit('job_retry', jsonb_build_object('job', t.job('test:plant:base@dev:amd64')));
SELECT results_eq($$SELECT verb, who, state, message FROM farm.command_take('{}', 5)$$,
    $$VALUES ('job_cancel', 'ann', 'submitted', NULL), ('test', 'ann', 'done', NULL), ('test', 'ann', 'refused', 'the image has no architecture s390x'), ('repo_sync', 'ann', 'submitted', NULL), ('publish', 'ann', 'submitted', NULL)$$,
    'the brain''s own leave the others their turn');
SELECT results_eq('SELECT id, state, forced > 0 FROM farm.load_taken()', $$VALUES (t.job('test:plant:base@dev:amd64'), 'waiting', true)$$, 'its jobs are at hand');
SELECT set_eq($$SELECT verb FROM farm.command_take(ARRAY(SELECT id FROM farm.command WHERE verb = 'repo_sync' AND state = 'submitted'), 5) WHERE state = 'submitted'$$, '{job_cancel,publish,job_retry}'::text[], 'what is under way elsewhere is left out, and waited for');
SELECT is((SELECT count(*) FROM farm.load_taken()), 0::bigint, 'this made none');
UPDATE farm.command SET state = 'done', ended_at = now() WHERE state = 'submitted' AND verb <> 'publish';
SELECT results_eq($$SELECT verb, state FROM farm.command_take('{}', 5)$$, $$VALUES ('publish', 'done')$$, 'until it is through');
SELECT is((SELECT count(*) FROM farm.load_taken()), 3::bigint, 'publish and mirrors');

-- A new site gets what is released, and only that.
SELECT t.run_all('plant:base@main', t.d('B1'));
SELECT * FROM farm.end_jobs(ARRAY[t.job('publish:plant:hmi@main')], '{cancelled}', '{ann}');
SELECT is(t.made('site_add', '{"name": "acp-3", "kind": "acp", "registry": "acp3.test:5000"}'), 'mirror:plant:base@main:acp-3 mirror:plant:base@dev:acp-3', 'what is released, or about to be');
SELECT is((SELECT state || ' ' || reason FROM dashboard.presence WHERE site = 'acp-3' AND image = 'hmi'), 'Absent unreleased', 'the rest follows with its release');
SELECT t.run('mirror:plant:base@main:acp-3', NULL, 'acp-1-mirror');
SELECT is(t.made('site_add', '{"name": "acp-3", "kind": "acp", "registry": "new.test:5000"}'), 'mirror:plant:base@main:acp-3 mirror:plant:base@dev:acp-3', 'another registry holds nothing yet');
SELECT is((SELECT count(*) FROM farm.presence p JOIN farm.site s ON s.id = p.site_id WHERE s.name = 'acp-3'), 0::bigint, 'which the presence says');
SELECT * FROM finish();
ROLLBACK;
