-- Rebuilds on a schedule.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
CREATE FUNCTION t.rebuilds() RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    made constant bigint[] := farm.rebuilds_due('1 hour');
BEGIN
    RETURN ARRAY(SELECT farm.job_title(u.id) FROM unnest(made) WITH ORDINALITY u (id, ord) ORDER BY u.ord);
END $$;
CREATE FUNCTION t.builds(made text[]) RETURNS text[] LANGUAGE sql AS $$ SELECT coalesce(array_agg(n), '{}') FROM unnest(made) n WHERE n LIKE 'build:%' $$;
SELECT t.push(t.plan('1', ARRAY[t.image('base', 'a', '{}', '{"rebuild": {"every_ms": 86400000, "max_age_ms": 0}}'), t.image('hmi', 'a', '{base}', '{"wave": 2}'),
                               t.image('old', 'a', '{}', '{"rebuild": {"every_ms": 0, "max_age_ms": 864000000}}'), t.image('never', 'a', '{}', '{"rebuild": {"every_ms": 0, "max_age_ms": 0}}')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('D1'), NULL);
SELECT t.run_all('plant:base@main', t.d('B1')), t.run_all('plant:hmi@main', t.d('H1')), t.run_all('plant:old@main', t.d('O1')), t.run_all('plant:never@main', t.d('N1'));
SELECT is(t.rebuilds(), '{}', 'nothing is due');
SELECT ok((SELECT max(farm.jitter(id)) < 1 AND min(farm.jitter(id)) >= 0 AND count(DISTINCT farm.jitter(id)) = 4 FROM farm.image_arch), 'each image has its own jitter');
-- One period has one begin, wherever in it one looks.
SELECT is((SELECT count(DISTINCT farm.period('2030-01-01'::timestamptz + h * interval '1 hour', '1 day', 0.3)) FROM generate_series(0, 239) h), 11::bigint, 'ten days have eleven periods, which begin between the days');
UPDATE farm.image_arch_state SET scheduled_at = now() - interval '1 day' WHERE id = t.id('plant:base@main');
SELECT is(t.builds(t.rebuilds()), '{build:plant:base@main:amd64,build:plant:hmi@main:amd64}', 'a period later it is due, with what is built from it');
SELECT results_eq($$SELECT because, because_of, forced > 0 FROM farm.job WHERE id = t.job('build:plant:base@main:amd64')$$, $$VALUES ('scheduled', 'every 1d', true)$$, 'scheduled, without cache');
SELECT results_eq($$SELECT because, because_of, forced FROM farm.job WHERE id = t.job('build:plant:hmi@main:amd64')$$, $$VALUES ('parent', 'base', 0::bigint)$$, 'its child only for its parent');
SELECT is(t.rebuilds(), '{}', 'once');
UPDATE farm.image_arch_state SET scheduled_at = now() - interval '1 day' WHERE id = t.id('plant:base@main');
SELECT is(t.rebuilds(), '{}', 'not while it is under way');
SELECT is(t.run('build:plant:base@main:amd64', t.d('B1')), 'succeeded', 'it runs although nothing changed');
SELECT is(t.run('test:plant:base@main:amd64') || t.run('build:plant:hmi@main:amd64'), 'skippedskipped', 'the same result: nothing follows');

UPDATE farm.build_result SET built_at = now() - interval '8 days';
UPDATE farm.image_arch_state SET scheduled_at = now();
SELECT is(t.rebuilds(), '{}', 'max_age: not before its last tenth');
UPDATE farm.build_result SET built_at = now() - interval '10 days';
SELECT is(t.rebuilds(), '{}', 'a rebuild was tried just now');
UPDATE farm.image_arch_state SET scheduled_at = now() - interval '25 hours' WHERE id = t.id('plant:old@main');
SELECT is(t.builds(t.rebuilds()), '{build:plant:old@main:amd64}', 'at the latest so long after the last build');
SELECT is((SELECT because || ' ' || because_of FROM farm.job WHERE id = t.job('build:plant:old@main:amd64')), 'scheduled max_age 10d', 'because');
SELECT t.ready(t.job('build:plant:old@main:amd64'));
SELECT t.finish(t.claim(t.job('build:plant:old@main:amd64')), t.bad('user', 'run-failed'), 'failed');
SELECT is(t.rebuilds(), '{}', 'a failure is not repeated at once');
UPDATE farm.image_arch_state SET scheduled_at = now() - interval '25 hours', failures = 3, breaker_since = now() WHERE id = t.id('plant:old@main');
SELECT is(t.rebuilds(), '{}', 'nor with an open breaker');
SELECT is((SELECT held FROM farm.image_arch WHERE id = t.id('plant:old@main')), 'max_age 10d', 'which says what it holds back');
SELECT t.push(t.plan('2', '{}'));
UPDATE farm.image_arch_state SET scheduled_at = now() - interval '99 days';
SELECT is(t.rebuilds(), '{}', 'what no revision wants is not rebuilt');
SELECT * FROM finish();
ROLLBACK;
