-- 0017_dashboard_farm: what people and programs read about sites, workers, repositories and the farm itself.

CREATE VIEW dashboard.workers AS
    SELECT w.id, w.name::text, s.name::text AS site, w.roles, w.arch, coalesce(w.slots, 0) AS slots,
           (SELECT count(*)::int FROM farm.job_state j WHERE j.worker_id = w.id AND j.state IN ('leased', 'running') AND j.ended_at IS NULL) AS busy,
           CASE WHEN w.revoked_at IS NOT NULL THEN 'revoked' ELSE w.state END AS state, coalesce(w.revoked_at, w.state_since) AS since,
           w.drained, w.capabilities, w.binary_version AS version, w.pressure, w.public_key, w.created_at AS enrolled_at
      FROM farm.worker w JOIN farm.site s ON s.id = w.site_id;

CREATE VIEW dashboard.sites AS
    SELECT s.id, s.name::text, s.kind, s.registry, s.on_partition, s.grace,
           w.workers, w.connected, w.slots, w.busy, q.queued, q.running, p.wanted AS images_wanted, p.present AS images_present
      FROM farm.site s
     CROSS JOIN LATERAL (
          SELECT count(*)::int AS workers, (count(*) FILTER (WHERE o.state <> 'disconnected' AND o.state <> 'never-seen'))::int AS connected,
                 coalesce(sum(o.slots) FILTER (WHERE o.state = 'connected'), 0)::int AS slots, coalesce(sum(o.busy), 0)::int AS busy
            FROM dashboard.workers o WHERE o.site = s.name AND o.state <> 'revoked') w
     CROSS JOIN LATERAL (
          SELECT (count(*) FILTER (WHERE j.state IN ('waiting', 'ready')))::int AS queued, (count(*) FILTER (WHERE j.state IN ('leased', 'running')))::int AS running
            FROM farm.job j WHERE j.run_site_id = s.id AND j.ended_at IS NULL) q
     CROSS JOIN LATERAL (
          SELECT count(*)::int AS wanted, (count(*) FILTER (WHERE r.digest = h.digest))::int AS present
            FROM farm.image_site t
            JOIN farm.image i ON i.id = t.image_id AND i.removed_at IS NULL
            LEFT JOIN LATERAL (SELECT q.digest FROM farm.release q WHERE q.image_id = t.image_id AND q.state = 'released' ORDER BY q.serial DESC LIMIT 1) r ON true
            LEFT JOIN farm.presence h ON h.site_id = t.site_id AND h.image_id = t.image_id
           WHERE t.site_id = s.id) p;

CREATE VIEW dashboard.presence AS
    SELECT t.id, s.name::text AS site, n.title AS name, n.repository, n.ref, n.image,
           CASE WHEN h.digest = r.digest THEN 'Present' WHEN j.state IN ('leased', 'running') THEN 'Mirroring' ELSE 'Absent' END AS state,
           CASE WHEN h.digest = r.digest THEN NULL
                WHEN r.digest IS NULL THEN 'unreleased'
                WHEN j.state = 'failed' THEN 'mirror-failed'
                WHEN j.state IN ('leased', 'running') THEN 'mirror-' || j.state
                WHEN j.state IN ('waiting', 'ready') THEN coalesce(j.reason, 'mirror-' || j.state)
                ELSE 'no-job' END AS reason,
           j.detail, r.digest::text AS wanted, h.digest::text AS digest, coalesce(h.tags, '{}') AS tags, s.registry, j.id AS job, h.verified_at
      FROM farm.image_site t
      JOIN farm.site s ON s.id = t.site_id
      JOIN farm.image i ON i.id = t.image_id AND i.removed_at IS NULL
      JOIN farm.named_image n ON n.image_id = t.image_id
      LEFT JOIN farm.presence h ON h.site_id = t.site_id AND h.image_id = t.image_id
      LEFT JOIN LATERAL (SELECT q.digest FROM farm.release q WHERE q.image_id = t.image_id AND q.state = 'released' ORDER BY q.serial DESC LIMIT 1) r ON true
      LEFT JOIN LATERAL (SELECT q.id, q.state, q.reason, q.detail FROM farm.job q
                          WHERE q.image_id = t.image_id AND q.target_site_id = t.site_id AND q.kind = 'mirror' ORDER BY q.id DESC LIMIT 1) j ON true;

-- A row for each site, architecture and role, also where nothing is wanted, so that a scaler sees 0 and never NULL. A worker is taken to
-- have as many slots as the largest one of that role at the site.
CREATE VIEW dashboard.site_demand AS
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
    )
    SELECT s.name || '/' || a.arch || '/' || r.role AS id, s.name::text AS site, a.arch AS architecture, r.role, coalesce(j.jobs, 0) AS jobs,
           coalesce(ceil(j.jobs::numeric / (SELECT greatest(max(w.slots), 1) FROM farm.worker w WHERE w.site_id = s.id AND r.role = ANY (w.roles) AND w.revoked_at IS NULL)), 0)::int AS workers
      FROM farm.site s
     CROSS JOIN arch a
     CROSS JOIN (VALUES ('build'), ('test'), ('publish'), ('mirror')) r (role)
      LEFT JOIN job j ON j.site_id = s.id AND j.arch = a.arch AND j.role = r.role;

CREATE VIEW dashboard.repositories AS
    SELECT p.id, p.slug::text AS name, p.url, p.refs, p.head, p.poll_every, p.polled_at, p.error, p.error_since, p.failures,
           p.sync_wanted > p.sync_done AS sync_pending,
           (SELECT count(*)::int FROM farm.ref r WHERE r.repo_id = p.id AND r.gone_at IS NULL) AS watched_refs,
           (SELECT r.oid FROM farm.ref r WHERE r.repo_id = p.id AND r.name = p.head AND r.gone_at IS NULL) AS head_revision,
           (SELECT count(*)::int FROM farm.image i JOIN farm.ref r ON r.id = i.ref_id WHERE r.repo_id = p.id AND i.removed_at IS NULL) AS images,
           (SELECT count(*)::int FROM farm.definition_error d JOIN farm.ref r ON r.id = d.ref_id WHERE r.repo_id = p.id AND d.severity = 'error') AS definition_errors,
           p.created_at, p.weight
      FROM farm.repo p WHERE p.removed_at IS NULL;

CREATE VIEW dashboard.definition_errors AS
    SELECT d.id, p.slug::text AS repository, r.name AS ref, v.oid AS revision, d.severity, d.file, d.line, d.col AS "column", d.code, d.message, d.hint
      FROM farm.definition_error d
      JOIN farm.ref r ON r.id = d.ref_id
      JOIN farm.repo p ON p.id = r.repo_id
      JOIN farm.revision v ON v.id = d.revision_id;

CREATE VIEW dashboard.commands AS
    SELECT c.id, c.verb, c.args, c.who, c.source, c.at, c.state, c.outcome, c.message, c.ended_at FROM farm.command c;

CREATE VIEW dashboard.quarantine AS
    SELECT q.id, q.at, q.what, q.object, q.error FROM farm.quarantine q;

CREATE VIEW dashboard.settings AS
    SELECT s.name AS id, s.name, s.value FROM farm.setting s;

CREATE VIEW dashboard.leader AS
    SELECT l.term AS id, l.term, l.holder, l.renewed_at, extract(epoch FROM clock_timestamp() - l.renewed_at)::float8 AS seconds_ago,
           (SELECT max(m.version) FROM farm.migration m) AS schema_version
      FROM farm.leader l;
