-- 0002_states: which transitions of a job are legal; jobs, attempts and events as they are read.
--
-- A trigger holds whoever changes a state, by a function or by hand, to the table; scheduler/core/job.c is the same table, and tests/schema
-- compares what each refuses.
--
-- Every transition stands in exactly one event. The first is read off the job, those of an attempt (leased, running, and what its end leads to) off its
-- record, which hold the time, number and actor of each: to write them twice would cost as much as all the rest of a no-op job. Functions write the others to
-- event_log; of a change by hand a trigger does.

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

-- ---- what is read ------------------------------------------------------------------------------------------

CREATE VIEW farm.image_arch AS
    SELECT p.id, p.image_id, p.arch, p.recipe, p.tests_key, b.body AS spec, p.scheduled, p.removed_at, s.passing_digest, s.passing_repository, s.passing_serial, s.failures, s.breaker_since, s.held, s.scheduled_at
      FROM farm.image_arch_plan p LEFT JOIN farm.image_arch_state s ON s.id = p.id LEFT JOIN farm.spec b ON b.id = p.spec_id;

-- The live job before it in its own chain, for which a waiting job waits whose row says nothing: a test for its build, a publish for a test, a mirror for
-- its publish. No function: in a view those are called with the reader's rights.
CREATE VIEW farm.ahead AS
    WITH label AS NOT MATERIALIZED (
        SELECT f.id, f.kind, f.image_id, f.image_arch_id, f.kind || ':' || f.title || coalesce(':' || f.arch, '') || ' (job ' || f.id || ')' AS text FROM farm.job_fixed f
    )
    SELECT f.id AS job_id,
           CASE f.kind
           WHEN 'test' THEN
               (SELECT n.text FROM (SELECT l.id, l.text FROM label l WHERE l.image_arch_id = f.image_arch_id AND l.kind = 'build' ORDER BY l.id DESC LIMIT 1) n
                  JOIN farm.job_state s ON s.id = n.id WHERE s.ended_at IS NULL)
           WHEN 'publish' THEN
               (SELECT n.text FROM farm.image_arch_plan a
                 CROSS JOIN LATERAL (SELECT l.id, l.text FROM label l WHERE l.image_arch_id = a.id AND l.kind = 'test' ORDER BY l.id DESC LIMIT 1) n
                  JOIN farm.job_state s ON s.id = n.id
                 WHERE a.image_id = f.image_id AND a.removed_at IS NULL AND s.ended_at IS NULL ORDER BY a.id LIMIT 1)
           WHEN 'mirror' THEN
               (SELECT n.text FROM (SELECT l.id, l.text FROM label l WHERE l.image_id = f.image_id AND l.image_arch_id IS NULL AND l.kind = 'publish' ORDER BY l.id DESC LIMIT 1) n
                  JOIN farm.job_state s ON s.id = n.id WHERE s.ended_at IS NULL)
           END AS job
      FROM farm.job_fixed f;

-- `attempt_id`: the live one. A ready job without a reason of its own has that of its bucket; one that waits has that of most: its chain is not that far.
CREATE VIEW farm.job AS
    SELECT f.id, f.kind, f.image_id, f.image_arch_id, f.target_site_id, f.revision_id, f.spec_id, s.state,
           CASE WHEN s.reason IS NULL AND s.state = 'waiting' THEN CASE WHEN f.kind <> 'build' AND (SELECT a.job FROM farm.ahead a WHERE a.job_id = f.id) IS NOT NULL THEN 'parent' END ELSE coalesce(s.reason, b.reason) END AS reason,
           CASE WHEN s.reason IS NOT NULL THEN s.detail WHEN s.state = 'waiting' THEN coalesce(s.detail, CASE WHEN f.kind <> 'build' THEN (SELECT a.job FROM farm.ahead a WHERE a.job_id = f.id) END) ELSE coalesce(b.detail, s.detail) END AS detail,
           CASE WHEN s.reason IS NULL THEN greatest(s.reason_since, b.since) ELSE s.reason_since END AS reason_since, f.because, f.because_of,
           f.run_site_id, f.needs, f.forced, f.priority, s.input_key, s.pins, s.digest, CASE WHEN s.state NOT IN ('waiting', 'ready') THEN s.repository END AS repository, s.attempts, s.losses,
           s.not_before, CASE WHEN s.state IN ('leased', 'running') THEN s.attempt_id END AS attempt_id, s.fail_class, f.created_at, s.ready_at, s.ended_at
      FROM farm.job_fixed f JOIN farm.job_state s ON s.id = f.id LEFT JOIN farm.bucket b ON b.id = s.bucket AND s.state = 'ready';

