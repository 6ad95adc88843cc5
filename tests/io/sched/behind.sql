-- behind.sql: a plan that the leader of now does not hear of, as if the answer to its commit had been lost: a fourth image.
BEGIN;
SELECT farm.check_term(term) FROM farm.leader;
\ir image.sql
SELECT * FROM farm.plan_commit((SELECT id FROM farm.repo), jsonb_build_object('ref', 'main', 'oid', repeat('b', 40), 'errors', '[]'::jsonb, 'warnings', '[]'::jsonb,
    'images', jsonb_build_array(pg_temp.image('one'), pg_temp.image('two'), pg_temp.image('three'), pg_temp.image('four'))));
COMMIT;
