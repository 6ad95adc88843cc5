-- 0016_dashboard: what people and programs read about images and jobs. README.md documents every column.
--
-- Additive only; a breaking change is dashboard_v2. Cheap by construction: the newest job of a slot is one index probe, nothing scans
-- the history. Views call no function of farm, since their readers may not.

CREATE VIEW farm.named_job AS
    SELECT j.id AS job_id, n.repository, n.ref, n.title, a.arch, s.name::text AS site,
           j.kind || ':' || n.title || coalesce(':' || a.arch, ':' || s.name, '') AS name
      FROM farm.job j
      JOIN farm.named_image n ON n.image_id = j.image_id
      LEFT JOIN farm.image_arch a ON a.id = j.image_arch_id
      LEFT JOIN farm.site s ON s.id = j.target_site_id;

-- The job that decides how far an image is: the first of build, test, publish that is neither through nor out of the way.
CREATE VIEW farm.image_progress AS
    SELECT a.id AS image_arch_id, b.digest AS built, b.state AS build_state, t.id AS test_job, c.*
      FROM farm.image_arch a
      LEFT JOIN LATERAL (SELECT j.id, j.digest, j.state FROM farm.job j WHERE j.image_arch_id = a.id AND j.kind = 'build' ORDER BY j.id DESC LIMIT 1) b ON true
      LEFT JOIN LATERAL (SELECT j.id FROM farm.job j WHERE j.image_arch_id = a.id AND j.kind = 'test' ORDER BY j.id DESC LIMIT 1) t ON true
      LEFT JOIN LATERAL (SELECT j.id FROM farm.job j WHERE j.image_id = a.image_id AND j.image_arch_id IS NULL AND j.kind = 'publish' ORDER BY j.id DESC LIMIT 1) p ON true
      LEFT JOIN LATERAL (
          SELECT j.id AS job_id, j.kind, j.state, j.reason, j.detail, j.reason_since, j.fail_class
            FROM farm.job j
           WHERE j.id IN (b.id, t.id, p.id) AND j.state NOT IN ('succeeded', 'skipped', 'superseded')
           ORDER BY CASE j.kind WHEN 'build' THEN 1 WHEN 'test' THEN 2 ELSE 3 END LIMIT 1) c ON true
     WHERE a.removed_at IS NULL;

CREATE VIEW dashboard.images AS
    SELECT a.id, n.title AS name, n.repository, n.ref, n.image, a.arch,
           w.desired::text, r.digest::text AS released, s.state,
           CASE WHEN i.broken_at IS NOT NULL THEN 'definition'
                WHEN g.reason = 'quarantined' THEN 'quarantined'
                WHEN g.state = 'failed' AND a.breaker_since IS NOT NULL THEN 'breaker'
                WHEN g.state = 'failed' THEN g.kind || '-failed'
                WHEN g.state = 'cancelled' THEN 'cancelled'
                WHEN g.state IN ('waiting', 'ready') THEN coalesce(g.reason, g.kind || '-' || g.state)
                WHEN g.state IS NOT NULL THEN g.kind || '-' || g.state
                WHEN s.state = 'OutOfSync' AND i.spec->'publish'->>'when' = 'manual' THEN 'manual'
                WHEN s.state = 'OutOfSync' AND i.spec->'publish'->>'when' = 'never' THEN 'policy'
                WHEN s.state = 'OutOfSync' THEN 'unreleased' END AS reason,
           CASE WHEN i.broken_at IS NOT NULL THEN e.detail
                WHEN g.state = 'failed' AND a.breaker_since IS NOT NULL
                THEN format('%s failures in a row: no automatic rebuilds until a commit or `bootfarm job retry`', a.failures) || coalesce('; held back: ' || a.held, '')
                WHEN g.state IS NULL AND s.state = 'OutOfSync' AND i.spec->'publish'->>'when' = 'never' THEN 'not released: ' || (i.spec->'publish'->>'why')
                ELSE g.detail END AS detail,
           coalesce(i.broken_at, g.reason_since, r.released_at) AS since,
           CASE WHEN g.state IN ('failed', 'cancelled') THEN 'stopped'
                WHEN g.state = 'waiting' THEN 'seen'
                WHEN g.state = 'ready' THEN 'queued'
                WHEN g.state IS NOT NULL THEN 'running'
                WHEN s.state <> 'Synced' THEN 'seen'
                WHEN m.present < m.wanted THEN 'released'
                ELSE 'mirrored' END AS phase,
           v.oid AS revision, v.serial AS revision_serial, rv.oid AS released_revision, coalesce(r.tags, '{}') AS tags, r.released_at,
           g.job_id AS job, g.kind AS job_kind, f.step AS failing_step, f.message AS failing_message, f.code AS failing_code, g.fail_class AS failing_class,
           l.id AS log_attempt, m.wanted AS sites_wanted, m.present AS sites_present, i.spec->>'file' AS file, a.recipe::text AS recipe,
           coalesce(i.spec->'matrix', '{}') AS matrix
      FROM farm.image_arch a
      JOIN farm.image i ON i.id = a.image_id
      JOIN farm.named_image n ON n.image_id = i.id
      JOIN farm.revision v ON v.id = i.revision_id
      JOIN farm.image_progress g ON g.image_arch_id = a.id
      LEFT JOIN LATERAL (SELECT q.* FROM farm.release q WHERE q.image_id = i.id AND q.state = 'released' ORDER BY q.serial DESC LIMIT 1) r ON true
      LEFT JOIN farm.revision rv ON rv.id = r.revision_id
     CROSS JOIN LATERAL (SELECT CASE WHEN g.build_state IN ('succeeded', 'skipped') THEN g.built END AS desired) w
     CROSS JOIN LATERAL (
          SELECT CASE WHEN i.broken_at IS NOT NULL OR g.state = 'failed' OR g.reason IN ('blocked', 'quarantined') THEN 'Degraded'
                      WHEN g.state = 'cancelled' THEN 'OutOfSync'
                      WHEN g.state IS NOT NULL THEN 'Progressing'
                      WHEN r.digest = w.desired THEN 'Synced'
                      ELSE 'OutOfSync' END AS state) s
     CROSS JOIN LATERAL (
          SELECT count(*)::int AS wanted, (count(*) FILTER (WHERE p.digest = r.digest))::int AS present
            FROM farm.image_site t LEFT JOIN farm.presence p ON p.site_id = t.site_id AND p.image_id = t.image_id WHERE t.image_id = i.id) m
      LEFT JOIN LATERAL (SELECT t.step, t.message, t.code FROM farm.attempt t WHERE t.job_id = g.job_id AND g.state = 'failed' ORDER BY t.number DESC LIMIT 1) f ON true
      LEFT JOIN LATERAL (SELECT t.id FROM farm.attempt t WHERE t.job_id = coalesce(g.job_id, g.test_job) ORDER BY t.number DESC LIMIT 1) l ON true
      LEFT JOIN LATERAL (
          SELECT concat_ws(':', d.file, nullif(d.line, 0), nullif(d.col, 0)) || ': ' || d.message AS detail
            FROM farm.definition_error d
           WHERE d.ref_id = n.ref_id AND d.severity = 'error' AND i.broken_at IS NOT NULL
           ORDER BY i.name = ANY (d.images) DESC NULLS LAST, d.file = i.spec->>'file' DESC NULLS LAST, regexp_replace(d.file, '[^/]*$', '') = regexp_replace(i.spec->>'file', '[^/]*$', '') DESC NULLS LAST, d.id
           LIMIT 1) e ON true
     WHERE a.removed_at IS NULL AND i.removed_at IS NULL;