CREATE VIEW farm.attempt AS
    SELECT p.id, p.job_id, p.number, p.worker_id, p.boot_id, p.term, p.leased_at, p.started_at, p.finished_at AS ended_at, p.phase, p.outcome, p.class AS fail_class, p.code, p.step,
           p.message, p.digest, p.size, p.result AS detail, p.actor, p.next_state, p.leased_seq, p.started_seq, p.finished_seq
      FROM farm.attempt_past p
    UNION ALL
    SELECT s.attempt_id, s.id, s.attempts, s.worker_id, s.boot_id, s.term, s.leased_at, s.started_at, s.finished_at, s.phase, s.outcome, s.class, s.code, s.step,
           s.message, CASE WHEN s.outcome = 'succeeded' THEN s.digest END, s.size, s.result, s.actor, s.next_state, s.leased_seq, s.started_seq, s.finished_seq
      FROM farm.job_state s WHERE s.attempt_id IS NOT NULL;

-- An attempt's id begins with the 48 bits of its job's: whoever has the one finds the other, and no table or index follows the claims.
CREATE FUNCTION farm.job_of(attempt uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ('x' || left(attempt::text, 8) || substr(attempt::text, 10, 4))::bit(48)::bigint
$$;

-- Whether an attempt of the job, before the one that it has now, found something else than infrastructure at fault. A function, so that a statement which
-- mostly need not ask does not open all partitions to begin with.
CREATE FUNCTION farm.failed_before(job bigint) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM farm.attempt_past p WHERE p.job_id = job AND p.outcome = 'failed' AND p.class <> 'infra');
END $$;

-- At most one row. Inlined.
CREATE FUNCTION farm.known_attempt(attempt uuid) RETURNS SETOF farm.attempt LANGUAGE sql STABLE AS $$
    SELECT t.* FROM farm.attempt t WHERE t.job_id = farm.job_of(attempt) AND t.id = attempt
$$;

CREATE VIEW farm.event AS
    SELECT e.seq, e.at, e.job_id, e.attempt_id, e.actor, e.via, e.ats, e.detail FROM farm.event_log e
    UNION ALL
    SELECT f.made_seq, f.created_at, f.id, NULL, coalesce(f.made_by, 'scheduler'), '{waiting}', ARRAY[f.created_at],
           nullif(jsonb_strip_nulls(jsonb_build_object('because', f.because, 'of', f.because_of)), '{}')
      FROM farm.job_fixed f
    UNION ALL
    SELECT t.leased_seq, t.leased_at, t.job_id, t.id, 'scheduler', '{leased}', ARRAY[t.leased_at], NULL FROM farm.attempt t
    UNION ALL
    SELECT t.started_seq, t.started_at, t.job_id, t.id, 'worker:' || w.name, '{running}', ARRAY[t.started_at], NULL
      FROM farm.attempt t JOIN farm.worker w ON w.id = t.worker_id WHERE t.started_seq IS NOT NULL
    UNION ALL
    SELECT t.finished_seq, t.ended_at, t.job_id, t.id, coalesce(t.actor, 'worker:' || w.name),
           CASE WHEN f.folded THEN ARRAY['running', t.next_state] ELSE ARRAY[t.next_state] END, CASE WHEN f.folded THEN ARRAY[t.started_at, t.ended_at] ELSE ARRAY[t.ended_at] END,
           nullif(jsonb_strip_nulls(jsonb_build_object('outcome', CASE WHEN t.outcome IN ('lost', 'failed') THEN t.outcome END, 'detail', t.message, 'digest', t.digest, 'class', t.fail_class)), '{}')
      FROM farm.attempt t
      JOIN farm.worker w ON w.id = t.worker_id
     CROSS JOIN LATERAL (SELECT t.started_seq IS NULL AND t.started_at IS NOT NULL AND t.next_state IN ('succeeded', 'failed') AS folded) f
     WHERE t.finished_seq IS NOT NULL;

