-- Who may do what. Roles inherit nothing from PUBLIC.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a')]));

SELECT is((SELECT array_agg(rolname::text ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'bootfarm\_%' AND NOT rolcanlogin AND NOT rolsuper AND NOT rolcreaterole),
    '{bootfarm_api,bootfarm_autoscaler,bootfarm_dashboard,bootfarm_migrator,bootfarm_scheduler}', 'five group roles, none of which logs in');
SELECT is((SELECT count(*) FROM pg_class c WHERE relnamespace IN ('farm'::regnamespace, 'dashboard'::regnamespace) AND relowner <> 'bootfarm_migrator'::regrole), 0::bigint, 'the migrator owns all tables and views');
SELECT is((SELECT count(*) FROM pg_proc p WHERE pronamespace IN ('farm'::regnamespace, 'dashboard'::regnamespace) AND proowner <> 'bootfarm_migrator'::regrole), 0::bigint, 'and functions');

-- Functions: those that a role may call, and no others; each with the owner's rights and a fixed search_path.
SELECT is((SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc p
            WHERE pronamespace IN ('farm'::regnamespace, 'dashboard'::regnamespace) AND has_function_privilege('public', oid, 'EXECUTE')), NULL, 'PUBLIC may call nothing');
SELECT is((SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc p, unnest('{bootfarm_scheduler,bootfarm_api,bootfarm_dashboard,bootfarm_autoscaler}'::name[]) r
            WHERE pronamespace IN ('farm'::regnamespace, 'dashboard'::regnamespace) AND has_function_privilege(r, oid, 'EXECUTE')
              AND NOT ((prosecdef OR oid = 'farm.evict'::regproc) AND 'search_path=pg_catalog, pg_temp' = ANY (proconfig))), NULL,
    'what may be called is SECURITY DEFINER (evict ends sessions with the rights of its caller) with a fixed search_path');
SELECT is((SELECT array_agg(oid::regproc::text ORDER BY proname) FROM pg_proc WHERE pronamespace IN ('farm'::regnamespace, 'dashboard'::regnamespace) AND has_function_privilege('bootfarm_api', oid, 'EXECUTE')),
    '{dashboard.base_cost,dashboard.explain,dashboard.job_log,dashboard.log_tail,dashboard.settled,dashboard.submit_command,dashboard.why_job}', 'the API has seven functions');
SELECT is((SELECT count(*) FROM pg_proc p, unnest('{bootfarm_dashboard,bootfarm_autoscaler}'::name[]) r
            WHERE pronamespace IN ('farm'::regnamespace, 'dashboard'::regnamespace) AND has_function_privilege(r, oid, 'EXECUTE')), 0::bigint, 'readers have none');
SELECT is((SELECT count(*) FROM pg_proc WHERE pronamespace = 'dashboard'::regnamespace AND has_function_privilege('bootfarm_scheduler', oid, 'EXECUTE')), 0::bigint, 'the scheduler submits no commands');

-- Tables and views.
SELECT is((SELECT string_agg(r || ' ' || c.oid::regclass || ' ' || k, ', ')
             FROM pg_class c, unnest('{public,bootfarm_scheduler,bootfarm_api,bootfarm_dashboard,bootfarm_autoscaler}'::text[]) r, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) k
            WHERE relnamespace = 'farm'::regnamespace AND relkind IN ('r', 'v', 'p') AND has_table_privilege(r, c.oid, k)), 'bootfarm_scheduler farm.migration SELECT', 'of farm the scheduler may read its version, nobody anything else');
SELECT is((SELECT count(*) FROM pg_class c, unnest('{public,bootfarm_scheduler,bootfarm_api,bootfarm_dashboard,bootfarm_autoscaler}'::text[]) r, unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) k
            WHERE relnamespace = 'dashboard'::regnamespace AND has_table_privilege(r, c.oid, k)), 0::bigint, 'nobody writes to views');
