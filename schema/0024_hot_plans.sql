-- 0024_hot_plans: what a turn calls works on rows that it names, by their keys, and there is an index for each.
--
-- A session plans a statement once and keeps the plan. A leader that begins on an empty farm sees tables of a page, plans to read them whole, and
-- goes on to do so for each job of a turn when they hold thousands of rows: no ANALYZE can come between the rows of one transaction. Nor may it begin with
-- all rows of a state that was rare when ANALYZE looked, and compare each with each of the turn: what changes rows finds
-- each by `id = ANY (ARRAY[...])`, which can only be looked up in the index, never joined, hashed or merged; what reads rows reads them one by one (LATERAL,
-- with an OFFSET 0 that the planner does not look through).
DO $$
DECLARE
    hot record;
BEGIN
    FOR hot IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p
         WHERE p.pronamespace = 'farm'::regnamespace
           AND p.proname IN ('make_ready', 'retry_ready', 'claim', 'work', 'start', 'succeed', 'finish', 'lose', 'set_waiting', 'explain_wait', 'end_jobs', 'reopen', 'command_take', 'load_taken', 'load_images', 'load_jobs')
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_material = off', hot.name);
        EXECUTE format('ALTER FUNCTION %s SET work_mem = ''64MB''', hot.name);
    END LOOP;
END $$;

-- While a farm fills for the first time, ANALYZE has seen some of its tables and not yet others: "one ref, and one image of it" was cheaper than any key, and a push of a
-- thousand images stopped the leader for 20 s by reading all images of all refs for each of them. So this one is joined as it is written, from the key on, and planned
-- for the sizes that the tables have now.
ALTER FUNCTION farm.load_images SET join_collapse_limit = 1 SET plan_cache_mode = force_custom_plan;
