-- 0006_jobs: jobs become ready, are claimed, started, ended and opened again.
--
-- Each hot function is a pair. NAME_rows is the set-based work; NAME calls it once for all rows, and only when PostgreSQL refuses the
-- content of some row (class 22, 23, 42) once for each row, so that the bad one is quarantined and the others go on. Rows are locked in
-- the order of ids. Answers come in the order of the arguments.

CREATE FUNCTION farm.lock_jobs(jobs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM farm.job j WHERE j.id = ANY (jobs) ORDER BY j.id FOR NO KEY UPDATE;
END $$;

-- A refused job shows why it stands still.
CREATE FUNCTION farm.refuse_job(what text, job bigint, attempt uuid, error text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE farm.job j SET reason = 'quarantined', detail = left(error, 500), reason_since = now()
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

-- The digest that already satisfies a job, or NULL. Of a publish: the newest release is it, under the same tags and name. An abandoned
-- release, or a mirror attempt without a success since, may have moved the tags before it was given up: then what the rows say is not
-- certain, and the job runs.
CREATE FUNCTION farm.satisfied(j farm.job, spec jsonb, key text, pins jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
    WHEN j.forced > 0 THEN NULL
    WHEN j.kind = 'build' THEN (SELECT b.digest FROM farm.build_result b WHERE b.input_key = key AND b.gone_at IS NULL)
    WHEN j.kind = 'test' THEN (SELECT v.digest FROM farm.verdict v WHERE v.test_key = key AND v.passed)
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

CREATE FUNCTION farm.make_ready_rows(jobs bigint[], keys text[], pins jsonb[])
RETURNS TABLE (job bigint, status text, digest text, repository text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.lock_jobs(jobs);
    RETURN QUERY
    WITH asked AS (
        SELECT u.ord, u.id, j AS row, nullif(u.key, '') AS key, s.body AS spec, farm.full_pins(j, u.given) AS pins,
               -- A plan has moved on since: the brain may have formed the key from the new recipe.
               coalesce(j.state = 'waiting' AND (j.kind <> 'build' OR a.recipe = s.body->>'recipe')
                        AND (j.kind <> 'test' OR a.tests_key = s.body->>'tests_key'), false) AS live
          FROM unnest(jobs, keys, pins) WITH ORDINALITY u (id, key, given, ord)
          LEFT JOIN farm.job j ON j.id = u.id
          LEFT JOIN farm.spec s ON s.id = j.spec_id
          LEFT JOIN farm.image_arch a ON a.id = j.image_arch_id
    ), decided AS (
        SELECT q.id, farm.satisfied(q.row, q.spec, q.key, q.pins) AS done,
               CASE WHEN (q.row).kind IN ('build', 'test') THEN farm.must(q.key, 'no key was given') ELSE q.key END AS key,
               CASE WHEN (q.row).kind = 'build' THEN q.pins ELSE farm.must(q.pins::text, 'nothing was released yet')::jsonb END AS pins
          FROM asked q WHERE q.live
    ), moved AS (
        UPDATE farm.job j
           SET state = CASE WHEN d.done IS NULL THEN 'ready' ELSE 'skipped' END, input_key = d.key, pins = d.pins, digest = d.done,
               repository = CASE WHEN d.done IS NULL THEN NULL
                            WHEN j.kind = 'mirror' THEN farm.site_repository(j.image_id, j.target_site_id)
                            WHEN j.kind = 'publish' THEN farm.release_repository(j.image_id) ELSE farm.locate(d.done, NULL) END,
               reason = NULL, detail = NULL, reason_since = now(), not_before = NULL, ready_at = CASE WHEN d.done IS NULL THEN now() END,
               ended_at = CASE WHEN d.done IS NOT NULL THEN now() END
          FROM decided d
         WHERE j.id = d.id
        RETURNING j.id, j.state, j.digest, j.repository, j.kind, j.image_id, j.image_arch_id, j.revision_id
    ), passed AS (
        UPDATE farm.image_arch a SET passing_digest = m.digest, passing_repository = m.repository, passing_serial = v.serial, failures = 0, breaker_since = NULL
          FROM moved m JOIN farm.revision v ON v.id = m.revision_id
         WHERE a.id = m.image_arch_id AND m.kind = 'test' AND m.state = 'skipped' AND coalesce(a.passing_serial, 0) <= v.serial
    ), still_released AS (
        UPDATE farm.release r SET revision_id = m.revision_id
          FROM moved m JOIN farm.revision v ON v.id = m.revision_id
         WHERE m.kind = 'publish' AND m.state = 'skipped' AND r.image_id = m.image_id AND r.state = 'released'
           AND r.serial = (SELECT max(n.serial) FROM farm.release n WHERE n.image_id = m.image_id AND n.state = 'released')
           AND v.serial > (SELECT o.serial FROM farm.revision o WHERE o.id = r.revision_id)
    )
    SELECT q.id, coalesce(m.state, 'stale'), m.digest::text, m.repository
      FROM asked q LEFT JOIN moved m ON m.id = q.id
     ORDER BY q.ord;
END $$;

CREATE FUNCTION farm.make_ready(jobs bigint[], keys text[], pins jsonb[])
RETURNS TABLE (job bigint, status text, digest text, repository text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.make_ready_rows(jobs, keys, pins);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(jobs) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.make_ready_rows(jobs[i:i], keys[i:i], pins[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse_job('make_ready', jobs[i], NULL, SQLERRM);
            RETURN QUERY SELECT jobs[i], 'refused', NULL::text, NULL::text;
        END;
    END LOOP;
END $$;

-- waiting (its back-off is over) -> ready, with the key and pins it has.
CREATE FUNCTION farm.retry_ready(jobs bigint[]) RETURNS TABLE (job bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term(), farm.lock_jobs(jobs);
    RETURN QUERY
    WITH moved AS (
        UPDATE farm.job j SET state = 'ready', reason = NULL, detail = NULL, reason_since = now(), not_before = NULL, ready_at = now()
         WHERE j.id = ANY (jobs) AND j.state = 'waiting' AND j.pins IS NOT NULL
        RETURNING j.id
    )
    SELECT u.id, CASE WHEN m.id IS NULL THEN 'stale' ELSE 'ready' END
      FROM unnest(jobs) WITH ORDINALITY u (id, ord) LEFT JOIN moved m ON m.id = u.id ORDER BY u.ord;
END $$;

-- Why a job does not run. No transition, so no event.
CREATE FUNCTION farm.set_waiting(jobs bigint[], reasons text[], details text[]) RETURNS TABLE (job bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term(), farm.lock_jobs(jobs);
    RETURN QUERY
    WITH told AS (
        UPDATE farm.job j
           SET reason = u.reason, detail = left(u.detail, 500), reason_since = CASE WHEN j.reason IS DISTINCT FROM u.reason THEN now() ELSE j.reason_since END
          FROM unnest(jobs, reasons, details) u (id, reason, detail)
         WHERE j.id = u.id AND j.state IN ('waiting', 'ready', 'leased', 'running')
        RETURNING j.id
    )
    SELECT u.id, CASE WHEN t.id IS NULL THEN 'stale' ELSE 'ok' END
      FROM unnest(jobs) WITH ORDINALITY u (id, ord) LEFT JOIN told t ON t.id = u.id ORDER BY u.ord;
END $$;

-- -> superseded or cancelled. A live attempt ends as cancelled; a release under way is abandoned.
CREATE FUNCTION farm.end_jobs_rows(jobs bigint[], states text[], actors text[]) RETURNS TABLE (job bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    live bigint[];
    who text;
BEGIN
    PERFORM farm.lock_jobs(jobs);
    live := ARRAY(SELECT j.id FROM farm.job j WHERE j.id = ANY (jobs) AND j.state IN ('waiting', 'ready', 'leased', 'running'));
    UPDATE farm.attempt t SET ended_at = now(), outcome = 'cancelled' WHERE t.job_id = ANY (live) AND t.ended_at IS NULL;
    UPDATE farm.release r SET state = 'abandoned' WHERE r.job_id = ANY (live) AND r.state = 'publishing';
    FOR who IN SELECT DISTINCT coalesce(a, 'scheduler') FROM unnest(actors) a ORDER BY 1 LOOP
        PERFORM farm.act_as(who);
        UPDATE farm.job j SET state = u.state, attempt_id = NULL, repository = NULL, ended_at = now(), reason = NULL, detail = NULL, reason_since = now()
          FROM unnest(jobs, states, actors) u (id, state, actor)
         WHERE j.id = u.id AND j.id = ANY (live) AND coalesce(u.actor, 'scheduler') = who;
    END LOOP;
    PERFORM farm.act_as('scheduler');
    RETURN QUERY SELECT u.id, CASE WHEN u.id = ANY (live) THEN 'ok' ELSE 'stale' END
                   FROM unnest(jobs) WITH ORDINALITY u (id, ord) ORDER BY u.ord;
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
    who text;
BEGIN
    PERFORM farm.my_term(), farm.lock_jobs(jobs);
    FOR who IN SELECT DISTINCT coalesce(a, 'scheduler') FROM unnest(actors) a ORDER BY 1 LOOP
        PERFORM farm.act_as(who);
        WITH opened AS (
            UPDATE farm.job j
               SET state = 'waiting', losses = 0, not_before = NULL, reason = NULL, detail = NULL, reason_since = now(), fail_class = NULL,
                   ended_at = NULL, ready_at = NULL, input_key = NULL, pins = NULL, digest = NULL, repository = NULL
              FROM unnest(jobs, actors) u (id, actor)
             WHERE j.id = u.id AND coalesce(u.actor, 'scheduler') = who
               AND (j.state IN ('failed', 'cancelled') OR (j.state IN ('waiting', 'ready') AND j.reason = 'quarantined'))
            RETURNING j.id
        )
        SELECT done || coalesce(array_agg(o.id), '{}') INTO done FROM opened o;
        PERFORM farm.close_breakers(ARRAY(SELECT j.image_arch_id FROM farm.job j WHERE j.id = ANY (done) AND j.image_arch_id IS NOT NULL));
    END LOOP;
    PERFORM farm.act_as('scheduler');
    RETURN QUERY SELECT u.id, CASE WHEN u.id = ANY (done) THEN 'ok' ELSE 'stale' END
                   FROM unnest(jobs) WITH ORDINALITY u (id, ord) ORDER BY u.ord;
END $$;
