-- 0013_commands: what operators ask for. submit_command checks and stores; the leader carries out.

-- The arguments each verb knows. `kind`: text, number, bool, list (of text), or what it names: image, base, job, worker, site, repo.
CREATE TABLE farm.command_arg (
    verb     text NOT NULL,
    arg      text NOT NULL,
    kind     text NOT NULL,
    required boolean NOT NULL,
    PRIMARY KEY (verb, arg)
);
INSERT INTO farm.command_arg (verb, arg, kind, required) VALUES
    ('repo_add', 'url', 'text', true), ('repo_add', 'slug', 'text', false), ('repo_add', 'refs', 'list', false), ('repo_add', 'poll_every', 'text', false),
    ('repo_add', 'ssh_key', 'text', false), ('repo_add', 'known_hosts', 'text', false), ('repo_add', 'ca_file', 'text', false),
    ('repo_add', 'credentials', 'text', false), ('repo_add', 'allowed_signers', 'text', false), ('repo_add', 'keyring', 'text', false),
    ('repo_remove', 'slug', 'repo', true), ('repo_sync', 'slug', 'repo', true),
    ('repo_set', 'slug', 'repo', true), ('repo_set', 'weight', 'text', true),
    ('site_add', 'name', 'text', true), ('site_add', 'kind', 'text', true), ('site_add', 'registry', 'text', false), ('site_add', 'on_partition', 'text', false),
    ('site_add', 'grace', 'text', false),
    ('worker_enroll', 'name', 'text', true), ('worker_enroll', 'site', 'site', true), ('worker_enroll', 'roles', 'list', true), ('worker_enroll', 'public_key', 'text', true),
    ('worker_revoke', 'name', 'worker', true), ('worker_drain', 'name', 'worker', true), ('worker_resume', 'name', 'worker', true),
    ('job_cancel', 'job', 'job', true), ('job_retry', 'job', 'job', true),
    ('build', 'image', 'image', true), ('build', 'arch', 'text', false), ('build', 'force', 'bool', false),
    ('test', 'image', 'image', true), ('test', 'arch', 'text', false), ('test', 'force', 'bool', false),
    ('publish', 'image', 'image', true), ('publish', 'arch', 'text', false), ('publish', 'force', 'bool', false),
    ('mirror', 'image', 'image', true), ('mirror', 'site', 'site', false), ('mirror', 'force', 'bool', false),
    ('base_check', 'reference', 'base', false), ('base_bump', 'reference', 'base', true),
    ('setting_set', 'name', 'text', true), ('setting_set', 'value', 'text', true),
    ('debug_record', 'file', 'text', false), ('debug_record', 'period', 'text', false), ('debug_record', 'off', 'bool', false);

