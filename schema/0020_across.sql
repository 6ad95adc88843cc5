-- 0020_across: edges between refs and repositories. What a plan calls external, but another watched ref of the farm releases, is a
-- parent like any other: its digest is pinned, and what is built from it is built again when it is.
--
-- Such an edge stands in image_parent with the reference that makes it one. It comes and goes with either side: the image that needs
-- the reference, and the one that provides it; without a provider the reference is an external base again.

ALTER TABLE farm.image_parent ADD COLUMN reference text;                -- NULL: an edge within one ref, which the planner found
CREATE INDEX image_parent_across ON farm.image_parent (reference) WHERE reference IS NOT NULL;

-- By which references other refs may mean an image.
CREATE TABLE farm.provided (
    reference text COLLATE "C" NOT NULL,        -- normalised
    image_id  bigint NOT NULL,
    PRIMARY KEY (reference, image_id)
);
CREATE INDEX provided_by ON farm.provided (image_id);

-- Brings `provided` in line with what the ref wants now, where it may publish: its releases (those tags that are known beforehand), and of
-- `provides` what lies below the repository's own name or was granted to it (0023). Returns the references of which something changed.
CREATE FUNCTION farm.provide(of_ref bigint) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    registry constant text := (SELECT s.value FROM farm.setting s WHERE s.name = 'release_registry');
    changed text[];
BEGIN
    WITH own AS MATERIALIZED (
        SELECT r.repo_id, registry || '/' || p.slug || '/' AS prefix
          FROM farm.ref r JOIN farm.repo p ON p.id = r.repo_id
         WHERE r.id = of_ref AND r.gone_at IS NULL AND p.removed_at IS NULL AND r.may_publish AND registry IS NOT NULL
    ), now AS MATERIALIZED (
        SELECT o.prefix || i.name || ':' || t.tag AS reference, i.id
          FROM own o CROSS JOIN farm.image i CROSS JOIN jsonb_array_elements_text(coalesce(i.spec->'publish'->'tags', '[]')) t (tag)
         WHERE i.ref_id = of_ref AND i.removed_at IS NULL AND strpos(t.tag, '{') = 0
        UNION
        SELECT e.reference, i.id
          FROM own o CROSS JOIN farm.image i CROSS JOIN jsonb_array_elements_text(i.spec->'provides') e (reference)
         WHERE i.ref_id = of_ref AND i.removed_at IS NULL AND i.spec ? 'provides'
           AND (starts_with(e.reference, o.prefix) OR EXISTS (SELECT FROM farm.provide_grant g WHERE g.repo_id = o.repo_id AND farm.glob(g.pattern, e.reference)))
    ), had AS MATERIALIZED (            -- by their key: the table holds the whole farm
        SELECT p.reference, i.id FROM farm.image i CROSS JOIN LATERAL (SELECT q.reference FROM farm.provided q WHERE q.image_id = i.id OFFSET 0) p WHERE i.ref_id = of_ref
    ), gone AS (
        DELETE FROM farm.provided p USING (SELECT * FROM had EXCEPT SELECT * FROM now) g WHERE p.reference = ANY (ARRAY[g.reference]) AND p.image_id = ANY (ARRAY[g.id]) RETURNING p.reference
    ), new AS (
        INSERT INTO farm.provided (reference, image_id) SELECT n.reference, n.id FROM (SELECT * FROM now EXCEPT SELECT * FROM had) n ON CONFLICT DO NOTHING RETURNING reference
    )
    SELECT coalesce(array_agg(c.reference), '{}') INTO changed FROM (SELECT g.reference FROM gone g UNION SELECT n.reference FROM new n) c;
    RETURN changed;
END $$;

CREATE FUNCTION farm.users_of(refs text[]) RETURNS bigint[] LANGUAGE sql STABLE AS $$
    SELECT ARRAY(SELECT e.image_arch_id FROM farm.image_parent e WHERE e.reference = ANY (refs)
                 UNION
                 SELECT e.image_arch_id FROM farm.base b CROSS JOIN LATERAL (SELECT i.image_arch_id FROM farm.image_base i WHERE i.base_id = b.id OFFSET 0) e WHERE b.reference = ANY (refs))
