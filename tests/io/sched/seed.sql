-- seed.sql: a farm with three images that need nothing, so that their builds are ready as soon as somebody leads.
BEGIN;
SELECT farm.lead('seed');
SELECT farm.check_term(term) FROM farm.leader;
INSERT INTO farm.setting (name, value) VALUES ('staging_registry', 'staging.test'), ('release_registry', 'release.test')
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;
INSERT INTO farm.site (name, kind) VALUES ('hub', 'hub') ON CONFLICT DO NOTHING;
INSERT INTO farm.repo (slug, url, poll_every, polled_at) VALUES ('plant', 'file:///nowhere', '1 hour', now());
\ir image.sql
SELECT farm.add_artifact(pg_temp.d('c'), pg_temp.d('a'), 'staging.test/contexts/plant', 1);
SELECT * FROM farm.plan_commit((SELECT id FROM farm.repo), jsonb_build_object('ref', 'main', 'oid', repeat('a', 40), 'errors', '[]'::jsonb, 'warnings', '[]'::jsonb,
    'images', jsonb_build_array(pg_temp.image('one'), pg_temp.image('two'), pg_temp.image('three'))));
UPDATE farm.leader SET renewed_at = renewed_at - interval '1 minute';
COMMIT;
