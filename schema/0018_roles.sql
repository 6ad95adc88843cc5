-- 0018_roles: who may do what. The roles themselves are made by roles.sql, before the first migration; all that is here belongs to
-- bootfarm_migrator.
--
-- Whoever calls a function of farm acts with the owner's rights, under a fixed search_path, and has no rights on any table.

REVOKE ALL ON SCHEMA farm, dashboard FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA farm, dashboard FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA farm FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA farm, dashboard FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;

-- Opens functions (all of that name) to a role: with the owner's rights, and names resolved as they were meant.
CREATE FUNCTION farm.open_functions(role name, functions text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    f text;
    oid regprocedure;
BEGIN
    FOREACH f IN ARRAY functions LOOP
        IF NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = split_part(f, '.', 1)::regnamespace AND p.proname = split_part(f, '.', 2)) THEN
            RAISE EXCEPTION 'there is no function %', f;
        END IF;
        FOR oid IN SELECT p.oid FROM pg_proc p WHERE p.pronamespace = split_part(f, '.', 1)::regnamespace AND p.proname = split_part(f, '.', 2) LOOP
            EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = pg_catalog, pg_temp', oid);
            EXECUTE format('ALTER FUNCTION %s SET jit = off', oid);    -- compiling takes longer than any of them
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', oid, role);
        END LOOP;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION farm.open_functions FROM PUBLIC;

GRANT USAGE ON SCHEMA farm, dashboard TO bootfarm_scheduler;
GRANT SELECT ON farm.migration TO bootfarm_scheduler;      -- it checks the version before it leads
GRANT SELECT ON ALL TABLES IN SCHEMA dashboard TO bootfarm_scheduler;
SELECT farm.open_functions('bootfarm_scheduler', ARRAY[
    'farm.lead', 'farm.is_stale', 'farm.renew', 'farm.check_term', 'farm.now_us',
    'farm.load_sites', 'farm.load_workers', 'farm.load_images', 'farm.load_bases', 'farm.load_jobs',
    'farm.make_ready', 'farm.retry_ready', 'farm.claim', 'farm.work', 'farm.start', 'farm.succeed', 'farm.finish', 'farm.lose', 'farm.set_waiting', 'farm.explain_wait', 'farm.end_jobs', 'farm.reopen',
    'farm.worker_seen', 'farm.worker_drain', 'farm.phases', 'farm.command_done',
    'farm.due_repos', 'farm.known_contexts', 'farm.add_artifact', 'farm.repo_polled', 'farm.plan_commit',
    'farm.commands', 'farm.command_apply', 'farm.log_append', 'farm.log_seal', 'farm.log_end']);
GRANT EXECUTE ON FUNCTION farm.evict TO bootfarm_scheduler;

GRANT USAGE ON SCHEMA dashboard TO bootfarm_api, bootfarm_dashboard, bootfarm_autoscaler;
GRANT SELECT ON ALL TABLES IN SCHEMA dashboard TO bootfarm_api, bootfarm_dashboard;
SELECT farm.open_functions('bootfarm_api', ARRAY['dashboard.submit_command', 'dashboard.job_log', 'dashboard.log_tail']);
GRANT SELECT ON dashboard.site_demand TO bootfarm_autoscaler;
