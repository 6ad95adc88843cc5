-- 0002_states: which transitions of a job are legal, and the events that record them.
--
-- Both are triggers on farm.job, once per statement: whoever changes a state, by a function or by hand, is held to the table and
-- leaves an event. scheduler/core/job.c is the same table; tests/schema compares what each refuses.

INSERT INTO farm.job_transition (from_state, to_state) VALUES
    ('waiting', 'ready'),        -- its inputs are known
    ('waiting', 'skipped'),      -- they were built, tested, released or mirrored before
    ('waiting', 'superseded'),
    ('waiting', 'cancelled'),
    ('ready', 'leased'),         -- claimed for a worker
    ('ready', 'waiting'),        -- an input went away
    ('ready', 'superseded'),
    ('ready', 'cancelled'),
    ('leased', 'running'),       -- the worker started it
    ('leased', 'succeeded'),     -- it started and ended in one report: the event says running, succeeded
    ('leased', 'failed'),        -- the same, or lost once too often
    ('leased', 'ready'),         -- lost, or infrastructure: at once ...
    ('leased', 'waiting'),       -- ... or after a back-off
    ('leased', 'superseded'),
    ('leased', 'cancelled'),
    ('running', 'succeeded'),
    ('running', 'failed'),
    ('running', 'ready'),        -- as from leased; also the one rerun of a failed test
    ('running', 'waiting'),
    ('running', 'superseded'),
    ('running', 'cancelled'),
    ('failed', 'waiting'),       -- job retry
    ('cancelled', 'waiting');

-- Who acts, for the events of the rest of the transaction: scheduler (also NULL), worker:NAME, operator:NAME; 'worker' stands for the
-- worker of the row's attempt, and any other word is an operator's name.
CREATE FUNCTION farm.act_as(actor text) RETURNS void LANGUAGE sql AS $$
    SELECT set_config('farm.actor', CASE WHEN actor IS NULL THEN 'scheduler' WHEN actor IN ('scheduler', 'worker') OR actor ~ '^(worker|operator):' THEN actor
                                         ELSE 'operator:' || left(actor, 200) END, true)
$$;

CREATE FUNCTION farm.actor_of(attempt uuid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE s.actor
           WHEN 'worker' THEN (SELECT 'worker:' || w.name FROM farm.attempt t JOIN farm.worker w ON w.id = t.worker_id WHERE t.id = attempt)
           ELSE coalesce(s.actor, 'database:' || session_user)
           END
      FROM (SELECT nullif(current_setting('farm.actor', true), '') AS actor) s
$$;

-- What the end of a transition adds to its event.
CREATE FUNCTION farm.event_detail(j farm.job) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT nullif(jsonb_strip_nulls(jsonb_build_object('reason', j.reason, 'detail', j.detail, 'digest', j.digest, 'class', j.fail_class)), '{}')
$$;

CREATE FUNCTION farm.job_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO farm.event (job_id, actor, via, ats, detail)
    SELECT n.id, farm.actor_of(NULL), ARRAY[n.state], ARRAY[now()], jsonb_strip_nulls(jsonb_build_object('because', n.because, 'of', n.because_of))
      FROM new_rows n ORDER BY n.id;
    PERFORM pg_notify('farm_change', 'jobs');
    RETURN NULL;
END $$;

CREATE TRIGGER job_made AFTER INSERT ON farm.job
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION farm.job_made();

CREATE FUNCTION farm.job_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    bad record;
BEGIN
    SELECT n.id, o.state AS old, n.state AS new INTO bad
      FROM old_rows o JOIN new_rows n ON n.id = o.id
      LEFT JOIN farm.job_transition t ON t.from_state = o.state AND t.to_state = n.state
     WHERE o.state <> n.state AND t.from_state IS NULL
     ORDER BY n.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'job % cannot go from % to %', bad.id, bad.old, bad.new
            USING ERRCODE = 'check_violation', TABLE = 'job', SCHEMA = 'farm', CONSTRAINT = 'job_transition';
    END IF;

    WITH moved AS (
        SELECT n.id, coalesce(n.attempt_id, o.attempt_id) AS attempt, farm.actor_of(coalesce(n.attempt_id, o.attempt_id)) AS actor,
               CASE WHEN f.folded THEN ARRAY['running', n.state] ELSE ARRAY[n.state] END AS via,
               CASE WHEN f.folded THEN ARRAY[t.started_at, now()] ELSE ARRAY[now()] END AS ats,
               farm.event_detail(n) AS detail
          FROM old_rows o
          JOIN new_rows n ON n.id = o.id
          LEFT JOIN farm.attempt t ON t.id = o.attempt_id
         CROSS JOIN LATERAL (SELECT o.state = 'leased' AND n.state IN ('succeeded', 'failed') AND t.started_at IS NOT NULL AS folded) f
         WHERE o.state <> n.state
    ), same_turn AS (
        SELECT m.id, e.seq
          FROM moved m
         CROSS JOIN LATERAL (SELECT e.seq, e.turn, e.actor FROM farm.event e WHERE e.job_id = m.id ORDER BY e.seq DESC LIMIT 1) e
         WHERE e.turn = pg_current_xact_id() AND e.actor = m.actor
    ), folded AS (
        UPDATE farm.event e
           SET via = e.via || m.via, ats = e.ats || m.ats, attempt_id = coalesce(m.attempt, e.attempt_id), detail = coalesce(e.detail || m.detail, m.detail, e.detail)
          FROM moved m JOIN same_turn s ON s.id = m.id
         WHERE e.seq = s.seq
    )
    INSERT INTO farm.event (job_id, attempt_id, actor, via, ats, detail)
    SELECT m.id, m.attempt, m.actor, m.via, m.ats, m.detail
      FROM moved m
     WHERE NOT EXISTS (SELECT FROM same_turn s WHERE s.id = m.id)
     ORDER BY m.id;
    PERFORM pg_notify('farm_change', 'jobs');
    RETURN NULL;
END $$;

CREATE TRIGGER job_changed AFTER UPDATE ON farm.job
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION farm.job_changed();

-- A row that PostgreSQL refused: kept for people, with an event where it is about a job.
CREATE FUNCTION farm.refuse(what text, object text, job bigint, attempt uuid, error text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO farm.quarantine (what, object, error) VALUES (what, object, left(error, 2000));
    INSERT INTO farm.event (job_id, attempt_id, actor, via, ats, detail)
    VALUES (job, attempt, 'scheduler', '{}', '{}', jsonb_build_object('refused', what, 'error', left(error, 2000)));
END $$;
