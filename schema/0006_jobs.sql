-- 0006_jobs: jobs become ready, are claimed, started, ended and opened again.
--
-- Each hot function is a pair. NAME_rows is the set-based work; NAME calls it once for all rows, and only when PostgreSQL refuses the
-- content of some row (class 22, 23, 42) once for each row, so that the bad one is quarantined and the others go on. Answers come in the order
-- of the arguments.
--
-- None of them notifies: the leader does, when its turn is committed (scheduler/changes.h).
--
-- Rows are not locked before they are changed: a lock is a write to the row and to the WAL, and the leader's hot transactions are the only
-- writers of job_state but for people; two that go at the same time never name the same job (scheduler/store_turn.h). A deadlock with people is tried again (scheduler/db.c).

-- A refused job shows why it stands still.
CREATE FUNCTION farm.refuse_job(what text, job bigint, attempt uuid, error text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE farm.job_state j SET reason = 'quarantined', detail = left(error, 500), reason_since = now()
     WHERE j.id = job AND j.state IN ('waiting', 'ready');
    PERFORM farm.refuse(what, coalesce('job ' || job, 'attempt ' || attempt), job, attempt, error);
END $$;

-- Where a built digest lies.
CREATE FUNCTION farm.locate(digest text, otherwise text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT b.repository FROM farm.build_result b WHERE b.digest = locate.digest AND b.gone_at IS NULL
                      ORDER BY b.built_at DESC LIMIT 1), otherwise)
$$;

