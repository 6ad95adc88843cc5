-- 0011_plans: one commit's plan becomes what is wanted, and jobs for what changed.
--
-- stage -> compare with what is stored -> store -> jobs. All set-based: a plan may hold 10,000 images.

-- What the plan wants, with what the ref may do (0023) applied. Written once and read a few times; nothing updates these wide rows.
CREATE UNLOGGED TABLE farm.plan_stage (
    revision_id     bigint NOT NULL,
    ord             bigint NOT NULL,
    name            farm.image_name NOT NULL,
    arch            text NOT NULL CHECK (arch ~ '^[a-z0-9]+(/[a-z0-9]+)?$'),
    recipe          farm.digest NOT NULL,
    tests_key       farm.digest NOT NULL,
    publish_key     farm.digest NOT NULL,
    spec            jsonb NOT NULL,
    PRIMARY KEY (revision_id, name, arch)
);

-- What is to be done about each of them: found once, with the ids that what is new will have, so that all that follows knows its rows.
CREATE UNLOGGED TABLE farm.plan_change (
    revision_id     bigint NOT NULL,
    ord             bigint NOT NULL,            -- of plan_stage
    arch            text NOT NULL,
    image_id        bigint NOT NULL,
    image_arch_id   bigint NOT NULL,
    spec_id         bigint NOT NULL,
    new_spec        boolean NOT NULL,
    new_image       boolean NOT NULL,           -- there is no such row yet
    new_arch        boolean NOT NULL,
    recipe_changed  boolean NOT NULL,
    tests_changed   boolean NOT NULL,
    publish_changed boolean NOT NULL,
    row_changed     boolean NOT NULL,           -- of image_arch: any of it
    wave            int,
    manual          boolean NOT NULL,
    parents         boolean NOT NULL,           -- it stands on something of its ref,
    externals       boolean NOT NULL,           -- or outside of it
    because         text,
    because_of      text,
    PRIMARY KEY (revision_id, ord)
);

-- ANALYZE, which each plan does, needs the numbers of rows alone.
DO $$
DECLARE
    col record;
BEGIN
    FOR col IN SELECT a.attrelid::regclass AS stage, a.attname AS name FROM pg_attribute a WHERE a.attrelid IN ('farm.plan_stage'::regclass, 'farm.plan_change'::regclass) AND a.attnum > 0 LOOP
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS 10', col.stage, col.name);
    END LOOP;
END $$;

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
               AND NOT EXISTS (SELECT FROM (SELECT i.id FROM farm.image i WHERE i.ref_id = ref AND i.name = e.parent AND i.removed_at IS NULL OFFSET 0) i
                                CROSS JOIN LATERAL (SELECT FROM farm.image_arch_plan p WHERE p.image_id = i.id AND p.arch = e.parent_arch AND p.removed_at IS NULL OFFSET 0) p OFFSET 0)
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