$$;

CREATE FUNCTION farm.stands_on(arch bigint, other bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH RECURSIVE up (id) AS (
        SELECT arch
        UNION
        SELECT e.parent_arch_id FROM up u JOIN farm.image_parent e ON e.image_arch_id = u.id
    )
    SELECT EXISTS (SELECT FROM up u WHERE u.id = other)
$$;

-- Images of two refs that are built from each other would rebuild each other for ever: one of them takes the other as it was released.
CREATE FUNCTION farm.warn_of_circle(child bigint, reference text, parent bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c record;
    error jsonb;
BEGIN
    SELECT i.ref_id, a.spec->>'file' AS file, v.id AS revision INTO c
      FROM farm.image_arch a JOIN farm.image i ON i.id = a.image_id JOIN farm.ref r ON r.id = i.ref_id JOIN farm.revision v ON v.ref_id = r.id AND v.serial = r.serial
     WHERE a.id = child;
    error := jsonb_build_object('file', c.file, 'code', 'cycle', 'message',
                                format('%s is built from this image: it is taken as released, and is not followed', farm.image_title((SELECT a.image_id FROM farm.image_arch a WHERE a.id = parent))),
                                'hint', format('let one of the two not depend on %s', reference));
    IF NOT EXISTS (SELECT FROM farm.definition_error d WHERE d.ref_id = c.ref_id AND d.file = c.file AND d.code = 'cycle' AND d.message = error->>'message') THEN
        PERFORM farm.add_definition_error(c.ref_id, c.revision, 'warning', error);
    END IF;
END $$;

-- What of these images comes from outside their refs: a reference, for an architecture. By keys, as all that looks up a list in tables of the farm.
CREATE FUNCTION farm.externals_of(archs bigint[]) RETURNS TABLE (child bigint, ref_id bigint, reference text, arch text) LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT u.id, i.ref_id, e->>'ref', coalesce(e->>'arch', a.arch)
      FROM unnest(archs) u (id)
     CROSS JOIN LATERAL (SELECT p.image_id, p.arch, (SELECT s.body->'externals' FROM farm.spec s WHERE s.id = p.spec_id) AS externals
                           FROM farm.image_arch_plan p WHERE p.id = u.id AND p.removed_at IS NULL OFFSET 0) a
     CROSS JOIN LATERAL (SELECT q.ref_id FROM farm.image q WHERE q.id = a.image_id AND q.removed_at IS NULL OFFSET 0) i
     CROSS JOIN jsonb_array_elements(coalesce(a.externals, '[]')) e;
END $$;

-- Edges across refs, and bases, of these images as they should be now; returns those of which an edge changed. Several that provide one
-- reference: the repository whose own name it is, its default ref.
CREATE FUNCTION farm.relink(archs bigint[]) RETURNS bigint[] LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    changed bigint[];
    edge record;
    wanted jsonb;
BEGIN
    IF cardinality(archs) = 0 THEN
        RETURN '{}';
    END IF;
    WITH owner AS (
        SELECT DISTINCT ON (n.child, n.reference, n.arch) n.child, n.reference, o.id AS parent
          FROM farm.externals_of(archs) n
         CROSS JOIN LATERAL (SELECT q.image_id FROM farm.provided q WHERE q.reference = n.reference OFFSET 0) p
         CROSS JOIN LATERAL (SELECT q.id, q.ref_id FROM farm.image q WHERE q.id = p.image_id AND q.removed_at IS NULL AND q.ref_id <> n.ref_id OFFSET 0) i
         CROSS JOIN LATERAL (SELECT q.id FROM farm.image_arch_plan q WHERE q.image_id = i.id AND q.arch = n.arch AND q.removed_at IS NULL OFFSET 0) o
          JOIN farm.ref r ON r.id = i.ref_id
          JOIN farm.repo q ON q.id = r.repo_id
         ORDER BY n.child, n.reference, n.arch, length(q.slug) DESC, (r.name = q.head) DESC NULLS LAST, i.id
    )
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('child', o.child, 'reference', o.reference, 'parent', o.parent)), '[]') INTO wanted FROM owner o;

    WITH had AS MATERIALIZED (
        SELECT u.id AS child, e.parent_arch_id AS parent
          FROM unnest(archs) u (id) CROSS JOIN LATERAL (SELECT q.parent_arch_id FROM farm.image_parent q WHERE q.image_arch_id = u.id AND q.reference IS NOT NULL OFFSET 0) e
    ), gone AS (
        DELETE FROM farm.image_parent e USING had h
         WHERE e.image_arch_id = ANY (ARRAY[h.child]) AND e.parent_arch_id IS NOT DISTINCT FROM h.parent     -- no key: a parent may have thousands
           AND (h.child, h.parent) NOT IN (SELECT w.child, w.parent FROM jsonb_to_recordset(wanted) w (child bigint, parent bigint))
        RETURNING e.image_arch_id
    )
    SELECT coalesce(array_agg(DISTINCT g.image_arch_id), '{}') INTO changed FROM gone g;
    FOR edge IN SELECT w.child, min(w.reference) AS reference, w.parent FROM jsonb_to_recordset(wanted) w (child bigint, reference text, parent bigint)
                 WHERE NOT EXISTS (SELECT FROM farm.image_parent e WHERE e.image_arch_id = w.child AND e.parent_arch_id = w.parent OFFSET 0)
                 GROUP BY w.child, w.parent ORDER BY w.child, w.parent LOOP
        IF farm.stands_on(edge.parent, edge.child) THEN
            PERFORM farm.warn_of_circle(edge.child, edge.reference, edge.parent);
        ELSE
            INSERT INTO farm.image_parent (image_arch_id, parent_arch_id, reference) VALUES (edge.child, edge.parent, edge.reference);
            changed := changed || edge.child;
        END IF;
    END LOOP;

    -- A reference is a base exactly if it makes no edge.
    WITH need AS MATERIALIZED (
        SELECT n.child, b.id AS base_id,
               (n.child, n.reference) IN (SELECT w.child, w.reference FROM jsonb_to_recordset(wanted) w (child bigint, reference text, parent bigint)
                                           CROSS JOIN LATERAL (SELECT FROM farm.image_parent p WHERE p.image_arch_id = w.child AND p.parent_arch_id = w.parent OFFSET 0) p) AS linked
          FROM farm.externals_of(CASE WHEN jsonb_array_length(wanted) > 0 THEN archs ELSE changed END) n
         CROSS JOIN LATERAL (SELECT q.id FROM farm.base q WHERE q.reference = n.reference AND q.arch = n.arch OFFSET 0) b
    ), gone AS (
        DELETE FROM farm.image_base e USING need n WHERE n.linked AND e.image_arch_id = ANY (ARRAY[n.child]) AND e.base_id IS NOT DISTINCT FROM n.base_id
    )
    INSERT INTO farm.image_base (image_arch_id, base_id) SELECT n.child, n.base_id FROM need n WHERE NOT n.linked ON CONFLICT DO NOTHING;
    RETURN changed;
