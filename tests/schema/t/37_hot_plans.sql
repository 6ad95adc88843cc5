-- What a turn calls works by keys, also in a session that has planned it on empty tables.
BEGIN;
SET search_path = t, public;
SELECT plan(2);

SELECT set_eq($$SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'farm'::regnamespace AND 'enable_seqscan=off' = ANY (p.proconfig)$$,
              ARRAY['make_ready', 'retry_ready', 'claim', 'work', 'start', 'succeed', 'finish', 'lose', 'set_waiting', 'explain_wait', 'end_jobs', 'reopen', 'command_take', 'load_taken', 'load_images', 'load_jobs', 'log_put', 'log_close', 'add_jobs', 'plan_commit', 'match_sites', 'externals_of', 'relink'], 'every function that is given a list to look up');
SELECT is(current_setting('enable_seqscan'), 'on', 'and nothing else of the session');

SELECT * FROM finish();
ROLLBACK;
