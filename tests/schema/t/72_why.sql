-- Why a job does not run, and its place in the queue: each reason as it comes about.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
UPDATE farm.leader SET renewed_at = clock_timestamp() + interval '1 hour';

-- Times in texts differ from run to run.
CREATE FUNCTION t.why(job bigint) RETURNS text LANGUAGE sql AS $$
    SELECT reason || ': ' || regexp_replace(text, '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', 'T', 'g') FROM dashboard.why_job(job)
$$;
CREATE FUNCTION t.why(name text) RETURNS text LANGUAGE sql AS $$ SELECT t.why(t.job(name)) $$;
CREATE FUNCTION t.say(format text, VARIADIC jobs text[]) RETURNS text LANGUAGE sql AS $$
    SELECT format(format, VARIADIC ARRAY(SELECT t.job(u.name) FROM unnest(jobs) WITH ORDINALITY u (name, ord) ORDER BY u.ord))
$$;
CREATE FUNCTION t.seen(worker text, state text, facts jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM farm.worker_seen(ARRAY[t.worker(worker)], ARRAY[t.uuid(0)], ARRAY[state], ARRAY[facts]);
END $$;

SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a'), t.image('hmi', 'a', '{base}'), t.image('app', 'a', '{hmi}')]));

SELECT is((SELECT count(*) FROM dashboard.why_job(999999)), 0::bigint, 'of no job: no row');

-- ---- waiting ----
SELECT is(t.why('build:plant:base@main:amd64'), 'base: waits for the base quay.io/os/debian:12 (amd64): not resolved yet', 'a base without a digest');
SELECT farm.base_resolved((SELECT id FROM farm.base), NULL, 'registry is down');
SELECT is(t.why('build:plant:base@main:amd64'), 'base: waits for the base quay.io/os/debian:12 (amd64): registry is down', 'and why it has none');
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT is(t.why('build:plant:base@main:amd64'), 'turn: nothing is in its way: the scheduler makes it ready in its next turn', 'nothing is in its way');
SELECT is(t.why('test:plant:base@main:amd64'), t.say('parent: waits for build:plant:base@main:amd64 (waiting, job %s)', 'build:plant:base@main:amd64'), 'a test waits for its build');
SELECT t.ready(t.job('build:plant:base@main:amd64'));
SELECT is(t.why('build:plant:hmi@main:amd64'),
    t.say('parent: waits for its parent test:plant:base@main:amd64 (waiting, job %s), and that in the end for build:plant:base@main:amd64 (ready since T, job %s): no worker with amd64 at hub; never connected: hub-1 and hub-2',
          'test:plant:base@main:amd64', 'build:plant:base@main:amd64'), 'one behind another that nobody can run says why that is');
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT farm.start(ARRAY[:'a'::uuid], ARRAY[1000]);
SELECT is(t.why('build:plant:hmi@main:amd64'),
    t.say('parent: waits for its parent test:plant:base@main:amd64 (waiting, job %s), and that in the end for build:plant:base@main:amd64 (running since T at hub-1, job %s)',
          'test:plant:base@main:amd64', 'build:plant:base@main:amd64'), 'a child names its parent, and what that waits for');
SELECT is(t.why('build:plant:app@main:amd64'),
    t.say('parent: waits for its parent test:plant:hmi@main:amd64 (waiting, job %s), and that in the end for build:plant:base@main:amd64 (running since T at hub-1, job %s)',
          'test:plant:hmi@main:amd64', 'build:plant:base@main:amd64'), 'however far away');
SELECT is(t.why('mirror:plant:base@main:acp-1'),
    t.say('parent: waits for publish:plant:base@main (waiting, job %s), and that in the end for build:plant:base@main:amd64 (running since T at hub-1, job %s)',
          'publish:plant:base@main', 'build:plant:base@main:amd64'), 'a mirror waits for the publish');

SELECT is(t.why('build:plant:base@main:amd64'), 'running: runs at hub-1 since T (attempt 1)', 'one that runs');
SELECT t.finish(:'a', t.bad('infra', 'registry'), 'waiting', 'backoff', farm.now_us() + 5000000);
SELECT is(t.why('build:plant:base@main:amd64'), 'backoff: waits until T before attempt 2; the last one failed: RUN x: it broke: registry', 'back-off: until when, and the last error');
SELECT ok(until = not_before AND until > now(), 'until when as a time, too') FROM dashboard.why_job(t.job('build:plant:base@main:amd64')) w JOIN farm.job j ON j.id = w.id;

SELECT farm.retry_ready(ARRAY[t.job('build:plant:base@main:amd64')]);
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT is(t.why('build:plant:base@main:amd64'), 'leased: was given to hub-1 at T, which has not started it yet (attempt 2)', 'one that was given to a worker');
SELECT t.finish(:'a', t.bad('user', 'run-failed'), 'failed');
SELECT is(t.why('build:plant:base@main:amd64'), 'failed: failed at T: user: RUN x: it broke: run-failed', 'one that failed');
SELECT is(t.why('build:plant:app@main:amd64'),
    t.say('blocked: blocked by build:plant:base@main:amd64 (failed, job %s): RUN x: it broke: run-failed; it goes on by itself when that passes', 'build:plant:base@main:amd64'), 'blocked, by the job at the root of it');
UPDATE farm.image_arch_state SET failures = 3, breaker_since = now() WHERE id = t.id('plant:base@main');
SELECT is(t.why('build:plant:base@main:amd64'),
    'breaker: failed at T: user: RUN x: it broke: run-failed; breaker open since T: 3 failures in a row, no automatic rebuilds until a commit or `bootfarm job retry`', 'the breaker');
SELECT is(t.why('build:plant:hmi@main:amd64'),
    t.say('blocked: blocked by build:plant:base@main:amd64 (failed, job %s): RUN x: it broke: run-failed; breaker open since T: 3 failures in a row, no automatic rebuilds until a commit or `bootfarm job retry`; it goes on by itself when that passes',
          'build:plant:base@main:amd64'), 'whom it stops, too');
SELECT farm.end_jobs(ARRAY[t.job('build:plant:app@main:amd64')], '{cancelled}', '{ann}');
SELECT is(t.why('build:plant:app@main:amd64'), 'cancelled: was cancelled at T by operator:ann', 'cancelled, and by whom');
SELECT is(t.why('test:plant:app@main:amd64'), t.say('blocked: blocked by build:plant:app@main:amd64 (cancelled, job %s); it goes on after `bootfarm job retry %1$s`', 'build:plant:app@main:amd64'), 'one that waits for it');
SELECT farm.reopen(ARRAY[t.job('build:plant:base@main:amd64'), t.job('build:plant:app@main:amd64')], '{ann,ann}');

-- a row that PostgreSQL refused
SELECT farm.make_ready(ARRAY[t.job('build:plant:base@main:amd64')], '{"no digest"}', '{NULL}');
SELECT matches(t.why('build:plant:base@main:amd64'), '^quarantined: PostgreSQL refused it: make_ready: .*digest.*; `bootfarm job retry \d+` tries again$', 'quarantined, with the error');
SELECT farm.reopen(ARRAY[t.job('build:plant:base@main:amd64')], '{ann}');

-- ---- ready ----
SELECT t.ready(t.job('build:plant:base@main:amd64'));
SELECT is(t.why('build:plant:base@main:amd64'), 'worker: no worker with amd64 at hub; never connected: hub-1 and hub-2', 'nobody was ever there');
SELECT t.seen('hub-1', 'connected', '{"arch": "arm64", "slots": 2, "capabilities": []}');
SELECT is(t.why('build:plant:base@main:amd64'), 'worker: no worker with amd64 at hub; never connected: hub-2', 'another architecture');
SELECT t.seen('hub-1', 'connected', '{"arch": "amd64", "slots": 2, "capabilities": ["kvm"]}');
SELECT is(t.why('build:plant:base@main:amd64'), 'worker: no amd64 worker with secret:key at hub; never connected: hub-2', 'a capability that nobody has');
UPDATE farm.job_fixed SET needs = '{kvm,secret:key}' WHERE id = t.job('build:plant:base@main:amd64');
SELECT t.seen('hub-2', 'connected', '{"arch": "amd64", "slots": 2, "capabilities": ["secret:key"]}');
SELECT is((SELECT farm.no_worker_text(j) FROM farm.job j WHERE j.id = t.job('build:plant:base@main:amd64')), 'no single amd64 worker with kvm and secret:key at hub', 'each has one of two');
UPDATE farm.worker SET state = 'never-seen', arch = NULL, slots = NULL, capabilities = '{}' WHERE name = 'hub-2';
UPDATE farm.job_fixed SET needs = '{secret:key}' WHERE id = t.job('build:plant:base@main:amd64');
SELECT t.seen('hub-1', 'disconnected', '{"capabilities": ["kvm", "secret:key"]}');
SELECT is(t.why('build:plant:base@main:amd64'), 'worker: no worker that could run it is connected: hub-1 (disconnected since T)', 'the only one is away');
SELECT t.seen('hub-1', 'connected', '{}');
SELECT is(t.why('build:plant:base@main:amd64'), 'turn: 2 of 2 slots of hub-1 are free: it is given to one in the next turns; place 1 of 1 in the queue (an estimate)', 'a free slot');
SELECT results_eq(format('SELECT rank, queued FROM dashboard.why_job(%s)', t.job('build:plant:base@main:amd64')), 'VALUES (1, 1)', 'its place');
SELECT farm.explain_wait('{7}', '{pressure}', '{hub-1}');
SELECT matches(t.why('build:plant:base@main:amd64'), '^pressure: 2 of 2 slots are free, but there is no room for it: hub-1 is short of memory or disk', 'pressure');
SELECT farm.worker_drain(ARRAY[t.worker('hub-1')], '{true}');
SELECT is(t.why('build:plant:base@main:amd64'), 'drained: worker hub-1 drained', 'drained');
SELECT t.seen('hub-2', 'draining', '{"arch": "amd64", "slots": 1, "capabilities": ["kvm", "secret:key"]}');
SELECT is(t.why('build:plant:base@main:amd64'), 'drained: workers hub-1 drained and hub-2 about to stop', 'or about to stop');
SELECT t.seen('hub-2', 'resting', '{}');
SELECT is(t.why('build:plant:base@main:amd64'), 'resting: workers hub-1 drained and hub-2 resting since T (what failed there went through at others)', 'or resting');
SELECT t.seen('hub-2', 'draining', '{}');
SELECT farm.worker_drain(ARRAY[t.worker('hub-1')], '{false}');

-- no role: nobody at acp-2 mirrors
SELECT is((SELECT farm.no_worker_text(j) FROM farm.job j WHERE j.id = t.job('mirror:plant:base@main:acp-2')), 'no worker with the role mirror at acp-2: `bootfarm worker enroll` adds one', 'nobody has the role');

-- ---- the queue: two slots, both taken ----
SELECT t.push(t.plan('one', ARRAY[t.image('slow', 'a', '{}', '{"priority": 0}'), t.image('n1', 'a', '{}', '{"priority": 0}'), t.image('n2', 'a', '{}', '{"priority": 0}'),
                                  t.image('n3', 'a', '{}', '{"priority": 5}'), t.image('n4', 'a', '{}', '{"priority": 0}')], 'next'));
CREATE FUNCTION t.place(name text) RETURNS text LANGUAGE sql AS $$ SELECT rank || '/' || queued FROM dashboard.why_job(t.job(name)) $$;
SELECT t.claim(t.job('build:plant:base@main:amd64')) AS a \gset
SELECT t.ready(t.job('build:plant:slow@next:amd64'));
SELECT t.claim(t.job('build:plant:slow@next:amd64')) AS b \gset
SELECT t.ready(t.job('build:plant:' || n || '@next:amd64')) FROM unnest('{n1,n2,n3,n4}'::text[]) n;
SELECT is((SELECT string_agg(n || ' ' || t.place('build:plant:' || n || '@next:amd64'), ', ' ORDER BY n) FROM unnest('{n1,n2,n3,n4}'::text[]) n), 'n1 2/4, n2 3/4, n3 1/4, n4 4/4',
    'within a repository: by priority, then by age and number');
SELECT is(t.why('build:plant:n3@next:amd64'), 'busy: all 2 slots of hub-1 are taken; place 1 of 4 in the queue (an estimate)', 'the first one: all slots are taken');
SELECT is(t.why('build:plant:n2@next:amd64'), 'outbid: all 2 slots of hub-1 are taken; place 3 of 4 in the queue (an estimate), outbid by 1 job of higher priority than 0', 'outbid by a higher priority');
SELECT is((SELECT rank FROM dashboard.why_job(t.job('test:plant:base@main:amd64'))), NULL, 'one that waits has no place');

-- another repository has had less
INSERT INTO farm.repo (slug, url, head) VALUES ('shop', 'file:///srv/shop.git', 'main');
SELECT farm.add_artifact(t.d(k), t.d('art'), 'staging.test:5000/contexts/shop', 1) FROM unnest('{ctilla,still,ckioska,skiosk}'::text[]) k;
SELECT farm.plan_commit((SELECT id FROM farm.repo WHERE slug = 'shop'), t.plan('one', ARRAY[t.image('till', 'a', '{}', '{"priority": 0}'), t.image('kiosk', 'a', '{}', '{"priority": 0}')]));
UPDATE farm.job_fixed SET needs = '{secret:key}' WHERE kind = 'build';
SELECT farm.end_jobs(ARRAY[t.job('build:plant:n3@next:amd64')], '{cancelled}', '{ann}');
SELECT t.ready(t.job('build:shop:' || n || '@main:amd64')) FROM unnest('{till,kiosk}'::text[]) n;
SELECT is((SELECT string_agg(j || ' ' || t.place('build:' || j || ':amd64'), ', ' ORDER BY j) FROM unnest('{plant:n1@next,plant:n2@next,shop:till@main,shop:kiosk@main}'::text[]) j),
    'plant:n1@next 3/5, plant:n2@next 4/5, shop:kiosk@main 1/5, shop:till@main 2/5', 'between repositories: who has less at work');
SELECT is(t.why('build:plant:n1@next:amd64'), 'share: all 2 slots of hub-1 are taken; place 3 of 5 in the queue (an estimate): others go first, since its repository plant has its share (weight 1, 2 jobs at work there)', 'its share');
SELECT t.do('repo_set', '{"slug": "plant", "weight": "10"}');
SELECT is((SELECT string_agg(j || ' ' || t.place('build:' || j || ':amd64'), ', ' ORDER BY j) FROM unnest('{plant:n1@next,plant:n2@next,shop:till@main,shop:kiosk@main}'::text[]) j),
    'plant:n1@next 2/5, plant:n2@next 3/5, shop:kiosk@main 1/5, shop:till@main 5/5', 'the weight moves it');

-- ---- ended ----
SELECT farm.start(ARRAY[:'a'::uuid, :'b'::uuid], '{1000,1000}');
SELECT t.finish(:'a', t.ok(t.d('B1')), 'succeeded');
SELECT is(t.why('build:plant:base@main:amd64'), 'succeeded: succeeded at T', 'one that succeeded');
SELECT farm.set_waiting(ARRAY[t.job('build:plant:slow@next:amd64')], '{disconnected}', '{hub-1}');
SELECT is(t.why('build:plant:slow@next:amd64'), 'disconnected: runs at hub-1 since T (attempt 1); the worker is cut off, and may go on with it for the grace of its site', 'its worker is cut off');
SELECT farm.lose(ARRAY[:'b'::uuid], '{failed}', '{quarantined}', '{0}');
SELECT matches(t.why('build:plant:slow@next:amd64'), '^quarantined: failed at T: infra.*; quarantined until `bootfarm job retry \d+`$', 'lost too often');
SELECT t.job('test:plant:base@main:amd64') AS old \gset
SELECT t.push(t.plan('two', ARRAY[t.image('base', 'b'), t.image('hmi', 'a', '{base}'), t.image('app', 'a', '{hmi}')]));
SELECT farm.end_jobs(ARRAY[:old::bigint], '{superseded}', '{NULL}');
SELECT is(t.why(:old::bigint), t.say('superseded: was superseded at T by job %s', 'test:plant:base@main:amd64'), 'superseded, by which');
SELECT t.do('build', '{"image": "plant:base@main", "force": false}');
UPDATE farm.build_result SET input_key = t.d('same') WHERE digest = t.d('B1');
SELECT farm.make_ready(ARRAY[t.job('build:plant:base@main:amd64')], ARRAY[t.d('same')], '{NULL}');
SELECT is(t.why('build:plant:base@main:amd64'), 'skipped: was skipped at T: the same inputs had given ' || t.d('B1') || ' before', 'skipped');

-- ---- nobody leads ----
UPDATE farm.leader SET renewed_at = now() - interval '1 minute';
SELECT matches(t.why('build:plant:n1@next:amd64'), '; no scheduler leads since T, so nothing is decided$', 'a farm without a leader');
SELECT doesnt_match(t.why('build:plant:base@main:amd64'), 'no scheduler', 'is nothing to what has ended');

-- The API's role may ask.
SET LOCAL ROLE bootfarm_api;
SELECT is((SELECT count(*) FROM dashboard.jobs j, dashboard.why_job(j.id) w WHERE w.text IS NULL OR w.reason IS NULL), 0::bigint, 'every job has an answer');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