SELECT is((SELECT array_agg(c.oid::regclass::text) FROM pg_class c WHERE relnamespace = 'dashboard'::regnamespace AND relkind = 'v' AND has_table_privilege('bootfarm_autoscaler', c.oid, 'SELECT')),
    '{dashboard.site_demand}', 'the autoscaler reads one view');
SELECT is((SELECT count(*) FROM pg_class c, unnest('{bootfarm_scheduler,bootfarm_api,bootfarm_dashboard}'::text[]) r
            WHERE relnamespace = 'dashboard'::regnamespace AND relkind = 'v' AND NOT has_table_privilege(r, c.oid, 'SELECT')), 0::bigint, 'the others read all');
SELECT is((SELECT count(*) FROM unnest('{public,bootfarm_scheduler,bootfarm_api,bootfarm_dashboard,bootfarm_autoscaler}'::text[]) r, unnest('{farm,dashboard}'::text[]) s WHERE has_schema_privilege(r, s, 'CREATE')),
    0::bigint, 'nobody makes objects there');

-- The same, done.
SET LOCAL ROLE bootfarm_api;
SELECT ok((SELECT count(*) FROM dashboard.jobs) > 0, 'the API reads');
SELECT ok((SELECT count(*) FROM dashboard.images) > 0, 'views need no right on what they call');
SELECT lives_ok(format('SELECT v::text FROM dashboard.%I v', c.relname), 'it reads all of ' || c.relname) FROM pg_class c WHERE c.relnamespace = 'dashboard'::regnamespace AND c.relkind = 'v';
SELECT ok(dashboard.submit_command('repo_sync', '{"slug": "plant"}', 'uid:0', 'unix') > 0, 'it submits');
SELECT throws_ok($$SELECT * FROM farm.command$$, '42501', NULL, 'it sees no table');
SELECT throws_ok($$SELECT farm.lead('me')$$, '42501', NULL, 'it does not lead');
SELECT throws_ok($$SELECT farm.end_jobs('{1}', '{cancelled}', '{me}')$$, '42501', NULL, 'it ends no job');
SELECT throws_ok($$UPDATE dashboard.workers SET name = 'x'$$, NULL, NULL, 'it changes no view');
RESET ROLE;
SET LOCAL ROLE bootfarm_dashboard;
SELECT ok((SELECT count(*) FROM dashboard.images) > 0, 'people''s tools read');
SELECT lives_ok(format('SELECT v::text FROM dashboard.%I v', c.relname), 'people''s tools read all of ' || c.relname) FROM pg_class c WHERE c.relnamespace = 'dashboard'::regnamespace AND c.relkind = 'v';
SELECT throws_ok($$SELECT dashboard.submit_command('repo_sync', '{"slug": "plant"}', 'me', 'x')$$, '42501', NULL, 'and submit nothing');
SELECT throws_ok($$SELECT * FROM dashboard.job_log(NULL, 0, 1)$$, '42501', NULL, 'and read no logs');
RESET ROLE;
SET LOCAL ROLE bootfarm_autoscaler;
SELECT ok((SELECT count(*) FROM dashboard.site_demand) > 0, 'the autoscaler reads its view');
SELECT throws_ok($$SELECT * FROM dashboard.jobs$$, '42501', NULL, 'and no other');
RESET ROLE;
SET LOCAL ROLE bootfarm_scheduler;
SELECT lives_ok($$SELECT farm.check_term((SELECT term FROM dashboard.leader))$$, 'the scheduler checks its term');
SELECT lives_ok($$SELECT * FROM farm.make_ready(ARRAY(SELECT id FROM dashboard.jobs WHERE kind = 'build'), ARRAY['x'], ARRAY['{}']::jsonb[])$$, 'and calls its functions');
SELECT throws_ok($$UPDATE farm.job_state SET state = 'cancelled'$$, '42501', NULL, 'it has no other way to a state');
SELECT throws_ok($$SELECT farm.record_builds(NULL)$$, '42501', NULL, 'nor to the inner functions');
SELECT throws_ok($$DELETE FROM farm.event_log$$, '42501', NULL, 'nor to the history');
RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
