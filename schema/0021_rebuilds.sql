-- 0021_rebuilds: what is rebuilt although no commit asked for it: for a base that names another digest, and on a schedule; and the breaker
-- that stops both for an image that keeps failing.

-- An image_arch that is to be built again, and why. `forced`: without cache, also from the same inputs.
CREATE TYPE farm.touched AS (image_arch_id bigint, because text, because_of text, forced boolean);

-- ---- the breaker -------------------------------------------------------------------------------------------

CREATE FUNCTION farm.breaker_event(arch bigint, detail jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO farm.event_log (job_id, actor, via, ats, detail)
    SELECT (SELECT j.id FROM farm.job j WHERE j.image_arch_id = arch AND j.kind = 'build' ORDER BY j.id DESC LIMIT 1), farm.acting(), '{}', '{}', detail
$$;

-- Results that say something of the image itself: a third failure in a row opens its breaker, a test that passes closes it.
CREATE FUNCTION farm.count_failures(done farm.outcome[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    failing bigint;
BEGIN
    UPDATE farm.image_arch_state a SET failures = 0, breaker_since = NULL
      FROM unnest(done) o WHERE a.id = o.image_arch_id AND o.kind = 'test' AND o.next = 'succeeded' AND a.failures > 0;
    FOR failing IN
        WITH failed AS (
            SELECT o.image_arch_id AS id, count(*)::int AS n FROM unnest(done) o
             WHERE o.kind IN ('build', 'test') AND o.next = 'failed' AND o.class <> 'infra' GROUP BY 1
        ), counted AS (
            UPDATE farm.image_arch_state a SET failures = a.failures + f.n FROM failed f WHERE a.id = f.id RETURNING a.id, a.failures, a.breaker_since
        )
        SELECT c.id FROM counted c WHERE c.failures >= 3 AND c.breaker_since IS NULL ORDER BY c.id
    LOOP
        UPDATE farm.image_arch_state a SET breaker_since = now() WHERE a.id = failing;
        PERFORM farm.breaker_event(failing, jsonb_build_object('breaker', 'open', 'failures', (SELECT a.failures FROM farm.image_arch_state a WHERE a.id = failing)));
    END LOOP;
END $$;

-- A person or a commit intervened. What was held back is looked at by the next rebuilds_due.
CREATE FUNCTION farm.close_breakers(archs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    closed record;
BEGIN
    FOR closed IN SELECT a.id, a.breaker_since FROM farm.image_arch_state a WHERE a.id = ANY (archs) AND (a.failures > 0 OR a.breaker_since IS NOT NULL) ORDER BY a.id LOOP
        UPDATE farm.image_arch_state a SET failures = 0, breaker_since = NULL WHERE a.id = closed.id;
        IF closed.breaker_since IS NOT NULL THEN
            PERFORM farm.breaker_event(closed.id, '{"breaker": "closed"}');
        END IF;
    END LOOP;
END $$;

-- ---- making the jobs ---------------------------------------------------------------------------------------

-- Wanted, and its definition is whole.
CREATE FUNCTION farm.is_sound(a farm.image_arch) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT a.removed_at IS NULL AND EXISTS (SELECT FROM farm.image i WHERE i.id = a.image_id AND i.removed_at IS NULL AND i.broken_at IS NULL)
$$;

-- A chain of jobs for each of the touched and for all that is built from them, parents first. Where a breaker is open an image is passed over, with
-- what would only be rebuilt because of it; what that was is kept in `held`.
CREATE FUNCTION farm.rebuild(touched farm.touched[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    wanted farm.wanted_job[];
    forced bigint[];
    stopped record;
BEGIN
    IF cardinality(touched) = 0 THEN
        RETURN '{}';
    END IF;
    FOR stopped IN SELECT DISTINCT ON (t.image_arch_id) t.* FROM unnest(touched) t JOIN farm.image_arch a ON a.id = t.image_arch_id
                    WHERE a.breaker_since IS NOT NULL ORDER BY t.image_arch_id LOOP
        UPDATE farm.image_arch_state a SET held = stopped.because_of WHERE a.id = stopped.image_arch_id;
        PERFORM farm.breaker_event(stopped.image_arch_id, jsonb_build_object('breaker', 'held back', 'because', stopped.because, 'of', stopped.because_of));
    END LOOP;

    WITH RECURSIVE direct AS (
        SELECT DISTINCT ON (t.image_arch_id) t.* FROM unnest(touched) t JOIN farm.image_arch a ON a.id = t.image_arch_id
         WHERE a.breaker_since IS NULL AND farm.is_sound(a) ORDER BY t.image_arch_id, t.forced DESC, t.because_of
    ), step (id, wave) AS (
        SELECT d.image_arch_id, 0 FROM direct d
        UNION
        SELECT a.id, r.wave + 1 FROM step r JOIN farm.image_parent e ON e.parent_arch_id = r.id JOIN farm.image_arch a ON a.id = e.image_arch_id
         WHERE a.breaker_since IS NULL AND farm.is_sound(a)
    ), reached AS MATERIALIZED (
        SELECT s.id, max(s.wave) AS wave FROM step s GROUP BY s.id
    ), parent AS MATERIALIZED (
        SELECT e.image_arch_id, min(CASE WHEN e.reference IS NULL THEN i.name ELSE farm.image_title(i.id) END) AS name
          FROM reached p JOIN farm.image_parent e ON e.parent_arch_id = p.id JOIN farm.image_arch a ON a.id = p.id JOIN farm.image i ON i.id = a.image_id
         GROUP BY 1
    ), arch AS MATERIALIZED (
        SELECT a.id, a.image_id, q.wave, coalesce(d.because, 'parent') AS because, coalesce(d.forced, false) AS forced,
               CASE WHEN d.because IS NULL THEN p.name ELSE d.because_of END AS because_of
          FROM reached q JOIN farm.image_arch a ON a.id = q.id LEFT JOIN direct d ON d.image_arch_id = q.id LEFT JOIN parent p ON p.image_arch_id = q.id
    ), image AS (
        SELECT a.image_id, min(a.wave) AS wave, (array_agg(a.because ORDER BY a.because = 'parent', a.id))[1] AS because,
               (array_agg(a.because_of ORDER BY a.because = 'parent', a.id))[1] AS because_of, farm.is_manual(i.spec) AS manual, v.id AS revision_id
          FROM arch a
          JOIN farm.image i ON i.id = a.image_id
          JOIN farm.ref r ON r.id = i.ref_id
          JOIN farm.revision v ON v.ref_id = r.id AND v.serial = r.serial
         GROUP BY a.image_id, i.spec, v.id
    ), chain AS (
        SELECT i.wave, i.image_id, k.step, k.kind, a.id AS arch, NULL::bigint AS site, i.revision_id, a.because, a.because_of
          FROM arch a JOIN image i ON i.image_id = a.image_id CROSS JOIN (VALUES (1, 'build'), (2, 'test')) k (step, kind)
        UNION ALL
        SELECT i.wave, i.image_id, 3, 'publish', NULL, NULL, i.revision_id, i.because, i.because_of FROM image i WHERE NOT i.manual
        UNION ALL
        SELECT i.wave, i.image_id, 4, 'mirror', NULL, s.site_id, i.revision_id, i.because, i.because_of
          FROM image i JOIN farm.image_site s ON s.image_id = i.image_id WHERE NOT i.manual
    )
    SELECT array_agg((c.kind, c.image_id, c.arch, c.site, c.revision_id, c.because, c.because_of)::farm.wanted_job
                     ORDER BY c.wave, c.image_id, c.step, c.arch, c.site),
           (SELECT array_agg(a.id) FROM arch a WHERE a.forced)
      INTO wanted, forced FROM chain c;
    UPDATE farm.image_arch_state a SET held = NULL WHERE a.held IS NOT NULL AND a.id IN (SELECT w.image_arch_id FROM unnest(wanted) w);
    RETURN farm.add_jobs(ARRAY(SELECT w FROM unnest(wanted) w WHERE w.kind = 'build' AND w.image_arch_id = ANY (forced)), nextval('farm.forced'))
           || farm.add_jobs(ARRAY(SELECT w FROM unnest(wanted) w WHERE w.kind <> 'build' OR NOT coalesce(w.image_arch_id = ANY (forced), false)), 0);
END $$;

-- ---- bases -------------------------------------------------------------------------------------------------

-- Whether the newest build of the image was not made from what the base is now, nor is going to be.
CREATE FUNCTION farm.is_outdated(arch bigint, b farm.base) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT NOT (j.state = 'waiting' AND j.pins IS NULL) AND j.pins->('base:' || b.id)->>'digest' IS DISTINCT FROM b.digest
                       FROM farm.job j WHERE j.image_arch_id = arch AND j.kind = 'build' ORDER BY j.id DESC LIMIT 1), false)
$$;

-- The wanted images that stand on the reference directly and were built from another digest. NULL: on any whose change is pending.
CREATE FUNCTION farm.outdated_by(of_reference text) RETURNS farm.touched[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg((a.id, 'external', b.reference, false)::farm.touched ORDER BY a.id, b.reference), '{}')
      FROM farm.base b
      JOIN farm.image_base e ON e.base_id = b.id
      JOIN farm.image_arch a ON a.id = e.image_arch_id
     WHERE CASE WHEN of_reference IS NULL THEN b.pending_since IS NOT NULL ELSE b.reference = of_reference END
       AND b.digest IS NOT NULL AND farm.is_sound(a) AND farm.is_outdated(a.id, b)
$$;

CREATE FUNCTION farm.base_event(b farm.base, detail jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO farm.event_log (actor, via, ats, detail)
    VALUES (farm.acting(), '{}', '{}', jsonb_strip_nulls(jsonb_build_object('base', b.reference, 'arch', b.arch) || detail))
$$;

-- What a lookup found. An error changes nothing but the error. `asked`: check_wanted as bases_due gave it. True: the brain's rows are out of date.
CREATE FUNCTION farm.base_resolved(base bigint, digest text, error text, asked bigint DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    old farm.base;
    moved boolean;
BEGIN
    PERFORM farm.my_term();
    SELECT b.* INTO old FROM farm.base b WHERE b.id = base FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    moved := digest IS NOT NULL AND digest IS DISTINCT FROM old.digest;
    UPDATE farm.base b
       SET digest = coalesce(base_resolved.digest, b.digest), previous = CASE WHEN moved THEN old.digest ELSE b.previous END,
           changed_at = CASE WHEN moved THEN now() ELSE b.changed_at END,
           pending_since = CASE WHEN moved AND old.digest IS NOT NULL THEN coalesce(b.pending_since, now()) ELSE b.pending_since END,
           checked_at = now(), check_done = coalesce(asked, b.check_wanted), error = left(base_resolved.error, 1000),
           error_since = CASE WHEN base_resolved.error IS NOT NULL THEN coalesce(b.error_since, now()) END,
           failures = CASE WHEN base_resolved.error IS NULL THEN 0 ELSE b.failures + 1 END
     WHERE b.id = base;
    IF moved AND old.digest IS NOT NULL THEN
        PERFORM farm.base_event(old, jsonb_build_object('from', old.digest, 'to', digest));
    END IF;
    IF (error IS NULL) <> (old.error IS NULL) THEN
        PERFORM farm.base_event(old, jsonb_build_object('error', left(error, 1000), 'resolved', CASE WHEN error IS NULL THEN digest END));
    END IF;
    PERFORM pg_notify('farm_change', 'bases');
    RETURN moved OR (old.digest IS NULL AND error IS DISTINCT FROM old.error);
END $$;

-- Wanted bases that somebody asked for, or that were not looked at for so long; one that failed is due again after 30 s, then less and less often.
-- One look at a registry tells all architectures of a reference: they come together, one behind the other.
CREATE FUNCTION farm.bases_due(max_age interval) RETURNS TABLE (id bigint, reference text, arch text, asked bigint) LANGUAGE sql STABLE AS $$
    WITH wanted AS (
        SELECT b.*, b.check_wanted > b.check_done OR b.checked_at IS NULL
                    OR b.checked_at < now() - CASE WHEN b.error IS NULL THEN max_age ELSE least(max_age, interval '30 seconds' * 2 ^ least(b.failures - 1, 10)) END AS due
          FROM farm.base b
         WHERE EXISTS (SELECT FROM farm.image_base e JOIN farm.image_arch a ON a.id = e.image_arch_id JOIN farm.image i ON i.id = a.image_id
                        WHERE e.base_id = b.id AND a.removed_at IS NULL AND i.removed_at IS NULL)
    ), reference AS (
        SELECT w.reference, bool_or(w.check_wanted > w.check_done) AS asked, min(coalesce(w.checked_at, '-infinity')) AS oldest
          FROM wanted w GROUP BY 1 HAVING bool_or(w.due)
    )
    SELECT w.id, w.reference, w.arch, w.check_wanted
      FROM wanted w JOIN reference r ON r.reference = w.reference
     ORDER BY r.asked DESC, r.oldest, w.reference, w.arch
$$;

-- A reference as it is stored, or an end of it that is clear: debian:12 for docker.io/library/debian:12. Returns one of its rows.
CREATE FUNCTION farm.find_base(written text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    names text[];
    found_id bigint;
BEGIN
    SELECT min(b.id) INTO found_id FROM farm.base b WHERE b.reference = written;
    IF found_id IS NULL THEN
        SELECT array_agg(DISTINCT b.reference), min(b.id) INTO names, found_id
          FROM farm.base b CROSS JOIN (VALUES (written), (written || ':latest')) w (name) WHERE right(b.reference, length(w.name) + 1) = '/' || w.name;
        IF names IS NULL THEN
            PERFORM farm.bad_argument(format('there is no base %s', written), '`bootfarm base list` shows them');
        ELSIF cardinality(names) > 1 THEN
            PERFORM farm.bad_argument(format('%s may mean %s', written, left(array_to_string(names, ', '), 500)), 'write the whole reference');
        END IF;
    END IF;
    RETURN found_id;
END $$;

CREATE FUNCTION farm.apply_base_check(base bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    UPDATE farm.base b SET check_wanted = b.check_wanted + 1
     WHERE (apply_base_check.base IS NULL OR b.reference = (SELECT o.reference FROM farm.base o WHERE o.id = apply_base_check.base))
       AND EXISTS (SELECT FROM farm.image_base e JOIN farm.image_arch a ON a.id = e.image_arch_id JOIN farm.image i ON i.id = a.image_id
                    WHERE e.base_id = b.id AND a.removed_at IS NULL AND i.removed_at IS NULL);
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM pg_notify('farm_change', 'bases');
    RETURN jsonb_strip_nulls(jsonb_build_object('bases', n, 'reference', (SELECT b.reference FROM farm.base b WHERE b.id = base)));
END $$;

-- A person wants it now: neither the window nor a breaker holds it.
CREATE FUNCTION farm.apply_base_bump(base bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    named constant text := (SELECT b.reference FROM farm.base b WHERE b.id = base);
    touched constant farm.touched[] := farm.outdated_by(named);
    jobs bigint[];
BEGIN
    PERFORM farm.close_breakers(ARRAY(SELECT t.image_arch_id FROM unnest(touched) t));
    jobs := farm.rebuild(touched);
    UPDATE farm.base b SET pending_since = NULL WHERE b.reference = named AND b.pending_since IS NOT NULL;
    PERFORM pg_notify('farm_change', 'bases');
    RETURN jsonb_build_object('reference', named, 'jobs', to_jsonb(jobs),
                              'images', (SELECT count(DISTINCT j.image_arch_id) FROM farm.job j WHERE j.id = ANY (jobs) AND j.kind = 'build'));
END $$;

-- ---- schedules ---------------------------------------------------------------------------------------------

CREATE FUNCTION farm.rebuild_every(spec jsonb, key text) RETURNS interval LANGUAGE sql IMMUTABLE AS $$
    SELECT nullif(coalesce((spec->'rebuild'->>key)::bigint, 0), 0) * interval '1 millisecond'
$$;

CREATE FUNCTION farm.is_scheduled(spec jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT farm.rebuild_every(spec, 'every_ms') IS NOT NULL OR farm.rebuild_every(spec, 'max_age_ms') IS NOT NULL
$$;

-- As in image.yaml: 7d, 36h, 90m.
CREATE FUNCTION farm.duration_text(d interval) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN s % 86400 = 0 THEN s / 86400 || 'd' WHEN s % 3600 = 0 THEN s / 3600 || 'h' WHEN s % 60 = 0 THEN s / 60 || 'm' ELSE s || 's' END
      FROM (SELECT extract(epoch FROM d)::bigint AS s) e
$$;

-- 0 to 1, always the same for an image.
CREATE FUNCTION farm.jitter(image_arch_id bigint) RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT (hashtextextended(farm.image_title(a.image_id) || ':' || a.arch, 0) & 1048575) / 1048576.0::float8 FROM farm.image_arch a WHERE a.id = image_arch_id
$$;

-- The periods of `every` that began until then; each image's begin at a moment of its own.
CREATE FUNCTION farm.period(t timestamptz, every interval, jitter double precision) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT floor(extract(epoch FROM t)::float8 / extract(epoch FROM every)::float8 - jitter)
$$;

-- Whose time has come: a period of `every` has begun since the last scheduled rebuild, or the newest build reaches `max_age` (the last tenth of that
-- is for jitter; when the rebuild fails, the next try is a tenth later). Not while a build lives.
CREATE FUNCTION farm.scheduled_now() RETURNS farm.touched[] LANGUAGE sql AS $$
    WITH due AS (
        SELECT a.id, CASE WHEN p.passed THEN 'every ' || farm.duration_text(w.every) ELSE 'max_age ' || farm.duration_text(w.max_age) END AS schedule
          FROM farm.image_arch a
         CROSS JOIN LATERAL (SELECT farm.rebuild_every(a.spec, 'every_ms') AS every, farm.rebuild_every(a.spec, 'max_age_ms') AS max_age, farm.jitter(a.id) AS jitter) w
         CROSS JOIN LATERAL (SELECT coalesce(farm.period(now(), w.every, w.jitter) > farm.period(a.scheduled_at, w.every, w.jitter), false) AS passed) p
         WHERE a.scheduled
           AND farm.is_sound(a)
           AND (p.passed OR (a.scheduled_at < now() - w.max_age * 0.1
                             AND (SELECT max(b.built_at) FROM farm.build_result b
                                   WHERE b.digest = (SELECT j.digest FROM farm.job j WHERE j.image_arch_id = a.id AND j.kind = 'build' AND j.state IN ('succeeded', 'skipped')
                                                      ORDER BY j.id DESC LIMIT 1)) <= now() - w.max_age * (1 - 0.1 * w.jitter)))
           AND NOT EXISTS (SELECT FROM farm.job j WHERE j.image_arch_id = a.id AND j.kind = 'build' AND j.ended_at IS NULL)
    ), noted AS (
        UPDATE farm.image_arch_state a SET scheduled_at = now() FROM due d WHERE a.id = d.id RETURNING a.id
    )
    SELECT coalesce(array_agg((d.id, 'scheduled', d.schedule, true)::farm.touched ORDER BY d.id), '{}') FROM due d JOIN noted n ON n.id = d.id
$$;

-- What a breaker held back, and a person or a commit has let go since.
CREATE FUNCTION farm.let_go() RETURNS farm.touched[] LANGUAGE sql AS $$
    WITH free AS (
        UPDATE farm.image_arch_state a SET held = NULL FROM farm.image_arch_state o
         WHERE o.id = a.id AND a.held IS NOT NULL AND a.breaker_since IS NULL RETURNING a.id, o.held
    )
    SELECT coalesce(array_agg(DISTINCT (f.id, 'external', b.reference, false)::farm.touched), '{}')
      FROM free f JOIN farm.image_base e ON e.image_arch_id = f.id JOIN farm.base b ON b.id = e.base_id
     WHERE farm.is_outdated(f.id, b)
$$;

-- Makes the jobs of automatic rebuilds. Changes of bases wait until the first of them is as old as the window, so that what comes together is built
-- once, and what flips back is not built at all.
CREATE FUNCTION farm.rebuilds_due(coalesce_for interval) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    touched farm.touched[];
BEGIN
    PERFORM farm.my_term();
    touched := farm.scheduled_now() || farm.let_go();
    IF EXISTS (SELECT FROM farm.base b WHERE b.pending_since <= now() - coalesce_for) THEN
        touched := touched || farm.outdated_by(NULL);
        UPDATE farm.base b SET pending_since = NULL WHERE b.pending_since IS NOT NULL;
        PERFORM pg_notify('farm_change', 'bases');
    END IF;
    RETURN farm.rebuild(touched);
END $$;

SELECT farm.open_functions('bootfarm_scheduler', ARRAY['farm.base_resolved', 'farm.bases_due', 'farm.rebuilds_due']);

-- ---- what people see ---------------------------------------------------------------------------------------

CREATE VIEW dashboard.bases AS
    SELECT b.id, b.reference, b.arch, b.digest::text, b.previous::text, b.changed_at, b.pending_since, b.checked_at, b.check_wanted > b.check_done AS check_pending,
           b.error, b.error_since, b.failures, n.images, n.outdated
      FROM farm.base b
     CROSS JOIN LATERAL (
          SELECT count(*)::int AS images,
                 (count(*) FILTER (WHERE j.digest IS NOT NULL AND j.pins->('base:' || b.id)->>'digest' IS DISTINCT FROM b.digest))::int AS outdated
            FROM farm.image_base e
            JOIN farm.image_arch a ON a.id = e.image_arch_id AND a.removed_at IS NULL
            JOIN farm.image i ON i.id = a.image_id AND i.removed_at IS NULL
            LEFT JOIN LATERAL (SELECT q.digest, q.pins FROM farm.job q WHERE q.image_arch_id = a.id AND q.kind = 'build' AND q.state IN ('succeeded', 'skipped')
                                ORDER BY q.id DESC LIMIT 1) j ON true
           WHERE e.base_id = b.id) n
     WHERE n.images > 0;

-- What another digest of a base would cost: each image that depends on it, in the wave in which it would be built, with the mean time of its last three
-- successful builds and tests; NULL: none is known.
CREATE FUNCTION dashboard.base_cost(reference text)
RETURNS TABLE (base text, id bigint, name text, arch text, wave int, direct boolean, breaker boolean, build_seconds double precision, test_seconds double precision)
LANGUAGE sql STABLE AS $$
    WITH RECURSIVE named AS (
        SELECT b.reference FROM farm.base b WHERE b.id = farm.find_base(base_cost.reference)
    ), reached (id, wave) AS (
        SELECT a.id, 0 FROM farm.base b JOIN named n ON n.reference = b.reference JOIN farm.image_base e ON e.base_id = b.id JOIN farm.image_arch a ON a.id = e.image_arch_id
         WHERE farm.is_sound(a)
        UNION
        SELECT a.id, r.wave + 1 FROM reached r JOIN farm.image_parent e ON e.parent_arch_id = r.id JOIN farm.image_arch a ON a.id = e.image_arch_id WHERE farm.is_sound(a)
    ), image AS (
        SELECT r.id, min(r.wave) = 0 AS direct, max(r.wave) AS wave FROM reached r GROUP BY r.id
    )
    SELECT (SELECT n.reference FROM named n), a.id, farm.image_title(a.image_id), a.arch,
           i.wave, i.direct, a.breaker_since IS NOT NULL, t.build, t.test
      FROM image i
      JOIN farm.image_arch a ON a.id = i.id
     CROSS JOIN LATERAL (
          SELECT avg(extract(epoch FROM p.took)) FILTER (WHERE p.kind = 'build')::float8 AS build, avg(extract(epoch FROM p.took)) FILTER (WHERE p.kind = 'test')::float8 AS test
            FROM (VALUES ('build'), ('test')) k (kind)
           CROSS JOIN LATERAL (SELECT k.kind, q.ended_at - coalesce(q.started_at, q.leased_at) AS took
                                 FROM farm.job j JOIN farm.attempt q ON q.job_id = j.id AND q.outcome = 'succeeded'
                                WHERE j.image_arch_id = a.id AND j.kind = k.kind AND j.state = 'succeeded' ORDER BY j.id DESC LIMIT 3) p) t
     ORDER BY 5, 3, 4
$$;

GRANT SELECT ON dashboard.bases TO bootfarm_scheduler, bootfarm_api, bootfarm_dashboard;
SELECT farm.open_functions('bootfarm_api', ARRAY['dashboard.base_cost']);