-- ---- who acts ----------------------------------------------------------------------------------------------

-- For the events of the rest of the transaction: scheduler (also NULL), worker:NAME, operator:NAME; any other word is an operator's name.
CREATE FUNCTION farm.actor(who text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN who IS NULL THEN 'scheduler' WHEN who = 'scheduler' OR who ~ '^(worker|operator):' THEN who ELSE 'operator:' || left(who, 200) END
$$;

CREATE FUNCTION farm.act_as(actor text) RETURNS void LANGUAGE sql AS $$
    SELECT set_config('farm.actor', farm.actor(actor), true)
$$;

-- Set by check_term: without it somebody writes by hand.
CREATE FUNCTION farm.acting() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('farm.actor', true), ''), 'database:' || session_user)
$$;

-- ---- what is written ---------------------------------------------------------------------------------------

-- What the end of a transition adds to its event.
CREATE FUNCTION farm.event_detail(j farm.job_state) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT nullif(jsonb_strip_nulls(jsonb_build_object('reason', j.reason, 'detail', j.detail, 'digest', j.digest, 'class', j.fail_class)), '{}')
$$;

-- The jobs have just gone to the states they are in. Joins what the same actor did in the same turn.
CREATE FUNCTION farm.log_moves(jobs bigint[]) RETURNS void LANGUAGE sql AS $$
    WITH moved AS MATERIALIZED (
        SELECT s.id, s.state, farm.event_detail(s) AS detail, e.seq
          FROM farm.job_state s
          LEFT JOIN LATERAL (SELECT q.seq, q.turn, q.actor FROM farm.event_log q WHERE q.job_id = s.id AND q.at >= now() ORDER BY q.seq DESC LIMIT 1) e
            ON e.turn = pg_current_xact_id() AND e.actor = farm.acting()
         WHERE s.id = ANY (jobs)
    ), folded AS (
        UPDATE farm.event_log e
           SET via = e.via || m.state, ats = e.ats || now(), detail = coalesce(e.detail || m.detail, m.detail, e.detail)
          FROM moved m
         WHERE e.seq = m.seq AND e.job_id = m.id AND e.at >= now()
    )
    INSERT INTO farm.event_log (job_id, actor, via, ats, detail)
    SELECT m.id, farm.acting(), ARRAY[m.state], ARRAY[now()], m.detail FROM moved m WHERE m.seq IS NULL ORDER BY m.id
$$;

-- What a call answers: for each of `asked` in order, whether it is among `hit`. No join, which the planner, who expects a handful of rows, would make
-- a loop of loops.
CREATE FUNCTION farm.told(asked bigint[], hit bigint[], yes text, no text) RETURNS TABLE (job bigint, status text) LANGUAGE sql IMMUTABLE AS $$
    SELECT g.id, CASE WHEN bool_or(g.hit) THEN yes ELSE no END
      FROM (SELECT u.id, u.ord, false AS hit FROM unnest(asked) WITH ORDINALITY u (id, ord) UNION ALL SELECT h, NULL, true FROM unnest(hit) h) g
     GROUP BY g.id ORDER BY min(g.ord)
$$;

