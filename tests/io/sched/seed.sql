-- seed.sql: a farm with three images that need nothing, so that their builds are ready as soon as somebody leads.
BEGIN;
SELECT farm.lead('seed');
SELECT farm.check_term(term) FROM farm.leader;
INSERT INTO farm.setting (name, value) VALUES ('staging_registry', 'staging.test'), ('release_registry', 'release.test')
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
INSERT INTO farm.site (name, kind) VALUES ('hub', 'hub') ON CONFLICT DO NOTHING;
INSERT INTO farm.repo (slug, url, poll_every, polled_at) VALUES ('plant', 'file:///nowhere', '1 hour', now());
CREATE FUNCTION pg_temp.d(name text) RETURNS text LANGUAGE sql AS $$ SELECT 'sha256:' || rpad(encode(convert_to(name, 'UTF8'), 'hex'), 64, '0') $$;
CREATE FUNCTION pg_temp.image(name text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('name', name, 'arch', 'amd64', 'file', name || '/Containerfile', 'context', name, 'matrix', '{}'::jsonb, 'provides', '[]'::jsonb,
        'recipe', pg_temp.d('r' || name), 'wave', 1, 'parents', '[]'::jsonb, 'externals', '[]'::jsonb, 'context_key', pg_temp.d('c'), 'artifact', NULL,
        'tests_key', pg_temp.d('t'), 'scripts_key', NULL, 'publish_key', pg_temp.d('p'), 'containerfile', 'Containerfile',
        'build', '{"target": "", "args": {}, "network": "host", "memory": 1, "cpus": 1, "timeout_ms": 1000, "silence_ms": 0, "secrets": [], "cache": false, "timestamp": 0}'::jsonb,
        'test', '{"boot": "no", "container": [], "scripts": [], "memory": 1, "cpus": 1, "timeout_ms": 1000, "ready": ""}'::jsonb,
        'publish', '{"tags": ["main"], "when": "tested", "partial": false}'::jsonb, 'mirror', '{"sites": []}'::jsonb,
        'place', '{"site": "hub", "needs": []}'::jsonb, 'priority', 0)
$$;
SELECT farm.add_artifact(pg_temp.d('c'), pg_temp.d('a'), 'staging.test/contexts/plant', 1);
SELECT * FROM farm.plan_commit((SELECT id FROM farm.repo), jsonb_build_object('ref', 'main', 'oid', repeat('a', 40), 'errors', '[]'::jsonb, 'warnings', '[]'::jsonb,
    'images', jsonb_build_array(pg_temp.image('one'), pg_temp.image('two'), pg_temp.image('three'))));
UPDATE farm.leader SET renewed_at = renewed_at - interval '1 minute';
COMMIT;
