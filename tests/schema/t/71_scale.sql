-- Slots and numbers of workers that operators set; what an autoscaler reads.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('1', ARRAY(SELECT t.image('n' || i, 'a') FROM generate_series(1, 9) i)));
SELECT t.ready(t.job('build:plant:n' || i || '@main:amd64')) FROM generate_series(1, 9) i;
SELECT farm.worker_seen(ARRAY[t.worker('hub-1')], ARRAY[NULL::uuid], '{connected}', ARRAY['{"arch": "amd64", "slots": 4}']::jsonb[]);

CREATE FUNCTION t.demand() RETURNS int LANGUAGE sql AS $$ SELECT workers FROM dashboard.site_demand WHERE id = 'hub/amd64/build' $$;
CREATE FUNCTION t.bad() RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM dashboard.site_demand d WHERE d.jobs IS NULL OR d.workers IS NULL OR d.workers < 0 OR d.workers_for_jobs IS NULL OR d.manual IS NULL
$$;

SELECT is(t.demand(), 3, '9 jobs on 4 slots');

-- slots of a worker
SELECT is(t.do('worker_set', '{"name": "hub-1", "slots": "2"}'), 'done', 'fewer slots');
SELECT results_eq($$SELECT slots, slots_said, slots_wanted FROM dashboard.workers WHERE name = 'hub-1'$$, $$VALUES (2, 4, 2)$$, 'which people see');
SELECT is((SELECT slots_wanted FROM farm.load_workers() WHERE name = 'hub-1'), 2, 'and the scheduler');
SELECT is(t.demand(), 5, 'then more workers are wanted');
SELECT is(t.do('worker_set', '{"name": "hub-1", "slots": "1000"}'), 'done', 'more than it says');
SELECT results_eq($$SELECT slots, slots_said, slots_wanted FROM dashboard.workers WHERE name = 'hub-1'$$, $$VALUES (4, 4, 1000)$$, 'counts as what it says');
SELECT farm.worker_seen(ARRAY[t.worker('hub-1')], ARRAY[NULL::uuid], '{connected}', ARRAY['{"slots": 8}']::jsonb[]);
SELECT is((SELECT slots FROM dashboard.workers WHERE name = 'hub-1'), 8, 'until it says more');
SELECT is(t.do('worker_set', '{"name": "hub-1", "slots": "auto"}'), 'done', 'auto');
SELECT is((SELECT slots_wanted FROM farm.load_workers() WHERE name = 'hub-1'), 0, 'is no number');
SELECT is(t.submit('worker_set', jsonb_build_object('name', 'hub-1', 'slots', s)), 'slots must be a number from 1 to 1024, or auto, and is not: ' || s, 'slots ' || s)
  FROM unnest('{0,1025,-1,many,1.5,99999999999999999999}'::text[]) s;
SELECT is((SELECT slots FROM dashboard.workers WHERE name = 'hub-2'), 0, 'one that was never seen has none');
SELECT farm.worker_seen(ARRAY[t.worker('hub-2')], ARRAY[NULL::uuid], '{disconnected}', '{NULL}'::jsonb[]);
SELECT is((SELECT state FROM dashboard.workers WHERE name = 'hub-2'), 'never-seen', 'nor is it cut off for a leader that has never heard of it');
SELECT is(t.do('worker_set', '{"name": "hub-2", "slots": "3"}'), 'done', 'set before it came');
SELECT is((SELECT slots FROM dashboard.workers WHERE name = 'hub-2'), 0, 'it still has none');
SELECT is(t.bad(), 0::bigint, 'never NULL');

-- workers of a site
SELECT is(t.demand(), 2, '9 jobs on 8 slots');
SELECT is(t.do('site_scale', '{"name": "hub", "workers": "7"}'), 'done', 'by hand');
SELECT results_eq($$SELECT workers, workers_for_jobs, manual FROM dashboard.site_demand WHERE id = 'hub/amd64/build'$$, $$VALUES (7, 2, true)$$, 'goes before the jobs');
SELECT is(t.do('site_scale', '{"name": "hub", "max": "5"}'), 'done', 'a maximum');
SELECT is(t.demand(), 5, 'goes before the hand');
SELECT is(t.do('site_scale', '{"name": "hub", "workers": "0"}'), 'done', 'nobody');
SELECT is(t.demand(), 0, 'is 0, with jobs, too');
SELECT is(t.do('site_scale', '{"name": "hub", "min": "1"}'), 'done', 'a minimum');
SELECT is(t.demand(), 1, 'goes before the hand');
SELECT is(t.do('site_scale', '{"name": "hub", "workers": "auto", "max": "none"}'), 'done', 'as the jobs want again');
SELECT is(t.demand(), 2, 'without the hand and without a maximum');
SELECT is((SELECT min(workers) FROM dashboard.site_demand WHERE site = 'hub'), 1, 'the minimum is there without jobs');
SELECT is((SELECT max(workers) FROM dashboard.site_demand WHERE site <> 'hub'), 0, 'and only at its site');
SELECT is(t.do('site_scale', '{"name": "hub", "min": "4", "max": "3"}'), 'refused: the minimum of hub would be 4, above the maximum of 3', 'bounds that cross');
SELECT is(t.do('site_scale', '{"name": "hub", "max": "0"}'), 'refused: the minimum of hub would be 1, above the maximum of 0', 'with those of before, too');
SELECT is(t.do('site_scale', '{"name": "hub", "min": "none", "max": "0"}'), 'done', 'closed');
SELECT is((SELECT max(workers) FROM dashboard.site_demand WHERE site = 'hub'), 0, 'no worker at all');
SELECT is(t.submit('worker_set', '{"name": "hub-1", "slots": -3}'), 'slots must be a number from 1 to 1024, or auto, and is not: -3', 'as a number, too');
SELECT is(t.submit('site_scale', '{"name": "hub", "workers": "-3"}'), 'workers must be a number from 0 to 10000, or auto, and is not: -3', 'no number');
SELECT results_eq($$SELECT scale_min, scale_max, scale_manual FROM dashboard.sites WHERE name = 'hub'$$, $$VALUES (0, 0, NULL::int)$$, 'what a site is set to');
SELECT is(t.bad(), 0::bigint, 'never NULL');
UPDATE farm.worker SET slots = NULL, revoked_at = now();
SELECT is(t.bad(), 0::bigint, 'nor without any worker');
SELECT * FROM finish();
ROLLBACK;
