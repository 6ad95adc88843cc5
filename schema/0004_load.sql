-- 0004_load: what a leader reads after a take-over, and rows that changed later. No locks, no term.

CREATE FUNCTION farm.load_sites()
RETURNS TABLE (id bigint, name text, hub boolean, continue_on_partition boolean, grace_us bigint) LANGUAGE sql STABLE AS $$
    SELECT s.id, s.name, s.kind = 'hub', s.on_partition = 'continue', (extract(epoch FROM s.grace) * 1000000)::bigint
      FROM farm.site s ORDER BY s.id
$$;

CREATE FUNCTION farm.load_workers()
RETURNS TABLE (id bigint, name text, site_id bigint, roles text[], public_key text, drained boolean, revoked boolean) LANGUAGE sql STABLE AS $$
    SELECT w.id, w.name, w.site_id, w.roles, w.public_key, w.drained, w.revoked_at IS NOT NULL
      FROM farm.worker w ORDER BY w.id
$$;

CREATE VIEW farm.named_image AS
    SELECT i.id AS image_id, r.id AS ref_id, p.id AS repo_id, p.slug AS repository, r.name AS ref, i.name::text AS image,
           p.slug || ':' || i.name || '@' || r.name AS title
      FROM farm.image i JOIN farm.ref r ON r.id = i.ref_id JOIN farm.repo p ON p.id = r.repo_id;

-- repo:name@ref, as people write it.
CREATE FUNCTION farm.image_title(image_id bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT p.slug || ':' || i.name || '@' || r.name
          FROM farm.image i JOIN farm.ref r ON r.id = i.ref_id JOIN farm.repo p ON p.id = r.repo_id
         WHERE i.id = image_id);
END $$;

-- kind:repo:name@ref, :arch for build and test, :site for mirror.
CREATE FUNCTION farm.job_title(job_id bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT f.kind || ':' || f.title || coalesce(':' || f.arch, ':' || s.name, '')
          FROM farm.job_fixed f
          LEFT JOIN farm.site s ON s.id = f.target_site_id
         WHERE f.id = job_id);
END $$;

CREATE FUNCTION farm.current_images() RETURNS bigint[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(c.id), '{}') FROM (
        SELECT a.id FROM farm.image_arch a JOIN farm.image i ON i.id = a.image_id WHERE a.removed_at IS NULL AND i.removed_at IS NULL
        UNION
        SELECT a.id FROM farm.job j JOIN farm.image_arch a ON a.image_id = j.image_id
         WHERE j.ended_at IS NULL AND (a.id = j.image_arch_id OR (j.image_arch_id IS NULL AND a.removed_at IS NULL))) c
$$;

-- ids NULL: all that are wanted, and all that a job lives of.
CREATE FUNCTION farm.load_images(ids bigint[])
RETURNS TABLE (id bigint, image_id bigint, name text, repo_id bigint, arch text, recipe text, tests_key text, passing_digest text,
               passing_repository text, parents bigint[], bases bigint[], removed boolean, barred boolean, repo_weight int, build_ms int, test_ms int) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    asked constant bigint[] := coalesce(ids, farm.current_images());
BEGIN
    RETURN QUERY
    SELECT m.* FROM (SELECT DISTINCT unnest(asked)) q (id)
     CROSS JOIN LATERAL (
        SELECT a.id, i.id, p.slug || ':' || i.name || '@' || r.name, p.id, a.arch, a.recipe::text, a.tests_key::text, a.passing_digest::text, a.passing_repository,
               ARRAY(SELECT e.parent_arch_id FROM farm.image_parent e WHERE e.image_arch_id = a.id ORDER BY 1),
               ARRAY(SELECT e.base_id FROM farm.image_base e WHERE e.image_arch_id = a.id ORDER BY 1),
               a.removed_at IS NOT NULL OR i.removed_at IS NOT NULL, coalesce(i.spec->'publish'->>'when' = 'never', false),
               p.weight, coalesce(t.build, 0), coalesce(t.test, 0)
          FROM farm.image_arch a
          JOIN farm.image i ON i.id = a.image_id
          JOIN farm.ref r ON r.id = i.ref_id
          JOIN farm.repo p ON p.id = r.repo_id
         CROSS JOIN LATERAL (       -- what the last three of each took, once one has passed; the brain goes on from there
              SELECT avg(n.ms) FILTER (WHERE n.kind = 'build')::int AS build, avg(n.ms) FILTER (WHERE n.kind = 'test')::int AS test
                FROM (VALUES ('build'), ('test')) k (kind)
               CROSS JOIN LATERAL (SELECT k.kind, least(extract(epoch FROM s.finished_at - coalesce(s.started_at, s.leased_at)) * 1000, 2000000000) AS ms
                                     FROM farm.job_fixed f JOIN farm.job_state s ON s.id = f.id
                                    WHERE f.image_arch_id = a.id AND f.kind = k.kind AND s.outcome = 'succeeded' ORDER BY f.id DESC LIMIT 3) n
               WHERE a.passing_digest IS NOT NULL) t
         WHERE a.id = q.id OFFSET 0) m
     ORDER BY q.id;
