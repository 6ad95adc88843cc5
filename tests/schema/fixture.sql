-- fixture.sql: what every SQL test starts from: pgTAP, a farm with a hub and two ACPs, a repository `plant`, and short names for what a
-- scheduler does. Loaded once; each test runs in a transaction that it rolls back.
CREATE EXTENSION pgtap;
CREATE SCHEMA t;
SET search_path = t, public;

-- A digest that is easy to read in failures: sha256:<hex of the name, padded>.
CREATE FUNCTION t.d(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'sha256:' || rpad(encode(convert_to(name, 'UTF8'), 'hex'), 64, '0')
$$;
CREATE FUNCTION t.oid(name text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT rpad(encode(convert_to(name, 'UTF8'), 'hex'), 40, '0')
$$;
CREATE FUNCTION t.uuid(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;

-- IMAGE of scheduler/planner/README.md. `content` makes context and recipe; `more` replaces members.
CREATE FUNCTION t.image(name text, content text, parents text[] DEFAULT '{}', more jsonb DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object(
        'name', name, 'arch', 'amd64', 'file', 'images/' || name || '/Containerfile', 'context', 'images/' || name, 'matrix', '{}'::jsonb,
        'provides', jsonb_build_array('localhost/' || name || ':latest'), 'recipe', t.d('r' || name || content), 'wave', cardinality(parents) + 1,
        'parents', (SELECT coalesce(jsonb_agg(jsonb_build_object('ref', 'localhost/' || p || ':latest', 'written', jsonb_build_array('localhost/' || p),
                                                                 'image', p, 'use', 'from', 'final', true)), '[]') FROM unnest(parents) p),
        'externals', CASE WHEN parents = '{}' THEN '[{"ref": "quay.io/os/debian:12", "written": ["quay.io/os/debian:12"], "use": "from"}]'::jsonb ELSE '[]' END,
        'context_key', t.d('c' || name || content), 'artifact', NULL, 'tests_key', t.d('t' || name), 'scripts_key', t.d('s' || name), 'publish_key', t.d('p' || name),
        'containerfile', 'Containerfile',
        'build', '{"target": "", "args": {"V": "1"}, "network": "none", "memory": 1073741824, "cpus": 2, "timeout_ms": 3600000, "silence_ms": 900000, "secrets": ["key"], "cache": true, "timestamp": 0}'::jsonb,
        'test', '{"boot": "auto", "container": [], "scripts": ["tests/a.sh"], "memory": 1, "cpus": 2, "timeout_ms": 600000, "ready": "multi-user.target"}'::jsonb,
        'publish', '{"tags": ["main", "{commit12}", "1.0-{build}", "{site}"], "when": "tested", "partial": false}'::jsonb,
        'mirror', '{"sites": ["acp-*"]}'::jsonb, 'place', '{"site": "hub", "needs": ["kvm"]}'::jsonb, 'priority', 10) || more
$$;

CREATE FUNCTION t.plan(commit text, images jsonb[], ref text DEFAULT 'main', errors jsonb DEFAULT '[]') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('ref', ref, 'oid', t.oid(commit), 'images', to_jsonb(images), 'errors', errors, 'warnings', '[]'::jsonb)
$$;

CREATE FUNCTION t.id(title text) RETURNS bigint LANGUAGE sql AS $$
    SELECT a.id FROM farm.image_arch a WHERE farm.image_title(a.image_id) = title ORDER BY a.id LIMIT 1
$$;

-- Commits a plan of repository `plant` and returns the names of the new jobs, in the order made.
CREATE FUNCTION t.push(plan jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    i jsonb;
    made bigint[];
BEGIN
    FOR i IN SELECT * FROM jsonb_array_elements(plan->'images') LOOP
        PERFORM farm.add_artifact(i->>'context_key', t.d('art' || (i->>'context_key')), 'staging.test:5000/contexts/plant', 1000);
        PERFORM farm.add_artifact(i->>'scripts_key', t.d('art' || (i->>'scripts_key')), 'staging.test:5000/contexts/plant', 100);
    END LOOP;
    SELECT c.jobs INTO made FROM farm.plan_commit((SELECT id FROM farm.repo WHERE slug = 'plant'), plan) c;
    RETURN ARRAY(SELECT farm.job_title(u.id) FROM unnest(made) WITH ORDINALITY u (id, ord) ORDER BY u.ord);
END $$;

-- The newest job of this name.
CREATE FUNCTION t.job(name text) RETURNS bigint LANGUAGE sql AS $$
    SELECT farm.find_job(to_jsonb(name))
$$;
CREATE FUNCTION t.state(name text) RETURNS text LANGUAGE sql AS $$
    SELECT state FROM farm.job WHERE id = t.job(name)
$$;

CREATE FUNCTION t.base_pin() RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg('base:' || b.id, jsonb_build_object('digest', b.digest)) FROM farm.base b
$$;

-- waiting -> ready as the brain does it: the key over what goes in. Returns the status.
CREATE FUNCTION t.ready(job bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    j farm.job;
    key text;
    pins jsonb := '{}';
BEGIN
    SELECT q.* INTO j FROM farm.job q WHERE q.id = job;
    IF j.kind = 'build' THEN
        SELECT coalesce(jsonb_object_agg('image:' || p.id, jsonb_build_object('digest', p.passing_digest, 'repository', p.passing_repository)), '{}') INTO pins
          FROM farm.image_parent e JOIN farm.image_arch p ON p.id = e.parent_arch_id WHERE e.image_arch_id = j.image_arch_id;
        SELECT pins || coalesce(jsonb_object_agg('base:' || b.id, jsonb_build_object('digest', b.digest)), '{}') INTO pins
          FROM farm.image_base e JOIN farm.base b ON b.id = e.base_id WHERE e.image_arch_id = j.image_arch_id;
        SELECT t.d(left(md5(a.recipe || pins::text || j.forced), 20)) INTO key FROM farm.image_arch a WHERE a.id = j.image_arch_id;
    ELSIF j.kind = 'test' THEN
        SELECT t.d(left(md5(b.digest || a.tests_key), 20)), jsonb_build_object('image:' || a.id, jsonb_build_object('digest', b.digest, 'repository', b.repository)) INTO key, pins
          FROM farm.image_arch a JOIN farm.job b ON b.image_arch_id = a.id AND b.kind = 'build' WHERE a.id = j.image_arch_id ORDER BY b.id DESC LIMIT 1;
    ELSIF j.kind = 'publish' THEN
        SELECT jsonb_object_agg('image:' || a.id, jsonb_build_object('digest', a.passing_digest, 'repository', a.passing_repository)) INTO pins
          FROM farm.image_arch a WHERE a.image_id = j.image_id;
        key := t.d('publish');
    END IF;
    RETURN (SELECT r.status FROM farm.make_ready(ARRAY[job], ARRAY[key], ARRAY[pins], '{7}') r);
END $$;

CREATE SEQUENCE t.attempt;
-- An id that begins with its job's, as the brain makes them.
CREATE FUNCTION t.attempt(job bigint, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(job), 12, '0') || '80008000' || lpad(n::text, 12, '0'))::uuid
$$;
CREATE FUNCTION t.worker(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT id FROM farm.worker w WHERE w.name = worker.name $$;

-- ready -> leased by the worker; returns the attempt, or raises what claim answered.
CREATE FUNCTION t.claim(job bigint, worker text DEFAULT 'hub-1') RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    a constant uuid := t.attempt(job, nextval('t.attempt')::int);
    s text;
BEGIN
    SELECT c.status INTO s FROM farm.claim(ARRAY[job], ARRAY[a], ARRAY[t.worker(worker)], ARRAY[t.uuid(0)]) c;
    IF s <> 'ok' THEN
        RAISE EXCEPTION 'claim: % (%)', s, (SELECT string_agg(error, '; ') FROM farm.quarantine);
    END IF;
    RETURN a;
END $$;

CREATE FUNCTION t.finish(attempt uuid, result jsonb, next text, reason text DEFAULT NULL, not_before bigint DEFAULT 0, worker text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT f.status FROM farm.finish(ARRAY[attempt], ARRAY[coalesce(t.worker(worker), (SELECT a.worker_id FROM farm.attempt a WHERE a.id = attempt), 0)],
                                     ARRAY[result], ARRAY[next], ARRAY[reason], ARRAY[not_before]) f
$$;

CREATE FUNCTION t.ok(digest text DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object('outcome', 'succeeded', 'digest', digest, 'size', 5, 'detail', '{}'::jsonb, 'started_ago_us', 2000, 'ended_ago_us', 10))
$$;
CREATE FUNCTION t.bad(class text, code text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('outcome', 'failed', 'class', class, 'code', code, 'step', 'RUN x', 'message', 'it broke', 'detail', '{}'::jsonb)
$$;

-- A job from waiting to its success; a build gives `digest`. Returns skipped or succeeded.
CREATE FUNCTION t.run(name text, digest text DEFAULT NULL, worker text DEFAULT 'hub-1') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    job constant bigint := t.job(name);
    s text := t.ready(job);
    a uuid;
BEGIN
    IF s = 'ready' THEN
        a := t.claim(job, worker);
        PERFORM farm.start(ARRAY[a], ARRAY[5000]);
        s := t.finish(a, t.ok(digest), 'succeeded');
        IF s = 'accepted' THEN s := 'succeeded'; END IF;
    END IF;
    RETURN s;
END $$;

-- Everything an image needs to be released and mirrored to acp-1 and acp-2.
CREATE FUNCTION t.run_all(image text, digest text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', t.run('build:' || image || ':amd64', digest), t.run('test:' || image || ':amd64'), t.run('publish:' || image),
                     t.run('mirror:' || image || ':acp-1', NULL, 'acp-1-mirror'), t.run('mirror:' || image || ':acp-2', NULL, 'acp-1-mirror'))
$$;

CREATE FUNCTION t.do(verb text, args jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT c.state || coalesce(': ' || c.message, '') FROM farm.command_apply(dashboard.submit_command(verb, args, 'ann', 'unix:uid=0')) c
$$;

-- The farm.
SELECT farm.check_term(l.term) FROM farm.lead('test') l \gset
BEGIN;
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.do('setting_set', '{"name": "staging_registry", "value": "staging.test:5000"}'),
       t.do('setting_set', '{"name": "release_registry", "value": "release.test:5000"}'), t.do('setting_set', '{"name": "arch", "value": "amd64"}'),
       t.do('site_add', '{"name": "hub", "kind": "hub"}'), t.do('site_add', '{"name": "acp-1", "kind": "acp", "registry": "acp1.test:5000"}'),
       t.do('site_add', '{"name": "acp-2", "kind": "acp", "registry": "acp2.test:5000"}');
SELECT t.do('worker_enroll', jsonb_build_object('name', w.name, 'site', w.site, 'roles', w.roles, 'public_key', rpad(w.name, 40, '-')))
  FROM (VALUES ('hub-1', 'hub', '["build", "test", "publish"]'::jsonb), ('hub-2', 'hub', '["build", "test"]'), ('acp-1-mirror', 'acp-1', '["mirror"]')) w (name, site, roles);
SELECT t.do('repo_add', '{"url": "file:///srv/plant.git"}');
-- Most tests do not say which branch the remote's HEAD is; all of them may release. 37_policies is about refs that may not.
SELECT t.do('repo_policy', '{"slug": "plant", "ref": "*"}');
COMMIT;
GRANT USAGE ON SCHEMA t, public TO PUBLIC;

-- What submit_command answers: stored, or what is wrong.
CREATE FUNCTION t.submit(verb text, args jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dashboard.submit_command(verb, args, 'ann', 'unix:uid=0');
    RETURN 'stored';
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN SQLERRM;
END $$;
