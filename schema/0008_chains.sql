-- 0008_chains: the one place where jobs are made: for a plan, a command, a new site, and for a digest that is gone.

CREATE TYPE farm.wanted_job AS (
    kind           text,
    image_id       bigint,
    image_arch_id  bigint,
    target_site_id bigint,
    revision_id    bigint,
    because        text,
    because_of     text
);

-- PL/pgSQL, as elsewhere in what a turn calls: SQL functions that are not inlined are parsed and planned anew in each statement.

-- place.site, else the hub; NULL in a farm without either.
CREATE FUNCTION farm.run_site(spec jsonb) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT coalesce((SELECT s.id FROM farm.site s WHERE s.name = spec->'place'->>'site'),
                        (SELECT s.id FROM farm.site s WHERE s.kind = 'hub' ORDER BY s.id LIMIT 1)));
END $$;

-- Capabilities: place.needs, of which kvm matters to the boot test only; secrets are at the worker that builds.
CREATE FUNCTION farm.job_needs(kind text, spec jsonb) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (
        SELECT coalesce(array_agg(DISTINCT n.need ORDER BY n.need), '{}')
          FROM (SELECT e.need FROM jsonb_array_elements_text(coalesce(spec->'place'->'needs', '[]')) e (need)
                 WHERE kind = 'test' OR (kind = 'build' AND e.need <> 'kvm')
                UNION ALL
                SELECT 'secret:' || e.name FROM jsonb_array_elements_text(coalesce(spec->'build'->'secrets', '[]')) e (name) WHERE kind = 'build') n);
END $$;

-- A row that says the same; NULL: none does. Looked up for each row that asks, never joined; who calls it turns sequential scans off.
CREATE FUNCTION farm.spec_id(body jsonb) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT s.id FROM farm.spec s WHERE s.hash = jsonb_hash_extended(spec_id.body, 0) AND s.body = spec_id.body LIMIT 1);
END $$;

-- Makes the jobs, all waiting, in the order of the array, and returns their ids. The spec of today is what they are made for.
CREATE FUNCTION farm.add_jobs(wanted farm.wanted_job[], forced bigint) RETURNS bigint[] LANGUAGE plpgsql SET enable_seqscan = off SET enable_nestloop = off AS $$
DECLARE
    made bigint[];
BEGIN
    IF cardinality(wanted) = 0 THEN
        RETURN '{}';
    END IF;
    -- What is the same for all jobs of an image, or of an image_arch, is found once, and by its key: these tables hold all that the farm has. What is
    -- joined are lists of this call alone, by hashes.
    IF EXISTS (SELECT FROM unnest(wanted) u WHERE u.image_arch_id IS NULL) THEN
        INSERT INTO farm.spec (body)
        SELECT DISTINCT n.body
          FROM (SELECT (SELECT i.spec FROM farm.image i WHERE i.id = u.image_id) AS body FROM unnest(wanted) u WHERE u.image_arch_id IS NULL) n
         WHERE n.body IS NOT NULL AND farm.spec_id(n.body) IS NULL;
    END IF;
    WITH w AS MATERIALIZED (
        SELECT u.*, coalesce(u.image_arch_id, -u.image_id) AS key FROM unnest(wanted) WITH ORDINALITY u (kind, image_id, image_arch_id, target_site_id, revision_id, because, because_of, ord)
    ), about AS MATERIALIZED (
        SELECT k.key, i.title, a.arch, s.id AS spec_id, s.site, s.priority, s.anywhere
          FROM (SELECT DISTINCT w.key, w.image_id FROM w) k
         CROSS JOIN LATERAL (SELECT i.spec, (SELECT (SELECT p.slug FROM farm.repo p WHERE p.id = r.repo_id) || ':' || i.name || '@' || r.name FROM farm.ref r WHERE r.id = i.ref_id) AS title
                               FROM farm.image i WHERE i.id = k.image_id OFFSET 0) i
          LEFT JOIN LATERAL (SELECT q.arch, q.spec_id FROM farm.image_arch_plan q WHERE q.id = k.key OFFSET 0) a ON true
         CROSS JOIN LATERAL (SELECT q.id, q.site, q.priority, q.anywhere FROM farm.spec q WHERE q.id = CASE WHEN k.key < 0 THEN farm.spec_id(i.spec) ELSE a.spec_id END OFFSET 0) s
    ), site AS MATERIALIZED (
        SELECT n.site AS name, farm.run_site(jsonb_build_object('place', jsonb_build_object('site', n.site))) AS id FROM (SELECT DISTINCT b.site FROM about b) n
    ), made_now AS (
        INSERT INTO farm.job_fixed (kind, image_id, image_arch_id, target_site_id, revision_id, spec_id, because, because_of, run_site_id, needs, priority, forced, title, arch, made_by)
        SELECT w.kind, w.image_id, w.image_arch_id, w.target_site_id, w.revision_id, b.spec_id, w.because, w.because_of, coalesce(w.target_site_id, t.id),
               CASE WHEN b.anywhere THEN '{}' ELSE farm.job_needs(w.kind, (SELECT s.body FROM farm.spec s WHERE s.id = b.spec_id)) END,
               b.priority, add_jobs.forced, b.title, b.arch, (SELECT nullif(farm.acting(), 'scheduler'))
          FROM w
          JOIN about b ON b.key = w.key
          JOIN site t ON t.name = b.site
         ORDER BY w.ord
        RETURNING id, kind, image_arch_id, revision_id
    ), states AS (
        INSERT INTO farm.job_state (id, kind, image_arch_id, serial)
        SELECT m.id, m.kind, m.image_arch_id, (SELECT v.serial FROM farm.revision v WHERE v.id = m.revision_id) FROM made_now m ORDER BY m.id
    )
    SELECT coalesce(array_agg(m.id ORDER BY m.id), '{}') INTO made FROM made_now m;
    RETURN made;
