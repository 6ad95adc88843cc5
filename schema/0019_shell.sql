-- 0019_shell: what the scheduler's own processes ask for, beside the functions of the brain and of plans.

-- What a leader knows itself. The architecture of the hub is the operator's to change.
CREATE FUNCTION farm.announce(curve_public text, arch text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM farm.my_term();
    INSERT INTO farm.setting AS s (name, value) VALUES ('curve_public', announce.curve_public)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE s.value <> excluded.value;
    INSERT INTO farm.setting (name, value) VALUES ('arch', announce.arch) ON CONFLICT (name) DO NOTHING;
END $$;

-- What a poll tells the planner. NULL: not set.
CREATE FUNCTION farm.poll_settings() RETURNS TABLE (staging text, release text, arch text) LANGUAGE sql STABLE AS $$
    SELECT (SELECT s.value FROM farm.setting s WHERE s.name = 'staging_registry'),
           (SELECT s.value FROM farm.setting s WHERE s.name = 'release_registry'),
           (SELECT s.value FROM farm.setting s WHERE s.name = 'arch')
$$;

-- log_append and log_seal for a worker, which may only write to the logs of its own attempts: known is false for any other.
CREATE FUNCTION farm.log_take(attempt uuid, worker bigint, byte_offset bigint, raw int, gap bigint, data bytea)
RETURNS TABLE (known boolean, sealed boolean, stored bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    known := EXISTS (SELECT FROM farm.attempt t WHERE t.job_id = farm.job_of(attempt) AND t.id = attempt AND t.worker_id = worker);
    sealed := false;
    stored := CASE WHEN known THEN farm.log_append(attempt, byte_offset, raw, gap, data) END;
    RETURN NEXT;
END $$;

CREATE FUNCTION farm.log_close(attempt uuid, worker bigint, length bigint, was_stored bigint, sha256 bytea)
RETURNS TABLE (known boolean, sealed boolean, stored bigint) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    known := EXISTS (SELECT FROM farm.attempt t WHERE t.job_id = farm.job_of(attempt) AND t.id = attempt AND t.worker_id = worker);
    sealed := known AND farm.log_seal(attempt, length, was_stored, sha256);
    stored := CASE WHEN known THEN farm.log_end(attempt) END;
    RETURN NEXT;
END $$;

SELECT farm.open_functions('bootfarm_scheduler', ARRAY['farm.announce', 'farm.poll_settings', 'farm.log_take', 'farm.log_close', 'farm.command_take', 'farm.load_taken']);
