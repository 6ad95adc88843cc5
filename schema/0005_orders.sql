-- 0005_orders: the work order of an attempt (worker/README.md), composed from the job's own spec, its pins, artifacts and settings.
--
-- All of it is fixed when the job becomes ready (spec_id, pins) or leased (the release row), so an order that is asked for again after
-- a restart is the order that was sent, whatever was planned in between.

-- What must not be NULL here; the message says what is missing.
CREATE FUNCTION farm.must(value text, what text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF value IS NULL THEN
        RAISE EXCEPTION '%', what USING ERRCODE = 'not_null_violation';
    END IF;
    RETURN value;
END $$;

CREATE FUNCTION farm.setting(name text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN farm.must((SELECT s.value FROM farm.setting s WHERE s.name = setting.name), 'the setting ' || setting.name || ' is not set');
END $$;

-- SLUG/NAME of repo:name@ref
CREATE FUNCTION farm.title_path(title text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT split_part(title, ':', 1) || '/' || split_part(split_part(title, ':', 2), '@', 1)
$$;

-- SLUG/NAME
CREATE FUNCTION farm.image_path(image_id bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN farm.title_path(farm.image_title(image_id));
END $$;

CREATE FUNCTION farm.release_repository(image_id bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN farm.setting('release_registry') || '/' || farm.image_path(image_id);
END $$;

CREATE FUNCTION farm.site_repository(image_id bigint, site_id bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN farm.must((SELECT s.registry FROM farm.site s WHERE s.id = site_id), 'the site has no registry') || '/' || farm.image_path(image_id);
END $$;

-- HOST/REPO of a reference, without its tag and digest.
CREATE FUNCTION farm.reference_repository(reference text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(regexp_replace(reference, '@.*$', ''), ':[^/:]*$', '')
$$;

CREATE FUNCTION farm.artifact_ref(artifact text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF artifact IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN (
        SELECT CASE WHEN artifact IS NOT NULL THEN farm.must(
                   (SELECT jsonb_build_object('ref', a.repository || '@' || a.digest, 'size', a.size)::text FROM farm.artifact a WHERE a.key = artifact),
                   'the artifact ' || artifact || ' is not in the staging registry')::jsonb END);
END $$;

-- HOST/REPO@DIGEST of a pin.
CREATE FUNCTION farm.pin_image(pins jsonb, pin text, reference text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (
        SELECT coalesce(pins->pin->>'repository', CASE WHEN pin LIKE 'base:%' THEN farm.reference_repository(reference) END)
               || '@' || farm.must(pins->pin->>'digest', 'no digest was pinned for ' || reference));
END $$;

-- Everything that a build pulls: farm parents (by their name in the same ref), then external bases. An external that was pinned as an
-- image is one of another ref (0020).
CREATE FUNCTION farm.build_pins(image_id bigint, spec jsonb, pins jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        WITH used AS (
            SELECT 1 AS kind, e.ord, e.value, 'image:' || pa.id AS pin
              FROM jsonb_array_elements(spec->'parents') WITH ORDINALITY e (value, ord)
              JOIN farm.image me ON me.id = build_pins.image_id
              LEFT JOIN farm.image p ON p.ref_id = me.ref_id AND p.name = e.value->>'image'
              LEFT JOIN farm.image_arch pa ON pa.image_id = p.id AND pa.arch = e.value->>'arch'
            UNION ALL
            SELECT 2, e.ord, e.value,
                   CASE WHEN pins ? ('base:' || b.id) THEN 'base:' || b.id
                        ELSE coalesce((SELECT min('image:' || p.id)
                                         FROM farm.provided v JOIN farm.image_arch p ON p.image_id = v.image_id AND p.arch = e.value->>'arch'
                                        WHERE v.reference = e.value->>'ref' AND pins ? ('image:' || p.id)), 'base:' || b.id) END
              FROM jsonb_array_elements(spec->'externals') WITH ORDINALITY e (value, ord)
              LEFT JOIN farm.base b ON b.reference = e.value->>'ref' AND b.arch = e.value->>'arch'
        )
        SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'written', u.value->'written', 'ref', u.value->'ref', 'use', u.value->'use',
                   'image', farm.pin_image(pins, farm.must(u.pin, (u.value->>'ref') || ' is not known'), u.value->>'ref')) ORDER BY u.kind, u.ord), '[]')
          FROM used u);
END $$;

CREATE FUNCTION farm.build_order(j farm.job, spec jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'context', farm.artifact_ref(spec->>'context_key'), 'containerfile', spec->'containerfile', 'target', b.build->'target', 'args', b.build->'args',
            'pins', farm.build_pins(j.image_id, spec, j.pins), 'push', j.repository,
            'cache', CASE WHEN coalesce((b.build->>'cache')::boolean, true)
                          THEN farm.setting('staging_registry') || CASE WHEN (SELECT r.trusted FROM farm.image i JOIN farm.ref r ON r.id = i.ref_id WHERE i.id = j.image_id) THEN '/cache/' ELSE '/cache-untrusted/' END || split_part(farm.image_path(j.image_id), '/', 1) END,
            'contexts', coalesce(b.build->'contexts', '{}'),
            'network', b.build->'network', 'memory', b.build->'memory', 'cpus', b.build->'cpus', 'secrets', coalesce(b.build->'secrets', '[]'),
            'timestamp', coalesce(b.build->'timestamp', '0'), 'no_cache', j.forced > 0,
            'timeout_ms', b.build->'timeout_ms', 'silence_ms', b.build->'silence_ms')
          FROM (SELECT spec->'build' AS build) b);
END $$;

-- The farm parent whose layers begin the image's, which the plan marks `final`; none where that is an external base.
CREATE FUNCTION farm.layer_parents(result farm.digest) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        WITH built AS (
            SELECT j.pins, s.body AS spec, i.ref_id
              FROM farm.job j
              JOIN farm.image i ON i.id = j.image_id
              JOIN farm.spec s ON s.id = j.spec_id
             WHERE j.digest = result AND j.kind = 'build' AND j.state = 'succeeded' AND j.ended_at IS NOT NULL
             ORDER BY j.id DESC LIMIT 1
        )
        SELECT coalesce(jsonb_agg((b.pins->('image:' || pa.id)->>'repository') || '@' || (b.pins->('image:' || pa.id)->>'digest')), '[]')
          FROM built b
         CROSS JOIN jsonb_array_elements(b.spec->'parents') e
          JOIN farm.image p ON p.ref_id = b.ref_id AND p.name = e->>'image'
          JOIN farm.image_arch pa ON pa.image_id = p.id AND pa.arch = e->>'arch'
         WHERE (e->>'final')::boolean);
END $$;

CREATE FUNCTION farm.publish_order(j farm.job) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'source', p.source, 'digest', r.digest, 'dest', r.repository, 'tags', to_jsonb(r.tags),
            'fixed_tags', to_jsonb(r.fixed_tags), 'parents', farm.layer_parents(r.digest), 'serial', r.serial,
            'timeout_ms', 1800000, 'silence_ms', 0)
          FROM farm.release r
         CROSS JOIN (SELECT min((v->>'repository') || '@' || (v->>'digest')) AS source FROM jsonb_each(j.pins) e (k, v)) p
         WHERE r.job_id = j.id AND r.state = 'publishing');
END $$;

CREATE FUNCTION farm.mirror_order(j farm.job) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'source', r.repository || '@' || r.digest, 'digest', r.digest, 'dest', j.repository, 'tags', to_jsonb(r.tags),
            'timeout_ms', 21600000, 'silence_ms', 0)
          FROM farm.release r
         WHERE r.id = (j.pins->'release'->>'id')::bigint);
