-- 0028_settled: how far a list can be read that others are adding to.

-- Numbers are given out when rows are written, and seen when their transaction commits: who pages by number could pass over the rows of a slower one.
-- This is the last number given out, answered when all that wrote to the list's tables at that moment have ended: up to it nothing comes any more. It
-- waits for no longer than a turn takes, since whoever asks holds a connection; a plan may write for seconds.
CREATE FUNCTION dashboard.settled(list text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    patience constant timestamptz := clock_timestamp() + interval '250 milliseconds';
    tables constant regclass[] := CASE list
        WHEN 'jobs' THEN ARRAY['farm.job_fixed']
        WHEN 'events' THEN ARRAY['farm.event_log', 'farm.job_fixed', 'farm.job_state']
        WHEN 'releases' THEN ARRAY['farm.release']
        WHEN 'commands' THEN ARRAY['farm.command']
        WHEN 'quarantine' THEN ARRAY['farm.quarantine'] END;
    last bigint;
    writers text[];
BEGIN
    IF pg_is_in_recovery() THEN     -- a standby knows nothing of who writes
        RAISE EXCEPTION 'a standby cannot tell how far % can be read', list USING ERRCODE = 'cannot_connect_now', HINT = 'ask the primary';
    END IF;
    IF tables IS NULL THEN
        RAISE EXCEPTION 'nobody adds to the list %', list USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format('SELECT last_value FROM %s', CASE list WHEN 'events' THEN 'farm.event_seq' ELSE pg_get_serial_sequence(tables[1]::text, 'id') END) INTO last;
    -- Afterwards: who takes the lock later gets a later number.
    writers := ARRAY(SELECT l.virtualtransaction FROM pg_locks l
                      WHERE l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) AND l.relation = ANY (tables)
                        AND l.granted AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'));
    WHILE EXISTS (SELECT FROM pg_locks l WHERE l.virtualtransaction = ANY (writers)) LOOP
        IF clock_timestamp() > patience THEN
            RAISE EXCEPTION 'a transaction is still writing to %', list USING ERRCODE = 'query_canceled', HINT = 'ask again';
        END IF;
        PERFORM pg_sleep(0.005);
    END LOOP;
    RETURN last;
END $$;
SELECT farm.open_functions('bootfarm_api', ARRAY['dashboard.settled']);
