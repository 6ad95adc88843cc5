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

SELECT farm.open_functions('bootfarm_scheduler', ARRAY['farm.announce', 'farm.poll_settings', 'farm.log_put', 'farm.log_tell', 'farm.log_close', 'farm.log_days', 'farm.command_take', 'farm.load_taken']);