END $$;

CREATE FUNCTION farm.load_bases()
RETURNS TABLE (id bigint, reference text, arch text, digest text, error text) LANGUAGE sql STABLE AS $$
    SELECT b.id, b.reference, b.arch, b.digest, b.error
      FROM farm.base b
     WHERE EXISTS (SELECT FROM farm.image_base e JOIN farm.image_arch a ON a.id = e.image_arch_id JOIN farm.image i ON i.id = a.image_id
                    WHERE e.base_id = b.id AND a.removed_at IS NULL AND i.removed_at IS NULL)
     ORDER BY b.id
$$;

-- The newest job of each (image, kind, arch, target site) that is wanted, and all that live. One index probe each, whatever the
-- length of the history.
CREATE FUNCTION farm.current_jobs() RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    SELECT j.id FROM farm.job j WHERE j.ended_at IS NULL
    UNION
    SELECT n.id
      FROM farm.image i
      JOIN farm.image_arch a ON a.image_id = i.id AND a.removed_at IS NULL
     CROSS JOIN (VALUES ('build'), ('test')) k (kind)
     CROSS JOIN LATERAL (SELECT j.id FROM farm.job j WHERE j.image_arch_id = a.id AND j.kind = k.kind ORDER BY j.id DESC LIMIT 1) n
     WHERE i.removed_at IS NULL
    UNION
    SELECT n.id
      FROM farm.image i
     CROSS JOIN LATERAL (SELECT j.id FROM farm.job j WHERE j.image_id = i.id AND j.image_arch_id IS NULL AND j.kind = 'publish' ORDER BY j.id DESC LIMIT 1) n
     WHERE i.removed_at IS NULL
    UNION
    SELECT n.id
      FROM farm.image i
      JOIN farm.image_site t ON t.image_id = i.id
     CROSS JOIN LATERAL (SELECT j.id FROM farm.job j WHERE j.image_id = i.id AND j.target_site_id = t.site_id AND j.kind = 'mirror' ORDER BY j.id DESC LIMIT 1) n
     WHERE i.removed_at IS NULL
$$;

-- A job as the brain knows it. Its reason is what its row says, not what is read off its state where that says nothing (farm.job).
CREATE VIEW farm.job_row AS
    SELECT f.id, f.kind, f.image_id, f.image_arch_id,
           CASE WHEN f.image_arch_id IS NOT NULL THEN ARRAY[f.image_arch_id]
                ELSE ARRAY(SELECT a.id FROM farm.image_arch_plan a WHERE a.image_id = f.image_id AND a.removed_at IS NULL ORDER BY 1) END AS image_archs,
           f.target_site_id, f.run_site_id, s.serial AS revision_serial, s.state,
           CASE WHEN s.state = 'ready' AND s.reason IS NULL THEN (SELECT b.reason FROM farm.bucket b WHERE b.id = s.bucket) ELSE s.reason END AS reason,
           f.because, f.forced, f.needs, f.priority, farm.us(s.not_before) AS not_before_us, farm.us(s.ready_at) AS ready_at_us, s.attempts, s.losses, s.digest::text AS digest, s.fail_class,
           CASE WHEN l.live THEN s.attempt_id END AS attempt_id, CASE WHEN l.live THEN s.worker_id END AS worker_id, CASE WHEN l.live THEN s.boot_id END AS boot_id,
           l.live AND s.started_at IS NOT NULL AS started,
           CASE WHEN f.kind = 'test' AND s.attempts > 0 THEN coalesce(s.outcome = 'failed' AND s.class <> 'infra', false) OR farm.failed_before(f.id) ELSE false END AS rerun,
           farm.us(f.created_at) AS created_at_us, CASE WHEN f.kind = 'test' THEN (SELECT p.guest_mib FROM farm.spec p WHERE p.id = f.spec_id) ELSE 0 END AS memory_mib
      FROM farm.job_fixed f
      JOIN farm.job_state s ON s.id = f.id
     CROSS JOIN LATERAL (SELECT s.state IN ('leased', 'running') AS live) l;

-- NULL: the current ones.
CREATE FUNCTION farm.load_jobs(ids bigint[]) RETURNS SETOF farm.job_row LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY
    SELECT j.* FROM (SELECT DISTINCT unnest(coalesce(ids, ARRAY(SELECT farm.current_jobs()))) AS id) q
     CROSS JOIN LATERAL (SELECT r.* FROM farm.job_row r WHERE r.id = q.id OFFSET 0) j ORDER BY q.id;
END $$;
