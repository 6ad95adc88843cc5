-- 0026_history: what is over, in a partition for each month.

-- The partitions of this month and the two that follow, where they are missing, and none that is older than the setting history_keep (months; not set:
-- all is kept). Rows of a month that nobody made a partition for lie in the default one, and so does that month for ever. Called as often as one likes. Who
-- reads the history is waited for half a second, since turns wait meanwhile, too; then the next call has another try.
CREATE FUNCTION farm.history_months(today date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    this_month constant date := date_trunc('month', today);
    keep constant int := (SELECT s.value::int FROM farm.setting s WHERE s.name = 'history_keep');
    part record;
    held boolean;
BEGIN
    PERFORM set_config('lock_timeout', '500ms', true);
    FOR part IN SELECT t.name, t.name || to_char(m.first, '_YYYY_MM') AS part, t.of, m.first::date
                  FROM (VALUES ('event_log', 'at'), ('attempt_past', 'leased_at')) t (name, of), generate_series(this_month, this_month + interval '2 months', interval '1 month') m (first)
                 WHERE to_regclass('farm.' || t.name || to_char(m.first, '_YYYY_MM')) IS NULL LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM farm.%I WHERE %I >= %L AND %I < %L)', part.name || '_rest', part.of, part.first, part.of, part.first + interval '1 month') INTO held;
        IF NOT held THEN
            EXECUTE format('CREATE TABLE farm.%I PARTITION OF farm.%I FOR VALUES FROM (%L) TO (%L)', part.part, part.name, part.first, part.first + interval '1 month');
        END IF;
    END LOOP;
    FOR part IN SELECT c.relname FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
                 WHERE i.inhparent IN ('farm.event_log'::regclass, 'farm.attempt_past'::regclass) AND c.relname ~ '_\d{4}_\d{2}$'
                   AND to_date(right(c.relname, 7), 'YYYY_MM') < this_month - keep * interval '1 month' LOOP
        EXECUTE format('DROP TABLE farm.%I', part.relname);
    END LOOP;
    PERFORM set_config('lock_timeout', '0', true);
EXCEPTION WHEN lock_not_available THEN
    PERFORM set_config('lock_timeout', '0', true);
END $$;

SELECT farm.history_months(current_date);

-- Dropping what is old and making what comes is one errand of the scheduler's (scheduler/log_days.c).
CREATE FUNCTION farm.keep_days() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM farm.history_months(current_date);
    RETURN farm.log_days();
END $$;
SELECT farm.open_functions('bootfarm_scheduler', ARRAY['farm.keep_days']);
