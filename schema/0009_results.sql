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
      LEFT JOIN LATERAL (SELECT f.* FROM farm.known_attempt(u.attempt) f OFFSET 0) t ON true
      LEFT JOIN LATERAL (SELECT f AS whole, f.* FROM farm.job f WHERE f.id = t.job_id OFFSET 0) j ON true
     CROSS JOIN LATERAL (SELECT min(e.value->>'digest') AS ordered FROM jsonb_each(coalesce(j.pins, '{}')) e WHERE j.kind <> 'build') p
     CROSS JOIN LATERAL (SELECT CASE WHEN u.result->>'outcome' = 'failed' AND u.result->>'code' IN ('digest-gone', 'base-not-found')
                                     THEN coalesce(substring(u.result->>'message' FROM 'sha256:[0-9a-f]{64}'), p.ordered) END AS lost) l
     CROSS JOIN LATERAL (SELECT farm.lost_what(j.whole, l.lost, p.ordered) AS what) w
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

CREATE FUNCTION farm.record_ends(done farm.outcome[]) RETURNS void LANGUAGE sql AS $$
    UPDATE farm.job_state j
       SET state = o.next, reason = CASE WHEN o.next <> 'succeeded' THEN o.reason END, reason_since = now(),
           detail = CASE WHEN o.next <> 'succeeded' THEN left(o.result->>'message', 500) END,
           not_before = CASE WHEN o.next = 'waiting' THEN o.not_before END, ready_at = CASE WHEN o.next = 'ready' THEN now() ELSE j.ready_at END,
           digest = o.digest, repository = CASE WHEN o.next IN ('succeeded', 'waiting', 'ready') THEN j.repository END,
           fail_class = CASE WHEN o.next = 'failed' THEN coalesce(o.class, 'infra') END,
           ended_at = CASE WHEN o.next NOT IN ('waiting', 'ready') THEN now() END,
           outcome = o.outcome, next_state = o.next, finished_at = now(), finished_seq = nextval('farm.event_seq'), class = o.class,
           code = left(o.result->>'code', 100), step = left(o.result->>'step', 1000), message = left(o.result->>'message', 1000),
           size = (o.result->>'size')::bigint, result = o.result->'detail',
           started_at = coalesce(j.started_at, greatest(j.leased_at, now() - greatest((o.result->>'started_ago_us')::bigint, 0) * interval '1 microsecond'))
      FROM unnest(done) o WHERE j.id = ANY (ARRAY[o.job]) AND j.attempt_id = o.attempt AND j.state IN ('leased', 'running')
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
           CASE WHEN o.next = 'succeeded' THEN farm.failed_before(o.job) ELSE false END,
           o.attempt, o.result->'detail'
      FROM unnest(done) o WHERE o.kind = 'test' AND (o.next = 'succeeded' OR (o.next = 'failed' AND o.class <> 'infra')) ORDER BY o.input_key
    ON CONFLICT (test_key) DO UPDATE
       SET passed = excluded.passed, flaky = excluded.flaky, attempt_id = excluded.attempt_id, detail = excluded.detail, decided_at = now();

    -- What children are built from; a late result of an older revision does not turn it back.
    UPDATE farm.image_arch_state a SET passing_digest = o.digest, passing_repository = o.repository, passing_serial = v.serial
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
    judged := farm.judge(attempts, workers, results, next_states, reasons, not_before_us);
    done := ARRAY(SELECT q FROM unnest(judged) q WHERE q.status = 'accepted');
    PERFORM farm.record_builds(done), farm.record_verdicts(done), farm.record_releases(done), farm.record_presence(done), farm.record_ends(done), farm.count_failures(done);
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
            PERFORM farm.refuse_job('finish', farm.job_of(attempts[i]), attempts[i], SQLERRM);
            RETURN QUERY SELECT a.asked, 'refused', j.id, NULL::text, NULL::text, j.state, '{}'::bigint[]
                           FROM (SELECT attempts[i] AS asked) a LEFT JOIN farm.job_state j ON j.id = farm.job_of(a.asked);
        END;
    END LOOP;
END $$;

