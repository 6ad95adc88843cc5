-- 0009_results: the end of an attempt, and what it proves.

-- One result with the rows it concerns.
CREATE TYPE farm.outcome AS (
    ord           bigint,
    attempt       uuid,
    status        text,          -- accepted, duplicate, fenced, unknown
    job           bigint,
    kind          text,
    image_id      bigint,
    image_arch_id bigint,
    site_id       bigint,
    revision_id   bigint,
    input_key     text,
    next          text,
    reason        text,
    not_before    timestamptz,
    outcome       text,
    class         text,
    digest        text,          -- of a success
    repository    text,
    ordered       text,          -- the digest that was to be tested, published or mirrored
    lost          text,          -- a digest that its registry does not have any more, and what it is of the job:
    gone          text,          -- result (what was ordered), parent, artifact (context or scripts), again
    result        jsonb
);

-- What a lost digest is of the job; NULL: nothing of the farm's (an external base that is not there is the user's).
CREATE FUNCTION farm.lost_what(j farm.job, lost text, ordered text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE
    WHEN lost IS NULL THEN NULL
    WHEN lost = ordered THEN 'result'
    WHEN EXISTS (SELECT FROM farm.artifact a JOIN farm.spec s ON s.id = j.spec_id AND a.key IN (s.body->>'context_key', s.body->>'scripts_key')
                  WHERE a.digest = lost) THEN 'artifact'
    WHEN j.kind = 'publish' AND farm.layer_parents(ordered)::text LIKE '%@' || lost || '%' THEN 'parent'
    WHEN j.kind = 'build' AND EXISTS (SELECT FROM jsonb_each(j.pins) p WHERE p.key LIKE 'image:%' AND p.value->>'digest' = lost) THEN 'parent'
    END;
END $$;

-- Looks each result up in its attempt's row. Of a success that is not a build the digest must be the one that was ordered.
CREATE FUNCTION farm.judge(attempts uuid[], workers bigint[], results jsonb[], next_states text[], reasons text[], not_before_us bigint[])
RETURNS farm.outcome[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    judged farm.outcome[];
    o farm.outcome;
BEGIN
    SELECT array_agg((u.ord, u.attempt,
               CASE WHEN t.id IS NULL THEN 'unknown'
                    WHEN t.worker_id <> u.worker THEN 'fenced'
                    WHEN t.ended_at IS NULL THEN 'accepted'
                    WHEN t.outcome = u.result->>'outcome' THEN 'duplicate'
                    ELSE 'fenced' END,
               j.id, j.kind, j.image_id, j.image_arch_id, j.target_site_id, j.revision_id, j.input_key,
               CASE WHEN g.gone IN ('result', 'parent') THEN 'superseded' ELSE u.next END, u.reason, farm.at(nullif(u.not_before, 0)), u.result->>'outcome',
               CASE WHEN g.gone IS NULL THEN u.result->>'class' ELSE 'infra' END,
               CASE WHEN u.result->>'outcome' = 'succeeded' THEN CASE WHEN j.kind = 'build' THEN u.result->>'digest' ELSE p.ordered END END,
               j.repository, p.ordered, l.lost, g.gone, u.result)::farm.outcome ORDER BY u.ord)
      INTO judged
      FROM unnest(attempts, workers, results, next_states, reasons, not_before_us) WITH ORDINALITY u (attempt, worker, result, next, reason, not_before, ord)
      LEFT JOIN farm.attempt t ON t.id = u.attempt
      LEFT JOIN farm.job j ON j.id = t.job_id
     CROSS JOIN LATERAL (SELECT min(e.value->>'digest') AS ordered FROM jsonb_each(coalesce(j.pins, '{}')) e WHERE j.kind <> 'build') p
     CROSS JOIN LATERAL (SELECT CASE WHEN u.result->>'outcome' = 'failed' AND u.result->>'code' IN ('digest-gone', 'base-not-found')
                                     THEN coalesce(substring(u.result->>'message' FROM 'sha256:[0-9a-f]{64}'), p.ordered) END AS lost) l
     CROSS JOIN LATERAL (SELECT farm.lost_what(j, l.lost, p.ordered) AS what) w
     -- What was made again is lost again: the registry is at fault, and another chain would go the same way.
     CROSS JOIN LATERAL (SELECT CASE WHEN j.because = 'gone' AND w.what IN ('result', 'parent') THEN 'again' ELSE w.what END AS gone) g;

    FOREACH o IN ARRAY coalesce(judged, '{}') LOOP
        CONTINUE WHEN o.status <> 'accepted';
        IF o.outcome IS NULL OR o.next IS NULL OR (o.outcome = 'succeeded') <> (o.next = 'succeeded')
           OR o.next NOT IN ('succeeded', 'failed', 'waiting', 'ready', 'superseded') OR (o.next = 'superseded' AND coalesce(o.gone, 'none') NOT IN ('result', 'parent')) THEN
            RAISE EXCEPTION 'outcome % does not lead to %', o.outcome, o.next USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF o.outcome = 'succeeded' AND o.digest IS NULL THEN
            RAISE EXCEPTION 'a success of % without a digest', o.kind USING ERRCODE = 'not_null_violation';
        END IF;
        IF o.outcome = 'succeeded' AND o.kind IN ('publish', 'mirror') AND coalesce(o.result->>'digest', o.ordered) <> o.ordered THEN
            RAISE EXCEPTION 'the % of % reported %', o.kind, o.ordered, o.result->>'digest' USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN ARRAY(SELECT j FROM unnest(judged) j);
END $$;

CREATE FUNCTION farm.record_attempts(done farm.outcome[]) RETURNS void LANGUAGE sql AS $$
    UPDATE farm.attempt t
       SET ended_at = now(), outcome = o.outcome, fail_class = o.class, code = left(o.result->>'code', 100), step = left(o.result->>'step', 1000),
           message = left(o.result->>'message', 1000), digest = o.digest, size = (o.result->>'size')::bigint, detail = o.result->'detail',
           started_at = coalesce(t.started_at, greatest(t.leased_at, now() - greatest((o.result->>'started_ago_us')::bigint, 0) * interval '1 microsecond'))
      FROM unnest(done) o WHERE t.id = o.attempt
$$;

CREATE FUNCTION farm.record_jobs(done farm.outcome[]) RETURNS void LANGUAGE sql AS $$
    UPDATE farm.job j
       SET state = o.next, attempt_id = NULL, reason = CASE WHEN o.next <> 'succeeded' THEN o.reason END, reason_since = now(),
           detail = CASE WHEN o.next <> 'succeeded' THEN left(o.result->>'message', 500) END,
           not_before = CASE WHEN o.next = 'waiting' THEN o.not_before END, ready_at = CASE WHEN o.next = 'ready' THEN now() ELSE j.ready_at END,
           digest = o.digest, repository = CASE WHEN o.next = 'succeeded' THEN j.repository END,
           fail_class = CASE WHEN o.next = 'failed' THEN coalesce(o.class, 'infra') END,
           ended_at = CASE WHEN o.next NOT IN ('waiting', 'ready') THEN now() END
      FROM unnest(done) o WHERE j.id = o.job
$$;

CREATE FUNCTION farm.record_builds(done farm.outcome[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO farm.build_result (input_key, digest, repository, size, attempt_id)
    SELECT DISTINCT ON (o.input_key) o.input_key, o.digest, o.repository, (o.result->>'size')::bigint, o.attempt
      FROM unnest(done) o WHERE o.kind = 'build' AND o.next = 'succeeded' ORDER BY o.input_key
    ON CONFLICT (input_key) DO UPDATE
       SET digest = excluded.digest, repository = excluded.repository, size = excluded.size, attempt_id = excluded.attempt_id, built_at = now(), gone_at = NULL
$$;

-- A verdict is flaky when an earlier attempt of the same job found the image, not us, at fault, and this one passed.
CREATE FUNCTION farm.record_verdicts(done farm.outcome[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO farm.verdict (test_key, digest, passed, flaky, attempt_id, detail)
    SELECT DISTINCT ON (o.input_key) o.input_key, o.ordered, o.next = 'succeeded',
           o.next = 'succeeded' AND EXISTS (SELECT FROM farm.attempt f WHERE f.job_id = o.job AND f.outcome = 'failed' AND f.fail_class <> 'infra'),
           o.attempt, o.result->'detail'
      FROM unnest(done) o WHERE o.kind = 'test' AND (o.next = 'succeeded' OR (o.next = 'failed' AND o.class <> 'infra')) ORDER BY o.input_key
    ON CONFLICT (test_key) DO UPDATE
       SET passed = excluded.passed, flaky = excluded.flaky, attempt_id = excluded.attempt_id, detail = excluded.detail, decided_at = now();

    -- What children are built from; a late result of an older revision does not turn it back.
    UPDATE farm.image_arch a SET passing_digest = o.digest, passing_repository = o.repository, passing_serial = v.serial
      FROM unnest(done) o JOIN farm.revision v ON v.id = o.revision_id
     WHERE a.id = o.image_arch_id AND o.kind = 'test' AND o.next = 'succeeded' AND coalesce(a.passing_serial, 0) <= v.serial
$$;

-- A publish that will be tried again keeps its row: what it did to the tags is settled by the next attempt.
CREATE FUNCTION farm.record_releases(done farm.outcome[]) RETURNS void LANGUAGE sql AS $$
    UPDATE farm.release r
       SET state = CASE WHEN o.next = 'succeeded' THEN 'released' ELSE 'abandoned' END, released_at = CASE WHEN o.next = 'succeeded' THEN now() END
      FROM unnest(done) o
     WHERE r.job_id = o.job AND r.state = 'publishing' AND o.kind = 'publish' AND o.next NOT IN ('waiting', 'ready')
$$;

CREATE FUNCTION farm.record_presence(done farm.outcome[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO farm.presence (site_id, image_id, digest, tags, verified_at)
    SELECT DISTINCT ON (o.site_id, o.image_id) o.site_id, o.image_id, o.digest, r.tags, now()
      FROM unnest(done) o
      JOIN farm.job j ON j.id = o.job
      JOIN farm.release r ON r.id = (j.pins->'release'->>'id')::bigint
     WHERE o.kind = 'mirror' AND o.next = 'succeeded'
     ORDER BY o.site_id, o.image_id, r.serial DESC
    ON CONFLICT (site_id, image_id) DO UPDATE SET digest = excluded.digest, tags = excluded.tags, verified_at = excluded.verified_at
$$;

CREATE FUNCTION farm.finish_rows(attempts uuid[], workers bigint[], results jsonb[], next_states text[], reasons text[], not_before_us bigint[])
RETURNS TABLE (attempt uuid, status text, job bigint, digest text, repository text, state text, created bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    judged farm.outcome[];
    done farm.outcome[];
    o farm.outcome;
    remade bigint[];
BEGIN
    PERFORM farm.lock_jobs(ARRAY(SELECT t.job_id FROM farm.attempt t WHERE t.id = ANY (attempts)));
    judged := farm.judge(attempts, workers, results, next_states, reasons, not_before_us);
    done := ARRAY(SELECT q FROM unnest(judged) q WHERE q.status = 'accepted');
    PERFORM farm.act_as('worker');
    PERFORM farm.record_attempts(done), farm.record_builds(done), farm.record_verdicts(done), farm.record_releases(done),
            farm.record_presence(done), farm.record_jobs(done);
    PERFORM farm.act_as('scheduler');
    PERFORM farm.count_failures(done);
    PERFORM pg_notify('farm_change', CASE q.kind WHEN 'publish' THEN 'releases' ELSE 'presence' END)
       FROM unnest(done) q WHERE q.kind IN ('publish', 'mirror') AND q.next = 'succeeded';
    FOREACH o IN ARRAY judged LOOP
        remade := NULL;
        IF o.status = 'accepted' AND o.gone = 'artifact' THEN
            PERFORM farm.artifact_gone(o.lost, o.image_id);
        ELSIF o.status = 'accepted' AND o.gone IN ('result', 'parent') THEN
            remade := farm.digest_gone(o.lost, o.job);
        END IF;
        RETURN QUERY SELECT o.attempt, o.status, o.job, CASE WHEN o.status = 'accepted' THEN o.digest END,
                            CASE WHEN o.status = 'accepted' AND o.digest IS NOT NULL THEN o.repository END,
                            (SELECT j.state FROM farm.job j WHERE j.id = o.job), coalesce(remade, '{}');
    END LOOP;
END $$;

CREATE FUNCTION farm.finish(attempts uuid[], workers bigint[], results jsonb[], next_states text[], reasons text[], not_before_us bigint[])
RETURNS TABLE (attempt uuid, status text, job bigint, digest text, repository text, state text, created bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.finish_rows(attempts, workers, results, next_states, reasons, not_before_us);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(attempts) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.finish_rows(attempts[i:i], workers[i:i], results[i:i], next_states[i:i], reasons[i:i], not_before_us[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse_job('finish', (SELECT t.job_id FROM farm.attempt t WHERE t.id = attempts[i]), attempts[i], SQLERRM);
            RETURN QUERY SELECT a.asked, 'refused', t.job_id, NULL::text, NULL::text, j.state, '{}'::bigint[]
                           FROM (SELECT attempts[i] AS asked) a
                           LEFT JOIN farm.attempt t ON t.id = a.asked LEFT JOIN farm.job j ON j.id = t.job_id;
        END;
    END LOOP;
END $$;

-- An attempt whose worker is gone: ok, duplicate (lost before), fenced (ended otherwise), unknown.
CREATE FUNCTION farm.lose_rows(attempts uuid[], next_states text[], reasons text[], not_before_us bigint[])
RETURNS TABLE (attempt uuid, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.lock_jobs(ARRAY(SELECT t.job_id FROM farm.attempt t WHERE t.id = ANY (attempts)));
    RETURN QUERY
    WITH asked AS (
        SELECT u.*, t.job_id,
               CASE WHEN t.id IS NULL THEN 'unknown' WHEN t.ended_at IS NULL THEN 'ok' WHEN t.outcome = 'lost' THEN 'duplicate' ELSE 'fenced' END AS status
          FROM unnest(attempts, next_states, reasons, not_before_us) WITH ORDINALITY u (id, next, reason, not_before, ord)
          LEFT JOIN farm.attempt t ON t.id = u.id
    ), ended AS (
        UPDATE farm.attempt t SET ended_at = now(), outcome = 'lost', fail_class = 'infra', code = 'lost' FROM asked q WHERE t.id = q.id AND q.status = 'ok'
    ), abandoned AS (
        UPDATE farm.release r SET state = 'abandoned' FROM asked q
         WHERE r.job_id = q.job_id AND r.state = 'publishing' AND q.status = 'ok' AND q.next = 'failed'
    ), moved AS (
        UPDATE farm.job j
           SET state = q.next, attempt_id = NULL, losses = j.losses + 1, repository = NULL, reason = q.reason,
               detail = CASE WHEN q.next = 'failed' THEN 'lost' END, reason_since = now(),
               not_before = CASE WHEN q.next = 'waiting' THEN farm.at(nullif(q.not_before, 0)) END,
               ready_at = CASE WHEN q.next = 'ready' THEN now() ELSE j.ready_at END, fail_class = CASE WHEN q.next = 'failed' THEN 'infra' END,
               ended_at = CASE WHEN q.next = 'failed' THEN now() END
          FROM asked q WHERE j.id = q.job_id AND q.status = 'ok'
    )
    SELECT q.id, q.status FROM asked q ORDER BY q.ord;
END $$;

CREATE FUNCTION farm.lose(attempts uuid[], next_states text[], reasons text[], not_before_us bigint[])
RETURNS TABLE (attempt uuid, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.lose_rows(attempts, next_states, reasons, not_before_us);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(attempts) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.lose_rows(attempts[i:i], next_states[i:i], reasons[i:i], not_before_us[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse_job('lose', (SELECT t.job_id FROM farm.attempt t WHERE t.id = attempts[i]), attempts[i], SQLERRM);
            RETURN QUERY SELECT attempts[i], 'refused';
        END;
    END LOOP;
END $$;

-- The order again, for a worker that has not got it yet. One that cannot be composed any more never will be: its job fails, so that
-- nobody asks for it for ever, and the others get theirs.
CREATE FUNCTION farm.work(attempts uuid[]) RETURNS TABLE (attempt uuid, work jsonb) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT u.id, farm.work_order(u.id) FROM unnest(attempts) WITH ORDINALITY u (id, ord) ORDER BY u.ord;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(attempts) LOOP
        BEGIN
            RETURN QUERY SELECT attempts[i], farm.work_order(attempts[i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.lose_rows(attempts[i:i], '{failed}', '{NULL}', '{0}');
            UPDATE farm.job j SET detail = left(SQLERRM, 500) FROM farm.attempt t WHERE t.id = work.attempts[i] AND j.id = t.job_id;
            PERFORM farm.refuse_job('work', (SELECT t.job_id FROM farm.attempt t WHERE t.id = attempts[i]), attempts[i], SQLERRM);
            RETURN QUERY SELECT attempts[i], NULL::jsonb;
        END;
    END LOOP;
END $$;
