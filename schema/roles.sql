-- roles: made by `migrate` before the first migration, where they are absent. Group roles without login: grant them to the roles that
-- processes connect as. On a server where the operator may not create roles, somebody who may runs this file once.
DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['bootfarm_migrator', 'bootfarm_scheduler', 'bootfarm_api', 'bootfarm_dashboard', 'bootfarm_autoscaler'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', r);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;       -- a migrator of another database of this server was first
            END;
        END IF;
    END LOOP;
    IF NOT pg_has_role('bootfarm_migrator', 'MEMBER') THEN
        EXECUTE format('GRANT bootfarm_migrator TO %I', current_user);
    END IF;
    IF NOT has_database_privilege('bootfarm_migrator', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO bootfarm_migrator', current_database());
    END IF;
    BEGIN
        EXECUTE format('ALTER DATABASE %I SET jit = off', current_database());       -- the views are many short joins: compiling them costs more than they do
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
END $$;
