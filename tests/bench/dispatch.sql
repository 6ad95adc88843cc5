-- dispatch.sql - a farm for the dispatch bench, and plans of any size, all through the functions that the scheduler itself calls.
--
-- bench.image makes an element of a plan as the planner writes it (scheduler/planner/README.md). All images of the bench have the same content
-- and different tests. So one build serves all: each other build is skipped when it becomes ready, since its inputs were built before,
-- and N tests remain, all ready at once and independent of each other, as after a push that changes the tests of N images. Nothing follows
-- them: `publish.when` is manual.
CREATE SCHEMA bench;

CREATE FUNCTION bench.digest(what text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'sha256:' || encode(sha256(convert_to(what, 'UTF8')), 'hex')
$$;

CREATE FUNCTION bench.image(name text, content text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_build_object(
        'name', name, 'arch', 'amd64', 'file', 'images/' || name || '/Containerfile', 'context', 'images/' || name, 'matrix', '{}'::jsonb,
        'provides', jsonb_build_array('localhost/' || name || ':latest'), 'recipe', bench.digest('recipe ' || content), 'wave', 1,
        'parents', '[]'::jsonb, 'externals', '[]'::jsonb, 'context_key', bench.digest('context ' || content), 'artifact', NULL,
        'tests_key', bench.digest('tests ' || name), 'scripts_key', NULL, 'publish_key', bench.digest('publish'), 'containerfile', 'Containerfile',
        'build', '{"target": "", "args": {}, "network": "none", "memory": 1073741824, "cpus": 2, "timeout_ms": 3600000, "silence_ms": 900000, "secrets": [], "cache": true, "timestamp": 0}'::jsonb,
        'test', '{"boot": "no", "container": ["/bin/true"], "scripts": [], "memory": 1, "cpus": 1, "timeout_ms": 600000, "ready": "multi-user.target"}'::jsonb,
        'publish', '{"tags": ["main", "{commit12}"], "when": "manual", "partial": false}'::jsonb,
        'mirror', '{"sites": []}'::jsonb, 'place', '{"site": "hub", "needs": []}'::jsonb, 'priority', 0)
$$;

-- A commit at the head of `ref` that wants the images PREFIX1 to PREFIXn.
CREATE FUNCTION bench.plan(ref text, prefix text, n int, content text DEFAULT 'same') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('ref', ref, 'oid', encode(sha256(convert_to(ref || prefix || n || content, 'UTF8')), 'hex'), 'errors', '[]'::jsonb, 'warnings', '[]'::jsonb,
                              'images', (SELECT jsonb_agg(bench.image(prefix || g, content) ORDER BY g) FROM generate_series(1, n) g))
$$;
CREATE TABLE bench.plan_of (ref text PRIMARY KEY, plan jsonb NOT NULL);

-- What the scheduler's connection for plans does. Nobody may lead meanwhile: who leads next loads what is there.
CREATE FUNCTION bench.commit(the_ref text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    made bigint;
BEGIN
    PERFORM farm.check_term(l.term) FROM farm.leader l;
    SELECT cardinality(c.jobs) INTO made FROM bench.plan_of p, farm.plan_commit((SELECT r.id FROM farm.repo r WHERE r.slug = 'bench'), p.plan) c WHERE p.ref = the_ref;
    RETURN made;
END $$;

CREATE FUNCTION bench.do(verb text, args jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c record;
BEGIN
    SELECT a.* INTO c FROM farm.command_apply(dashboard.submit_command(verb, args, 'bench', 'tests/bench')) a;
    IF c.state <> 'done' THEN
        RAISE EXCEPTION '%: %', verb, c.message;
    END IF;
END $$;

CREATE TABLE bench.key (n int GENERATED ALWAYS AS IDENTITY, public_key text NOT NULL, secret_key text NOT NULL);

-- The repositories' branches are trusted: what an untrusted one builds is nobody else's, and each push would begin with a build of its own.
CREATE FUNCTION bench.trust() RETURNS void LANGUAGE sql AS $$
    INSERT INTO farm.ref_policy (repo_id, pattern, trusted, publish, mirror, secrets, place) SELECT p.id, '*', true, true, true, true, true FROM farm.repo p
$$;

-- The farm: one site, one repository that is never polled, a worker for each key.
CREATE FUNCTION bench.farm() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM farm.check_term(l.term) FROM farm.lead('bench') l;
    PERFORM bench.do('setting_set', '{"name": "staging_registry", "value": "staging.test:5000"}'), bench.do('setting_set', '{"name": "release_registry", "value": "release.test:5000"}'),
            bench.do('setting_set', '{"name": "arch", "value": "amd64"}'), bench.do('site_add', '{"name": "hub", "kind": "hub"}'),
            bench.do('repo_add', '{"slug": "bench", "url": "file:///nowhere", "poll_every": "7 days"}');
    UPDATE farm.repo SET polled_at = now(), sync_done = sync_wanted;
    PERFORM bench.trust();
    PERFORM bench.do('worker_enroll', jsonb_build_object('name', 'swarm-' || k.n, 'site', 'hub', 'roles', '["build", "test"]'::jsonb, 'public_key', k.public_key)) FROM bench.key k ORDER BY k.n;
    PERFORM farm.add_artifact(bench.digest('context same'), bench.digest('artifact'), 'staging.test:5000/contexts/bench', 1000);
    UPDATE farm.leader SET renewed_at = renewed_at - interval '1 minute';
END $$;

-- For a stream: repositories push-1 to push-N. Nobody may lead meanwhile.
CREATE FUNCTION bench.push_repos(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM farm.check_term(l.term) FROM farm.leader l;
    PERFORM bench.do('repo_add', jsonb_build_object('slug', 'push-' || g, 'url', 'file:///nowhere/' || g, 'poll_every', '7 days')) FROM generate_series(1, n) g;
    DELETE FROM farm.ref_policy;
    PERFORM bench.trust();
    UPDATE farm.repo SET polled_at = now(), sync_done = sync_wanted;
END $$;

-- What the planner prints when one of them has got a commit that wants N images.
CREATE FUNCTION bench.push_document(k int, n int) RETURNS text LANGUAGE sql AS $$
    SELECT jsonb_build_object('head', 'main', 'refs', jsonb_build_array(jsonb_build_object('name', 'main', 'oid', p.plan->'oid')), 'artifacts', '{}'::jsonb, 'planned', '["main"]'::jsonb)::text || E'\n' || p.plan
      FROM (SELECT bench.plan('main', 'p' || k || '-', n) AS plan) p
$$;

-- The push, as a hook tells of it.
CREATE FUNCTION bench.push(n int) RETURNS void LANGUAGE sql AS $$
    SELECT dashboard.submit_command('repo_sync', jsonb_build_object('slug', 'push-' || g), 'bench', 'tests/bench') FROM generate_series(1, n) g
$$;

-- For the floor: the rows of some of the farm's tables, in as many pieces, and empty tables with the same indexes to insert them again; no trigger, no
-- foreign key. Returns the statements of piece :b for pgbench.
CREATE FUNCTION bench.pieces(names text[], n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    name text;
    cols text;
    script text := '';
BEGIN
    FOREACH name IN ARRAY names LOOP
        SELECT string_agg(quote_ident(c.column_name), ', ' ORDER BY c.ordinal_position) INTO cols
          FROM information_schema.columns c WHERE c.table_schema = 'farm' AND c.table_name = name AND c.is_generated = 'NEVER';
        EXECUTE format('CREATE TABLE bench.from_%1$s AS SELECT %2$s, (row_number() OVER () - 1) * %3$s / count(*) OVER () AS piece FROM farm.%1$s', name, cols, n);
        EXECUTE format('CREATE INDEX ON bench.from_%1$s (piece)', name);
        EXECUTE format('CREATE TABLE bench.to_%1$s (LIKE farm.%1$s INCLUDING ALL)', name);
        script := script || format(E'insert into bench.to_%1$s (%2$s) overriding system value select %2$s from bench.from_%1$s where piece = :b;\n', name, cols);
    END LOOP;
    RETURN script;
END $$;
