-- 0025_scale: how many attempts a worker gets and how many workers a site wants, as operators say.

-- A worker takes as many attempts as it says, or as operators say where that is less. Nothing that runs is ended by it.
ALTER TABLE farm.worker ADD COLUMN slots_wanted int CHECK (slots_wanted BETWEEN 1 AND 1024);

-- For each architecture and role of the site. What is set by hand stands above what the jobs want; the bounds stand above both.
ALTER TABLE farm.site
    ADD COLUMN scale_min    int NOT NULL DEFAULT 0 CHECK (scale_min BETWEEN 0 AND 10000),
    ADD COLUMN scale_max    int CHECK (scale_max BETWEEN 0 AND 10000),
    ADD COLUMN scale_manual int CHECK (scale_manual BETWEEN 0 AND 10000),
    ADD CONSTRAINT scale_bounds CHECK (scale_min <= scale_max);

DROP FUNCTION farm.load_workers();
CREATE FUNCTION farm.load_workers()
RETURNS TABLE (id bigint, name text, site_id bigint, roles text[], public_key text, drained boolean, revoked boolean, slots_wanted int) LANGUAGE sql STABLE AS $$
    SELECT w.id, w.name, w.site_id, w.roles, w.public_key, w.drained, w.revoked_at IS NOT NULL, coalesce(w.slots_wanted, 0)
      FROM farm.worker w ORDER BY w.id
$$;

-- Another number where a row of load_workers is another: who looks often asks for it first.
CREATE FUNCTION farm.workers_mark() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce(bit_xor(hashtextextended(w::text, 0)), 0) FROM farm.load_workers() w
$$;
SELECT farm.open_functions('bootfarm_scheduler', ARRAY['farm.load_workers', 'farm.workers_mark']);

INSERT INTO farm.command_arg (verb, arg, kind, required) VALUES
    ('worker_set', 'name', 'worker', true), ('worker_set', 'slots', 'text', true),
    ('site_scale', 'name', 'site', true), ('site_scale', 'workers', 'text', false), ('site_scale', 'min', 'text', false), ('site_scale', 'max', 'text', false);