-- Successes of builds and tests, which nearly all results are: one statement for all that are what they seem. The rest goes the way of finish.
CREATE FUNCTION farm.succeed_rows(jobs bigint[], attempts uuid[], workers bigint[], digests text[], sizes bigint[], started_ago_us bigint[], details jsonb[])
RETURNS TABLE (attempt uuid, status text, job bigint, digest text, repository text, state text, created bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    hit bigint[];                -- places of those that are what they seem
    hit_digest text[];
    hit_repository text[];
    missed bigint[];
    attempts_missed uuid[];
    r record;
    late jsonb := '{}';          -- answers to those that were missed, by attempt
BEGIN
    WITH done AS (
        UPDATE farm.job_state s
           SET state = 'succeeded', ended_at = now(), reason = NULL, detail = NULL, reason_since = now(),
               outcome = 'succeeded', next_state = 'succeeded', finished_at = now(), finished_seq = nextval('farm.event_seq'), size = u.size, result = u.detail,
               started_at = coalesce(s.started_at, greatest(s.leased_at, now() - greatest(u.ago, 0) * interval '1 microsecond')),
               digest = CASE s.kind WHEN 'build' THEN u.digest ELSE s.pins->('image:' || s.image_arch_id)->>'digest' END
          FROM unnest(jobs, succeed_rows.attempts, workers, digests, sizes, started_ago_us, details) WITH ORDINALITY u (job, attempt, worker, digest, size, ago, detail, ord)
         WHERE s.id = ANY (ARRAY[u.job]) AND s.attempt_id = u.attempt AND s.worker_id = u.worker AND s.state IN ('leased', 'running')
           AND (s.kind = 'test' OR s.kind = 'build' AND u.digest IS NOT NULL)
        RETURNING u.ord, s.id, s.kind, s.digest, s.repository, s.input_key, s.attempts, s.attempt_id, s.size, s.result, s.image_arch_id, s.serial
    ), built AS (
        INSERT INTO farm.build_result (input_key, digest, repository, size, attempt_id)
        SELECT DISTINCT ON (d.input_key) d.input_key, d.digest, d.repository, d.size, d.attempt_id FROM done d WHERE d.kind = 'build' ORDER BY d.input_key, d.ord
        ON CONFLICT (input_key) DO UPDATE
           SET digest = excluded.digest, repository = excluded.repository, size = excluded.size, attempt_id = excluded.attempt_id, built_at = now(), gone_at = NULL
    ), judged AS (
        INSERT INTO farm.verdict (test_key, digest, passed, flaky, attempt_id, detail)
        SELECT DISTINCT ON (d.input_key) d.input_key, d.digest, true,
               CASE WHEN d.attempts > 1 THEN farm.failed_before(d.id) ELSE false END, d.attempt_id, d.result
          FROM done d WHERE d.kind = 'test' ORDER BY d.input_key, d.ord
        ON CONFLICT (test_key) DO UPDATE
           SET passed = excluded.passed, flaky = excluded.flaky, attempt_id = excluded.attempt_id, detail = excluded.detail, decided_at = now()
    ), passed AS (
        UPDATE farm.image_arch_state a SET passing_digest = d.digest, passing_repository = d.repository, passing_serial = d.serial, failures = 0, breaker_since = NULL
          FROM done d WHERE a.id = ANY (ARRAY[d.image_arch_id]) AND d.kind = 'test' AND coalesce(a.passing_serial, 0) <= d.serial
    )
    SELECT array_agg(d.ord ORDER BY d.ord), array_agg(d.digest::text ORDER BY d.ord), array_agg(d.repository ORDER BY d.ord) INTO hit, hit_digest, hit_repository FROM done d;
    IF cardinality(hit) = cardinality(jobs) THEN
        RETURN QUERY SELECT u.attempt, 'accepted', u.job, u.digest, u.repository, 'succeeded', '{}'::bigint[]
                       FROM unnest(succeed_rows.attempts, jobs, hit_digest, hit_repository) u (attempt, job, digest, repository);
        RETURN;
    END IF;
    missed := ARRAY(SELECT i FROM generate_subscripts(jobs, 1) i EXCEPT SELECT unnest(hit) ORDER BY 1);
    attempts_missed := ARRAY(SELECT succeed_rows.attempts[i] FROM unnest(missed) i);
    FOR r IN SELECT f.* FROM farm.finish_rows(attempts_missed, ARRAY(SELECT workers[i] FROM unnest(missed) i),
                 ARRAY(SELECT jsonb_strip_nulls(jsonb_build_object('outcome', 'succeeded', 'digest', digests[i], 'size', sizes[i], 'started_ago_us', started_ago_us[i], 'detail', details[i])) FROM unnest(missed) i),
                 array_fill('succeeded'::text, ARRAY[cardinality(missed)]), array_fill(NULL::text, ARRAY[cardinality(missed)]), array_fill(0::bigint, ARRAY[cardinality(missed)])) f LOOP
        late := late || jsonb_build_object(r.attempt, to_jsonb(r));
    END LOOP;
    RETURN QUERY
    SELECT u.attempt, coalesce(late->u.attempt::text->>'status', 'accepted'), u.job,
           CASE WHEN late ? u.attempt::text THEN late->u.attempt::text->>'digest' ELSE s.digest END, CASE WHEN late ? u.attempt::text THEN late->u.attempt::text->>'repository' ELSE s.repository END,
           coalesce(late->u.attempt::text->>'state', s.state),
           ARRAY(SELECT e::bigint FROM jsonb_array_elements_text(late->u.attempt::text->'created') e)
      FROM unnest(jobs, succeed_rows.attempts) WITH ORDINALITY u (job, attempt, ord) LEFT JOIN farm.job_state s ON s.id = u.job ORDER BY u.ord;
END $$;

CREATE FUNCTION farm.succeed(jobs bigint[], attempts uuid[], workers bigint[], digests text[], sizes bigint[], started_ago_us bigint[], details jsonb[])
RETURNS TABLE (attempt uuid, status text, job bigint, digest text, repository text, state text, created bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.succeed_rows(jobs, attempts, workers, digests, sizes, started_ago_us, details);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(attempts) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.succeed_rows(jobs[i:i], attempts[i:i], workers[i:i], digests[i:i], sizes[i:i], started_ago_us[i:i], details[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse_job('succeed', jobs[i], attempts[i], SQLERRM);
            RETURN QUERY SELECT attempts[i], 'refused', jobs[i], NULL::text, NULL::text, (SELECT j.state FROM farm.job_state j WHERE j.id = jobs[i]), '{}'::bigint[];
        END;
    END LOOP;
END $$;

-- An attempt whose worker is gone: ok, duplicate (lost before), fenced (ended otherwise), unknown.
CREATE FUNCTION farm.lose_rows(attempts uuid[], next_states text[], reasons text[], not_before_us bigint[])
RETURNS TABLE (attempt uuid, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT u.*, t.job_id,
               CASE WHEN t.id IS NULL THEN 'unknown' WHEN t.ended_at IS NULL THEN 'ok' WHEN t.outcome = 'lost' THEN 'duplicate' ELSE 'fenced' END AS status
          FROM unnest(attempts, next_states, reasons, not_before_us) WITH ORDINALITY u (id, next, reason, not_before, ord)
          LEFT JOIN LATERAL (SELECT f.* FROM farm.known_attempt(u.id) f OFFSET 0) t ON true
    ), abandoned AS (
        UPDATE farm.release r SET state = 'abandoned' FROM asked q
         WHERE r.job_id = q.job_id AND r.state = 'publishing' AND q.status = 'ok' AND q.next = 'failed'
    ), moved AS (
        UPDATE farm.job_state j
           SET state = q.next, losses = j.losses + 1, repository = CASE WHEN q.next <> 'failed' THEN j.repository END, reason = q.reason,
               detail = CASE WHEN q.next = 'failed' THEN 'lost' END, reason_since = now(),
               not_before = CASE WHEN q.next = 'waiting' THEN farm.at(nullif(q.not_before, 0)) END,
               ready_at = CASE WHEN q.next = 'ready' THEN now() ELSE j.ready_at END, fail_class = CASE WHEN q.next = 'failed' THEN 'infra' END,
               ended_at = CASE WHEN q.next = 'failed' THEN now() END,
               outcome = 'lost', next_state = q.next, actor = 'scheduler', class = 'infra', code = 'lost', finished_at = now(), finished_seq = nextval('farm.event_seq')
          FROM asked q
         WHERE j.id = ANY (ARRAY[q.job_id]) AND j.attempt_id = q.id AND j.state IN ('leased', 'running') AND q.status = 'ok'
        RETURNING q.ord
    )
    SELECT q.id, CASE WHEN q.status = 'ok' AND q.ord NOT IN (SELECT m.ord FROM moved m) THEN 'stale' ELSE q.status END FROM asked q ORDER BY q.ord;
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
            PERFORM farm.refuse_job('lose', farm.job_of(attempts[i]), attempts[i], SQLERRM);
            RETURN QUERY SELECT attempts[i], 'refused';
        END;
    END LOOP;
END $$;

-- The order again, for a worker that has not got it yet. One that cannot be composed any more never will be: its job fails, so that
-- nobody asks for it for ever, and the others get theirs.
CREATE FUNCTION farm.work(attempts uuid[]) RETURNS TABLE (attempt uuid, work text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT o.attempt, o.work FROM farm.work_orders(ARRAY(SELECT farm.job_of(a) FROM unnest(attempts) a), attempts) o ORDER BY o.ord;
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(attempts) LOOP
        BEGIN
            RETURN QUERY SELECT o.attempt, o.work FROM farm.work_orders(ARRAY[farm.job_of(attempts[i])], attempts[i:i]) o;
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.lose_rows(attempts[i:i], '{failed}', '{NULL}', '{0}');
            UPDATE farm.job_state j SET detail = left(SQLERRM, 500) WHERE j.id = farm.job_of(work.attempts[i]);
            PERFORM farm.refuse_job('work', farm.job_of(attempts[i]), attempts[i], SQLERRM);
            RETURN QUERY SELECT attempts[i], NULL::text;
        END;
    END LOOP;
END $$;
