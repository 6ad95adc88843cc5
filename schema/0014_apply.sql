-- 0014_apply: the commands that are rows only, and those that make jobs. Each returns its outcome, with the members `jobs` and
-- `image_archs` where there is something for the brain to load.

CREATE FUNCTION farm.wake_repo(repo bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE farm.repo p SET sync_wanted = p.sync_wanted + 1 WHERE p.id = repo;
    SELECT pg_notify('farm_sync', repo::text);
$$;

-- The last part of the URL, as a slug.
CREATE FUNCTION farm.slug_of(url text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT trim(BOTH '-' FROM regexp_replace(lower(regexp_replace(regexp_replace(url, '(/?\.git)?/*$', ''), '^.*[/:]', '')), '[^a-z0-9]+', '-', 'g'))
$$;

CREATE FUNCTION farm.apply_repo_add(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    wanted_slug constant text := coalesce(args->>'slug', farm.slug_of(args->>'url'));
    old farm.repo;
    repo bigint;
BEGIN
    SELECT p.* INTO old FROM farm.repo p WHERE p.slug = wanted_slug FOR UPDATE;
    IF FOUND AND old.removed_at IS NULL AND old.url <> args->>'url' THEN
        PERFORM farm.bad_argument(format('the repository %s is %s already', wanted_slug, old.url), 'give another `slug`, or remove that one first');
    END IF;
    INSERT INTO farm.repo AS p (slug, url, refs, poll_every, git)
    VALUES (wanted_slug, args->>'url', CASE WHEN args ? 'refs' THEN ARRAY(SELECT jsonb_array_elements_text(args->'refs')) ELSE '{HEAD}' END,
            coalesce((args->>'poll_every')::interval, '60 seconds'),
            jsonb_strip_nulls(jsonb_build_object('ssh_key', args->'ssh_key', 'known_hosts', args->'known_hosts', 'ca_file', args->'ca_file', 'credentials', args->'credentials',
                                                  'allowed_signers', args->'allowed_signers', 'keyring', args->'keyring')))
    ON CONFLICT (slug) DO UPDATE
       SET url = excluded.url, refs = excluded.refs, poll_every = excluded.poll_every, git = excluded.git, removed_at = NULL, failures = 0
    RETURNING p.id INTO repo;
    PERFORM farm.wake_repo(repo);
    RETURN jsonb_build_object('repository', wanted_slug, 'repo_id', repo);
END $$;

-- The brain learns a weight from the row of any image of the repository; images that come later bring it with them.
CREATE FUNCTION farm.apply_repo_set(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    repo constant bigint := (args->>'repo_id')::bigint;
    wanted constant int := (args->>'weight')::int;
    told bigint;
BEGIN
    UPDATE farm.repo p SET weight = wanted WHERE p.id = repo;
    SELECT a.id INTO told FROM farm.ref r JOIN farm.image i ON i.ref_id = r.id AND i.removed_at IS NULL JOIN farm.image_arch a ON a.image_id = i.id AND a.removed_at IS NULL
     WHERE r.repo_id = repo LIMIT 1;
    PERFORM pg_notify('farm_change', 'repositories');
    RETURN jsonb_build_object('repo_id', repo, 'weight', wanted, 'image_archs', CASE WHEN told IS NULL THEN '[]' ELSE jsonb_build_array(told) END);
END $$;

CREATE FUNCTION farm.apply_repo_remove(repo bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    gone bigint[];
BEGIN
    UPDATE farm.repo p SET removed_at = now() WHERE p.id = repo;
    UPDATE farm.ref r SET gone_at = coalesce(r.gone_at, now()), oid = NULL WHERE r.repo_id = repo;
    DELETE FROM farm.definition_error d USING farm.ref r WHERE r.repo_id = repo AND d.ref_id = r.id;
    gone := farm.remove_images(ARRAY(SELECT r.id FROM farm.ref r WHERE r.repo_id = repo));
    RETURN jsonb_build_object('image_archs', to_jsonb(gone));
END $$;

-- Images that have a release get it there, too; definitions that were waiting for a site of this name are planned again.
CREATE FUNCTION farm.apply_site_add(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    old farm.site;
    site bigint;
    waiting bigint;
    added farm.image_site[];
    jobs bigint[];
BEGIN
    SELECT s.* INTO old FROM farm.site s WHERE s.name = args->>'name' FOR UPDATE;
    IF FOUND AND old.kind <> args->>'kind' THEN
        PERFORM farm.bad_argument(format('the site %s is of kind %s already', old.name, old.kind));
    END IF;
    INSERT INTO farm.site AS s (name, kind, registry, on_partition, grace)
    VALUES (args->>'name', args->>'kind', args->>'registry', coalesce(args->>'on_partition', CASE args->>'kind' WHEN 'acp' THEN 'continue' ELSE 'kill' END),
            coalesce((args->>'grace')::interval, '1 hour'))
    ON CONFLICT (name) DO UPDATE
       SET registry = CASE WHEN args ? 'registry' THEN excluded.registry ELSE s.registry END,
           on_partition = CASE WHEN args ? 'on_partition' THEN excluded.on_partition ELSE s.on_partition END,
           grace = CASE WHEN args ? 'grace' THEN excluded.grace ELSE s.grace END
    RETURNING s.id INTO site;
    IF old.registry IS NOT NULL AND args ? 'registry' AND old.registry <> args->>'registry' THEN
        DELETE FROM farm.presence p WHERE p.site_id = site;       -- another registry holds nothing yet
        DELETE FROM farm.image_site t WHERE t.site_id = site;
    END IF;
    added := farm.match_sites(ARRAY(SELECT i.id FROM farm.image i WHERE i.removed_at IS NULL AND i.spec->'mirror'->'sites' IS NOT NULL));
    jobs := farm.add_jobs(ARRAY(
        SELECT ('mirror', n.image_id, NULL, n.site_id, v.id, 'site', args->>'name')::farm.wanted_job
          FROM unnest(added) n
          JOIN farm.image i ON i.id = n.image_id
          JOIN farm.ref r ON r.id = i.ref_id
          JOIN farm.revision v ON v.ref_id = r.id AND v.serial = r.serial
         WHERE farm.has_release(n.image_id) ORDER BY n.image_id, n.site_id), 0);
    FOR waiting IN SELECT DISTINCT r.repo_id FROM farm.definition_error d JOIN farm.ref r ON r.id = d.ref_id WHERE d.code = 'unknown-site' LOOP
        UPDATE farm.ref r SET oid = NULL WHERE r.repo_id = waiting AND EXISTS (SELECT FROM farm.definition_error d WHERE d.ref_id = r.id AND d.code = 'unknown-site');
        PERFORM farm.wake_repo(waiting);
    END LOOP;
    PERFORM pg_notify('farm_change', 'sites');
    RETURN jsonb_build_object('site_id', site, 'jobs', to_jsonb(jobs));
END $$;

-- Enrolling a name again replaces its key, roles and site, and ends a revocation.
CREATE FUNCTION farm.apply_worker_enroll(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    worker bigint;
BEGIN
    INSERT INTO farm.worker AS w (name, site_id, roles, public_key)
    VALUES (args->>'name', (args->>'site_id')::bigint, ARRAY(SELECT DISTINCT r FROM jsonb_array_elements_text(args->'roles') r ORDER BY r), args->>'public_key')
    ON CONFLICT (name) DO UPDATE SET site_id = excluded.site_id, roles = excluded.roles, public_key = excluded.public_key, revoked_at = NULL
    RETURNING w.id INTO worker;
    PERFORM pg_notify('farm_change', 'workers');
    RETURN jsonb_build_object('worker_id', worker, 'curve_public', (SELECT s.value FROM farm.setting s WHERE s.name = 'curve_public'));
END $$;

CREATE FUNCTION farm.apply_worker_revoke(worker bigint) RETURNS jsonb LANGUAGE sql AS $$
    UPDATE farm.worker w SET revoked_at = coalesce(w.revoked_at, now()) WHERE w.id = worker;
    SELECT pg_notify('farm_change', 'workers');
    SELECT jsonb_build_object('worker_id', worker);
$$;

CREATE FUNCTION farm.apply_setting_set(args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF args->>'name' NOT IN ('staging_registry', 'release_registry', 'curve_public', 'arch', 'log_limit', 'log_keep', 'history_keep') THEN
        PERFORM farm.bad_argument(format('there is no setting %s', args->>'name'), 'known are staging_registry, release_registry, curve_public, arch, log_limit, log_keep, history_keep');
    END IF;
    IF args->>'name' LIKE 'log\_%' AND args->>'value' !~ (CASE args->>'name' WHEN 'log_keep' THEN '^[1-9][0-9]{0,3}$' ELSE '^[1-9][0-9]{0,14}$' END) THEN
        PERFORM farm.bad_argument(format('%s is not a %s', args->>'value', args->>'name'), CASE args->>'name' WHEN 'log_keep' THEN 'days, 1 to 9999' ELSE 'bytes' END);
    END IF;
    IF args->>'name' = 'history_keep' AND args->>'value' !~ '^[1-9][0-9]{0,3}$' THEN
        PERFORM farm.bad_argument(format('%s is not a history_keep', args->>'value'), 'months, 1 to 9999');
    END IF;
    INSERT INTO farm.setting AS s (name, value) VALUES (args->>'name', args->>'value') ON CONFLICT (name) DO UPDATE SET value = excluded.value;
    RETURN '{}';
END $$;

-- The leader has begun or ended its trace before it comes here.
CREATE FUNCTION farm.apply_debug_record(args jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('file', 'traces/' || (args->>'file'), 'scheduler', (SELECT l.holder FROM farm.leader l)))
$$;

-- The job that was asked for is forced (unless "force": false): a build gets a serial of its own and runs without cache. What follows
-- in the chain runs where that gave something new.
CREATE FUNCTION farm.apply_jobs(verb text, args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    image constant bigint := (args->>'image_id')::bigint;
    follow text[] := CASE verb WHEN 'build' THEN '{test,publish,mirror}' WHEN 'publish' THEN '{mirror}' END;     -- NULL: nothing
    forced constant bigint := CASE WHEN coalesce((args->>'force')::boolean, true) THEN nextval('farm.forced') ELSE 0 END;
    i farm.image;
    revision bigint;
    only_arch bigint;
    asked farm.wanted_job[];
    jobs bigint[];
BEGIN
    SELECT q.* INTO i FROM farm.image q WHERE q.id = image AND q.removed_at IS NULL;
    IF NOT FOUND THEN
        PERFORM farm.bad_argument('no revision wants this image any more');
    END IF;
    SELECT v.id INTO revision FROM farm.ref r JOIN farm.revision v ON v.ref_id = r.id AND v.serial = r.serial WHERE r.id = i.ref_id;
    PERFORM farm.check_right(image, verb);
    IF args ? 'arch' THEN
        SELECT a.id INTO only_arch FROM farm.image_arch a WHERE a.image_id = image AND a.arch = args->>'arch' AND a.removed_at IS NULL;
        IF NOT FOUND THEN
            PERFORM farm.bad_argument(format('the image has no architecture %s', args->>'arch'));
        END IF;
    END IF;
    IF verb = 'mirror' AND NOT farm.has_release(image) THEN
        PERFORM farm.bad_argument('the image was not released yet');
    END IF;
    IF args ? 'site_id' THEN
        IF NOT EXISTS (SELECT FROM farm.site s WHERE s.id = (args->>'site_id')::bigint AND s.registry IS NOT NULL AND s.kind = 'acp') THEN
            PERFORM farm.bad_argument(format('the site %s is no ACP with a registry', args->>'site'));
        END IF;
        asked := ARRAY[('mirror', image, NULL, (args->>'site_id')::bigint, revision, 'forced', NULL)::farm.wanted_job];
    ELSE
        asked := farm.chain(image, ARRAY[verb], revision, 'forced', NULL, only_arch);
    END IF;
    IF verb IN ('build', 'test') THEN
        PERFORM farm.close_breakers(ARRAY(SELECT c.image_arch_id FROM unnest(asked) c));
    END IF;
    jobs := farm.add_jobs(asked, forced);
    IF verb = 'build' AND farm.is_manual(i.spec) THEN
        follow := '{test}';
    END IF;
    IF follow IS NOT NULL THEN
        jobs := jobs || farm.add_jobs(farm.chain(image, follow, revision, 'forced', NULL, only_arch), 0);
    END IF;
    IF cardinality(jobs) = 0 THEN
        PERFORM farm.bad_argument('no site mirrors this image', 'name one with `site`');
    END IF;
    RETURN jsonb_build_object('jobs', to_jsonb(jobs), 'names', (SELECT jsonb_agg(farm.job_title(j.id) ORDER BY j.ord) FROM unnest(jobs) WITH ORDINALITY j (id, ord)));
END $$;

CREATE FUNCTION farm.apply_verb(verb text, args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    CASE verb
        WHEN 'repo_add' THEN RETURN farm.apply_repo_add(args);
        WHEN 'repo_remove' THEN RETURN farm.apply_repo_remove((args->>'repo_id')::bigint);
        WHEN 'repo_sync' THEN PERFORM farm.wake_repo((args->>'repo_id')::bigint); RETURN '{}';
        WHEN 'repo_set' THEN RETURN farm.apply_repo_set(args);
        WHEN 'repo_policy' THEN RETURN farm.apply_repo_policy(args);
        WHEN 'repo_grant' THEN RETURN farm.apply_repo_grant(args);
        WHEN 'site_add' THEN RETURN farm.apply_site_add(args);
        WHEN 'worker_enroll' THEN RETURN farm.apply_worker_enroll(args);
        WHEN 'worker_set' THEN RETURN farm.apply_worker_set(args);
        WHEN 'site_scale' THEN RETURN farm.apply_site_scale(args);
        WHEN 'worker_revoke' THEN RETURN farm.apply_worker_revoke((args->>'worker_id')::bigint);
        WHEN 'setting_set' THEN RETURN farm.apply_setting_set(args);
        WHEN 'debug_record' THEN RETURN farm.apply_debug_record(args);
        WHEN 'base_check' THEN RETURN farm.apply_base_check((args->>'base_id')::bigint);
        WHEN 'base_bump' THEN RETURN farm.apply_base_bump((args->>'base_id')::bigint);
        WHEN 'build', 'test', 'publish', 'mirror' THEN RETURN farm.apply_jobs(verb, args);
        ELSE PERFORM farm.bad_argument(format('the command %s is carried out by the leader itself', verb));
    END CASE;
    RETURN NULL;
END $$;

-- Carries a submitted command out, in the operator's name, and ends it: done, or refused with what was wrong.
CREATE FUNCTION farm.command_apply(id bigint) RETURNS TABLE (state text, outcome jsonb, message text, jobs bigint[], image_archs bigint[]) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    c farm.command;
    hint text;
BEGIN
    PERFORM farm.my_term();
    SELECT q.* INTO c FROM farm.command q WHERE q.id = command_apply.id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF c.state = 'submitted' THEN
        BEGIN
            PERFORM set_config('farm.actor', 'operator:' || c.who, true);
            c.outcome := farm.apply_verb(c.verb, c.args);
            c.state := 'done';
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            GET STACKED DIAGNOSTICS c.message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
            c.message := c.message || CASE WHEN hint <> '' THEN ' (' || hint || ')' ELSE '' END;
            c.outcome := NULL;
            c.state := 'refused';
        END;
        PERFORM set_config('farm.actor', 'scheduler', true);
        UPDATE farm.command q SET state = c.state, outcome = c.outcome, message = c.message, ended_at = now() WHERE q.id = c.id;
    END IF;
    RETURN QUERY SELECT c.state, c.outcome, c.message,
                        ARRAY(SELECT e::bigint FROM jsonb_array_elements_text(coalesce(c.outcome->'jobs', '[]')) e),
                        ARRAY(SELECT e::bigint FROM jsonb_array_elements_text(coalesce(c.outcome->'image_archs', '[]')) e);
END $$;

-- The commands that a turn takes up, oldest first, but those that are under way elsewhere. Those that make jobs of known images are carried out
-- here and now, so that the turn can go on with the jobs (load_taken); the others are still `submitted` in the answer. One that an older
-- command precedes which is not carried out yet waits for it, so that they take effect in order.
CREATE FUNCTION farm.command_take(elsewhere bigint[], most int)
RETURNS TABLE (id bigint, verb text, args jsonb, who text, state text, message text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    jobs bigint[];
    made bigint[] := '{}';
    in_order boolean := cardinality(elsewhere) = 0;
BEGIN
    PERFORM farm.my_term();
    FOR id, verb, args, who IN SELECT q.id, q.verb, q.args, q.who FROM farm.command q WHERE q.state = 'submitted' AND NOT q.id = ANY (elsewhere) ORDER BY q.id LIMIT most LOOP
        state := 'submitted';
        message := NULL;
        IF in_order AND verb IN ('build', 'test', 'publish', 'mirror') THEN
            SELECT x.state, x.message, x.jobs INTO state, message, jobs FROM farm.command_apply(id) x;
            made := made || jobs;
        ELSIF verb NOT IN ('job_cancel', 'job_retry', 'worker_drain', 'worker_resume') THEN
            in_order := false;
        END IF;
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('farm.taken', made::text, true);
END $$;

-- The jobs that command_take has made in this transaction.
CREATE FUNCTION farm.load_taken() RETURNS SETOF farm.job_row LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT * FROM farm.load_jobs(coalesce(nullif(current_setting('farm.taken', true), ''), '{}')::bigint[]);
END $$;