CREATE FUNCTION farm.bad_argument(message text, hint text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', message USING ERRCODE = 'invalid_parameter_value', HINT = coalesce(hint, '');
END $$;

-- repo:name@ref; any part that is left out must be clear from the rest. A ref that is left out is the remote's HEAD where that has the image.
CREATE FUNCTION farm.find_image(title text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    part constant text[] := regexp_match(title, '^(?:([^:@]+):)?([^:@]+)(?:@(.+))?$');
    found_id bigint;
    n int;
    names text;
BEGIN
    -- In full, as programs write it: by keys, however many images there are.
    SELECT i.id INTO found_id
      FROM farm.repo p JOIN farm.ref r ON r.repo_id = p.id JOIN farm.image i ON i.ref_id = r.id
     WHERE p.slug = part[1] AND r.name = part[3] AND i.name = part[2] AND i.removed_at IS NULL;
    IF FOUND THEN
        RETURN found_id;
    END IF;
    WITH hit AS (
        SELECT i.id, r.name = p.head AS is_head
          FROM farm.image i JOIN farm.ref r ON r.id = i.ref_id JOIN farm.repo p ON p.id = r.repo_id
         WHERE i.removed_at IS NULL AND i.name = part[2] AND coalesce(p.slug = part[1], true) AND coalesce(r.name = part[3], true)
    ), best AS (
        SELECT h.id FROM hit h WHERE h.is_head OR NOT EXISTS (SELECT FROM hit o WHERE o.is_head)
    )
    SELECT count(*), min(b.id), string_agg(farm.image_title(b.id), ', ' ORDER BY b.id) INTO n, found_id, names FROM best b;
    IF n = 0 THEN
        PERFORM farm.bad_argument(format('there is no image %s', title), 'images are written repo:name@ref; `bootfarm status` lists them');
    ELSIF n > 1 THEN
        PERFORM farm.bad_argument(format('%s may mean %s', title, left(names, 500)), 'write repo:name@ref');
    END IF;
    RETURN found_id;
END $$;

-- A number, or the readable id: then the newest of that name.
CREATE FUNCTION farm.find_job(arg jsonb) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    written constant text := arg #>> '{}';
    part text[];
    found_id bigint;
BEGIN
    IF written ~ '^[0-9]{1,18}$' THEN
        SELECT j.id INTO found_id FROM farm.job j WHERE j.id = written::bigint;
    ELSE
        part := regexp_match(written, '^(build|test|publish|mirror):([^:@]+):([^:@]+)@([^:]+)(?::([^:]+))?$');
        SELECT j.id INTO found_id
          FROM farm.repo p
          JOIN farm.ref r ON r.repo_id = p.id AND r.name = part[4]
          JOIN farm.image i ON i.ref_id = r.id AND i.name = part[3]
          JOIN farm.job j ON j.image_id = i.id AND j.kind = part[1]
          LEFT JOIN farm.image_arch a ON a.id = j.image_arch_id
          LEFT JOIN farm.site s ON s.id = j.target_site_id
         WHERE p.slug = part[2] AND coalesce(a.arch, s.name) IS NOT DISTINCT FROM part[5]
         ORDER BY j.id DESC LIMIT 1;
    END IF;
    IF found_id IS NULL THEN
        PERFORM farm.bad_argument(format('there is no job %s', written), '`bootfarm job list` shows them');
    END IF;
    RETURN found_id;
END $$;

CREATE FUNCTION farm.check_duration(verb text, arg text, written text, shortest interval, longest interval) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF written::interval BETWEEN shortest AND longest THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'interval_field_overflow';
EXCEPTION WHEN data_exception THEN
    PERFORM farm.bad_argument(format('%s: %s must be a duration from %s to %s, and is not: %s', verb, arg, shortest, longest, left(written, 100)), 'write it like 90s, 5m, 2h or 1d');
END $$;

-- What stands in a URL stands in views, logs and the arguments of processes. A user alone (ssh://git@host) is no secret, except for http.
CREATE FUNCTION farm.holds_secret(url text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT url ~* 'https?://[^/?#]*@' OR url ~ '://[^/?#@]*:[^/?#]*@' OR (url !~ '://' AND url ~ '^[^/:@]+:[^/@]*@')
$$;

CREATE FUNCTION farm.is_slug(written text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM written::farm.slug;
    RETURN true;
EXCEPTION WHEN check_violation THEN
    RETURN false;
END $$;

-- What goes beyond the kind of an argument.
CREATE FUNCTION farm.check_value(verb text, arg text, written text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    others text;
BEGIN
    CASE arg
        WHEN 'poll_every' THEN PERFORM farm.check_duration(verb, arg, written, '1 second', '7 days');
        WHEN 'grace' THEN PERFORM farm.check_duration(verb, arg, written, '0 seconds', '90 days');
        WHEN 'weight' THEN
            IF written !~ '^[0-9]{1,4}$' OR written::int NOT BETWEEN 1 AND 1000 THEN
                PERFORM farm.bad_argument(format('%s: weight must be a number from 1 to 1000, and is not: %s', verb, left(written, 100)),
                                          'a repository of weight 3 gets three times the share of one of weight 1');
            END IF;
        WHEN 'name', 'slug' THEN
            IF verb IN ('site_add', 'worker_enroll', 'repo_add') AND NOT farm.is_slug(written) THEN
                PERFORM farm.bad_argument(format('%s: %s must be of lower-case letters and digits, with single ''.'', ''_'' or ''-'' between them, at most 63, and is not: %s', verb, arg, left(written, 100)));
            END IF;
        WHEN 'kind' THEN
            IF written NOT IN ('hub', 'acp') THEN
                PERFORM farm.bad_argument(format('%s: kind must be hub or acp, and is not: %s', verb, left(written, 100)));
            END IF;
        WHEN 'roles' THEN
            SELECT left(string_agg(r, ', '), 100) INTO others FROM jsonb_array_elements_text(written::jsonb) r WHERE r NOT IN ('build', 'test', 'publish', 'mirror');
            IF others IS NOT NULL THEN
                PERFORM farm.bad_argument(format('%s: roles are build, test, publish and mirror, and not: %s', verb, others));
            END IF;
        WHEN 'slots' THEN PERFORM farm.number_or(arg, written, 'auto', 1, 1024);
        WHEN 'workers' THEN PERFORM farm.number_or(arg, written, 'auto', 0, 10000);
        WHEN 'min', 'max' THEN PERFORM farm.number_or(arg, written, 'none', 0, 10000);
        WHEN 'period' THEN PERFORM farm.check_duration(verb, arg, written, '1 second', '24 hours');
        WHEN 'file' THEN
            IF written !~ '^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$' THEN
                PERFORM farm.bad_argument(format('%s: a trace is named by letters, digits, ''.'', ''_'' and ''-'', not by a path', verb),
                                          'it is written below the state_dir of the scheduler that leads, to traces/NAME');
            END IF;
        WHEN 'url' THEN
            IF farm.holds_secret(written) THEN
                PERFORM farm.bad_argument(format('%s: the url holds a user or a password, which everybody could read', verb),
                                          'take them out of the URL, and name a file at the scheduler with --credentials');
            END IF;
        ELSE NULL;
    END CASE;
END $$;

-- The id of what an argument names; NULL where it is a plain value. Raises when the value has not the form or names nothing.
CREATE FUNCTION farm.check_argument(verb text, arg text, kind text, value jsonb) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    type constant text := jsonb_typeof(value);
    written constant text := value #>> '{}';
    id bigint;
BEGIN
    IF (CASE kind WHEN 'bool' THEN type <> 'boolean' WHEN 'list' THEN type <> 'array' WHEN 'job' THEN type NOT IN ('number', 'string') WHEN 'text' THEN type NOT IN ('number', 'string') ELSE type <> 'string' END)
       OR (type = 'string' AND (length(written) NOT BETWEEN 1 AND 1000 OR written ~ '[\x01-\x1f\x7f]'))
       OR (type = 'array' AND (jsonb_array_length(value) NOT BETWEEN 1 AND 64
                               OR EXISTS (SELECT FROM jsonb_array_elements(value) e WHERE jsonb_typeof(e) <> 'string' OR length(e #>> '{}') NOT BETWEEN 1 AND 255))) THEN
        PERFORM farm.bad_argument(format('%s: %s must be %s', verb, arg, CASE kind WHEN 'bool' THEN 'true or false' WHEN 'list' THEN 'a list of texts'
                                                                                  WHEN 'job' THEN 'the number or the name of a job' ELSE 'a text without control characters' END));
    END IF;
    CASE kind
        WHEN 'image' THEN RETURN farm.find_image(written);
        WHEN 'base' THEN RETURN farm.find_base(written);
        WHEN 'job' THEN RETURN farm.find_job(value);
        WHEN 'worker' THEN SELECT w.id INTO id FROM farm.worker w WHERE w.name = written;
        WHEN 'site' THEN SELECT s.id INTO id FROM farm.site s WHERE s.name = written;
        WHEN 'repo' THEN SELECT p.id INTO id FROM farm.repo p WHERE p.slug = written AND p.removed_at IS NULL;
        ELSE PERFORM farm.check_value(verb, arg, written); RETURN NULL;
    END CASE;
    IF id IS NULL THEN
        PERFORM farm.bad_argument(format('%s: there is no %s %s', verb, CASE kind WHEN 'repo' THEN 'repository' ELSE kind END, written));
    END IF;
    RETURN id;
END $$;

-- Stores the command, with the id of each thing that its arguments name beside the name: {"name": "hub-build", "worker_id": 3}.
CREATE FUNCTION dashboard.submit_command(verb text, args jsonb, who text, source text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    known farm.command_arg;
    stored jsonb := args;
    id bigint;
    unknown text;
BEGIN
    IF NOT EXISTS (SELECT FROM farm.command_arg c WHERE c.verb = submit_command.verb) THEN
        PERFORM farm.bad_argument(format('there is no command %s', left(verb, 100)),
                                  'known are ' || (SELECT string_agg(DISTINCT c.verb, ', ' ORDER BY c.verb) FROM farm.command_arg c));
    END IF;
    IF jsonb_typeof(args) IS DISTINCT FROM 'object' OR length(args::text) > 65536 OR coalesce(length(who), 0) NOT BETWEEN 1 AND 200
       OR coalesce(length(source), 0) NOT BETWEEN 1 AND 200 THEN
        PERFORM farm.bad_argument(format('%s: args must be an object of at most 64 KiB, who and source a text of at most 200 characters', verb));
    END IF;
    SELECT k INTO unknown FROM jsonb_object_keys(args) k WHERE NOT EXISTS (SELECT FROM farm.command_arg c WHERE c.verb = submit_command.verb AND c.arg = k) ORDER BY k LIMIT 1;
    IF FOUND THEN
        PERFORM farm.bad_argument(format('%s has no argument %s', verb, left(unknown, 100)),
                                  'known are ' || (SELECT string_agg(c.arg, ', ' ORDER BY c.arg) FROM farm.command_arg c WHERE c.verb = submit_command.verb));
    END IF;
    FOR known IN SELECT c.* FROM farm.command_arg c WHERE c.verb = submit_command.verb ORDER BY c.arg LOOP
        IF coalesce(args->known.arg, 'null') = 'null' THEN
            IF known.required THEN
                PERFORM farm.bad_argument(format('%s needs %s', verb, known.arg));
            END IF;
            stored := stored - known.arg;
            CONTINUE;
        END IF;
        id := farm.check_argument(verb, known.arg, known.kind, args->known.arg);
        IF id IS NOT NULL THEN
            stored := stored || jsonb_build_object(known.kind || '_id', id);
        END IF;
    END LOOP;
    INSERT INTO farm.command AS c (verb, args, who, source) VALUES (submit_command.verb, stored, submit_command.who, submit_command.source) RETURNING c.id INTO id;
    PERFORM pg_notify('farm_command', id::text), pg_notify('farm_change', 'commands');
    RETURN id;
END $$;

CREATE FUNCTION farm.commands() RETURNS TABLE (id bigint, verb text, args jsonb, who text) LANGUAGE sql STABLE AS $$
    SELECT c.id, c.verb, c.args, c.who FROM farm.command c WHERE c.state = 'submitted' ORDER BY c.id
$$;