-- A row that PostgreSQL refused: kept for people, with an event where it is about a job.
CREATE FUNCTION farm.refuse(what text, object text, job bigint, attempt uuid, error text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO farm.quarantine (what, object, error) VALUES (what, object, left(error, 2000));
    INSERT INTO farm.event_log (job_id, attempt_id, actor, via, ats, detail)
    VALUES (job, attempt, 'scheduler', '{}', '{}', jsonb_build_object('refused', what, 'error', left(error, 2000)));
END $$;

-- What is wrong with the row of a job; NULL: nothing. `before`: the state that it was in.
CREATE FUNCTION farm.job_fault(before text, state text, attempt uuid, outcome text, class text, ended timestamptz, finished timestamptz) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE
        -- What nearly all changes are, first; the rest takes three times as long.
        WHEN before = 'waiting' AND state = 'ready' AND num_nonnulls(outcome, class, ended, finished) = 0 THEN NULL
        WHEN before = 'ready' AND state = 'leased' AND attempt IS NOT NULL AND num_nonnulls(outcome, class, ended, finished) = 0 THEN NULL
        WHEN state = 'succeeded' AND before IN ('leased', 'running') AND outcome = 'succeeded' AND class IS NULL AND num_nulls(ended, finished) = 0 THEN NULL
        WHEN before <> state AND before || ' ' || state <> ALL (TRANSITIONS) THEN 'cannot go from ' || before || ' to ' || state
        WHEN state IN ('waiting', 'ready', 'leased', 'running') <> (ended IS NULL) THEN 'is ' || state || ' and ' || CASE WHEN ended IS NULL THEN 'has no end' ELSE 'has an end' END
        WHEN state IN ('leased', 'running') AND (attempt IS NULL OR outcome IS NOT NULL) THEN 'is ' || state || ' without a live attempt'
        WHEN (state = 'failed') <> (class IS NOT NULL) THEN 'is ' || state || ' with the class of failure ' || coalesce(class, 'none')
        WHEN (finished IS NULL) <> (outcome IS NULL) THEN 'has an attempt that ended ' || coalesce(finished::text, 'never') || ' with the outcome ' || coalesce(outcome, 'none')
        WHEN class NOT IN ('user', 'infra', 'timeout') THEN 'has the class of failure ' || class
        WHEN outcome NOT IN ('succeeded', 'failed', 'cancelled', 'lost') THEN 'has the outcome ' || outcome
    END;
END $$;
DO $$
BEGIN
    EXECUTE replace(pg_get_functiondef('farm.job_fault'::regproc), 'TRANSITIONS',
                    (SELECT quote_literal(array_agg(t.from_state || ' ' || t.to_state)::text) || '::text[]' FROM farm.job_transition t));
END $$;

CREATE FUNCTION farm.job_illegal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'job % %', NEW.id,
        coalesce(farm.job_fault(CASE TG_OP WHEN 'UPDATE' THEN OLD.state ELSE 'waiting' END, NEW.state, NEW.attempt_id, NEW.outcome, NEW.fail_class, NEW.ended_at, NEW.finished_at),
                 'is born ' || NEW.state || CASE WHEN num_nonnulls(NEW.attempt_id, NEW.outcome, NEW.finished_at) > 0 THEN ' with an attempt' ELSE '' END)
        USING ERRCODE = 'check_violation', TABLE = 'job_state', SCHEMA = 'farm', CONSTRAINT = 'job_transition';
END $$;

CREATE FUNCTION farm.job_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO farm.event_log (job_id, attempt_id, actor, via, ats, detail)
    VALUES (NEW.id, CASE WHEN NEW.state IN ('leased', 'running') THEN NEW.attempt_id WHEN OLD.state IN ('leased', 'running') THEN OLD.attempt_id END,
            farm.acting(), ARRAY[NEW.state], ARRAY[now()], farm.event_detail(NEW));
    PERFORM pg_notify('farm_change', 'jobs');
    RETURN NULL;
END $$;

-- Conditions and not statement triggers: they cost a hot row some nanoseconds, where transition tables copy it twice.
CREATE TRIGGER job_illegal AFTER UPDATE ON farm.job_state FOR EACH ROW
    WHEN (farm.job_fault(OLD.state, NEW.state, NEW.attempt_id, NEW.outcome, NEW.fail_class, NEW.ended_at, NEW.finished_at) IS NOT NULL) EXECUTE FUNCTION farm.job_illegal();
CREATE TRIGGER job_illegal_at_birth AFTER INSERT ON farm.job_state FOR EACH ROW
    WHEN (NEW.state <> 'waiting' OR num_nonnulls(NEW.attempt_id, NEW.outcome, NEW.fail_class, NEW.ended_at, NEW.finished_at) > 0)
    EXECUTE FUNCTION farm.job_illegal();
CREATE TRIGGER job_by_hand AFTER UPDATE ON farm.job_state FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND coalesce(current_setting('farm.actor', true), '') = '') EXECUTE FUNCTION farm.job_by_hand();