END $$;

-- What else is to be built because the ref was planned: what stands on its changed images in other refs, and what found another parent.
-- Jobs that wait already take what their parents give; they are not doubled.
CREATE FUNCTION farm.jobs_across(of_ref bigint, revision bigint, relinked bigint[]) RETURNS farm.wanted_job[] LANGUAGE sql STABLE SET enable_nestloop = on AS $$
    WITH RECURSIVE own AS (
        SELECT c.image_arch_id AS id FROM farm.plan_change c WHERE c.revision_id = revision AND c.recipe_changed
    ), reached (id) AS (
        SELECT e.image_arch_id FROM own o CROSS JOIN LATERAL (SELECT p.image_arch_id FROM farm.image_parent p WHERE p.parent_arch_id = o.id OFFSET 0) e
        UNION
        SELECT u.id FROM unnest(relinked) u (id)
         CROSS JOIN LATERAL (SELECT (SELECT i.ref_id FROM farm.image i WHERE i.id = p.image_id) AS ref_id FROM farm.image_arch_plan p WHERE p.id = u.id OFFSET 0) a
         WHERE a.ref_id <> of_ref
        UNION
        SELECT e.image_arch_id FROM reached r CROSS JOIN LATERAL (SELECT p.image_arch_id FROM farm.image_parent p WHERE p.parent_arch_id = r.id OFFSET 0) e
    ), moving AS MATERIALIZED (
        SELECT r.id FROM reached r UNION SELECT o.id FROM own o
    ), arch AS MATERIALIZED (
        SELECT r.id, a.image_id, v.id AS revision_id, farm.is_manual(i.spec) AS manual, coalesce(a.wave, 0) AS wave,
               (SELECT min(farm.image_title(e.image_id))
                  FROM (SELECT p.reference, p.parent_arch_id, (SELECT q.image_id FROM farm.image_arch_plan q WHERE q.id = p.parent_arch_id) AS image_id
                          FROM farm.image_parent p WHERE p.image_arch_id = r.id OFFSET 0) e
                 WHERE e.reference IS NOT NULL OR e.parent_arch_id IN (SELECT m.id FROM moving m)) AS because_of
          FROM reached r
         CROSS JOIN LATERAL (SELECT p.image_id, (SELECT (s.body->>'wave')::int FROM farm.spec s WHERE s.id = p.spec_id) AS wave
                               FROM farm.image_arch_plan p WHERE p.id = r.id AND p.removed_at IS NULL OFFSET 0) a
         CROSS JOIN LATERAL (SELECT q.ref_id, q.spec FROM farm.image q WHERE q.id = a.image_id AND q.removed_at IS NULL AND q.broken_at IS NULL OFFSET 0) i
         CROSS JOIN LATERAL (SELECT q.id FROM farm.ref f JOIN farm.revision q ON q.ref_id = f.id AND q.serial = f.serial WHERE f.id = i.ref_id OFFSET 0) v
         WHERE r.id NOT IN (SELECT o.id FROM own o)
           AND NOT EXISTS (SELECT FROM farm.job_fixed j CROSS JOIN LATERAL (SELECT FROM farm.job_state s WHERE s.id = j.id AND s.state = 'waiting' OFFSET 0) s
                            WHERE j.image_arch_id = r.id AND j.kind = 'build' OFFSET 0)
    ), image AS (
        SELECT a.image_id, a.revision_id, a.manual, min(a.wave) AS wave, min(a.because_of) AS because_of FROM arch a GROUP BY 1, 2, 3
    ), chain AS (
        SELECT a.wave, a.image_id, k.step, k.kind, a.id AS arch, NULL::bigint AS site, a.revision_id, a.because_of
          FROM arch a CROSS JOIN (VALUES (1, 'build'), (2, 'test')) k (step, kind)
        UNION ALL
        SELECT i.wave, i.image_id, 3, 'publish', NULL, NULL, i.revision_id, i.because_of FROM image i WHERE NOT i.manual
        UNION ALL
        SELECT i.wave, i.image_id, 4, 'mirror', NULL, s.site_id, i.revision_id, i.because_of
          FROM image i CROSS JOIN LATERAL (SELECT t.site_id FROM farm.image_site t WHERE t.image_id = i.image_id OFFSET 0) s WHERE NOT i.manual
    )
    SELECT coalesce(array_agg((c.kind, c.image_id, c.arch, c.site, c.revision_id, 'parent', c.because_of)::farm.wanted_job
                              ORDER BY c.wave, c.image_id, c.step, c.arch, c.site), '{}') FROM chain c
