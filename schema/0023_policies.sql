-- 0023_policies: what a ref may do. Rules and grants are the operator's; nothing of them comes from a repository.
--
-- A ref may do what the rule says that names it. Where none does, the remote's HEAD may do everything, and any other ref builds and tests
-- only, as a pull request does whatever a rule says; so does every ref as long as the remote's HEAD is not known. Enforced where a plan is
-- stored (publish, mirrors, secrets, sites, and a recipe of its own, so that nothing that an untrusted ref has built is taken for the result
-- of a trusted one), and again where a release begins.

CREATE TABLE farm.ref_policy (
    repo_id bigint NOT NULL REFERENCES farm.repo,
    pattern text NOT NULL,                      -- as in repo.refs: HEAD, a name, a glob, tags/GLOB
    trusted boolean NOT NULL,                   -- shares caches and results with other trusted refs
    publish boolean NOT NULL,
    mirror  boolean NOT NULL,
    secrets boolean NOT NULL,
    place   boolean NOT NULL,                   -- may name a site for its jobs
    PRIMARY KEY (repo_id, pattern),
    CHECK (trusted OR NOT (publish OR mirror OR secrets OR place)),
    CHECK (publish OR NOT mirror)
);

-- References outside a repository's own name that its images may provide.
CREATE TABLE farm.provide_grant (
    repo_id bigint NOT NULL REFERENCES farm.repo,
    pattern text NOT NULL,
    PRIMARY KEY (repo_id, pattern)
);

