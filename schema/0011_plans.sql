-- 0011_plans: one commit's plan becomes what is wanted, and jobs for what changed.
--
-- stage -> compare with what is stored -> store -> jobs. All set-based: a plan may hold 10,000 images.

CREATE UNLOGGED TABLE farm.plan_stage (
    revision_id     bigint NOT NULL,
    ord             bigint NOT NULL,
    name            farm.image_name NOT NULL,
    arch            text NOT NULL CHECK (arch ~ '^[a-z0-9]+(/[a-z0-9]+)?$'),
    recipe          farm.digest NOT NULL,
    tests_key       farm.digest NOT NULL,
    publish_key     farm.digest NOT NULL,
    spec            jsonb NOT NULL,
    image_id        bigint,
    image_arch_id   bigint,
    recipe_changed  boolean,
    tests_changed   boolean,
    publish_changed boolean,
    row_changed     boolean,                    -- of image_arch: any of it
    because         text,
    because_of      text,
    PRIMARY KEY (revision_id, name, arch)
);

-- Whether a definition error speaks of the image: then a plan without that image does not mean that it is gone.
CREATE FUNCTION farm.error_concerns(error jsonb, name text, spec jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT error->>'image' = name OR error->'images' ? name OR error->'images' = '[]' OR error->>'file' IS NULL OR error->>'file' = 'bootfarm.yaml' OR error->>'file' = spec->>'file'
           OR regexp_replace(error->>'file', '[^/]*$', '') = regexp_replace(spec->>'file', '[^/]*$', '')
$$;

CREATE FUNCTION farm.add_definition_error(ref bigint, revision bigint, severity text, error jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO farm.definition_error (ref_id, revision_id, severity, file, line, col, code, message, hint, images)
    VALUES (ref, revision, severity, error->>'file', (error->>'line')::int, (error->>'column')::int, coalesce(error->>'code', 'error'),
            left(coalesce(error->>'message', 'no message'), 2000), left(error->>'hint', 1000),
            CASE WHEN error ? 'image' THEN ARRAY[error->>'image']
                 WHEN jsonb_typeof(error->'images') = 'array' AND jsonb_array_length(error->'images') <= 1000 THEN ARRAY(SELECT jsonb_array_elements_text(error->'images')) END)
$$;

-- Takes staged images out that cannot be placed: an unknown site, or a parent that neither this plan nor an earlier one has.
-- Returns them as errors.
CREATE FUNCTION farm.reject_staged(ref bigint, revision bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    errors jsonb := '[]';
    more jsonb;
BEGIN
    LOOP
        WITH edge AS MATERIALIZED (
            SELECT s.name, s.arch, s.spec->>'file' AS file, e->>'image' AS parent, e->>'arch' AS parent_arch
              FROM farm.plan_stage s CROSS JOIN jsonb_array_elements(s.spec->'parents') e WHERE s.revision_id = revision AND e->>'image' IS NOT NULL
        ), bad AS (
            SELECT s.name, s.arch, s.spec->>'file' AS file, 'unknown-site' AS code, format('there is no site %s', s.spec->'place'->>'site') AS message,
                   'add it with `bootfarm site add`, or correct `place: {site: …}`' AS hint
              FROM farm.plan_stage s
             WHERE s.revision_id = revision AND s.spec->'place'->>'site' <> 'hub'
               AND NOT EXISTS (SELECT FROM farm.site t WHERE t.name = s.spec->'place'->>'site')
            UNION ALL
            SELECT e.name, e.arch, e.file, 'parent-missing', format('its parent %s has no usable definition', e.parent), 'correct the parent first'
              FROM edge e
             WHERE (e.parent, e.parent_arch) NOT IN (SELECT p.name, p.arch FROM farm.plan_stage p WHERE p.revision_id = revision)
               AND (e.parent, e.parent_arch) NOT IN (SELECT i.name, a.arch FROM farm.image i JOIN farm.image_arch a ON a.image_id = i.id
                                               WHERE i.ref_id = ref AND i.removed_at IS NULL AND a.removed_at IS NULL)
        ), taken AS (
            DELETE FROM farm.plan_stage s USING bad b WHERE s.revision_id = revision AND s.name = b.name AND s.arch = b.arch
        )
        SELECT jsonb_agg(jsonb_build_object('image', b.name, 'file', b.file, 'code', b.code, 'message', b.message, 'hint', b.hint)) INTO more FROM bad b;
        EXIT WHEN more IS NULL;
        errors := errors || more;
    END LOOP;
    RETURN errors;
END $$;

-- What the definition itself says of the build: neither its context's content, nor arguments, nor what cannot change the result.
CREATE FUNCTION farm.definition_part(spec jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT spec - '{onbuild,recipe,plain_recipe,context_key,artifact,tests_key,tests_artifact,scripts_key,publish_key,test,publish,mirror,place,priority,wave,build,provides,rebuild}'::text[]
           || coalesce((spec->'build') - '{args,timeout_ms,silence_ms,memory,cpus,cache}'::text[], '{}')
$$;

CREATE FUNCTION farm.changed_argument(new jsonb, old jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT min(coalesce(n.key, o.key))
      FROM jsonb_each_text(coalesce(new, '{}')) n FULL JOIN jsonb_each_text(coalesce(old, '{}')) o ON o.key = n.key
     WHERE n.value IS DISTINCT FROM o.value
$$;

-- The first reason that applies, and what it names; NULL: nothing changed. Whoever changed by itself never says `parent`.
CREATE FUNCTION farm.why(s farm.plan_stage, fresh boolean, old jsonb, changed_parent text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    argument text;
BEGIN
    IF fresh THEN
        RETURN '{new,NULL}';
    ELSIF s.recipe_changed THEN
        argument := farm.changed_argument(s.spec->'build'->'args', old->'build'->'args');
        RETURN CASE WHEN argument IS NOT NULL THEN ARRAY['argument', argument]
                    WHEN farm.definition_part(s.spec) <> farm.definition_part(old) THEN ARRAY['definition', s.spec->>'file']
                    WHEN s.spec->>'context_key' <> old->>'context_key' THEN ARRAY['context', s.spec->>'context']
                    WHEN changed_parent IS NOT NULL THEN ARRAY['parent', changed_parent]
                    ELSE '{input,NULL}' END;
    END IF;
    RETURN CASE WHEN s.tests_changed THEN '{tests,NULL}'::text[] WHEN s.publish_changed THEN '{publish,NULL}'::text[] END;
END $$;

-- What differs from what is stored, and why.
CREATE FUNCTION farm.compare_staged(ref bigint, revision bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE farm.plan_stage s
       SET image_id = o.image_id, image_arch_id = o.arch_id,
           recipe_changed = o.fresh OR s.recipe <> o.recipe, tests_changed = o.fresh OR s.tests_key <> o.tests_key,
           publish_changed = o.fresh_image OR s.publish_key <> o.publish_key,
           row_changed = o.fresh OR (s.recipe, s.tests_key, s.spec) IS DISTINCT FROM (o.recipe, o.tests_key, o.old_spec)
      FROM (SELECT q.name, q.arch, i.id AS image_id, a.id AS arch_id, a.recipe, a.tests_key, a.spec AS old_spec, i.publish_key,
                   i.id IS NULL OR i.removed_at IS NOT NULL AS fresh_image,
                   i.id IS NULL OR i.removed_at IS NOT NULL OR a.id IS NULL OR a.removed_at IS NOT NULL AS fresh
              FROM farm.plan_stage q
              LEFT JOIN farm.image i ON i.ref_id = ref AND i.name = q.name
              LEFT JOIN farm.image_arch a ON a.image_id = i.id AND a.arch = q.arch
             WHERE q.revision_id = revision) o
     WHERE s.revision_id = revision AND s.name = o.name AND s.arch = o.arch;

    WITH edge AS MATERIALIZED (
        SELECT q.name, q.arch, e->>'image' AS parent, e->>'arch' AS parent_arch FROM farm.plan_stage q CROSS JOIN jsonb_array_elements(q.spec->'parents') e WHERE q.revision_id = revision
    ), parent AS MATERIALIZED (
        SELECT e.name, e.arch, min(e.parent) AS changed
          FROM edge e JOIN farm.plan_stage p ON p.name = e.parent AND p.arch = e.parent_arch
         WHERE p.revision_id = revision AND p.recipe_changed
         GROUP BY e.name, e.arch
    ), reason AS MATERIALIZED (
        SELECT q.name, q.arch, farm.why(q, i.id IS NULL OR i.removed_at IS NOT NULL OR a.id IS NULL OR a.removed_at IS NOT NULL, a.spec, p.changed) AS why
          FROM farm.plan_stage q
          LEFT JOIN farm.image i ON i.id = q.image_id
          LEFT JOIN farm.image_arch a ON a.id = q.image_arch_id
          LEFT JOIN parent p ON p.name = q.name AND p.arch = q.arch
         WHERE q.revision_id = revision
    )
    UPDATE farm.plan_stage s SET because = r.why[1], because_of = r.why[2]
      FROM reason r WHERE s.revision_id = revision AND s.name = r.name AND s.arch = r.arch
$$;

-- Upserts images, architectures, edges and bases; returns the image_archs that are wanted no more. Rows that stay as they are are left
-- alone altogether, since the hot turns need them: ON CONFLICT DO UPDATE would lock even those that its WHERE passes over.
CREATE FUNCTION farm.store_staged(ref bigint, revision bigint, errors jsonb) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    removed bigint[];
BEGIN
    WITH wanted AS MATERIALIZED (
    SELECT DISTINCT ON (s.name) s.name, s.publish_key, bool_or(s.recipe_changed OR s.tests_changed) OVER (PARTITION BY s.name) AS changed,
           jsonb_strip_nulls(jsonb_build_object('publish', s.spec->'publish', 'publish_key', s.publish_key, 'mirror', s.spec->'mirror', 'place', s.spec->'place',
                                                'priority', s.spec->'priority', 'file', s.spec->'file', 'matrix', s.spec->'matrix', 'provides', s.spec->'provides')) AS spec
      FROM farm.plan_stage s WHERE s.revision_id = revision ORDER BY s.name, s.arch
    )
    INSERT INTO farm.image AS i (ref_id, name, publish_key, spec, revision_id)
    SELECT ref, w.name, w.publish_key, w.spec, revision
      FROM wanted w LEFT JOIN farm.image o ON o.ref_id = ref AND o.name = w.name
     WHERE w.changed OR o.id IS NULL OR o.publish_key <> w.publish_key OR o.spec <> w.spec OR o.removed_at IS NOT NULL OR o.broken_at IS NOT NULL
     ORDER BY w.name
    ON CONFLICT (ref_id, name) DO UPDATE
       SET publish_key = excluded.publish_key, spec = excluded.spec, removed_at = NULL, broken_at = NULL,
           revision_id = CASE WHEN i.publish_key = excluded.publish_key AND i.removed_at IS NULL
                               AND NOT EXISTS (SELECT FROM farm.plan_stage c WHERE c.revision_id = revision AND c.name = i.name AND (c.recipe_changed OR c.tests_changed))
                              THEN i.revision_id ELSE excluded.revision_id END;
    UPDATE farm.plan_stage s SET image_id = i.id FROM farm.image i WHERE s.revision_id = revision AND i.ref_id = ref AND i.name = s.name;

    UPDATE farm.image_arch_state a SET scheduled_at = now()
      FROM farm.plan_stage s JOIN farm.image_arch_plan p ON p.image_id = s.image_id AND p.arch = s.arch
     WHERE s.revision_id = revision AND s.row_changed AND p.removed_at IS NOT NULL AND a.id = p.id;
    WITH put AS (
        INSERT INTO farm.image_arch_plan (image_id, arch, recipe, tests_key, spec)
        SELECT s.image_id, s.arch, s.recipe, s.tests_key, s.spec FROM farm.plan_stage s WHERE s.revision_id = revision AND s.row_changed ORDER BY s.ord
        ON CONFLICT (image_id, arch) DO UPDATE SET recipe = excluded.recipe, tests_key = excluded.tests_key, spec = excluded.spec, removed_at = NULL
        RETURNING id
    )
    INSERT INTO farm.image_arch_state (id) SELECT p.id FROM put p ORDER BY p.id ON CONFLICT (id) DO NOTHING;
    UPDATE farm.plan_stage s SET image_arch_id = a.id FROM farm.image_arch a WHERE s.revision_id = revision AND a.image_id = s.image_id AND a.arch = s.arch;
    ANALYZE farm.plan_stage (image_id, image_arch_id);

    DELETE FROM farm.image_parent e USING farm.plan_stage s WHERE s.revision_id = revision AND s.row_changed AND e.image_arch_id = s.image_arch_id;
    WITH edge AS MATERIALIZED (
        SELECT DISTINCT s.image_arch_id, e->>'arch' AS arch, e->>'image' AS parent
          FROM farm.plan_stage s CROSS JOIN jsonb_array_elements(s.spec->'parents') e WHERE s.revision_id = revision AND s.row_changed
    )
    INSERT INTO farm.image_parent (image_arch_id, parent_arch_id)
    SELECT d.image_arch_id, a.id
      FROM edge d
      JOIN farm.image i ON i.ref_id = ref AND i.name = d.parent
      JOIN farm.image_arch a ON a.image_id = i.id AND a.arch = d.arch;

    INSERT INTO farm.base (reference, arch)
    SELECT DISTINCT e->>'ref', e->>'arch' FROM farm.plan_stage s CROSS JOIN jsonb_array_elements(s.spec->'externals') e WHERE s.revision_id = revision ORDER BY 1, 2
    ON CONFLICT (reference, arch) DO NOTHING;
    DELETE FROM farm.image_base e USING farm.plan_stage s WHERE s.revision_id = revision AND s.row_changed AND e.image_arch_id = s.image_arch_id;
    WITH edge AS MATERIALIZED (
        SELECT DISTINCT s.image_arch_id, e->>'arch' AS arch, e->>'ref' AS reference
          FROM farm.plan_stage s CROSS JOIN jsonb_array_elements(s.spec->'externals') e WHERE s.revision_id = revision AND s.row_changed
    )
    INSERT INTO farm.image_base (image_arch_id, base_id)
    SELECT d.image_arch_id, b.id FROM edge d JOIN farm.base b ON b.reference = d.reference AND b.arch = d.arch;

    WITH dropped AS (
        UPDATE farm.image_arch_plan a SET removed_at = now()
          FROM farm.image i
         WHERE i.id = a.image_id AND i.ref_id = ref AND a.removed_at IS NULL AND i.removed_at IS NULL
           AND i.id IN (SELECT s.image_id FROM farm.plan_stage s WHERE s.revision_id = revision)
           AND a.id NOT IN (SELECT s.image_arch_id FROM farm.plan_stage s WHERE s.revision_id = revision)
        RETURNING a.id
    ), vanished AS (
        UPDATE farm.image i SET removed_at = now()
         WHERE i.ref_id = ref AND i.removed_at IS NULL
           AND i.id NOT IN (SELECT s.image_id FROM farm.plan_stage s WHERE s.revision_id = revision)
           AND NOT EXISTS (SELECT FROM jsonb_array_elements(errors) e WHERE farm.error_concerns(e, i.name, i.spec))
        RETURNING i.id
    ), broken AS (
        UPDATE farm.image i SET broken_at = now()
         WHERE i.ref_id = ref AND i.removed_at IS NULL AND i.broken_at IS NULL
           AND i.id NOT IN (SELECT s.image_id FROM farm.plan_stage s WHERE s.revision_id = revision)
           AND EXISTS (SELECT FROM jsonb_array_elements(errors) e WHERE farm.error_concerns(e, i.name, i.spec))
    )
    SELECT ARRAY(SELECT d.id FROM dropped d UNION SELECT a.id FROM vanished v JOIN farm.image_arch a ON a.image_id = v.id ORDER BY 1) INTO removed;
    RETURN removed;
END $$;

-- build and test where the recipe changed, test where only the tests did, publish and every mirror where either or the publish rules
-- did; a mirror alone for a site that is new to the image. What turns out to be there already is skipped when it becomes ready.
CREATE FUNCTION farm.staged_jobs(revision bigint) RETURNS farm.wanted_job[] LANGUAGE plpgsql AS $$
DECLARE
    added farm.image_site[];
    wanted farm.wanted_job[];
BEGIN
    added := farm.match_sites(ARRAY(SELECT DISTINCT s.image_id FROM farm.plan_stage s WHERE s.revision_id = revision));
    WITH image AS (
        SELECT s.image_id, min((s.spec->>'wave')::int) AS wave, bool_or(s.recipe_changed OR s.tests_changed OR s.publish_changed) AS changed,
               (array_agg(s.because ORDER BY s.because IS NULL, s.ord))[1] AS because, (array_agg(s.because_of ORDER BY s.because IS NULL, s.ord))[1] AS because_of,
               bool_or(farm.is_manual(s.spec)) AS manual
          FROM farm.plan_stage s WHERE s.revision_id = revision GROUP BY s.image_id
    ), chain AS (
        SELECT i.wave, s.image_id, k.step, k.kind, s.image_arch_id, NULL::bigint AS site_id, s.because, s.because_of
          FROM farm.plan_stage s JOIN image i ON i.image_id = s.image_id
         CROSS JOIN (VALUES (1, 'build'), (2, 'test')) k (step, kind)
         WHERE s.revision_id = revision AND (s.recipe_changed OR (s.tests_changed AND k.kind = 'test'))
        UNION ALL
        SELECT i.wave, i.image_id, 3, 'publish', NULL, NULL, i.because, i.because_of FROM image i WHERE i.changed AND NOT i.manual
        UNION ALL
        SELECT i.wave, i.image_id, 4, 'mirror', NULL, t.site_id, i.because, i.because_of
          FROM image i JOIN farm.image_site t ON t.image_id = i.image_id WHERE i.changed AND NOT i.manual
        UNION ALL
        SELECT i.wave, i.image_id, 4, 'mirror', NULL, n.site_id, 'site', (SELECT t.name FROM farm.site t WHERE t.id = n.site_id)
          FROM image i JOIN unnest(added) n ON n.image_id = i.image_id WHERE (NOT i.changed OR i.manual) AND farm.has_release(i.image_id)
    )
    SELECT coalesce(array_agg((c.kind, c.image_id, c.image_arch_id, c.site_id, revision, c.because, c.because_of)::farm.wanted_job
                              ORDER BY c.wave, c.image_id, c.step, c.image_arch_id, c.site_id), '{}')
      INTO wanted FROM chain c;
    RETURN wanted;
END $$;

-- What an image needs, each with the architecture that is meant: the image's own unless FROM --platform says otherwise.
CREATE FUNCTION farm.needs_of(needs jsonb, arch text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('arch', arch) || e.need ORDER BY e.ord), '[]') FROM jsonb_array_elements(needs) WITH ORDINALITY e (need, ord)
$$;

CREATE FUNCTION farm.plan_commit(repo bigint, plan jsonb) RETURNS TABLE (jobs bigint[], image_archs bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    r farm.ref;
    revision bigint;
    errors jsonb;
    removed bigint[];
    made bigint[];
    across record;
BEGIN
    PERFORM farm.my_term();
    IF NOT EXISTS (SELECT FROM farm.repo p WHERE p.id = repo AND p.removed_at IS NULL) THEN
        RETURN QUERY SELECT '{}'::bigint[], '{}'::bigint[];
        RETURN;
    END IF;
    PERFORM farm.set_head(repo, plan->>'head');
    INSERT INTO farm.ref (repo_id, name) VALUES (repo, plan->>'ref') ON CONFLICT (repo_id, name) DO NOTHING;
    SELECT q.* INTO r FROM farm.ref q WHERE q.repo_id = repo AND q.name = plan->>'ref' FOR UPDATE;
    PERFORM farm.set_rights(r.id);
    IF r.oid = plan->>'oid' THEN
        SELECT v.id INTO revision FROM farm.revision v WHERE v.ref_id = r.id AND v.serial = r.serial;
        RETURN QUERY SELECT ARRAY(SELECT j.id FROM farm.job j WHERE j.revision_id = revision ORDER BY 1),
                            ARRAY(SELECT a.id FROM farm.image i JOIN farm.image_arch a ON a.image_id = i.id WHERE i.ref_id = r.id ORDER BY 1);
        RETURN;
    END IF;

    INSERT INTO farm.revision (ref_id, serial, oid) VALUES (r.id, r.serial + 1, plan->>'oid') RETURNING id INTO revision;
    UPDATE farm.ref q SET oid = plan->>'oid', serial = r.serial + 1, gone_at = NULL WHERE q.id = r.id;
    INSERT INTO farm.plan_stage (revision_id, ord, name, arch, recipe, tests_key, publish_key, spec)
    SELECT revision, e.ord, e.i->>'name', e.i->>'arch', e.i->>'recipe', e.i->>'tests_key', e.i->>'publish_key',
           e.i - '{artifact,tests_artifact}'::text[] || jsonb_build_object('parents', farm.needs_of(e.i->'parents', e.i->>'arch'), 'externals', farm.needs_of(e.i->'externals', e.i->>'arch'))
      FROM jsonb_array_elements(plan->'images') WITH ORDINALITY e (i, ord);
    -- PostgreSQL's planner knows nothing of rows that were made a moment ago; nested loops over 10,000 of them would take minutes.
    ANALYZE farm.plan_stage;
    PERFORM set_config('enable_nestloop', CASE WHEN jsonb_array_length(plan->'images') > 200 THEN 'off' ELSE 'on' END, true);

    errors := coalesce(plan->'errors', '[]') || farm.restrict_staged(r.id, revision) || farm.reject_staged(r.id, revision);
    DELETE FROM farm.definition_error d WHERE d.ref_id = r.id;
    PERFORM farm.add_definition_error(r.id, revision, 'error', e) FROM jsonb_array_elements(errors) e;
    PERFORM farm.add_definition_error(r.id, revision, 'warning', e) FROM jsonb_array_elements(coalesce(plan->'warnings', '[]')) e;
    PERFORM farm.compare_staged(r.id, revision);
    removed := farm.store_staged(r.id, revision, errors);
    PERFORM farm.close_breakers(ARRAY(SELECT s.image_arch_id FROM farm.plan_stage s WHERE s.revision_id = revision AND (s.recipe_changed OR s.tests_changed)));
    made := farm.add_jobs(farm.staged_jobs(revision), 0);
    SELECT c.* INTO across FROM farm.commit_across(r.id, revision) c;
    RETURN QUERY SELECT made || across.jobs, ARRAY(SELECT s.image_arch_id FROM farm.plan_stage s WHERE s.revision_id = revision UNION SELECT unnest(removed || across.image_archs) ORDER BY 1);
    DELETE FROM farm.plan_stage s WHERE s.revision_id = revision;
    PERFORM set_config('enable_nestloop', 'on', true), pg_notify('farm_change', 'images');
END $$;