-- Pins as they are stored. The brain gives digests; where they lie is known here. A digest that it left out is the newest one.
CREATE FUNCTION farm.full_pins(j farm.job, given jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE j.kind
    WHEN 'build' THEN coalesce(given, '{}')
    WHEN 'test' THEN (
        SELECT jsonb_build_object('image:' || j.image_arch_id, jsonb_build_object('digest', d.digest, 'repository', farm.locate(d.digest, d.repository)))
          FROM (SELECT b.digest AS built, b.repository FROM farm.job b WHERE b.image_arch_id = j.image_arch_id AND b.kind = 'build' ORDER BY b.id DESC LIMIT 1) n
         RIGHT JOIN (SELECT given->('image:' || j.image_arch_id) AS pin) g ON true
         CROSS JOIN LATERAL (SELECT coalesce(g.pin->>'digest', n.built) AS digest, coalesce(g.pin->>'repository', n.repository) AS repository) d)
    WHEN 'publish' THEN (
        SELECT jsonb_object_agg('image:' || a.id, jsonb_build_object('digest', d.digest, 'repository', farm.locate(d.digest, d.repository)))
          FROM farm.image_arch a
         CROSS JOIN LATERAL (SELECT coalesce(given->('image:' || a.id)->>'digest', a.passing_digest) AS digest,
                                    coalesce(given->('image:' || a.id)->>'repository', a.passing_repository) AS repository) d
         WHERE a.image_id = j.image_id AND a.removed_at IS NULL)
    WHEN 'mirror' THEN (
        SELECT jsonb_build_object('release', jsonb_build_object('id', r.id, 'digest', r.digest, 'repository', r.repository))
          FROM farm.release r WHERE r.image_id = j.image_id AND r.state = 'released' ORDER BY r.serial DESC LIMIT 1)
    END
$$;

-- The digest that already satisfies a publish or a mirror, or NULL. Of a publish: the newest release is it, under the same tags and name. An abandoned
-- release, or a mirror attempt without a success since, may have moved the tags before it was given up: then what the rows say is not
-- certain, and the job runs.
CREATE FUNCTION farm.satisfied(j farm.job, spec jsonb, pins jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
    WHEN j.forced > 0 THEN NULL
    WHEN j.kind = 'publish' THEN (
        SELECT n.digest
          FROM (SELECT r.* FROM farm.release r WHERE r.image_id = j.image_id ORDER BY r.serial DESC LIMIT 1) n
         WHERE n.state = 'released' AND n.publish_key = spec->>'publish_key' AND n.repository = farm.release_repository(j.image_id)
           AND n.digest = ALL (SELECT e.value->>'digest' FROM jsonb_each(pins) e))
    WHEN j.kind = 'mirror' THEN (
        SELECT p.digest FROM farm.presence p JOIN farm.release r ON r.id = (pins->'release'->>'id')::bigint
         WHERE p.site_id = j.target_site_id AND p.image_id = j.image_id AND p.digest = r.digest AND p.tags @> r.tags
           AND coalesce((SELECT t.outcome IS NOT DISTINCT FROM 'succeeded' FROM farm.job m JOIN farm.attempt t ON t.job_id = m.id
                          WHERE m.kind = 'mirror' AND m.image_id = j.image_id AND m.target_site_id = j.target_site_id
                          ORDER BY m.id DESC, t.number DESC LIMIT 1), true))
    END
$$;

-- Of any kind and in any case; what most are is done by make_ready_rows.
CREATE FUNCTION farm.make_ready_others(jobs bigint[], keys text[], pins jsonb[], buckets bigint[])
RETURNS TABLE (job bigint, status text, digest text, repository text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    staging constant text := (SELECT s.value FROM farm.setting s WHERE s.name = 'staging_registry');
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT u.ord, u.id, u.bucket, s.kind, f.image_id, f.image_arch_id, f.target_site_id, f.revision_id, f.spec_id, f.title, f.forced, nullif(u.key, '') AS key, u.given,
               -- A plan has moved on since: the brain may have formed the key from the new recipe.
               CASE WHEN s.state <> 'waiting' THEN false
                    WHEN a.spec_id = f.spec_id THEN true
                    WHEN s.kind = 'build' THEN a.recipe = (SELECT p.body->>'recipe' FROM farm.spec p WHERE p.id = f.spec_id)
                    WHEN s.kind = 'test' THEN a.tests_key = (SELECT p.body->>'tests_key' FROM farm.spec p WHERE p.id = f.spec_id)
                    ELSE s.state = 'waiting' END AS live
          FROM unnest(jobs, keys, pins, buckets) WITH ORDINALITY u (id, key, given, bucket, ord)
          LEFT JOIN farm.job_state s ON s.id = u.id
          LEFT JOIN farm.job_fixed f ON f.id = u.id
          LEFT JOIN farm.image_arch_plan a ON a.id = f.image_arch_id
    ), pinned AS (
        -- A CASE and no LATERAL join, whose functions the planner would call for every row.
        SELECT q.*, CASE WHEN q.kind IN ('publish', 'mirror') OR (q.kind = 'test' AND q.given->('image:' || q.image_arch_id)->>'repository' IS NULL)
                         THEN (SELECT farm.full_pins(j, q.given) FROM farm.job j WHERE j.id = q.id) ELSE q.given END AS pins
          FROM asked q WHERE q.live
    ), known AS MATERIALIZED (
        SELECT q.*, CASE WHEN q.kind IN ('publish', 'mirror') THEN (SELECT farm.satisfied(j, p.body, q.pins) FROM farm.job j JOIN farm.spec p ON p.id = j.spec_id WHERE j.id = q.id)
                         WHEN q.forced > 0 THEN NULL
                         WHEN q.kind = 'build' THEN (SELECT CASE WHEN b.gone_at IS NULL THEN b.digest END FROM farm.build_result b WHERE b.input_key = q.key)
                         ELSE (SELECT CASE WHEN v.passed THEN v.digest END FROM farm.verdict v WHERE v.test_key = q.key) END AS done
          FROM pinned q
    ), decided AS (
        SELECT k.ord, k.id, k.bucket, k.kind, k.image_id, k.image_arch_id, k.revision_id, k.done,
               CASE WHEN k.kind IN ('build', 'test') THEN farm.must(k.key, 'no key was given') ELSE k.key END AS key,
               CASE WHEN k.kind = 'build' THEN coalesce(k.pins, '{}') ELSE farm.must(k.pins::text, 'nothing was released yet')::jsonb END AS pins,
               CASE WHEN k.kind = 'mirror' THEN farm.site_repository(k.image_id, k.target_site_id)
                    WHEN k.kind = 'publish' THEN farm.release_repository(k.image_id)
                    WHEN k.done IS NOT NULL THEN farm.locate(k.done, NULL)
                    WHEN k.kind = 'build' THEN farm.must(staging, 'the setting staging_registry is not set') || '/build/' || farm.title_path(k.title)
                    ELSE k.pins->('image:' || k.image_arch_id)->>'repository' END AS repository
          FROM known k
    ), moved AS (
        UPDATE farm.job_state j
           SET state = CASE WHEN d.done IS NULL THEN 'ready' ELSE 'skipped' END, input_key = d.key, pins = d.pins, bucket = d.bucket, digest = d.done, repository = d.repository,
               reason = NULL, detail = NULL, reason_since = now(), not_before = NULL, ready_at = CASE WHEN d.done IS NULL THEN now() END,
               ended_at = CASE WHEN d.done IS NOT NULL THEN now() END
          FROM decided d
         WHERE j.id = ANY (ARRAY[d.id]) AND j.state = 'waiting'
        RETURNING d.ord, j.id, j.state, j.digest, j.repository, d.kind, d.image_id, d.image_arch_id, d.revision_id, j.serial
    ), told AS (
        INSERT INTO farm.event_log (job_id, actor, via, ats, detail)
        SELECT m.id, 'scheduler', ARRAY[m.state], ARRAY[now()], CASE WHEN m.digest IS NOT NULL THEN jsonb_build_object('digest', m.digest) END FROM moved m
    ), passed AS (
        UPDATE farm.image_arch_state a SET passing_digest = m.digest, passing_repository = m.repository, passing_serial = m.serial, failures = 0, breaker_since = NULL
          FROM moved m
         WHERE a.id = ANY (ARRAY[m.image_arch_id]) AND m.kind = 'test' AND m.state = 'skipped' AND coalesce(a.passing_serial, 0) <= m.serial
    ), still_released AS (
        UPDATE farm.release r SET revision_id = m.revision_id
          FROM moved m
         WHERE m.kind = 'publish' AND m.state = 'skipped' AND r.image_id = m.image_id AND r.state = 'released'
           AND r.serial = (SELECT max(n.serial) FROM farm.release n WHERE n.image_id = m.image_id AND n.state = 'released')
           AND m.serial > (SELECT o.serial FROM farm.revision o WHERE o.id = r.revision_id)
    )
    -- Both lists as one, and no join of them: see farm.told.
    SELECT min(g.id), coalesce(max(g.state), 'stale'), max(g.digest), max(g.repository)
      FROM (SELECT q.ord, q.id, NULL AS state, NULL AS digest, NULL AS repository FROM asked q
            UNION ALL
            SELECT m.ord, m.id, m.state, m.digest::text, CASE WHEN m.state = 'skipped' THEN m.repository END FROM moved m) g
     GROUP BY g.ord ORDER BY g.ord;
END $$;

-- Builds and tests that are made for what the plan still says, which nearly all are: one statement. The rest goes the way of make_ready_others. What the brain
-- gives of a test's digest is taken as it is, when it says where that lies; what was built or judged before is looked up by the key.
CREATE FUNCTION farm.make_ready_rows(jobs bigint[], keys text[], pins jsonb[], buckets bigint[])
RETURNS TABLE (job bigint, status text, digest text, repository text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    staging constant text := (SELECT s.value FROM farm.setting s WHERE s.name = 'staging_registry');
    hit bigint[];                -- places of those that are what they seem
    states text[];
    digests text[];
    repositories text[];
    missed bigint[];
BEGIN
    WITH moved AS (
        UPDATE farm.job_state s
           SET state = CASE WHEN d.done IS NULL THEN 'ready' ELSE 'skipped' END, input_key = u.key, pins = coalesce(u.given, '{}'), bucket = u.bucket, digest = d.done,
               repository = CASE WHEN d.done IS NOT NULL THEN farm.locate(d.done, NULL) WHEN d.kind = 'build' THEN staging || '/build/' || farm.title_path(d.title) ELSE d.tested END,
               reason = NULL, detail = NULL, reason_since = now(), not_before = NULL, ready_at = CASE WHEN d.done IS NULL THEN now() END, ended_at = CASE WHEN d.done IS NOT NULL THEN now() END
          FROM unnest(jobs, keys, make_ready_rows.pins, buckets) WITH ORDINALITY u (id, key, given, bucket, ord)
         CROSS JOIN LATERAL (
              SELECT f.kind, f.title, t.tested,
                     CASE WHEN f.forced > 0 THEN NULL
                          WHEN f.kind = 'build' THEN (SELECT CASE WHEN b.gone_at IS NULL THEN b.digest END FROM farm.build_result b WHERE b.input_key = u.key)
                          ELSE (SELECT CASE WHEN v.passed THEN v.digest END FROM farm.verdict v WHERE v.test_key = u.key) END AS done
                FROM farm.job_fixed f
                JOIN farm.image_arch_plan a ON a.id = f.image_arch_id
               CROSS JOIN LATERAL (SELECT CASE WHEN f.kind = 'test' THEN u.given->('image:' || f.image_arch_id)->>'repository' END AS tested OFFSET 0) t
               WHERE f.id = u.id AND a.spec_id = f.spec_id AND (f.kind = 'build' AND staging IS NOT NULL OR t.tested IS NOT NULL) OFFSET 0) d
         WHERE s.id = ANY (ARRAY[u.id]) AND s.state = 'waiting' AND u.key <> ''
        RETURNING u.ord, s.id, s.state, s.digest, s.repository, s.kind, s.image_arch_id, s.serial
    ), told AS (
        INSERT INTO farm.event_log (job_id, actor, via, ats, detail)
        SELECT m.id, 'scheduler', ARRAY[m.state], ARRAY[now()], CASE WHEN m.digest IS NOT NULL THEN jsonb_build_object('digest', m.digest) END FROM moved m
    ), passed AS (
        UPDATE farm.image_arch_state a SET passing_digest = m.digest, passing_repository = m.repository, passing_serial = m.serial, failures = 0, breaker_since = NULL
          FROM moved m
         WHERE a.id = ANY (ARRAY[m.image_arch_id]) AND m.kind = 'test' AND m.state = 'skipped' AND coalesce(a.passing_serial, 0) <= m.serial
    )
    SELECT array_agg(m.ord ORDER BY m.ord), array_agg(m.state ORDER BY m.ord), array_agg(m.digest::text ORDER BY m.ord),
           array_agg(CASE WHEN m.state = 'skipped' THEN m.repository END ORDER BY m.ord)
      INTO hit, states, digests, repositories FROM moved m;
    IF cardinality(hit) = cardinality(jobs) THEN
        RETURN QUERY SELECT u.* FROM unnest(jobs, states, digests, repositories) u;
    ELSE
        missed := ARRAY(SELECT i FROM generate_subscripts(jobs, 1) i EXCEPT SELECT unnest(hit) ORDER BY 1);
        RETURN QUERY
        SELECT g.job, g.status, g.digest, g.repository
          FROM (SELECT u.ord, jobs[u.ord] AS job, u.status, u.digest, u.repository FROM unnest(hit, states, digests, repositories) u (ord, status, digest, repository)
                UNION ALL
                SELECT missed[o.ord], o.job, o.status, o.digest, o.repository
                  FROM farm.make_ready_others(ARRAY(SELECT jobs[i] FROM unnest(missed) i), ARRAY(SELECT keys[i] FROM unnest(missed) i), ARRAY(SELECT make_ready_rows.pins[i] FROM unnest(missed) i),
                                              ARRAY(SELECT buckets[i] FROM unnest(missed) i)) WITH ORDINALITY o (job, status, digest, repository, ord)) g
         ORDER BY g.ord;
    END IF;
END $$;

CREATE FUNCTION farm.make_ready(jobs bigint[], keys text[], pins jsonb[], buckets bigint[] DEFAULT NULL)
RETURNS TABLE (job bigint, status text, digest text, repository text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.make_ready_rows(jobs, keys, pins, buckets);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(jobs) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.make_ready_rows(jobs[i:i], keys[i:i], pins[i:i], buckets[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse_job('make_ready', jobs[i], NULL, SQLERRM);
            RETURN QUERY SELECT jobs[i], 'refused', NULL::text, NULL::text;
        END;
    END LOOP;
END $$;

-- waiting (its back-off is over) -> ready, with the key and pins it has.
CREATE FUNCTION farm.retry_ready(jobs bigint[]) RETURNS TABLE (job bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    moved bigint[];
BEGIN
    PERFORM farm.my_term();
    WITH now_ready AS (
        UPDATE farm.job_state j SET state = 'ready', reason = NULL, detail = NULL, reason_since = now(), not_before = NULL, ready_at = now()
         WHERE j.id = ANY (jobs) AND j.state = 'waiting' AND j.pins IS NOT NULL
        RETURNING j.id
    )
    SELECT coalesce(array_agg(n.id), '{}') INTO moved FROM now_ready n;
    PERFORM farm.log_moves(moved);
    RETURN QUERY SELECT * FROM farm.told(jobs, moved, 'ready', 'stale');
END $$;

-- Why a job does not run. No transition, so no event.
CREATE FUNCTION farm.set_waiting(jobs bigint[], reasons text[], details text[]) RETURNS TABLE (job bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    UPDATE farm.job_state j
       SET reason = u.reason, detail = left(u.detail, 500), reason_since = CASE WHEN j.reason IS DISTINCT FROM u.reason THEN now() ELSE j.reason_since END
      FROM unnest(jobs, reasons, details) u (id, reason, detail)
     WHERE j.id = ANY (ARRAY[u.id]) AND j.state IN ('waiting', 'ready', 'leased', 'running');
    RETURN QUERY SELECT u.id, CASE WHEN s.id IS NULL OR s.ended_at IS NOT NULL THEN 'stale' ELSE 'ok' END
                   FROM unnest(jobs) WITH ORDINALITY u (id, ord) LEFT JOIN farm.job_state s ON s.id = u.id ORDER BY u.ord;
END $$;

-- Why the ready jobs of these buckets wait. The last word about one counts.
CREATE FUNCTION farm.explain_wait(buckets bigint[], reasons text[], details text[]) RETURNS TABLE (bucket bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    INSERT INTO farm.bucket AS b (id, reason, detail)
    SELECT DISTINCT ON (u.id) u.id, u.reason, left(u.detail, 500)
      FROM unnest(buckets, reasons, details) WITH ORDINALITY u (id, reason, detail, ord) ORDER BY u.id, u.ord DESC
    ON CONFLICT (id) DO UPDATE
       SET reason = excluded.reason, detail = excluded.detail, since = CASE WHEN b.reason <> excluded.reason THEN now() ELSE b.since END;
    RETURN QUERY SELECT u.id, 'ok' FROM unnest(buckets) WITH ORDINALITY u (id, ord) ORDER BY u.ord;
END $$;

-- -> superseded or cancelled. A live attempt ends as cancelled; a release under way is abandoned.
CREATE FUNCTION farm.end_jobs_rows(jobs bigint[], states text[], actors text[]) RETURNS TABLE (job bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    ended bigint[] := '{}';
    queued bigint[];
    running bigint[];
    who text;
BEGIN
    FOR who IN SELECT DISTINCT farm.actor(a) FROM unnest(actors) a ORDER BY 1 LOOP
        PERFORM farm.act_as(who);
        WITH asked AS (
            SELECT u.id, u.state FROM unnest(jobs, states, actors) u (id, state, actor) WHERE farm.actor(u.actor) = who
        ), cut AS (
            UPDATE farm.job_state j
               SET state = a.state, ended_at = now(), reason = NULL, detail = NULL, reason_since = now(), repository = NULL,
                   outcome = 'cancelled', next_state = a.state, actor = who, finished_at = now(), finished_seq = nextval('farm.event_seq')
              FROM asked a WHERE j.id = ANY (ARRAY[a.id]) AND j.state IN ('leased', 'running') RETURNING j.id
        ), left_queue AS (
            UPDATE farm.job_state j SET state = a.state, ended_at = now(), reason = NULL, detail = NULL, reason_since = now(), repository = NULL
              FROM asked a WHERE j.id = ANY (ARRAY[a.id]) AND j.state IN ('waiting', 'ready') RETURNING j.id
        )
        SELECT ARRAY(SELECT l.id FROM left_queue l), ARRAY(SELECT c.id FROM cut c) INTO queued, running;
        PERFORM farm.log_moves(queued);
        ended := ended || queued || running;
    END LOOP;
    UPDATE farm.release r SET state = 'abandoned' WHERE r.job_id = ANY (ended) AND r.state = 'publishing';
    PERFORM farm.act_as('scheduler');
    RETURN QUERY SELECT * FROM farm.told(jobs, ended, 'ok', 'stale');
END $$;

CREATE FUNCTION farm.end_jobs(jobs bigint[], states text[], actors text[]) RETURNS TABLE (job bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.end_jobs_rows(jobs, states, actors);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(jobs) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.end_jobs_rows(jobs[i:i], states[i:i], actors[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse_job('end_jobs', jobs[i], NULL, SQLERRM);
            RETURN QUERY SELECT jobs[i], 'refused';
        END;
    END LOOP;
END $$;

-- job retry: failed or cancelled -> waiting, as if new; a quarantined one that waits or is ready forgets its losses where it stands.
CREATE FUNCTION farm.reopen(jobs bigint[], actors text[]) RETURNS TABLE (job bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    done bigint[] := '{}';
    opened bigint[];
    moved bigint[];
    who text;
BEGIN
    PERFORM farm.my_term();
    FOR who IN SELECT DISTINCT farm.actor(a) FROM unnest(actors) a ORDER BY 1 LOOP
        PERFORM farm.act_as(who);
        WITH asked AS (
            SELECT s.id, s.state <> 'waiting' AS moves FROM unnest(jobs, actors) u (id, actor) JOIN farm.job_state s ON s.id = u.id
             WHERE farm.actor(u.actor) = who AND (s.state IN ('failed', 'cancelled') OR (s.state IN ('waiting', 'ready') AND s.reason = 'quarantined'))
        ), now_open AS (
            UPDATE farm.job_state j
               SET state = 'waiting', losses = 0, not_before = NULL, reason = NULL, detail = NULL, reason_since = now(), fail_class = NULL,
                   ended_at = NULL, ready_at = NULL, input_key = NULL, pins = NULL, digest = NULL, repository = NULL
              FROM asked a WHERE j.id = ANY (ARRAY[a.id])
            RETURNING j.id, a.moves
        )
        SELECT coalesce(array_agg(o.id), '{}'), coalesce(array_agg(o.id) FILTER (WHERE o.moves), '{}') INTO opened, moved FROM now_open o;
        PERFORM farm.log_moves(moved);
        done := done || opened;
        PERFORM farm.close_breakers(ARRAY(SELECT j.image_arch_id FROM farm.job_fixed j WHERE j.id = ANY (opened) AND j.image_arch_id IS NOT NULL));
    END LOOP;
    PERFORM farm.act_as('scheduler');
    RETURN QUERY SELECT * FROM farm.told(jobs, done, 'ok', 'stale');
END $$;