$$;

-- The part of plan_commit that looks beyond its ref; after store_staged.
CREATE FUNCTION farm.commit_across(of_ref bigint, revision bigint, OUT jobs bigint[], OUT image_archs bigint[]) LANGUAGE plpgsql AS $$
DECLARE
    changed text[] := farm.provide(of_ref);
BEGIN
    -- What is there with an architecture more, or again: its references are no news to provide().
    changed := changed || ARRAY(SELECT p.reference FROM farm.plan_change c CROSS JOIN LATERAL (SELECT q.reference FROM farm.provided q WHERE q.image_id = c.image_id OFFSET 0) p
                                 WHERE c.revision_id = revision AND c.because = 'new' AND NOT c.new_image);
    -- What stands on nothing outside has no such edges: store_staged has taken those that it had.
    image_archs := farm.relink(ARRAY(SELECT u FROM unnest(farm.users_of(changed)) u
                                     UNION SELECT c.image_arch_id FROM farm.plan_change c WHERE c.revision_id = revision AND c.row_changed AND c.externals));
    -- Mostly nothing stands on what changed but what the plan builds anyway.
    IF cardinality(image_archs) > 0
       OR EXISTS (SELECT FROM farm.plan_change c CROSS JOIN LATERAL (SELECT p.image_arch_id FROM farm.image_parent p WHERE p.parent_arch_id = c.image_arch_id OFFSET 0) e
                   WHERE c.revision_id = revision AND c.recipe_changed
                     AND e.image_arch_id NOT IN (SELECT o.image_arch_id FROM farm.plan_change o WHERE o.revision_id = revision AND o.recipe_changed)) THEN
        jobs := farm.add_jobs(farm.jobs_across(of_ref, revision, image_archs), 0);
    ELSE
        jobs := '{}';
    END IF;
