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
    IF NOT EXISTS (SELECT FROM farm.verdict v WHERE v.digest = wanted AND v.passed) THEN
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

-- Where the result of an attempt is going to lie.
CREATE FUNCTION farm.destination(j farm.job) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT CASE j.kind WHEN 'build' THEN farm.build_repository(j.image_id)
                           WHEN 'test' THEN j.pins->('image:' || j.image_arch_id)->>'repository'
                           WHEN 'publish' THEN farm.release_repository(j.image_id)
                           WHEN 'mirror' THEN farm.site_repository(j.image_id, j.target_site_id) END);
END $$;

CREATE FUNCTION farm.claim_rows(jobs bigint[], attempts uuid[], workers bigint[], boots uuid[])
RETURNS TABLE (job bigint, status text, work jsonb) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    my_term constant bigint := farm.my_term();
    ready bigint[];
    busy bigint[] := '{}';
    outdated bigint[] := '{}';
    publish bigint;
BEGIN
    PERFORM farm.lock_jobs(jobs);
    ready := ARRAY(SELECT j.id FROM farm.job j WHERE j.id = ANY (jobs) AND j.state = 'ready');
    FOR publish IN SELECT j.id FROM farm.job j WHERE j.id = ANY (ready) AND j.kind = 'publish' ORDER BY j.id LOOP
        CASE farm.open_release(publish)
            WHEN 'busy' THEN busy := busy || publish;
            WHEN 'outdated' THEN outdated := outdated || publish;
            ELSE NULL;
        END CASE;
    END LOOP;

    outdated := outdated || ARRAY(SELECT j.id FROM farm.job j WHERE j.id = ANY (ready) AND j.kind = 'mirror' AND NOT farm.has_right(j.image_id, 'mirror'));

    INSERT INTO farm.attempt (id, job_id, worker_id, boot_id, term, number)
    SELECT u.attempt, j.id, u.worker, u.boot, my_term, j.attempts + 1
      FROM unnest(jobs, attempts, workers, boots) u (job, attempt, worker, boot)
      JOIN farm.job j ON j.id = u.job
     WHERE j.id = ANY (ready) AND NOT j.id = ANY (busy || outdated);
    UPDATE farm.job j
       SET state = 'leased', attempt_id = t.id, attempts = t.number, repository = farm.destination(j), reason = NULL, detail = NULL, reason_since = now()
      FROM farm.attempt t
     WHERE t.id = ANY (claim_rows.attempts) AND t.job_id = j.id AND t.ended_at IS NULL AND j.state = 'ready';
    RETURN QUERY
    SELECT u.job, CASE WHEN u.job = ANY (busy) THEN 'busy' WHEN u.job = ANY (outdated) THEN 'outdated' WHEN u.job = ANY (ready) THEN 'ok' ELSE 'stale' END,
           CASE WHEN u.job = ANY (ready) AND NOT u.job = ANY (busy || outdated) THEN farm.work_order(u.attempt) END
      FROM unnest(jobs, attempts) WITH ORDINALITY u (job, attempt, ord) ORDER BY u.ord;
END $$;

CREATE FUNCTION farm.claim(jobs bigint[], attempts uuid[], workers bigint[], boots uuid[])
RETURNS TABLE (job bigint, status text, work jsonb) LANGUAGE plpgsql AS $$
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
            RETURN QUERY SELECT jobs[i], 'refused', NULL::jsonb;
        END;
    END LOOP;
END $$;

-- leased -> running: ok, duplicate (it runs already), fenced (it has ended), unknown.
CREATE FUNCTION farm.start_rows(attempts uuid[], ago_us bigint[]) RETURNS TABLE (attempt uuid, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.lock_jobs(ARRAY(SELECT t.job_id FROM farm.attempt t WHERE t.id = ANY (attempts)));
    PERFORM farm.act_as('worker');
    RETURN QUERY
    WITH asked AS (
        SELECT u.ord, u.id, u.ago, t.job_id,
               CASE WHEN t.id IS NULL THEN 'unknown' WHEN t.ended_at IS NOT NULL THEN 'fenced' WHEN j.state = 'running' THEN 'duplicate' ELSE 'ok' END AS status
          FROM unnest(attempts, ago_us) WITH ORDINALITY u (id, ago, ord)
          LEFT JOIN farm.attempt t ON t.id = u.id
          LEFT JOIN farm.job j ON j.id = t.job_id AND j.attempt_id = t.id
    ), begun AS (
        UPDATE farm.attempt t SET started_at = greatest(t.leased_at, now() - greatest(q.ago, 0) * interval '1 microsecond')
          FROM asked q WHERE t.id = q.id AND q.status = 'ok'
    ), moved AS (
        UPDATE farm.job j SET state = 'running', reason = NULL, detail = NULL FROM asked q WHERE j.id = q.job_id AND q.status = 'ok'
    )
    SELECT q.id, q.status FROM asked q ORDER BY q.ord;
    PERFORM farm.act_as('scheduler');
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
