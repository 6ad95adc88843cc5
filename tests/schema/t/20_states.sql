-- The legal transitions: each pair of states, by a plain UPDATE.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a')]));

-- Puts the job into `a` without the triggers' leave, then tries `a` -> `b` with them. NULL: allowed.
CREATE FUNCTION t.shape(job bigint, s text) RETURNS void LANGUAGE sql AS $$
    UPDATE farm.job_state SET state = s, attempt_id = CASE WHEN s IN ('leased', 'running') THEN t.uuid(7) END, fail_class = CASE WHEN s = 'failed' THEN 'user' END,
                        ended_at = CASE WHEN s NOT IN ('waiting', 'ready', 'leased', 'running') THEN now() END WHERE id = shape.job
$$;
CREATE FUNCTION t.try(a text, b text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    job constant bigint := (SELECT min(id) FROM farm.job);
BEGIN
    ALTER TABLE farm.job_state DISABLE TRIGGER job_illegal;
    PERFORM t.shape(job, a);
    ALTER TABLE farm.job_state ENABLE TRIGGER job_illegal;
    PERFORM t.shape(job, b);
    RETURN NULL;
EXCEPTION WHEN check_violation THEN
    RETURN SQLERRM;
END $$;

SELECT is(t.try(a, b) IS NULL, (a, b) IN (
        ('waiting', 'ready'), ('waiting', 'skipped'), ('waiting', 'superseded'), ('waiting', 'cancelled'),
        ('ready', 'leased'), ('ready', 'waiting'), ('ready', 'superseded'), ('ready', 'cancelled'),
        ('leased', 'running'), ('leased', 'succeeded'), ('leased', 'failed'), ('leased', 'ready'), ('leased', 'waiting'), ('leased', 'superseded'), ('leased', 'cancelled'),
        ('running', 'succeeded'), ('running', 'failed'), ('running', 'ready'), ('running', 'waiting'), ('running', 'superseded'), ('running', 'cancelled'),
        ('failed', 'waiting'), ('cancelled', 'waiting')), a || ' -> ' || b)
  FROM unnest('{waiting,ready,leased,running,succeeded,failed,skipped,superseded,cancelled}'::text[]) a,
       unnest('{waiting,ready,leased,running,succeeded,failed,skipped,superseded,cancelled}'::text[]) b
 WHERE a <> b;
SELECT alike(t.try('succeeded', 'running'), 'job % cannot go from succeeded to running', 'it says which job, from where, to where');
SELECT throws_ok('UPDATE farm.job_state SET state = ''leased'' WHERE state = ''ready''', '23514', NULL, 'a lease without an attempt')
  FROM t.shape((SELECT max(id) FROM farm.job), 'ready');
SELECT throws_ok('INSERT INTO farm.job_state (id, kind, serial, state) VALUES (-1, ''build'', 1, ''ready'')', '23514', 'job -1 is born ready', 'a job is born waiting');
SELECT throws_ok('INSERT INTO farm.job_state (id, kind, serial, attempt_id) VALUES (-1, ''build'', 1, gen_random_uuid())', '23514', 'job -1 is born waiting with an attempt', 'and without an attempt');
SELECT throws_ok('UPDATE farm.job_state SET state = ''odd''', '23514', NULL, 'a state that is none');
SELECT * FROM finish();
ROLLBACK;