END $$;

-- Reference -> ONBUILD triggers of the image that it means (as in relink; of several architectures the first), for the planner, which
-- knows its own ref only. Null: there are some, more than a poll is told.
CREATE FUNCTION farm.triggers_across() RETURNS jsonb LANGUAGE sql STABLE AS $$
    WITH marked AS MATERIALIZED (       -- few images, found first: there are references by the ten thousand
        SELECT a.image_id, a.arch, a.spec_id FROM farm.image_arch_plan a WHERE a.onbuild AND a.removed_at IS NULL
    ), meant AS MATERIALIZED (
        SELECT DISTINCT o.reference FROM (SELECT DISTINCT image_id FROM marked) h CROSS JOIN LATERAL (SELECT p.reference FROM farm.provided p WHERE p.image_id = h.image_id OFFSET 0) o
    ), owner AS (
        SELECT DISTINCT ON (m.reference) m.reference, i.id AS image_id
          FROM meant m
         CROSS JOIN LATERAL (SELECT p.image_id FROM farm.provided p WHERE p.reference = m.reference OFFSET 0) p
          JOIN farm.image i ON i.id = p.image_id AND i.removed_at IS NULL
          JOIN farm.ref r ON r.id = i.ref_id
          JOIN farm.repo q ON q.id = r.repo_id
         ORDER BY m.reference, length(q.slug) DESC, (r.name = q.head) DESC NULLS LAST, i.id
    ), triggers AS (
        SELECT DISTINCT ON (o.reference) o.reference, (SELECT s.body->'onbuild' FROM farm.spec s WHERE s.id = h.spec_id) AS texts
          FROM owner o JOIN marked h ON h.image_id = o.image_id
         ORDER BY o.reference, h.arch
    ), numbered AS (
        SELECT t.reference, t.texts, row_number() OVER (ORDER BY t.reference) AS n FROM triggers t
    )
    SELECT coalesce(jsonb_object_agg(u.reference, CASE WHEN u.n <= 1000 THEN u.texts END), '{}') FROM numbered u
$$;

SELECT farm.open_functions('bootfarm_scheduler', ARRAY['farm.triggers_across']);