-- A number in the bounds, or NULL for the word that lifts it.
CREATE FUNCTION farm.number_or(what text, written text, word text, lowest int, highest int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF written = word THEN
        RETURN NULL;
    ELSIF written ~ '^[0-9]{1,5}$' AND written::int BETWEEN lowest AND highest THEN
        RETURN written::int;
    END IF;
    PERFORM farm.bad_argument(format('%s must be a number from %s to %s, or %s, and is not: %s', what, lowest, highest, word, left(written, 100)));
    RETURN NULL;
END $$;

CREATE FUNCTION farm.apply_worker_set(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    said int;
    wanted constant int := farm.number_or('slots', args->>'slots', 'auto', 1, 1024);
BEGIN
    UPDATE farm.worker w SET slots_wanted = wanted WHERE w.id = (args->>'worker_id')::bigint RETURNING w.slots INTO said;
    PERFORM pg_notify('farm_change', 'workers');
    RETURN jsonb_build_object('worker_id', args->'worker_id', 'slots', least(said, wanted));
END $$;

CREATE FUNCTION farm.apply_site_scale(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    s farm.site;
BEGIN
    SELECT q.* INTO s FROM farm.site q WHERE q.id = (args->>'site_id')::bigint FOR UPDATE;
    IF args ? 'workers' THEN
        s.scale_manual := farm.number_or('workers', args->>'workers', 'auto', 0, 10000);
    END IF;
    IF args ? 'min' THEN
        s.scale_min := coalesce(farm.number_or('min', args->>'min', 'none', 0, 10000), 0);
    END IF;
    IF args ? 'max' THEN
        s.scale_max := farm.number_or('max', args->>'max', 'none', 0, 10000);
    END IF;
    IF s.scale_min > s.scale_max THEN
        PERFORM farm.bad_argument(format('the minimum of %s would be %s, above the maximum of %s', s.name, s.scale_min, s.scale_max));
    END IF;
    UPDATE farm.site q SET scale_min = s.scale_min, scale_max = s.scale_max, scale_manual = s.scale_manual WHERE q.id = s.id;
    PERFORM pg_notify('farm_change', 'sites');
    RETURN jsonb_build_object('min', s.scale_min, 'max', s.scale_max, 'workers', s.scale_manual);
END $$;

CREATE OR REPLACE VIEW dashboard.workers AS
    SELECT w.id, w.name::text, s.name::text AS site, w.roles, w.arch, coalesce(least(w.slots, CASE WHEN w.slots IS NOT NULL THEN w.slots_wanted END), 0) AS slots,
           (SELECT count(*)::int FROM farm.job_state j WHERE j.worker_id = w.id AND j.state IN ('leased', 'running') AND j.ended_at IS NULL) AS busy,
           CASE WHEN w.revoked_at IS NOT NULL THEN 'revoked' ELSE w.state END AS state, coalesce(w.revoked_at, w.state_since) AS since,
           w.drained, w.capabilities, w.binary_version AS version, w.pressure, w.public_key, w.created_at AS enrolled_at,
           coalesce(w.slots, 0) AS slots_said, w.slots_wanted
      FROM farm.worker w JOIN farm.site s ON s.id = w.site_id;

-- The view that people read is made of the older one, whose text stays where it is.
ALTER VIEW dashboard.sites SET SCHEMA farm;
ALTER VIEW farm.sites RENAME TO site_counts;
CREATE VIEW dashboard.sites AS
    SELECT c.*, s.scale_min, s.scale_max, s.scale_manual FROM farm.site_counts c JOIN farm.site s ON s.id = c.id;
REVOKE ALL ON farm.site_counts FROM bootfarm_scheduler, bootfarm_api, bootfarm_dashboard;
GRANT SELECT ON dashboard.sites TO bootfarm_scheduler, bootfarm_api, bootfarm_dashboard;

-- What KEDA's PostgreSQL scaler reads, a row for each of its targets: `SELECT workers FROM dashboard.site_demand WHERE id = 'hub/amd64/build'`.
-- A number in every row, also where nothing is wanted, so that a scaler sees 0 and never NULL. A worker is taken to have as many slots as
-- the largest one of that role at the site.
CREATE OR REPLACE VIEW dashboard.site_demand AS
    WITH arch AS (
        SELECT DISTINCT a.arch FROM farm.image_arch a WHERE a.removed_at IS NULL
        UNION SELECT w.arch FROM farm.worker w WHERE w.arch IS NOT NULL AND w.revoked_at IS NULL
        UNION SELECT coalesce((SELECT s.value FROM farm.setting s WHERE s.name = 'arch'), 'amd64')
    ), hub AS (
        SELECT s.id FROM farm.site s ORDER BY s.kind = 'hub' DESC, s.id LIMIT 1
    ), job AS (
        SELECT coalesce(j.run_site_id, (SELECT h.id FROM hub h)) AS site_id, j.kind AS role,
               coalesce(a.arch, (SELECT s.value FROM farm.setting s WHERE s.name = 'arch'), 'amd64') AS arch, count(*)::int AS jobs
          FROM farm.job j LEFT JOIN farm.image_arch a ON a.id = j.image_arch_id
         WHERE j.state IN ('ready', 'leased', 'running') AND j.ended_at IS NULL
         GROUP BY 1, 2, 3
    ), demand AS (
        SELECT s.id AS site_id, s.name::text AS site, a.arch, r.role, coalesce(j.jobs, 0) AS jobs,
               coalesce(ceil(j.jobs::numeric / (SELECT greatest(max(least(w.slots, w.slots_wanted)) FILTER (WHERE w.slots IS NOT NULL), 1)
                                                  FROM farm.worker w WHERE w.site_id = s.id AND w.arch = a.arch AND r.role = ANY (w.roles) AND w.revoked_at IS NULL)), 0)::int AS workers
          FROM farm.site s
         CROSS JOIN arch a
         CROSS JOIN (VALUES ('build'), ('test'), ('publish'), ('mirror')) r (role)
          LEFT JOIN job j ON j.site_id = s.id AND j.arch = a.arch AND j.role = r.role
    )
    SELECT d.site || '/' || d.arch || '/' || d.role AS id, d.site, d.arch AS architecture, d.role, d.jobs,
           least(greatest(coalesce(s.scale_manual, d.workers), s.scale_min), coalesce(s.scale_max, 10000)) AS workers,
           d.workers AS workers_for_jobs, s.scale_manual IS NOT NULL AS manual
      FROM demand d JOIN farm.site s ON s.id = d.site_id;
