-- 0027_why: why a job does not run, and its place in the queue: computed when somebody asks, from what stands in the tables now.
--
-- The scheduler decides, and writes a reason when that changes; here the reason is looked for again and said in words, with names, times and
-- numbers that nobody would keep up to date. Nothing of it decides anything.

-- Of a job that does not wait `reason` is its state.
CREATE TYPE farm.why AS (reason text, text text, until timestamptz, rank int, queued int);

CREATE FUNCTION farm.when_text(t timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;

-- "a", "a and b", "a, b, c and 4 more"
CREATE FUNCTION farm.some(names text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN cardinality(names) > 4 THEN array_to_string(names[1:3], ', ') || format(' and %s more', cardinality(names) - 3)
                WHEN cardinality(names) > 1 THEN array_to_string(trim_array(names, 1), ', ') || ' and ' || names[cardinality(names)]
                ELSE names[1] END
$$;

-- ---- what a waiting job waits for --------------------------------------------------------------------------

CREATE FUNCTION farm.is_stopped(j farm.job) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT j.state IN ('failed', 'cancelled') OR (j.state = 'waiting' AND coalesce(j.reason IN ('blocked', 'quarantined'), false))
$$;

-- The job that must be through first (scheduler/core/parents.c, hurdle_of), one that is stopped before others; NULL: there is none.
CREATE FUNCTION farm.hurdle(j farm.job) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    CASE j.kind
    WHEN 'build' THEN
        RETURN (SELECT t.id
                  FROM farm.image_parent e
                  JOIN farm.image_arch p ON p.id = e.parent_arch_id
                 CROSS JOIN LATERAL (SELECT q.* FROM farm.job q WHERE q.image_arch_id = p.id AND q.kind = 'test' ORDER BY q.id DESC LIMIT 1) t
                 WHERE e.image_arch_id = j.image_arch_id AND t.state NOT IN ('succeeded', 'skipped', 'superseded')
                   -- A fix elsewhere goes on with what the parent passed last.
                   AND NOT (farm.is_stopped(t) AND j.because IS DISTINCT FROM 'parent' AND t.revision_id <> j.revision_id AND p.passing_digest IS NOT NULL)
                 ORDER BY farm.is_stopped(t) DESC, p.id LIMIT 1);
    WHEN 'test' THEN
        RETURN (SELECT b.id FROM (SELECT q.id, q.state FROM farm.job q WHERE q.image_arch_id = j.image_arch_id AND q.kind = 'build' ORDER BY q.id DESC LIMIT 1) b
                 WHERE b.state NOT IN ('succeeded', 'skipped', 'superseded'));
    WHEN 'publish' THEN
        RETURN coalesce((SELECT t.id FROM farm.image_arch a
                          CROSS JOIN LATERAL (SELECT q.* FROM farm.job q WHERE q.image_arch_id = a.id AND q.kind = 'test' ORDER BY q.id DESC LIMIT 1) t
                          WHERE a.image_id = j.image_id AND a.removed_at IS NULL AND t.state NOT IN ('succeeded', 'skipped', 'superseded')
                          ORDER BY farm.is_stopped(t) DESC, a.id LIMIT 1),
                        (SELECT q.id FROM farm.job q WHERE q.image_id = j.image_id AND q.image_arch_id IS NULL AND q.kind = 'publish' AND q.id < j.id AND q.ended_at IS NULL
                          ORDER BY q.id DESC LIMIT 1));
    WHEN 'mirror' THEN
        RETURN coalesce((SELECT p.id FROM (SELECT q.id, q.state FROM farm.job q WHERE q.image_id = j.image_id AND q.image_arch_id IS NULL AND q.kind = 'publish'
                                            ORDER BY q.id DESC LIMIT 1) p
                          WHERE p.state NOT IN ('succeeded', 'skipped', 'superseded')),
                        (SELECT q.id FROM farm.job q WHERE q.image_id = j.image_id AND q.target_site_id = j.target_site_id AND q.kind = 'mirror' AND q.id < j.id AND q.ended_at IS NULL
                          ORDER BY q.id DESC LIMIT 1));
    END CASE;
END $$;

-- Where the chain of hurdles begins: a job that does not wait for another one.
CREATE FUNCTION farm.first_hurdle(hurdle bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    at bigint := hurdle;
    j farm.job;
    next bigint;
BEGIN
    FOR step IN 1 .. 10000 LOOP
        SELECT q.* INTO j FROM farm.job q WHERE q.id = at;
        EXIT WHEN j.state <> 'waiting';
        next := farm.hurdle(j);
        EXIT WHEN next IS NULL;
        at := next;
    END LOOP;
    RETURN at;
END $$;

-- "build:plant:base@main:amd64 (job 17, running since … at hub-1)"
CREATE FUNCTION farm.standing(job bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%s (%s, job %s)', farm.job_title(s.id),
                  CASE s.state WHEN 'running' THEN format('running since %s at %s', farm.when_text(s.started_at), w.name)
                               WHEN 'leased' THEN format('given to %s at %s', w.name, farm.when_text(s.leased_at))
                               WHEN 'ready' THEN 'ready since ' || farm.when_text(s.ready_at)
                               WHEN 'waiting' THEN concat_ws(', ', 'waiting', s.reason) ELSE s.state END, s.id)
      FROM farm.job_state s LEFT JOIN farm.worker w ON w.id = s.worker_id WHERE s.id = job
$$;

-- What the newest attempt said of its failure.
CREATE FUNCTION farm.last_error(job bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT nullif(concat_ws(': ', t.step, t.message, t.code), '') FROM farm.attempt t WHERE t.job_id = job AND t.outcome IN ('failed', 'lost') ORDER BY t.number DESC LIMIT 1
$$;

CREATE FUNCTION farm.refusal(job bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT q.what || ': ' || q.error FROM farm.quarantine q
     WHERE q.object = 'job ' || job OR q.object IN (SELECT 'attempt ' || t.id FROM farm.attempt t WHERE t.job_id = job) ORDER BY q.id DESC LIMIT 1
$$;

CREATE FUNCTION farm.breaker_text(arch bigint) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('breaker open since %s: %s failures in a row, no automatic rebuilds until a commit or `bootfarm job retry`', farm.when_text(a.breaker_since), a.failures)
      FROM farm.image_arch_state a WHERE a.id = arch AND a.breaker_since IS NOT NULL
$$;

-- A parent or base that has no job to wait for.
CREATE FUNCTION farm.missing_input(j farm.job, OUT reason text, OUT text text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT 'parent', format('waits for %s:%s, which has not passed yet and has no job that could', farm.image_title(p.image_id), p.arch) INTO reason, text
      FROM farm.image_parent e JOIN farm.image_arch p ON p.id = e.parent_arch_id
     WHERE j.kind = 'build' AND e.image_arch_id = j.image_arch_id AND p.passing_digest IS NULL ORDER BY p.id LIMIT 1;
    IF reason IS NULL THEN
        SELECT 'base', format('waits for the base %s (%s): %s', b.reference, b.arch, coalesce(b.error, 'not resolved yet')) INTO reason, text
          FROM farm.image_base e JOIN farm.base b ON b.id = e.base_id
         WHERE j.kind = 'build' AND e.image_arch_id = j.image_arch_id AND b.digest IS NULL ORDER BY b.id LIMIT 1;
    END IF;
END $$;

CREATE FUNCTION farm.why_waiting(j farm.job) RETURNS farm.why LANGUAGE plpgsql STABLE AS $$
DECLARE
    y farm.why;
    hurdle bigint;
    root farm.job;
    idle farm.why;               -- why that has not begun
BEGIN
    IF j.reason = 'backoff' THEN
        y.reason := 'backoff';
        y.until := j.not_before;
        y.text := format('waits until %s before attempt %s; the last one failed: %s', farm.when_text(j.not_before), j.attempts + 1,
                         coalesce(farm.last_error(j.id), j.detail, 'it said nothing'));
        RETURN y;
    END IF;
    hurdle := CASE WHEN j.pins IS NULL THEN farm.hurdle(j) END;
    IF hurdle IS NULL THEN
        SELECT m.reason, m.text INTO y.reason, y.text FROM farm.missing_input(j) m WHERE j.pins IS NULL;
        IF y.reason IS NULL AND j.reason IS NOT NULL AND j.detail IS NOT NULL THEN
            y.reason := j.reason;
            y.text := 'waits: ' || j.detail;
        ELSIF y.reason IS NULL THEN
            y.reason := 'turn';
            y.text := 'nothing is in its way: the scheduler makes it ready in its next turn';
        END IF;
        RETURN y;
    END IF;
    SELECT q.* INTO root FROM farm.job q WHERE q.id = farm.first_hurdle(hurdle);
    IF root.state IN ('failed', 'cancelled') THEN
        y.reason := 'blocked';
        y.text := concat_ws('; ', concat_ws(': ', 'blocked by ' || farm.standing(root.id), farm.last_error(root.id)), farm.breaker_text(root.image_arch_id),
                            CASE root.state WHEN 'cancelled' THEN format('it goes on after `bootfarm job retry %s`', root.id) ELSE 'it goes on by itself when that passes' END);
    ELSE
        y.reason := 'parent';
        y.text := CASE WHEN j.kind = 'build' THEN 'waits for its parent ' ELSE 'waits for ' END || farm.standing(hurdle)
                  || CASE WHEN root.id <> hurdle THEN ', and that in the end for ' || farm.standing(root.id) ELSE '' END;
        IF root.state = 'ready' THEN
            idle := farm.why_ready(root);
        ELSIF root.state = 'waiting' AND (root.pins IS NOT NULL OR farm.hurdle(root) IS NULL) THEN
            idle := farm.why_waiting(root);
        END IF;
        IF idle.reason <> 'turn' THEN
            y.text := y.text || ': ' || idle.text;
        END IF;
    END IF;
    RETURN y;
END $$;

-- ---- the place in the queue --------------------------------------------------------------------------------

-- Among the ready jobs that the same workers can run, as scheduler/core/queue.c orders them, as far as the tables tell: within a repository by age and
-- priority (a minute each), between repositories by how much each has of the site and architecture over its weight. How long jobs take and what follows
-- from them the leader has learnt for itself, and so has what each repository had before: rank is an estimate. `higher`, `others`: of those before it,
-- how many have a higher priority, and how many are of other repositories. `held`: what its own repository has there now.
CREATE TYPE farm.place AS (rank int, queued int, higher int, others int, held int, weight int);
CREATE FUNCTION farm.place(j farm.job) RETURNS farm.place LANGUAGE sql STABLE AS $$
    WITH me AS (
        SELECT s.bucket, f.kind IN ('publish', 'mirror') AS tags, f.run_site_id, f.arch
          FROM farm.job_state s JOIN farm.job_fixed f ON f.id = s.id WHERE s.id = j.id
    ), live AS MATERIALIZED (
        SELECT s.id, s.state, f.priority, extract(epoch FROM f.created_at)::float8 - 60 * f.priority AS since, r.repo_id, p.weight
          FROM me
          JOIN farm.job_state s ON s.ended_at IS NULL AND ((s.state = 'ready' AND s.bucket = me.bucket AND s.reason IS DISTINCT FROM 'quarantined') OR s.state IN ('leased', 'running'))
          JOIN farm.job_fixed f ON f.id = s.id
          JOIN farm.image i ON i.id = f.image_id
          JOIN farm.ref r ON r.id = i.ref_id
          JOIN farm.repo p ON p.id = r.repo_id
         WHERE s.state = 'ready'
            OR (f.kind IN ('publish', 'mirror') = me.tags AND f.run_site_id IS NOT DISTINCT FROM me.run_site_id AND f.arch IS NOT DISTINCT FROM me.arch)
    ), had AS (
        SELECT l.repo_id, count(*) AS n FROM live l WHERE l.state <> 'ready' GROUP BY 1
    ), numbered AS (
        SELECT l.*, coalesce(h.n, 0) AS had, row_number() OVER (PARTITION BY l.repo_id ORDER BY l.since, l.id) - 1 AS n
          FROM live l LEFT JOIN had h ON h.repo_id = l.repo_id WHERE l.state = 'ready'
    ), turns AS (
        SELECT n.*, max((n.had + n.n) * (CASE j.kind WHEN 'build' THEN 300 WHEN 'test' THEN 120 ELSE 10 END)::float8 / n.weight - 60 * n.priority)
                    OVER (PARTITION BY n.repo_id ORDER BY n.since, n.id) AS turn
          FROM numbered n
    ), placed AS (
        SELECT t.*, row_number() OVER (ORDER BY t.turn, t.since, t.id) AS place FROM turns t
    )
    SELECT (m.place, (SELECT count(*) FROM placed),
            (SELECT count(*) FROM placed p WHERE p.place < m.place AND p.priority > m.priority),
            (SELECT count(*) FROM placed p WHERE p.place < m.place AND p.repo_id <> m.repo_id), m.had, m.weight)::farm.place
      FROM placed m WHERE m.id = j.id
$$;

-- ---- why a ready job has no worker -------------------------------------------------------------------------

-- The workers that may do such work there, and what each lacks.
CREATE FUNCTION farm.candidates(j farm.job)
RETURNS TABLE (name text, state text, since timestamptz, drained boolean, slots int, busy int, arch_fits boolean, lacks text[]) LANGUAGE sql STABLE AS $$
    SELECT w.name::text, w.state, w.state_since, w.drained, coalesce(least(w.slots, w.slots_wanted), 0), coalesce(b.n, 0),
           a.arch IS NULL OR coalesce(w.arch = a.arch, false),
           ARRAY(SELECT n FROM unnest(j.needs) n WHERE n <> ALL (w.capabilities) ORDER BY n)
      FROM farm.worker w
      LEFT JOIN farm.image_arch_plan a ON a.id = j.image_arch_id
      LEFT JOIN (SELECT s.worker_id, count(*)::int AS n FROM farm.job_state s WHERE s.ended_at IS NULL AND s.state IN ('leased', 'running') GROUP BY 1) b ON b.worker_id = w.id
     WHERE w.revoked_at IS NULL AND j.kind = ANY (w.roles) AND (j.run_site_id IS NULL OR w.site_id = j.run_site_id)
     ORDER BY w.name
$$;

-- Nobody fits, whatever they have to do: what is missing, and who might have it.
CREATE FUNCTION farm.no_worker_text(j farm.job) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    at constant text := coalesce((SELECT ' at ' || s.name FROM farm.site s WHERE s.id = j.run_site_id), '');
    wanted_arch constant text := (SELECT a.arch FROM farm.image_arch_plan a WHERE a.id = j.image_arch_id);
    unseen constant text := (SELECT 'never connected: ' || farm.some(array_agg(c.name)) FROM farm.candidates(j) c WHERE c.state = 'never-seen');
    missing text[];
BEGIN
    IF NOT EXISTS (SELECT FROM farm.candidates(j)) THEN
        RETURN format('no worker with the role %s%s: `bootfarm worker enroll` adds one', j.kind, at);
    ELSIF NOT EXISTS (SELECT FROM farm.candidates(j) c WHERE c.arch_fits) THEN
        RETURN concat_ws('; ', format('no worker with %s%s', wanted_arch, at), unseen);
    END IF;
    -- What none of them has; where each need is met by somebody, all that no single one has.
    missing := ARRAY(SELECT n FROM unnest(j.needs) n WHERE NOT EXISTS (SELECT FROM farm.candidates(j) c WHERE c.arch_fits AND n <> ALL (c.lacks)) ORDER BY n);
    RETURN concat_ws('; ', format('no %s%sworker with %s%s', CASE WHEN cardinality(missing) = 0 THEN 'single ' END, wanted_arch || ' ',
                                  farm.some(CASE WHEN cardinality(missing) > 0 THEN missing ELSE j.needs END), at), unseen);
END $$;

-- All slots are taken: who goes first, and why.
CREATE FUNCTION farm.queue_text(j farm.job, q farm.place, OUT reason text, OUT text text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    reason := CASE WHEN q.higher > 0 THEN 'outbid' WHEN q.others > 0 AND q.others = q.rank - 1 AND q.held > 0 THEN 'share' ELSE 'busy' END;
    text := format('place %s of %s in the queue (an estimate)', q.rank, q.queued)
            || CASE reason
               WHEN 'outbid' THEN format(', outbid by %s of higher priority than %s', CASE q.higher WHEN 1 THEN '1 job' ELSE q.higher || ' jobs' END, j.priority)
               WHEN 'share' THEN format(': others go first, since its repository %s has its share (weight %s, %s at work there)', (SELECT n.repository FROM farm.named_job n WHERE n.job_id = j.id), q.weight,
                                        CASE q.held WHEN 1 THEN '1 job' ELSE q.held || ' jobs' END)
               ELSE '' END;
END $$;

CREATE FUNCTION farm.why_ready(j farm.job) RETURNS farm.why LANGUAGE plpgsql STABLE AS $$
DECLARE
    y farm.why;
    fit record;
    q constant farm.place := farm.place(j);
    other bigint;
BEGIN
    y.rank := q.rank;
    y.queued := q.queued;
    SELECT count(*) AS n, count(*) FILTER (WHERE c.state IN ('connected', 'draining', 'resting')) AS here,
           count(*) FILTER (WHERE c.state = 'connected' AND NOT c.drained) AS open,
           sum(c.slots) FILTER (WHERE c.state = 'connected' AND NOT c.drained) AS slots,
           sum(greatest(c.slots - c.busy, 0)) FILTER (WHERE c.state = 'connected' AND NOT c.drained) AS free,
           array_agg(c.name) FILTER (WHERE c.state = 'connected' AND NOT c.drained) AS open_names,
           array_agg(format('%s (%s since %s)', c.name, c.state, farm.when_text(c.since))) AS named,
           array_agg(c.name || CASE WHEN c.drained THEN ' drained' WHEN c.state = 'resting' THEN ' resting since ' || farm.when_text(c.since) || ' (what failed there went through at others)'
                               ELSE ' about to stop' END) FILTER (WHERE c.state IN ('connected', 'draining', 'resting')) AS closed,
           bool_or(c.state = 'resting' AND NOT c.drained) AS resting
      INTO fit FROM farm.candidates(j) c WHERE c.arch_fits AND c.lacks = '{}';
    IF j.kind = 'publish' THEN      -- one at a time for each repository, and each image
        SELECT r.job_id INTO other FROM farm.release r
         WHERE r.state = 'publishing' AND r.job_id <> j.id AND (r.image_id = j.image_id OR r.repository = farm.release_repository(j.image_id)) ORDER BY r.id LIMIT 1;
    END IF;
    IF other IS NOT NULL THEN
        y.reason := 'parent';
        y.text := 'waits for another release to the same repository: ' || farm.standing(other);
    ELSIF fit.n = 0 THEN
        y.reason := 'worker';
        y.text := farm.no_worker_text(j);
    ELSIF fit.here = 0 THEN
        y.reason := 'worker';
        y.text := 'no worker that could run it is connected: ' || farm.some(fit.named);
    ELSIF fit.open = 0 THEN
        y.reason := CASE WHEN fit.resting THEN 'resting' ELSE 'drained' END;
        y.text := format('%s %s', CASE cardinality(fit.closed) WHEN 1 THEN 'worker' ELSE 'workers' END, farm.some(fit.closed));
    ELSIF fit.free = 0 THEN
        SELECT t.reason, concat_ws('; ', format(CASE fit.slots WHEN 1 THEN 'the one slot of %2$s is taken' ELSE 'all %s slots of %s are taken' END, fit.slots, farm.some(fit.open_names)), t.text) INTO y.reason, y.text FROM farm.queue_text(j, q) t;
        y.reason := coalesce(y.reason, 'busy');
    ELSIF j.reason = 'pressure' THEN
        y.reason := 'pressure';
        y.text := format('%s of %s slots are free, but there is no room for it: %s is short of memory or disk, or stalls (`bootfarm worker list --json` shows its pressure)',
                         fit.free, fit.slots, coalesce(j.detail, farm.some(fit.open_names)));
    ELSE
        y.reason := 'turn';
        y.text := concat_ws('; ', format('%s of %s slots of %s are free: it is given to one in the next turns', fit.free, fit.slots, farm.some(fit.open_names)),
                            format('place %s of %s in the queue (an estimate)', q.rank, q.queued));
    END IF;
    RETURN y;
END $$;

-- ---- those that do not wait --------------------------------------------------------------------------------

CREATE FUNCTION farm.why_live(j farm.job) RETURNS farm.why LANGUAGE sql STABLE AS $$
    SELECT (coalesce(j.reason, j.state),
            format(CASE j.state WHEN 'running' THEN 'runs at %s since %s' ELSE 'was given to %s at %s, which has not started it yet' END, w.name, farm.when_text(coalesce(s.started_at, s.leased_at)))
            || format(' (attempt %s', s.attempts) || coalesce(', phase ' || s.phase, '') || ')'
            || CASE WHEN j.reason = 'disconnected' THEN '; the worker is cut off, and may go on with it for the grace of its site' ELSE '' END,
            NULL, NULL, NULL)::farm.why
      FROM farm.job_state s JOIN farm.worker w ON w.id = s.worker_id WHERE s.id = j.id
$$;

CREATE FUNCTION farm.why_ended(j farm.job) RETURNS farm.why LANGUAGE plpgsql STABLE AS $$
DECLARE
    y farm.why;
    breaker constant text := farm.breaker_text(j.image_arch_id);
BEGIN
    y.reason := CASE WHEN j.state <> 'failed' THEN j.state WHEN j.reason = 'quarantined' THEN 'quarantined' WHEN breaker IS NOT NULL THEN 'breaker' ELSE 'failed' END;
    y.text := format(CASE WHEN j.state IN ('succeeded', 'failed') THEN '%s at %s' ELSE 'was %s at %s' END, j.state, farm.when_text(j.ended_at));
    CASE j.state
    WHEN 'skipped' THEN
        y.text := y.text || ': the same inputs had given ' || coalesce(j.digest, 'its result') || ' before';
    WHEN 'superseded' THEN
        y.text := y.text || coalesce((SELECT ' by job ' || max(n.id) FROM farm.job_fixed n
                                       WHERE n.image_id = j.image_id AND n.kind = j.kind AND n.id > j.id
                                         AND n.image_arch_id IS NOT DISTINCT FROM j.image_arch_id AND n.target_site_id IS NOT DISTINCT FROM j.target_site_id), ': its image is not wanted any more');
    WHEN 'cancelled' THEN
        y.text := y.text || coalesce((SELECT ' by ' || e.actor FROM farm.event e WHERE e.job_id = j.id AND 'cancelled' = ANY (e.via) ORDER BY e.seq DESC LIMIT 1), '');
    WHEN 'failed' THEN
        y.text := concat_ws('; ', concat_ws(': ', y.text, j.fail_class, coalesce(farm.last_error(j.id), j.detail)), breaker,
                            CASE WHEN j.reason = 'quarantined' THEN format('quarantined until `bootfarm job retry %s`', j.id) END);
    ELSE
    END CASE;
    RETURN y;
END $$;

-- ---- asking ------------------------------------------------------------------------------------------------

-- One row, or none where there is no such job. `rank` and `queued` of ready ones only.
CREATE FUNCTION dashboard.why_job(job bigint)
RETURNS TABLE (id bigint, name text, state text, reason text, text text, detail text, since timestamptz, until timestamptz, rank int, queued int) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    j farm.job;
    y farm.why;
    silent constant timestamptz := (SELECT l.renewed_at FROM farm.leader l WHERE l.renewed_at < clock_timestamp() - interval '5 seconds');
BEGIN
    SELECT q.* INTO j FROM farm.job q WHERE q.id = why_job.job;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    y := CASE WHEN j.state IN ('leased', 'running') THEN farm.why_live(j)
              WHEN j.ended_at IS NOT NULL THEN farm.why_ended(j)
              WHEN j.reason = 'quarantined' THEN ('quarantined', format('PostgreSQL refused it: %s; `bootfarm job retry %s` tries again', coalesce(farm.refusal(j.id), j.detail), j.id), NULL, NULL, NULL)::farm.why
              WHEN j.state = 'waiting' THEN farm.why_waiting(j)
              ELSE farm.why_ready(j) END;
    IF silent IS NOT NULL AND j.ended_at IS NULL THEN
        y.text := y.text || format('; no scheduler leads since %s, so nothing is decided', farm.when_text(silent));
    END IF;
    RETURN QUERY SELECT j.id, farm.job_title(j.id), j.state, y.reason, y.text, j.detail, coalesce(j.ended_at, j.reason_since), y.until, y.rank, y.queued;
END $$;
SELECT farm.open_functions('bootfarm_api', ARRAY['dashboard.why_job']);
ALTER FUNCTION dashboard.why_job SET work_mem = '64MB';      -- a long queue is sorted twice