-- Why the recipe of an image that was there is another: the first reason that applies, and what it names. Whoever changed by itself never says `parent`.
CREATE FUNCTION farm.why(spec jsonb, old jsonb, changed_parent text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    argument constant text := farm.changed_argument(spec->'build'->'args', old->'build'->'args');
BEGIN
    RETURN CASE WHEN argument IS NOT NULL THEN ARRAY['argument', argument]
                WHEN farm.definition_part(spec) <> farm.definition_part(old) THEN ARRAY['definition', spec->>'file']
                WHEN spec->>'context_key' <> old->>'context_key' THEN ARRAY['context', spec->>'context']
                WHEN changed_parent IS NOT NULL THEN ARRAY['parent', changed_parent]
                ELSE '{input,NULL}' END;
END $$;

-- What differs from what is stored, and why. Only plan_commit makes images, with the ref's row locked: what is new here is new until the end.
CREATE FUNCTION farm.compare_staged(ref bigint, revision bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH o AS MATERIALIZED (
        SELECT q.ord, q.name, q.arch, i.id AS image_id, a.id AS arch_id, a.spec_id AS old_spec_id, c.fresh,
               c.fresh OR q.recipe <> a.recipe AS recipe_changed, c.fresh OR q.tests_key <> a.tests_key AS tests_changed,
               c.fresh_image OR q.publish_key <> i.publish_key AS publish_changed,
               d.row_changed, CASE WHEN d.row_changed THEN farm.spec_id(q.spec) ELSE a.spec_id END AS spec_id,
               (q.spec->>'wave')::int AS wave, farm.is_manual(q.spec) AS manual, jsonb_array_length(q.spec->'parents') > 0 AS parents, jsonb_array_length(q.spec->'externals') > 0 AS externals
          FROM farm.plan_stage q
          LEFT JOIN farm.image i ON i.ref_id = ref AND i.name = q.name
          LEFT JOIN LATERAL (SELECT p.* FROM farm.image_arch_plan p WHERE p.image_id = i.id AND p.arch = q.arch LIMIT 1) a ON true      -- by its key: the table holds the whole farm
         CROSS JOIN LATERAL (SELECT i.id IS NULL OR i.removed_at IS NOT NULL AS fresh_image,
                                    i.id IS NULL OR i.removed_at IS NOT NULL OR a.id IS NULL OR a.removed_at IS NOT NULL AS fresh) c
         CROSS JOIN LATERAL (SELECT c.fresh OR q.recipe <> a.recipe OR q.tests_key <> a.tests_key OR q.spec <> (SELECT s.body FROM farm.spec s WHERE s.id = a.spec_id) AS row_changed OFFSET 0) d
         WHERE q.revision_id = revision
    ), new_image AS MATERIALIZED (
        SELECT n.name, nextval('farm.image_id_seq') AS id FROM (SELECT DISTINCT o.name FROM o WHERE o.image_id IS NULL ORDER BY o.name) n
    ), new_arch AS MATERIALIZED (
        SELECT n.ord, nextval('farm.image_arch_plan_id_seq') AS id FROM (SELECT o.ord FROM o WHERE o.arch_id IS NULL ORDER BY o.ord) n
    ), new_spec AS MATERIALIZED (
        SELECT n.ord, nextval('farm.spec_id_seq') AS id FROM (SELECT o.ord FROM o WHERE o.spec_id IS NULL ORDER BY o.ord) n
    ), parent AS MATERIALIZED (
        SELECT o.ord, min(p.name) AS changed
          FROM o JOIN farm.plan_stage q ON q.revision_id = revision AND q.ord = o.ord
         CROSS JOIN jsonb_array_elements(q.spec->'parents') e
          JOIN o p ON p.name = e->>'image' AND p.arch = e->>'arch'
         WHERE o.recipe_changed AND NOT o.fresh AND p.recipe_changed
         GROUP BY o.ord
    ), reason AS MATERIALIZED (
        SELECT o.ord, farm.why(q.spec, (SELECT s.body FROM farm.spec s WHERE s.id = o.old_spec_id), p.changed) AS why
          FROM o JOIN farm.plan_stage q ON q.revision_id = revision AND q.ord = o.ord
          LEFT JOIN parent p ON p.ord = o.ord
         WHERE o.recipe_changed AND NOT o.fresh
    )
    INSERT INTO farm.plan_change (revision_id, ord, arch, image_id, image_arch_id, spec_id, new_spec, new_image, new_arch, recipe_changed, tests_changed, publish_changed, row_changed,
                                  wave, manual, parents, externals, because, because_of)
    SELECT revision, o.ord, o.arch, coalesce(o.image_id, i.id), coalesce(o.arch_id, a.id), coalesce(o.spec_id, s.id), o.spec_id IS NULL, o.image_id IS NULL, o.arch_id IS NULL,
           o.recipe_changed, o.tests_changed, o.publish_changed, o.row_changed, o.wave, o.manual, o.parents, o.externals,
           CASE WHEN o.fresh THEN 'new' WHEN o.recipe_changed THEN r.why[1] WHEN o.tests_changed THEN 'tests' WHEN o.publish_changed THEN 'publish' END, r.why[2]
      FROM o LEFT JOIN new_image i ON i.name = o.name LEFT JOIN new_arch a ON a.ord = o.ord LEFT JOIN new_spec s ON s.ord = o.ord LEFT JOIN reason r ON r.ord = o.ord
     ORDER BY o.ord;
    ANALYZE farm.plan_change;
END $$;

-- Upserts images, architectures, edges and bases; returns the image_archs that are wanted no more. Rows that stay as they are are left
-- alone altogether, since the hot turns need them: ON CONFLICT DO UPDATE would lock even those that its WHERE passes over.
CREATE FUNCTION farm.store_staged(ref bigint, revision bigint, errors jsonb) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    removed bigint[];
    missing bigint[];
BEGIN
    WITH first AS MATERIALIZED (
        SELECT DISTINCT ON (c.image_id) c.image_id, c.ord, c.new_image, bool_or(c.recipe_changed OR c.tests_changed) OVER (PARTITION BY c.image_id) AS changed
          FROM farm.plan_change c WHERE c.revision_id = revision ORDER BY c.image_id, c.arch
    ), wanted AS MATERIALIZED (
        SELECT f.image_id, f.new_image, f.changed, s.name, s.publish_key,
               jsonb_strip_nulls(jsonb_build_object('publish', s.spec->'publish', 'publish_key', s.publish_key, 'mirror', s.spec->'mirror', 'place', s.spec->'place',
                                                    'priority', s.spec->'priority', 'file', s.spec->'file', 'matrix', s.spec->'matrix', 'provides', s.spec->'provides')) AS spec
          FROM first f JOIN farm.plan_stage s ON s.revision_id = revision AND s.ord = f.ord
    ), known AS (
        UPDATE farm.image i
           SET publish_key = w.publish_key, spec = w.spec, removed_at = NULL, broken_at = NULL,
               revision_id = CASE WHEN i.publish_key = w.publish_key AND i.removed_at IS NULL AND NOT w.changed THEN i.revision_id ELSE revision END
          FROM wanted w
         WHERE i.id = ANY (ARRAY[w.image_id]) AND NOT w.new_image
           AND (w.changed OR i.publish_key <> w.publish_key OR i.spec <> w.spec OR i.removed_at IS NOT NULL OR i.broken_at IS NOT NULL)
    )
    INSERT INTO farm.image (id, ref_id, name, publish_key, spec, revision_id) OVERRIDING SYSTEM VALUE
    SELECT w.image_id, ref, w.name, w.publish_key, w.spec, revision FROM wanted w WHERE w.new_image ORDER BY w.image_id;

    INSERT INTO farm.spec (id, body) OVERRIDING SYSTEM VALUE
    SELECT c.spec_id, s.spec FROM farm.plan_change c JOIN farm.plan_stage s ON s.revision_id = revision AND s.ord = c.ord WHERE c.revision_id = revision AND c.new_spec ORDER BY c.spec_id;
    IF EXISTS (SELECT FROM farm.plan_change c WHERE c.revision_id = revision AND c.row_changed AND NOT c.new_arch) THEN
        UPDATE farm.image_arch_state a SET scheduled_at = now()
          FROM farm.plan_change c CROSS JOIN LATERAL (SELECT p.id FROM farm.image_arch_plan p WHERE p.id = c.image_arch_id AND p.removed_at IS NOT NULL OFFSET 0) p
         WHERE c.revision_id = revision AND c.row_changed AND NOT c.new_arch AND a.id = ANY (ARRAY[p.id]);
        UPDATE farm.image_arch_plan a SET recipe = s.recipe, tests_key = s.tests_key, spec_id = c.spec_id, onbuild = s.spec ? 'onbuild', scheduled = farm.is_scheduled(s.spec), removed_at = NULL
          FROM farm.plan_change c JOIN farm.plan_stage s ON s.revision_id = c.revision_id AND s.ord = c.ord
         WHERE c.revision_id = revision AND c.row_changed AND NOT c.new_arch AND a.id = ANY (ARRAY[c.image_arch_id]);
        DELETE FROM farm.image_parent e USING farm.plan_change c WHERE c.revision_id = revision AND c.row_changed AND NOT c.new_arch AND e.image_arch_id = ANY (ARRAY[c.image_arch_id]);
        DELETE FROM farm.image_base e USING farm.plan_change c WHERE c.revision_id = revision AND c.row_changed AND NOT c.new_arch AND e.image_arch_id = ANY (ARRAY[c.image_arch_id]);
    END IF;
    INSERT INTO farm.image_arch_plan (id, image_id, arch, recipe, tests_key, spec_id, onbuild, scheduled) OVERRIDING SYSTEM VALUE
    SELECT c.image_arch_id, c.image_id, s.arch, s.recipe, s.tests_key, c.spec_id, s.spec ? 'onbuild', farm.is_scheduled(s.spec)
      FROM farm.plan_change c JOIN farm.plan_stage s ON s.revision_id = revision AND s.ord = c.ord
     WHERE c.revision_id = revision AND c.new_arch ORDER BY c.image_arch_id;
    INSERT INTO farm.image_arch_state (id) SELECT c.image_arch_id FROM farm.plan_change c WHERE c.revision_id = revision AND c.new_arch ORDER BY 1;

    WITH edge AS MATERIALIZED (
        SELECT DISTINCT c.image_arch_id, e->>'arch' AS arch, e->>'image' AS parent
          FROM farm.plan_change c JOIN farm.plan_stage s ON s.revision_id = revision AND s.ord = c.ord CROSS JOIN jsonb_array_elements(s.spec->'parents') e
         WHERE c.revision_id = revision AND c.row_changed AND c.parents
    )
    INSERT INTO farm.image_parent (image_arch_id, parent_arch_id)
    SELECT d.image_arch_id, a.id
      FROM edge d
     CROSS JOIN LATERAL (SELECT p.id FROM farm.image i JOIN farm.image_arch_plan p ON p.image_id = ANY (ARRAY[i.id]) AND p.arch = d.arch
                          WHERE i.ref_id = ref AND i.name = d.parent OFFSET 0) a;

    INSERT INTO farm.base (reference, arch)
    SELECT DISTINCT e->>'ref', e->>'arch'
      FROM farm.plan_change c JOIN farm.plan_stage s ON s.revision_id = revision AND s.ord = c.ord CROSS JOIN jsonb_array_elements(s.spec->'externals') e
     WHERE c.revision_id = revision AND c.externals ORDER BY 1, 2
    ON CONFLICT (reference, arch) DO NOTHING;
    WITH edge AS MATERIALIZED (
        SELECT DISTINCT c.image_arch_id, e->>'arch' AS arch, e->>'ref' AS reference
          FROM farm.plan_change c JOIN farm.plan_stage s ON s.revision_id = revision AND s.ord = c.ord CROSS JOIN jsonb_array_elements(s.spec->'externals') e
         WHERE c.revision_id = revision AND c.row_changed AND c.externals
    )
    INSERT INTO farm.image_base (image_arch_id, base_id)
    SELECT d.image_arch_id, b.id FROM edge d CROSS JOIN LATERAL (SELECT q.id FROM farm.base q WHERE q.reference = d.reference AND q.arch = d.arch OFFSET 0) b;

    -- Architectures that the plan leaves out, then images. Mostly there are none.
    removed := ARRAY(SELECT p.id
                       FROM (SELECT DISTINCT c.image_id FROM farm.plan_change c WHERE c.revision_id = revision AND NOT c.new_image) c
                      CROSS JOIN LATERAL (SELECT q.id FROM farm.image_arch_plan q WHERE q.image_id = c.image_id AND q.removed_at IS NULL OFFSET 0) p
                      WHERE p.id NOT IN (SELECT c.image_arch_id FROM farm.plan_change c WHERE c.revision_id = revision));
    IF cardinality(removed) > 0 THEN
        UPDATE farm.image_arch_plan a SET removed_at = now() WHERE a.id = ANY (removed);
    END IF;
    missing := ARRAY(SELECT i.id FROM farm.image i WHERE i.ref_id = ref AND i.removed_at IS NULL AND i.id NOT IN (SELECT c.image_id FROM farm.plan_change c WHERE c.revision_id = revision));
    IF cardinality(missing) > 0 THEN
        WITH vanished AS (
            UPDATE farm.image i SET removed_at = now()
             WHERE i.id = ANY (missing) AND NOT EXISTS (SELECT FROM jsonb_array_elements(errors) e WHERE farm.error_concerns(e, i.name, i.spec))
            RETURNING i.id
        ), broken AS (
            UPDATE farm.image i SET broken_at = now()
             WHERE i.id = ANY (missing) AND i.broken_at IS NULL AND EXISTS (SELECT FROM jsonb_array_elements(errors) e WHERE farm.error_concerns(e, i.name, i.spec))
        )
        SELECT removed || ARRAY(SELECT a.id FROM vanished v CROSS JOIN LATERAL (SELECT p.id FROM farm.image_arch_plan p WHERE p.image_id = v.id OFFSET 0) a) INTO removed;
    END IF;
    RETURN removed;
END $$;

-- build and test where the recipe changed, test where only the tests did, publish and every mirror where either or the publish rules
-- did; a mirror alone for a site that is new to the image. What turns out to be there already is skipped when it becomes ready.
CREATE FUNCTION farm.staged_jobs(revision bigint) RETURNS farm.wanted_job[] LANGUAGE plpgsql AS $$
DECLARE
    added farm.image_site[];
    wanted farm.wanted_job[];
BEGIN
    -- Only images that want mirrors, or have some, can gain or lose one. Asked of the stage, since farm.image holds the whole farm.
    added := farm.match_sites(ARRAY(SELECT c.image_id FROM farm.plan_change c JOIN farm.plan_stage s ON s.revision_id = revision AND s.ord = c.ord
                                     WHERE c.revision_id = revision AND s.spec->'mirror'->'sites' <> '[]'
                                    UNION
                                    SELECT t.image_id FROM farm.plan_change c CROSS JOIN LATERAL (SELECT s.image_id FROM farm.image_site s WHERE s.image_id = c.image_id OFFSET 0) t
                                     WHERE c.revision_id = revision AND NOT c.new_image));
    WITH image AS MATERIALIZED (
        SELECT DISTINCT ON (c.image_id) c.image_id, min(c.wave) OVER i AS wave, bool_or(c.recipe_changed OR c.tests_changed OR c.publish_changed) OVER i AS changed,
               c.because, c.because_of, bool_or(c.manual) OVER i AS manual
          FROM farm.plan_change c WHERE c.revision_id = revision WINDOW i AS (PARTITION BY c.image_id) ORDER BY c.image_id, c.because IS NULL, c.ord
    ), site AS MATERIALIZED (
        SELECT n.image_id, n.site_id, t.name FROM unnest(added) n JOIN farm.site t ON t.id = n.site_id
    ), chain AS (
        SELECT i.wave, c.image_id, k.step, k.kind, c.image_arch_id, NULL::bigint AS site_id, c.because, c.because_of
          FROM farm.plan_change c JOIN image i ON i.image_id = c.image_id
         CROSS JOIN (VALUES (1, 'build'), (2, 'test')) k (step, kind)
         WHERE c.revision_id = revision AND (c.recipe_changed OR (c.tests_changed AND k.kind = 'test'))
        UNION ALL
        SELECT i.wave, i.image_id, 3, 'publish', NULL, NULL, i.because, i.because_of FROM image i WHERE i.changed AND NOT i.manual
        UNION ALL
        SELECT i.wave, i.image_id, 4, 'mirror', NULL, t.site_id, i.because, i.because_of
          FROM image i CROSS JOIN LATERAL (SELECT s.site_id FROM farm.image_site s WHERE s.image_id = i.image_id OFFSET 0) t WHERE i.changed AND NOT i.manual
        UNION ALL
        SELECT i.wave, i.image_id, 4, 'mirror', NULL, n.site_id, 'site', n.name
          FROM image i JOIN site n ON n.image_id = i.image_id
         WHERE (NOT i.changed OR i.manual) AND CASE WHEN n.site_id IS NOT NULL THEN farm.has_release(i.image_id) END     -- of these alone: it is asked per image
    )
    SELECT coalesce(array_agg((c.kind, c.image_id, c.image_arch_id, c.site_id, revision, c.because, c.because_of)::farm.wanted_job
                              ORDER BY c.wave, c.image_id, c.step, c.image_arch_id, c.site_id), '{}')
      INTO wanted FROM chain c;
    RETURN wanted;
END $$;

-- The plan's images, without what the ref may not do (0023). What an image needs is stored with the architecture that is meant: the image's own
-- unless FROM --platform says otherwise.
CREATE FUNCTION farm.stage(of_ref bigint, revision bigint, images jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    r farm.ref;
    without text[] := '{artifact,tests_artifact}';
    never jsonb;
BEGIN
    SELECT q.* INTO r FROM farm.ref q WHERE q.id = of_ref;
    IF NOT r.may_mirror THEN
        without := without || '{mirror}'::text[];
    END IF;
    IF NOT r.may_publish THEN       -- as every ref that is not trusted (ref_policy)
        never := jsonb_build_object('when', 'never', 'why', farm.why_not(r.name, 'publish'));
    END IF;
    INSERT INTO farm.plan_stage (revision_id, ord, name, arch, recipe, tests_key, publish_key, spec)
    SELECT revision, e.ord, e.i->>'name', e.i->>'arch', k.recipe, e.i->>'tests_key', e.i->>'publish_key',
           (e.i - without) || (CASE WHEN e.i->'parents' = '[]' AND e.i->'externals' = '[]' THEN '{}'
                                    ELSE jsonb_build_object('parents', (SELECT coalesce(jsonb_agg(jsonb_build_object('arch', e.i->'arch') || n.need ORDER BY n.ord), '[]')
                                                                          FROM jsonb_array_elements(e.i->'parents') WITH ORDINALITY n (need, ord)),
                                                            'externals', (SELECT coalesce(jsonb_agg(jsonb_build_object('arch', e.i->'arch') || n.need ORDER BY n.ord), '[]')
                                                                            FROM jsonb_array_elements(e.i->'externals') WITH ORDINALITY n (need, ord))) END
                               || CASE WHEN NOT r.trusted THEN jsonb_build_object('recipe', k.recipe, 'plain_recipe', e.i->'recipe', 'publish', coalesce(e.i->'publish', '{}') || never)
                                       WHEN never IS NOT NULL THEN jsonb_build_object('publish', coalesce(e.i->'publish', '{}') || never) ELSE '{}' END)
      FROM jsonb_array_elements(images) WITH ORDINALITY e (i, ord)
     CROSS JOIN LATERAL (SELECT CASE WHEN r.trusted THEN (e.i->>'recipe')::farm.digest
                                     ELSE 'sha256:' || encode(sha256(convert_to('untrusted ' || r.repo_id || ' ' || (e.i->>'recipe')::farm.digest, 'UTF8')), 'hex') END AS recipe) k;
    -- PostgreSQL's planner knows nothing of rows that were made a moment ago; nested loops over 10,000 of them would take minutes.
    ANALYZE farm.plan_stage (revision_id, ord, name, arch);
END $$;

-- Whatever the farm holds, this reads what the plan changes and what stands on it: where a list meets a table of the farm it is looked up by keys, as in 0024.
CREATE FUNCTION farm.plan_commit(repo bigint, plan jsonb) RETURNS TABLE (jobs bigint[], image_archs bigint[]) LANGUAGE plpgsql SET work_mem = '64MB' SET enable_seqscan = off AS $$
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
    plan := plan || '{}';           -- whoever read it from a table gave it compressed: once is enough
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
    PERFORM farm.stage(r.id, revision, plan->'images');
    PERFORM set_config('enable_nestloop', CASE WHEN jsonb_array_length(plan->'images') > 200 THEN 'off' ELSE 'on' END, true);

    errors := coalesce(plan->'errors', '[]') || farm.restrict_staged(r.id, revision) || farm.reject_staged(r.id, revision);
    DELETE FROM farm.definition_error d WHERE d.ref_id = r.id;
    PERFORM farm.add_definition_error(r.id, revision, 'error', e) FROM jsonb_array_elements(errors) e;
    PERFORM farm.add_definition_error(r.id, revision, 'warning', e) FROM jsonb_array_elements(coalesce(plan->'warnings', '[]')) e;
    PERFORM farm.compare_staged(r.id, revision);
    removed := farm.store_staged(r.id, revision, errors);
    PERFORM farm.close_breakers(ARRAY(SELECT c.image_arch_id FROM farm.plan_change c WHERE c.revision_id = revision AND NOT c.new_arch AND (c.recipe_changed OR c.tests_changed)));
    made := farm.add_jobs(farm.staged_jobs(revision), 0);
    SELECT c.* INTO across FROM farm.commit_across(r.id, revision) c;
    RETURN QUERY SELECT made || across.jobs, ARRAY(SELECT s.image_arch_id FROM farm.plan_change s WHERE s.revision_id = revision UNION SELECT unnest(removed || across.image_archs) ORDER BY 1);
    DELETE FROM farm.plan_stage s WHERE s.revision_id = revision;
    DELETE FROM farm.plan_change c WHERE c.revision_id = revision;
    PERFORM set_config('enable_nestloop', 'on', true), pg_notify('farm_change', 'images');
END $$;
