-- 0022_explain: the graph of images, and why an image was built.

-- What is built from what. `reference`: of a base, or of an edge to an image of another ref; NULL: an edge within one ref.
CREATE VIEW dashboard.edges AS
    SELECT c.title AS child, a.arch AS child_arch, 'image' AS kind, p.title AS parent, pa.arch AS parent_arch, e.reference
      FROM farm.image_parent e
      JOIN farm.image_arch a ON a.id = e.image_arch_id AND a.removed_at IS NULL
      JOIN farm.image i ON i.id = a.image_id AND i.removed_at IS NULL
      JOIN farm.named_image c ON c.image_id = a.image_id
      JOIN farm.image_arch pa ON pa.id = e.parent_arch_id
      JOIN farm.named_image p ON p.image_id = pa.image_id
    UNION ALL
    SELECT c.title, a.arch, 'base', b.reference, b.arch, b.reference
      FROM farm.image_base e
      JOIN farm.image_arch a ON a.id = e.image_arch_id AND a.removed_at IS NULL
      JOIN farm.image i ON i.id = a.image_id AND i.removed_at IS NULL
      JOIN farm.named_image c ON c.image_id = a.image_id
      JOIN farm.base b ON b.id = e.base_id;

-- The parent that a job names as its reason: by its name in the same ref, or as repo:name@ref.
CREATE FUNCTION farm.named_parent(of_arch bigint, of_parent text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(p.id) FROM farm.image_parent e JOIN farm.image_arch p ON p.id = e.parent_arch_id JOIN farm.image i ON i.id = p.image_id
     WHERE e.image_arch_id = of_arch AND (i.name = of_parent OR farm.image_title(i.id) = of_parent)
$$;

-- What differs between a build and the one before it, as far as its reason goes.
CREATE FUNCTION farm.difference(j farm.job, before farm.job, OUT was text, OUT is_now text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    now_spec constant jsonb := (SELECT s.body FROM farm.spec s WHERE s.id = j.spec_id);
    old_spec constant jsonb := (SELECT s.body FROM farm.spec s WHERE s.id = before.spec_id);
    pin text;
BEGIN
    CASE j.because
        WHEN 'external' THEN
            pin := (SELECT 'base:' || min(b.id) FROM farm.image_base e JOIN farm.base b ON b.id = e.base_id
                     WHERE e.image_arch_id = j.image_arch_id AND b.reference = j.because_of);
        WHEN 'parent' THEN
            pin := 'image:' || farm.named_parent(j.image_arch_id, j.because_of);
        WHEN 'argument' THEN
            was := old_spec->'build'->'args'->>j.because_of;
            is_now := now_spec->'build'->'args'->>j.because_of;
        WHEN 'context' THEN
            was := old_spec->>'context_key';
            is_now := now_spec->>'context_key';
        WHEN 'definition' THEN
            SELECT string_agg(coalesce(n.key, o.key) || ': ' || coalesce(left(o.value::text, 200), 'none'), ', ' ORDER BY coalesce(n.key, o.key)),
                   string_agg(coalesce(n.key, o.key) || ': ' || coalesce(left(n.value::text, 200), 'none'), ', ' ORDER BY coalesce(n.key, o.key))
              INTO was, is_now
              FROM jsonb_each(farm.definition_part(now_spec)) n FULL JOIN jsonb_each(farm.definition_part(old_spec)) o ON o.key = n.key
             WHERE n.value IS DISTINCT FROM o.value AND old_spec IS NOT NULL;
        ELSE
            NULL;
    END CASE;
    IF pin IS NOT NULL THEN
        was := before.pins->pin->>'digest';
        is_now := j.pins->pin->>'digest';
    END IF;
END $$;

-- The commit of the image's ref that a person names by its first digits.
CREATE FUNCTION farm.find_revision(image bigint, written text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
    seen timestamptz;
BEGIN
    IF written ~ '^[0-9a-f]{4,64}$' THEN
        SELECT v.seen_at INTO seen FROM farm.image i JOIN farm.revision v ON v.ref_id = i.ref_id
         WHERE i.id = image AND starts_with(v.oid, written) ORDER BY v.serial DESC LIMIT 1;
    END IF;
    IF seen IS NULL THEN
        PERFORM farm.bad_argument(format('the farm saw no commit %s at the head of the ref of %s', left(written, 100), farm.image_title(image)),
                                  'give at least four digits of one that was a head; `bootfarm job list --image` shows them');
    END IF;
    RETURN seen;
END $$;

-- Why an image was built: its newest build for each architecture, or the fifty newest since a commit (`build` counts them from 1), each as a chain of
-- reasons: step 0 is the build itself, what follows is the parent's build that it names as its reason, down to where it began.
CREATE FUNCTION dashboard.explain(image text, since text)
RETURNS TABLE (name text, arch text, build int, step int, subject text, job bigint, state text, because text, because_of text, revision text, previous_revision text,
               created_at timestamptz, was text, is_now text) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    found_image constant bigint := farm.find_image(explain.image);
    begun constant timestamptz := CASE WHEN since <> '' THEN farm.find_revision(found_image, since) END;
    top record;
    j farm.job;
    before farm.job;
    parent bigint;
BEGIN
    name := farm.image_title(found_image);
    FOR top IN
        SELECT a.arch, n.id, n.ord FROM farm.image_arch a
         CROSS JOIN LATERAL (SELECT q.id, row_number() OVER (ORDER BY q.id DESC)::int AS ord FROM farm.job q
                              WHERE q.image_arch_id = a.id AND q.kind = 'build' AND coalesce(q.created_at > begun, true)
                              ORDER BY q.id DESC LIMIT CASE WHEN begun IS NULL THEN 1 ELSE 50 END) n
         WHERE a.image_id = found_image AND a.removed_at IS NULL ORDER BY a.arch, n.ord
    LOOP
        arch := top.arch;
        build := top.ord;
        step := 0;
        SELECT q.* INTO j FROM farm.job q WHERE q.id = top.id;
        WHILE j.id IS NOT NULL LOOP
            SELECT q.* INTO before FROM farm.job q WHERE q.image_arch_id = j.image_arch_id AND q.kind = 'build' AND q.id < j.id AND q.pins IS NOT NULL ORDER BY q.id DESC LIMIT 1;
            subject := farm.image_title(j.image_id);
            job := j.id;
            state := j.state;
            because := j.because;
            because_of := j.because_of;
            revision := (SELECT v.oid FROM farm.revision v WHERE v.id = j.revision_id);
            previous_revision := (SELECT v.oid FROM farm.revision v WHERE v.id = before.revision_id);
            created_at := j.created_at;
            SELECT d.was, d.is_now INTO was, is_now FROM farm.difference(j, before) d;
            RETURN NEXT;
            EXIT WHEN j.because <> 'parent' OR j.because IS NULL;
            parent := farm.named_parent(j.image_arch_id, j.because_of);
            step := step + 1;
            SELECT q.* INTO j FROM farm.job q WHERE q.image_arch_id = parent AND q.kind = 'build' AND q.id < j.id ORDER BY q.id DESC LIMIT 1;
        END LOOP;
    END LOOP;
END $$;

GRANT SELECT ON dashboard.edges TO bootfarm_scheduler, bootfarm_api, bootfarm_dashboard;
SELECT farm.open_functions('bootfarm_api', ARRAY['dashboard.explain']);
