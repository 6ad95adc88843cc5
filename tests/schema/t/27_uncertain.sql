-- What an attempt that was given up may have done to tags makes the rows uncertain: the next job runs, though they say that all is there.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT is(t.run_all('plant:base@main', t.d('B1')), 'succeeded succeeded succeeded succeeded succeeded', 'released and mirrored');

-- The release of B1 stands; another was begun and superseded while it ran.
SELECT t.push(t.plan('two', ARRAY[t.image('base', 'b')]));
SELECT t.run('build:plant:base@main:amd64', t.d('B2')), t.run('test:plant:base@main:amd64');
SELECT t.job('publish:plant:base@main') AS p2 \gset
SELECT t.ready(:p2);
SELECT t.claim(:p2) AS a \gset
SELECT status AS s FROM farm.end_jobs(ARRAY[:p2::bigint], '{superseded}', ARRAY[NULL]) \gset
SELECT results_eq('SELECT state FROM farm.release ORDER BY serial', $$VALUES ('released'), ('abandoned')$$, 'the second release was given up');
SELECT t.push(t.plan('three', ARRAY[t.image('base', 'a')]));
SELECT is(t.run('build:plant:base@main:amd64') || ' ' || t.run('test:plant:base@main:amd64'), 'skipped skipped', 'back to the first content: nothing is built');
SELECT is(t.run('publish:plant:base@main'), 'succeeded', 'but its tags are put back');
SELECT is(t.run('mirror:plant:base@main:acp-1', NULL, 'acp-1-mirror'), 'skipped', 'the site holds it');

-- The same for a site.
SELECT t.do('mirror', '{"image": "base", "site": "acp-1"}');
SELECT t.ready(t.job('mirror:plant:base@main:acp-1'));
SELECT t.claim(t.job('mirror:plant:base@main:acp-1'), 'acp-1-mirror') AS a \gset
SELECT status AS s FROM farm.end_jobs(ARRAY[t.job('mirror:plant:base@main:acp-1')], '{cancelled}', '{operator:ann}') \gset
SELECT t.do('mirror', '{"image": "base", "site": "acp-1", "force": false}');
SELECT is(t.run('mirror:plant:base@main:acp-1', NULL, 'acp-1-mirror'), 'succeeded', 'a mirror that was cancelled while it ran: the next one runs');
SELECT t.do('mirror', '{"image": "base", "site": "acp-1", "force": false}');
SELECT is(t.run('mirror:plant:base@main:acp-1', NULL, 'acp-1-mirror'), 'skipped', 'and the one after that need not');
SELECT * FROM finish();
ROLLBACK;