END $$;

-- mirror.sites against names: * ? [a-c] [!a] {a,b}. A pattern that is none matches nothing.
CREATE FUNCTION farm.glob(pattern text, name text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    re text := regexp_replace(pattern, '([.^$+()|\\])', '\\\1', 'g');
BEGIN
    re := replace(replace(replace(re, '*', '.*'), '?', '.'), '[!', '[^');
    IF re ~ '\{' THEN
        re := replace(replace(replace(re, '{', '('), '}', ')'), ',', '|');
    END IF;
    RETURN name ~ ('^' || re || '$');
EXCEPTION WHEN invalid_regular_expression THEN
    RETURN false;
END $$;

-- Brings image_site in line with what the images ask for, and returns what is new.
CREATE FUNCTION farm.match_sites(images bigint[]) RETURNS farm.image_site[] LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    added farm.image_site[];
BEGIN
    WITH pattern AS (
        SELECT i.id AS image_id, e.pattern
          FROM unnest(images) u (id)
         CROSS JOIN LATERAL (SELECT q.id, q.spec FROM farm.image q WHERE q.id = u.id AND q.removed_at IS NULL OFFSET 0) i
         CROSS JOIN jsonb_array_elements_text(coalesce(i.spec->'mirror'->'sites', '[]')) e (pattern)
    ), hit AS (
        SELECT p.pattern, s.id AS site_id
          FROM (SELECT DISTINCT pattern FROM pattern) p, farm.site s
         WHERE s.kind = 'acp' AND s.registry IS NOT NULL AND farm.glob(p.pattern, s.name)
    ), wanted AS MATERIALIZED (
        SELECT DISTINCT p.image_id, h.site_id FROM pattern p JOIN hit h ON h.pattern = p.pattern
    ), had AS MATERIALIZED (
        SELECT t.* FROM unnest(images) u (id) CROSS JOIN LATERAL (SELECT q.id, q.image_id, q.site_id FROM farm.image_site q WHERE q.image_id = u.id OFFSET 0) t
    ), dropped AS (
        DELETE FROM farm.image_site t USING had h WHERE t.id = ANY (ARRAY[h.id]) AND (h.image_id, h.site_id) NOT IN (SELECT w.image_id, w.site_id FROM wanted w)
    ), new AS (
        INSERT INTO farm.image_site (image_id, site_id)
        SELECT w.image_id, w.site_id FROM wanted w
        ON CONFLICT (image_id, site_id) DO NOTHING
        RETURNING image_site
    )
    SELECT coalesce(array_agg(n.image_site), '{}') INTO added FROM new n;
    RETURN added;
END $$;

-- Something to mirror is there, or on its way.
CREATE FUNCTION farm.has_release(image bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM farm.release r WHERE r.image_id = image AND r.state = 'released')
           OR EXISTS (SELECT FROM farm.job j WHERE j.image_id = image AND j.image_arch_id IS NULL AND j.kind = 'publish'
                                              AND j.ended_at IS NULL)
$$;

CREATE FUNCTION farm.is_manual(spec jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(spec->'publish'->>'when', 'tested') <> 'tested'
$$;

-- One job for each of the kinds and each architecture or site of an image, in the order of the chain.
CREATE FUNCTION farm.chain(image_id bigint, kinds text[], revision bigint, because text, because_of text, only_arch bigint DEFAULT NULL, only_site bigint DEFAULT NULL)
RETURNS farm.wanted_job[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT coalesce(array_agg((c.kind, chain.image_id, c.arch, c.site, revision, because, because_of)::farm.wanted_job ORDER BY c.step, c.arch, c.site), '{}')
          FROM (SELECT k.step, k.kind, a.id AS arch, NULL::bigint AS site
                  FROM (VALUES (1, 'build'), (2, 'test')) k (step, kind), farm.image_arch a
                 WHERE a.image_id = chain.image_id AND a.removed_at IS NULL AND (only_arch IS NULL OR a.id = only_arch)
                UNION ALL
                SELECT 3, 'publish', NULL, NULL
                UNION ALL
                SELECT 4, 'mirror', NULL, t.site_id
                  FROM farm.image_site t WHERE t.image_id = chain.image_id AND (only_site IS NULL OR t.site_id = only_site)) c
         WHERE c.kind = ANY (kinds));
END $$;

-- A registry has lost `lost`, which the job was to test, publish, mirror or build on. It counts as never built; the farm parents that it was
-- are made again, and the chain of the job from where it broke up to the job's own kind. What lives already is not doubled.
CREATE FUNCTION farm.digest_gone(lost farm.digest, job_id bigint) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    j farm.job;
    revision bigint;
    wanted farm.wanted_job[];
    parent farm.image_arch;
BEGIN
    SELECT q.* INTO j FROM farm.job q WHERE q.id = job_id;
    SELECT v.id INTO revision FROM farm.image i JOIN farm.ref r ON r.id = i.ref_id JOIN farm.revision v ON v.ref_id = r.id AND v.serial = r.serial
     WHERE i.id = j.image_id;
    FOR parent IN SELECT DISTINCT p.* FROM farm.image_arch a JOIN farm.image_parent e ON e.image_arch_id = a.id JOIN farm.image_arch p ON p.id = e.parent_arch_id
                   WHERE a.image_id = j.image_id AND p.passing_digest = lost AND p.removed_at IS NULL LOOP
        wanted := wanted || farm.chain(parent.image_id, '{build,test}', revision, 'gone', lost::text, parent.id);
    END LOOP;
    wanted := wanted || farm.chain(j.image_id, CASE j.kind WHEN 'build' THEN '{build}' WHEN 'test' THEN '{build,test}' WHEN 'publish' THEN '{build,test,publish}'
                                                           ELSE '{publish,mirror}' END::text[], revision, 'gone', lost::text, j.image_arch_id, j.target_site_id);
    IF j.kind <> 'mirror' THEN
        UPDATE farm.build_result b SET gone_at = now() WHERE b.digest = lost AND b.gone_at IS NULL;
        UPDATE farm.image_arch_state a SET passing_digest = NULL, passing_repository = NULL, passing_serial = NULL WHERE a.passing_digest = lost;
    END IF;
    wanted := ARRAY(SELECT w FROM unnest(wanted) w
                     WHERE NOT EXISTS (SELECT FROM farm.job o
                                        WHERE o.image_id = w.image_id AND o.kind = w.kind AND o.image_arch_id IS NOT DISTINCT FROM w.image_arch_id
                                          AND o.target_site_id IS NOT DISTINCT FROM w.target_site_id AND o.ended_at IS NULL));
    -- The release registry has lost a release: the same digest is published once more, which only a forced job does.
    RETURN farm.add_jobs(ARRAY(SELECT w FROM unnest(wanted) w WHERE j.kind = 'mirror' AND w.kind = 'publish'), nextval('farm.forced'))
           || farm.add_jobs(ARRAY(SELECT w FROM unnest(wanted) w WHERE j.kind <> 'mirror' OR w.kind <> 'publish'), 0);
END $$;

-- A context or a bundle of scripts is lost: the ref is planned again, which uploads it; the job tries again meanwhile.
CREATE FUNCTION farm.artifact_gone(lost farm.digest, image_id bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ref bigint := (SELECT i.ref_id FROM farm.image i WHERE i.id = image_id);
    repo bigint;
BEGIN
    UPDATE farm.artifact a SET gone_at = now() WHERE a.digest = lost AND a.gone_at IS NULL;
    UPDATE farm.ref r SET oid = NULL WHERE r.id = ref RETURNING r.repo_id INTO repo;
    PERFORM farm.wake_repo(repo);
END $$;
