-- 0007_claims: a job gets a worker, an attempt and its work order; a publish gets its release row first.

-- {commit12}: the commit whose build job first gave the digest; {build}: its number. A tag with a placeholder left is left out.
-- `fixed`: only those that never move, since they hold the number.
CREATE FUNCTION farm.tags(image_id bigint, spec jsonb, digest text, build int, fixed boolean) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        WITH first AS (
            SELECT left(v.oid, 12) AS commit12
              FROM farm.image_arch a
              JOIN farm.job j ON j.image_arch_id = a.id AND j.kind = 'build' AND j.digest = tags.digest
              JOIN farm.revision v ON v.id = j.revision_id
             WHERE a.image_id = tags.image_id
             ORDER BY j.id LIMIT 1
        ), filled AS (
            SELECT e.ord, replace(replace(e.tag, '{commit12}', coalesce((SELECT commit12 FROM first), '{commit12}')), '{build}', tags.build::text) AS tag
              FROM jsonb_array_elements_text(spec->'publish'->'tags') WITH ORDINALITY e (tag, ord)
             WHERE NOT fixed OR e.tag LIKE '%{build}%'
        )
        SELECT coalesce(array_agg(u.tag ORDER BY u.ord), '{}')
          FROM (SELECT f.tag, min(f.ord) AS ord FROM filled f WHERE f.tag ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$' GROUP BY f.tag) u);
END $$;

-- Refs share a repository, and a tag without a placeholder means one of them: that whose release had it last and that still wants it.
CREATE FUNCTION farm.check_tags(image_id bigint, spec jsonb, dest text) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    taken record;
BEGIN
    SELECT e.tag, o.image_id AS owner INTO taken
      FROM jsonb_array_elements_text(spec->'publish'->'tags') WITH ORDINALITY e (tag, ord)
     CROSS JOIN LATERAL (SELECT r.image_id FROM farm.release r
                          WHERE r.repository = dest AND r.state = 'released' AND e.tag = ANY (r.tags) ORDER BY r.id DESC LIMIT 1) o
      JOIN farm.image i ON i.id = o.image_id AND i.removed_at IS NULL AND i.spec->'publish'->'tags' ? e.tag
      JOIN farm.ref f ON f.id = i.ref_id AND f.gone_at IS NULL
     WHERE o.image_id <> check_tags.image_id AND e.tag !~ '[{]'
     ORDER BY e.ord LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the tag % of % is that of %: % must not publish it, too (use `{ref}` in `publish.tags`)',
                        taken.tag, dest, farm.image_title(taken.owner), farm.image_title(check_tags.image_id) USING ERRCODE = 'unique_violation';
    END IF;
END $$;

-- Before the first tag moves: ok (the row stands, perhaps since an earlier attempt of this job), busy or outdated (also where the ref may
-- not publish any more).
CREATE FUNCTION farm.open_release(job_id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    j farm.job;
    spec jsonb;
    mine bigint;
    under_way bigint;
    wanted text;
    dest text;
    number int;
BEGIN
    SELECT q.* INTO j FROM farm.job q WHERE q.id = job_id;
    PERFORM FROM farm.image i WHERE i.id = j.image_id FOR NO KEY UPDATE;
    IF NOT farm.has_right(j.image_id, 'publish') THEN
        RETURN 'outdated';
    END IF;
    SELECT s.body INTO spec FROM farm.spec s WHERE s.id = j.spec_id;
    SELECT v.serial INTO mine FROM farm.revision v WHERE v.id = j.revision_id;
    IF EXISTS (SELECT FROM farm.release r JOIN farm.revision v ON v.id = r.revision_id
                WHERE r.image_id = j.image_id AND r.state <> 'abandoned' AND v.serial > mine) THEN
        RETURN 'outdated';
    END IF;
    dest := farm.release_repository(j.image_id);
    PERFORM pg_advisory_xact_lock(hashtextextended(dest, 0));       -- refs share the repository, and so the numbers and the tags
    SELECT r.job_id INTO under_way FROM farm.release r
     WHERE r.state = 'publishing' AND (r.image_id = j.image_id OR r.repository = dest) ORDER BY r.job_id = j.id DESC LIMIT 1;
    IF FOUND THEN
        RETURN CASE WHEN under_way = j.id THEN 'ok' ELSE 'busy' END;
    END IF;

    IF (SELECT count(*) FROM jsonb_object_keys(j.pins)) <> 1 THEN
        RAISE EXCEPTION 'an index of several architectures cannot be released yet: give the image one entry in `arch`' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT min(e.value->>'digest') INTO wanted FROM jsonb_each(j.pins) e;
    IF NOT EXISTS (SELECT FROM farm.image_arch a JOIN farm.job t ON t.image_arch_id = a.id AND t.kind = 'test' AND t.digest = wanted JOIN farm.verdict v ON v.test_key = t.input_key
                    WHERE a.image_id = j.image_id AND v.digest = wanted AND v.passed) THEN
        RAISE EXCEPTION 'digest % has no passing verdict', wanted USING ERRCODE = 'check_violation';
    END IF;
    PERFORM farm.check_tags(j.image_id, spec, dest);
    number := coalesce((SELECT min(r.build) FROM farm.release r WHERE r.repository = dest AND r.digest = wanted),
                       (SELECT max(r.build) + 1 FROM farm.release r WHERE r.repository = dest), 1);
    INSERT INTO farm.release (image_id, serial, revision_id, build, digest, repository, tags, fixed_tags, publish_key, job_id, state)
    SELECT j.image_id, coalesce((SELECT max(r.serial) FROM farm.release r WHERE r.image_id = j.image_id), 0) + 1, j.revision_id, number, wanted,
           dest, farm.tags(j.image_id, spec, wanted, number, false),
           farm.tags(j.image_id, spec, wanted, number, true), spec->>'publish_key', j.id, 'publishing';
    RETURN 'ok';
END $$;

-- Before another attempt takes its place, the newest one of each of the jobs goes to where the others are.
CREATE FUNCTION farm.put_past(jobs bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO farm.attempt_past (id, job_id, number, worker_id, boot_id, term, leased_at, leased_seq, started_at, started_seq, finished_at, finished_seq, outcome, next_state,
                                   actor, class, phase, code, step, message, size, digest, result)
    SELECT s.attempt_id, s.id, s.attempts, s.worker_id, s.boot_id, s.term, s.leased_at, s.leased_seq, s.started_at, s.started_seq, s.finished_at, s.finished_seq, s.outcome, s.next_state,
           s.actor, s.class, s.phase, s.code, s.step, s.message, s.size, CASE WHEN s.outcome = 'succeeded' THEN s.digest END, s.result
      FROM farm.job_state s WHERE s.id = ANY (jobs)
$$;

CREATE FUNCTION farm.check_claims(jobs bigint[], attempts uuid[], workers bigint[]) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    missing bigint;
    odd record;
BEGIN
    SELECT u.* INTO odd FROM unnest(jobs, attempts) u (job, attempt) WHERE farm.job_of(u.attempt) IS DISTINCT FROM u.job LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the attempt % cannot be one of job %: an attempt''s id begins with its job''s', odd.attempt, odd.job USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT u.id INTO missing FROM (SELECT DISTINCT unnest(workers) AS id) u LEFT JOIN farm.worker w ON w.id = u.id WHERE w.id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no worker %', missing USING ERRCODE = 'foreign_key_violation';
    END IF;
END $$;

CREATE FUNCTION farm.claim_rows(jobs bigint[], attempts uuid[], workers bigint[], boots uuid[])
RETURNS TABLE (job bigint, status text, work text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    my_term constant bigint := farm.my_term();
    busy bigint[] := '{}';
    outdated bigint[] := '{}';
    publishes bigint[];
    mirrors bigint[];
    again bigint[];
    publish bigint;
BEGIN
    PERFORM farm.check_claims(jobs, claim_rows.attempts, workers);
    -- One look for all that is not a first attempt of a build or test: few are.
    SELECT array_agg(s.id ORDER BY s.id) FILTER (WHERE s.kind = 'publish'), array_agg(s.id) FILTER (WHERE s.kind = 'mirror'), array_agg(s.id) FILTER (WHERE s.attempts > 0)
      INTO publishes, mirrors, again
      FROM farm.job_state s WHERE s.id = ANY (jobs) AND s.state = 'ready' AND (s.attempts > 0 OR s.kind IN ('publish', 'mirror'));
    FOREACH publish IN ARRAY coalesce(publishes, '{}') LOOP
        CASE farm.open_release(publish)
            WHEN 'busy' THEN busy := busy || publish;
            WHEN 'outdated' THEN outdated := outdated || publish;
            ELSE UPDATE farm.job_state s SET repository = r.repository FROM farm.release r WHERE s.id = publish AND r.job_id = publish AND r.state = 'publishing';
        END CASE;
    END LOOP;
    IF mirrors IS NOT NULL THEN
        outdated := outdated || ARRAY(SELECT f.id FROM farm.job_fixed f WHERE f.id = ANY (mirrors) AND NOT farm.has_right(f.image_id, 'mirror'));
    END IF;
    IF again IS NOT NULL THEN
        PERFORM farm.put_past(ARRAY(SELECT a FROM unnest(again) a WHERE a <> ALL (busy || outdated)));
    END IF;
    UPDATE farm.job_state s
       SET state = 'leased', attempts = s.attempts + 1, attempt_id = u.attempt, worker_id = u.worker, boot_id = u.boot, term = my_term,
           leased_at = now(), leased_seq = nextval('farm.event_seq'), started_at = NULL, started_seq = NULL, finished_at = NULL, finished_seq = NULL,
           outcome = NULL, next_state = NULL, actor = NULL, class = NULL, phase = NULL, code = NULL, step = NULL, message = NULL, size = NULL, result = NULL,
           reason = NULL, detail = NULL, reason_since = now()
      FROM unnest(jobs, claim_rows.attempts, workers, boots) u (job, attempt, worker, boot)
     WHERE s.id = ANY (ARRAY[u.job]) AND s.state = 'ready' AND (s.kind IN ('build', 'test') OR s.id <> ALL (busy || outdated));
    RETURN QUERY
    SELECT w.job, CASE WHEN w.work IS NOT NULL THEN 'ok' WHEN w.job = ANY (busy) THEN 'busy' WHEN w.job = ANY (outdated) THEN 'outdated' ELSE 'stale' END, w.work
      FROM farm.work_orders(jobs, claim_rows.attempts) w ORDER BY w.ord;
END $$;

CREATE FUNCTION farm.claim(jobs bigint[], attempts uuid[], workers bigint[], boots uuid[])
RETURNS TABLE (job bigint, status text, work text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.claim_rows(jobs, attempts, workers, boots);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(jobs) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.claim_rows(jobs[i:i], attempts[i:i], workers[i:i], boots[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse_job('claim', jobs[i], NULL, SQLERRM);
            RETURN QUERY SELECT jobs[i], 'refused', NULL::text;
        END;
    END LOOP;
END $$;

-- leased -> running: ok, duplicate (it runs already), fenced (it has ended), unknown.
CREATE FUNCTION farm.start_rows(attempts uuid[], ago_us bigint[]) RETURNS TABLE (attempt uuid, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    mark constant bigint := nextval('farm.event_seq');
BEGIN
    UPDATE farm.job_state s
       SET state = 'running', reason = NULL, detail = NULL, started_at = greatest(s.leased_at, now() - greatest(u.ago, 0) * interval '1 microsecond'),
           started_seq = nextval('farm.event_seq')
      FROM unnest(start_rows.attempts, ago_us) u (id, ago)
     WHERE s.id = ANY (ARRAY[farm.job_of(u.id)]) AND s.attempt_id = u.id AND s.state = 'leased';
    RETURN QUERY
    SELECT u.id, CASE WHEN t.id IS NULL THEN 'unknown' WHEN s.state IS DISTINCT FROM 'running' THEN 'fenced' WHEN s.started_seq > mark THEN 'ok' ELSE 'duplicate' END
      FROM unnest(start_rows.attempts) WITH ORDINALITY u (id, ord)
      LEFT JOIN LATERAL (SELECT f.* FROM farm.known_attempt(u.id) f OFFSET 0) t ON true
      LEFT JOIN farm.job_state s ON s.id = t.job_id AND s.attempt_id = t.id
     ORDER BY u.ord;
END $$;

CREATE FUNCTION farm.start(attempts uuid[], ago_us bigint[]) RETURNS TABLE (attempt uuid, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.start_rows(attempts, ago_us);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(attempts) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.start_rows(attempts[i:i], ago_us[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse_job('start', NULL, attempts[i], SQLERRM);
            RETURN QUERY SELECT attempts[i], 'refused';
        END;
    END LOOP;
END $$;
