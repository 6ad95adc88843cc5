-- image.sql: an image of a plan that needs nothing; for seed.sql and behind.sql.
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