CREATE VIEW dashboard.jobs AS
    SELECT j.id, n.name, j.kind, n.repository, n.ref, n.title AS image, n.arch, n.site, j.state, j.reason, j.detail, j.because, j.because_of,
           v.oid AS revision, v.serial AS revision_serial, j.attempts, j.losses, j.forced > 0 AS forced, j.priority, j.needs, s.name::text AS run_site,
           t.id AS attempt, w.name::text AS worker, CASE WHEN t.ended_at IS NULL THEN t.phase END AS phase,
           j.fail_class, t.code, t.step, t.message, j.digest::text, j.input_key::text,
           j.created_at, j.ready_at, t.leased_at, t.started_at, j.ended_at, j.not_before, j.reason_since
      FROM farm.job j
      JOIN farm.named_job n ON n.job_id = j.id
      JOIN farm.revision v ON v.id = j.revision_id
      LEFT JOIN farm.site s ON s.id = j.run_site_id
      LEFT JOIN LATERAL (SELECT q.* FROM farm.attempt q WHERE q.job_id = j.id ORDER BY q.number DESC LIMIT 1) t ON true
      LEFT JOIN farm.worker w ON w.id = t.worker_id;

CREATE VIEW dashboard.attempts AS
    SELECT t.id, t.job_id, n.name AS job, t.number, w.name::text AS worker, s.name::text AS site, t.phase, t.outcome, t.fail_class, t.code, t.step, t.message,
           t.digest::text, t.size, t.detail, t.leased_at, t.started_at, t.ended_at,
           coalesce(l.length, (SELECT c.byte_offset + c.raw_bytes FROM farm.log_chunk c WHERE c.day = (t.leased_at AT TIME ZONE 'UTC')::date AND c.attempt_id = t.id ORDER BY c.byte_offset DESC LIMIT 1), 0) AS log_length,
           l.attempt_id IS NOT NULL AS log_sealed, coalesce(l.truncated, false) AS log_truncated
      FROM farm.attempt t
      JOIN farm.named_job n ON n.job_id = t.job_id
      JOIN farm.worker w ON w.id = t.worker_id
      JOIN farm.site s ON s.id = w.site_id
      LEFT JOIN farm.log_seal l ON l.attempt_id = t.id;

CREATE VIEW dashboard.queue AS
    SELECT j.id, n.name, j.kind, n.repository, n.ref, n.title AS image, n.arch, n.site, s.name::text AS run_site, j.state,
           coalesce(j.reason, CASE j.state WHEN 'waiting' THEN 'parent' ELSE 'worker' END) AS reason, j.detail, j.reason_since AS since,
           j.because, j.because_of, j.needs, j.priority, j.attempts, j.not_before, j.created_at, j.ready_at
      FROM farm.job j
      JOIN farm.named_job n ON n.job_id = j.id
      LEFT JOIN farm.site s ON s.id = j.run_site_id
     WHERE j.state IN ('waiting', 'ready') AND j.ended_at IS NULL;

CREATE VIEW dashboard.events AS
    SELECT e.seq AS id, e.at, e.job_id, n.name AS job, n.title AS image, e.attempt_id AS attempt, e.actor, e.via, e.ats, e.detail
      FROM farm.event e LEFT JOIN farm.named_job n ON n.job_id = e.job_id;

CREATE VIEW dashboard.releases AS
    SELECT r.id, n.title AS name, n.repository, n.ref, n.image, r.serial, r.build, r.state, v.oid AS revision, r.digest::text, r.repository AS reference, r.tags,
           r.job_id AS job, r.created_at, r.released_at,
           r.state = 'released' AND r.serial = (SELECT max(o.serial) FROM farm.release o WHERE o.image_id = r.image_id AND o.state = 'released') AS current
      FROM farm.release r
      JOIN farm.named_image n ON n.image_id = r.image_id
      JOIN farm.revision v ON v.id = r.revision_id;