END $$;

-- What is in an order that is not a test's.
CREATE FUNCTION farm.order_of(job bigint) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    j farm.job;
BEGIN
    SELECT q.* INTO j FROM farm.job q WHERE q.id = order_of.job;
    RETURN CASE j.kind WHEN 'build' THEN farm.build_order(j, (SELECT s.body FROM farm.spec s WHERE s.id = j.spec_id))
                       WHEN 'publish' THEN farm.publish_order(j)
                       WHEN 'mirror' THEN farm.mirror_order(j) END;
END $$;

-- The orders of live attempts, each with its job; NULL for one that has ended or was never made. Text is put together, since a jsonb would be built
-- only to be printed; for the same reason a spec has the text of its test ready, and a job its title. Tables and not their views: of all that a claim
-- does this takes the longest.
CREATE FUNCTION farm.work_orders(jobs bigint[], attempts uuid[]) RETURNS TABLE (ord bigint, job bigint, attempt uuid, work text) LANGUAGE sql STABLE AS $$
    SELECT u.ord, u.job, u.attempt,
           CASE WHEN q.id IS NOT NULL THEN
               '{"v":1,"kind":"' || q.kind || '","job":"' || q.kind || ':' || m.title
               || coalesce(':' || f.arch, (SELECT ':' || t.name FROM farm.site t WHERE t.id = f.target_site_id), '') || '","attempt":"' || u.attempt
               || '","image":"' || m.title || '","arch":"'
               || coalesce(f.arch, (SELECT o.arch FROM farm.image_arch o WHERE o.image_id = f.image_id AND o.removed_at IS NULL ORDER BY o.id LIMIT 1), '') || '","input_key":'
               || coalesce('"' || q.input_key || '"', to_json(m.more->>'digest')::text, 'null') || ','
               || CASE WHEN q.kind = 'test' THEN
                      '"source":' || to_json(coalesce(m.source, farm.must(m.source, 'no digest was pinned for the image')))::text
                      || ',"scripts":' || CASE WHEN s.scripts_key IS NULL THEN 'null' ELSE farm.artifact_ref(s.scripts_key)::text END || s.test_order || '}'
                      ELSE substr(farm.must(m.more::text, 'the job has no work order'), 2) END END
      FROM unnest(jobs, attempts) WITH ORDINALITY u (job, attempt, ord)
      LEFT JOIN farm.job_state q ON q.id = u.job AND q.attempt_id = u.attempt AND q.state IN ('leased', 'running')
      LEFT JOIN farm.job_fixed f ON f.id = q.id
      LEFT JOIN farm.spec s ON s.id = f.spec_id
     CROSS JOIN LATERAL (
          SELECT substr(left(to_json(f.title)::text, -1), 2) AS title,
                 (SELECT (e.pin->>'repository') || '@' || (e.pin->>'digest') FROM (SELECT q.pins->('image:' || f.image_arch_id) AS pin OFFSET 0) e) AS source,
                 CASE WHEN q.kind <> 'test' THEN farm.order_of(q.id) END AS more OFFSET 0) m
$$;