CREATE FUNCTION farm.is_pull(ref_name text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT ref_name LIKE 'pull/%' OR ref_name LIKE 'merge-requests/%'
$$;

-- What the newest plan of a ref was stored with.
ALTER TABLE farm.ref ADD COLUMN trusted boolean NOT NULL DEFAULT false, ADD COLUMN may_publish boolean NOT NULL DEFAULT false,
    ADD COLUMN may_mirror boolean NOT NULL DEFAULT false, ADD COLUMN may_secrets boolean NOT NULL DEFAULT false, ADD COLUMN may_place boolean NOT NULL DEFAULT false,
    ADD COLUMN rule text,                       -- its pattern; NULL: none
    ADD COLUMN is_pull boolean NOT NULL GENERATED ALWAYS AS (farm.is_pull(name)) STORED;

-- The rule for a ref: its own name, then HEAD, then the longest pattern.
CREATE FUNCTION farm.policy_of(of_repo bigint, ref_name text, head text) RETURNS farm.ref_policy LANGUAGE plpgsql STABLE AS $$
DECLARE
    rule farm.ref_policy;
    all_of_it constant boolean := coalesce(ref_name = head, false) AND NOT farm.is_pull(ref_name);
BEGIN
    IF NOT farm.is_pull(ref_name) THEN
        SELECT p.* INTO rule FROM farm.ref_policy p
         WHERE p.repo_id = of_repo
           AND CASE WHEN p.pattern = 'HEAD' THEN ref_name = head
                    ELSE p.pattern = ref_name OR ((p.pattern LIKE 'tags/%') = (ref_name LIKE 'tags/%') AND farm.glob(p.pattern, ref_name)) END
         ORDER BY p.pattern = ref_name DESC, p.pattern = 'HEAD' DESC, length(p.pattern) DESC, p.pattern LIMIT 1;
        IF FOUND THEN
            RETURN rule;
        END IF;
    END IF;
    RETURN (of_repo, NULL, all_of_it, all_of_it, all_of_it, all_of_it, all_of_it)::farm.ref_policy;
END $$;

CREATE FUNCTION farm.set_rights(of_ref bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    q farm.ref_policy;
BEGIN
    SELECT o.* INTO q FROM farm.ref r JOIN farm.repo p ON p.id = r.repo_id CROSS JOIN LATERAL farm.policy_of(p.id, r.name, p.head) o WHERE r.id = of_ref;
    UPDATE farm.ref r SET trusted = q.trusted, may_publish = q.publish, may_mirror = q.mirror, may_secrets = q.secrets, may_place = q.place, rule = q.pattern
     WHERE r.id = of_ref
       AND (r.trusted, r.may_publish, r.may_mirror, r.may_secrets, r.may_place, r.rule) IS DISTINCT FROM (q.trusted, q.publish, q.mirror, q.secrets, q.place, q.pattern);
END $$;

CREATE FUNCTION farm.why_not(ref_name text, verb text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT format('the ref %s may not %s', ref_name, verb) || CASE WHEN farm.is_pull(ref_name) THEN ' (pull requests build and test only)' ELSE ' (see bootfarm repo policy)' END
$$;

-- Takes the staged images out that cannot be without what the ref may not, and returns them as errors. Of the others farm.stage has left that out.
CREATE FUNCTION farm.restrict_staged(of_ref bigint, revision bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    r farm.ref;
    errors jsonb;
BEGIN
    SELECT q.* INTO r FROM farm.ref q WHERE q.id = of_ref;
    WITH bad AS (
        SELECT s.name, s.spec->>'file' AS file, 'secret-not-granted' AS code, format('the ref %s may not use secrets', r.name) AS message
          FROM farm.plan_stage s WHERE s.revision_id = revision AND NOT r.may_secrets AND jsonb_array_length(coalesce(s.spec->'build'->'secrets', '[]')) > 0
        UNION ALL
        SELECT s.name, s.spec->>'file', 'place-not-granted', format('the ref %s may not name a site for its jobs', r.name)
          FROM farm.plan_stage s WHERE s.revision_id = revision AND NOT r.may_place AND s.spec->'place'->>'site' <> 'hub'
    ), taken AS (
        DELETE FROM farm.plan_stage s USING bad b WHERE s.revision_id = revision AND s.name = b.name
    )
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('image', b.name, 'file', b.file, 'code', b.code, 'message', b.message,
                                                          'hint', CASE WHEN farm.is_pull(r.name) THEN 'pull requests build and test what needs neither'
                                                                       ELSE 'an operator can allow it: bootfarm repo policy' END)), '[]') INTO errors FROM bad b;
    RETURN errors;
END $$;

CREATE FUNCTION farm.has_right(image_id bigint, verb text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT CASE verb WHEN 'publish' THEN r.may_publish WHEN 'mirror' THEN r.may_mirror ELSE true END FROM farm.image i JOIN farm.ref r ON r.id = i.ref_id WHERE i.id = has_right.image_id);
END $$;

CREATE FUNCTION farm.check_right(image_id bigint, verb text) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT farm.has_right(image_id, verb) THEN
        PERFORM farm.bad_argument(farm.why_not((SELECT r.name FROM farm.image i JOIN farm.ref r ON r.id = i.ref_id WHERE i.id = check_right.image_id), verb));
    END IF;
END $$;

-- Every ref whose rights are others now is planned anew.
CREATE FUNCTION farm.renew_rights(repo bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changed bigint[];
BEGIN
    WITH now AS (
        SELECT r.id, (q).* FROM farm.ref r JOIN farm.repo p ON p.id = r.repo_id CROSS JOIN LATERAL farm.policy_of(p.id, r.name, p.head) q WHERE r.repo_id = repo AND r.gone_at IS NULL
    )
    SELECT coalesce(array_agg(r.id), '{}') INTO changed FROM now n JOIN farm.ref r ON r.id = n.id
     WHERE (r.trusted, r.may_publish, r.may_mirror, r.may_secrets, r.may_place) IS DISTINCT FROM (n.trusted, n.publish, n.mirror, n.secrets, n.place);
    PERFORM farm.set_rights(r.id) FROM farm.ref r WHERE r.repo_id = repo AND r.gone_at IS NULL;     -- at once, so that no release begins that may not
    UPDATE farm.ref r SET oid = NULL WHERE r.id = ANY (changed);
    IF cardinality(changed) > 0 THEN
        PERFORM farm.wake_repo(repo);
    END IF;
END $$;

-- What the remote's HEAD is, as soon as anything of a poll is stored. NULL: it names no branch; then what it named last stands.
CREATE FUNCTION farm.set_head(repo bigint, name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE farm.repo p SET head = name WHERE p.id = repo AND p.head IS DISTINCT FROM name AND name IS NOT NULL;
    IF FOUND THEN
        PERFORM farm.renew_rights(repo);
    END IF;
END $$;

INSERT INTO farm.command_arg (verb, arg, kind, required) VALUES
    ('repo_policy', 'slug', 'repo', true), ('repo_policy', 'ref', 'text', true), ('repo_policy', 'trusted', 'bool', false), ('repo_policy', 'publish', 'bool', false),
    ('repo_policy', 'mirror', 'bool', false), ('repo_policy', 'secrets', 'bool', false), ('repo_policy', 'place', 'bool', false), ('repo_policy', 'remove', 'bool', false),
    ('repo_grant', 'slug', 'repo', true), ('repo_grant', 'reference', 'text', true), ('repo_grant', 'remove', 'bool', false);

-- What is not said is as `trusted` says; a rule is trusted unless it says otherwise.
CREATE FUNCTION farm.apply_repo_policy(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    repo constant bigint := (args->>'repo_id')::bigint;
    trust constant boolean := coalesce((args->>'trusted')::boolean, true);
    pub constant boolean := coalesce((args->>'publish')::boolean, trust);
BEGIN
    IF farm.is_pull(args->>'ref') THEN
        PERFORM farm.bad_argument('pull requests build and test only', 'no rule changes that');
    ELSIF coalesce((args->>'remove')::boolean, false) THEN
        DELETE FROM farm.ref_policy p WHERE p.repo_id = repo AND p.pattern = args->>'ref';
        IF NOT FOUND THEN
            PERFORM farm.bad_argument(format('there is no rule for %s', args->>'ref'));
        END IF;
    ELSIF NOT trust AND (pub OR coalesce((args->>'mirror')::boolean OR (args->>'secrets')::boolean OR (args->>'place')::boolean, false)) THEN
        PERFORM farm.bad_argument('a ref that is not trusted builds and tests only');
    ELSIF NOT pub AND coalesce((args->>'mirror')::boolean, false) THEN
        PERFORM farm.bad_argument('what is not published cannot be mirrored');
    ELSE
        INSERT INTO farm.ref_policy AS p (repo_id, pattern, trusted, publish, mirror, secrets, place)
        VALUES (repo, args->>'ref', trust, pub, coalesce((args->>'mirror')::boolean, pub), coalesce((args->>'secrets')::boolean, trust), coalesce((args->>'place')::boolean, trust))
        ON CONFLICT (repo_id, pattern) DO UPDATE SET trusted = excluded.trusted, publish = excluded.publish, mirror = excluded.mirror, secrets = excluded.secrets, place = excluded.place;
    END IF;
    PERFORM farm.renew_rights(repo);
    RETURN '{}';
END $$;

CREATE FUNCTION farm.apply_repo_grant(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    repo constant bigint := (args->>'repo_id')::bigint;
BEGIN
    IF coalesce((args->>'remove')::boolean, false) THEN
        DELETE FROM farm.provide_grant g WHERE g.repo_id = repo AND g.pattern = args->>'reference';
        IF NOT FOUND THEN
            PERFORM farm.bad_argument(format('there is no grant of %s', args->>'reference'));
        END IF;
    ELSE
        INSERT INTO farm.provide_grant (repo_id, pattern) VALUES (repo, args->>'reference') ON CONFLICT DO NOTHING;
    END IF;
    UPDATE farm.ref r SET oid = NULL WHERE r.repo_id = repo AND r.gone_at IS NULL;
    PERFORM farm.wake_repo(repo);
    RETURN '{}';
END $$;

-- ---- what people see ---------------------------------------------------------------------------------------

CREATE VIEW dashboard.ref_policies AS
    SELECT r.id, p.slug::text AS repository, r.name AS ref, r.oid AS revision, r.name = p.head AS is_head, r.is_pull,
           r.trusted, r.may_publish AS publish, r.may_mirror AS mirror, r.may_secrets AS secrets, r.may_place AS place,
           r.rule
      FROM farm.ref r JOIN farm.repo p ON p.id = r.repo_id WHERE r.gone_at IS NULL AND p.removed_at IS NULL;

-- What each pull request would rebuild once it is merged: what differs from the default ref, and what stands on that, in other repositories too.
-- Times are the mean of the last three builds and tests of the image, else of all.
CREATE VIEW dashboard.previews AS
    WITH RECURSIVE pull AS (
        SELECT r.id AS ref_id, r.name, p.slug, r.oid, h.id AS head_id
          FROM farm.ref r JOIN farm.repo p ON p.id = r.repo_id LEFT JOIN farm.ref h ON h.repo_id = p.id AND h.name = p.head AND h.gone_at IS NULL
         WHERE r.is_pull AND r.gone_at IS NULL AND p.removed_at IS NULL
    ), differs AS (
        SELECT l.ref_id, a.id AS arch_id, o.id AS merged_id
          FROM pull l
          JOIN farm.image i ON i.ref_id = l.ref_id AND i.removed_at IS NULL
          JOIN farm.image_arch a ON a.image_id = i.id AND a.removed_at IS NULL
          LEFT JOIN farm.image hi ON hi.ref_id = l.head_id AND hi.name = i.name AND hi.removed_at IS NULL
          LEFT JOIN farm.image_arch o ON o.image_id = hi.id AND o.arch = a.arch AND o.removed_at IS NULL
         WHERE o.id IS NULL OR coalesce(o.spec->>'plain_recipe', o.recipe) <> coalesce(a.spec->>'plain_recipe', a.recipe)
    ), reached (ref_id, arch_id) AS (
        SELECT d.ref_id, coalesce(d.merged_id, d.arch_id) FROM differs d
        UNION
        SELECT q.ref_id, e.image_arch_id
          FROM reached q JOIN farm.image_parent e ON e.parent_arch_id = q.arch_id
          JOIN farm.image_arch a ON a.id = e.image_arch_id AND a.removed_at IS NULL
          JOIN farm.image i ON i.id = a.image_id AND i.removed_at IS NULL AND i.ref_id <> q.ref_id
          JOIN farm.ref r ON r.id = i.ref_id AND NOT r.is_pull
    ), usual AS (
        SELECT k.kind, (SELECT avg(t.s) FROM (SELECT extract(epoch FROM t.ended_at - coalesce(t.started_at, t.leased_at)) AS s FROM farm.attempt t JOIN farm.job j ON j.id = t.job_id
                                               WHERE j.kind = k.kind AND t.outcome = 'succeeded' ORDER BY t.ended_at DESC LIMIT 100) t) AS s
          FROM (VALUES ('build'), ('test')) k (kind)
    ), cost AS (
        SELECT q.ref_id, q.arch_id, sum(coalesce(m.s, u.s, 0)) AS seconds
          FROM reached q CROSS JOIN usual u
          LEFT JOIN LATERAL (SELECT avg(t.s) AS s FROM (SELECT extract(epoch FROM t.ended_at - coalesce(t.started_at, t.leased_at)) AS s FROM farm.job j JOIN farm.attempt t ON t.job_id = j.id
                                                        WHERE j.image_arch_id = q.arch_id AND j.kind = u.kind AND t.outcome = 'succeeded' ORDER BY j.id DESC LIMIT 3) t) m ON true
         GROUP BY q.ref_id, q.arch_id
    ), total AS (
        SELECT c.ref_id, count(*)::int AS images, sum(c.seconds)::float8 AS seconds FROM cost c GROUP BY 1
    )
    SELECT l.ref_id AS id, l.slug::text AS repository, l.name AS ref, l.oid AS revision, coalesce(t.images, 0) AS images, coalesce(t.seconds, 0) AS seconds,
           CASE WHEN t.images IS NULL THEN 'rebuilds nothing'
                ELSE format('rebuilds %s image%s, about %s', t.images, CASE WHEN t.images > 1 THEN 's' ELSE '' END,
                            CASE WHEN t.seconds >= 5400 THEN round(t.seconds / 3600) || ' h' WHEN t.seconds >= 90 THEN round(t.seconds / 60) || ' min'
                                 ELSE ceil(t.seconds) || ' s' END) END AS summary
      FROM pull l LEFT JOIN total t ON t.ref_id = l.ref_id;

GRANT SELECT ON dashboard.ref_policies, dashboard.previews TO bootfarm_api, bootfarm_dashboard, bootfarm_scheduler;
