-- What is rebuilt without a commit because a base changed; and the breaker.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
CREATE FUNCTION t.rebuilds(coalesce_for interval DEFAULT '0') RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    made constant bigint[] := farm.rebuilds_due(coalesce_for);
BEGIN
    RETURN ARRAY(SELECT farm.job_title(u.id) FROM unnest(made) WITH ORDINALITY u (id, ord) ORDER BY u.ord);
END $$;
CREATE FUNCTION t.because(name text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', because, because_of) FROM farm.job WHERE id = t.job(name) $$;
CREATE FUNCTION t.resolve(digest text, error text DEFAULT NULL) RETURNS boolean LANGUAGE sql AS $$
    SELECT farm.base_resolved((SELECT id FROM farm.base WHERE reference = 'quay.io/os/debian:12'), digest, error)
$$;
CREATE FUNCTION t.outcome(verb text, args jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    command constant bigint := dashboard.submit_command(verb, args, 'ann', 'unix:uid=0');
BEGIN
    RETURN (SELECT coalesce(c.outcome, to_jsonb(c.message)) FROM farm.command_apply(command) c);
END $$;
-- base -> hmi -> panel; other stands alone on the same external base; alone on none of them.
CREATE FUNCTION t.graph(content text) RETURNS jsonb[] LANGUAGE sql AS $$
    SELECT ARRAY[t.image('base', content), t.image('hmi', 'a', '{base}', '{"wave": 2}'), t.image('panel', 'a', '{hmi}', '{"wave": 3}'), t.image('other', 'a'),
                 t.image('alone', 'a', '{}', '{"externals": [{"ref": "quay.io/os/alpine:3", "written": ["quay.io/os/alpine:3"], "use": "from"}]}')]
$$;
SELECT t.push(t.plan('1', t.graph('a')));
SELECT t.resolve(t.d('D1')), farm.base_resolved((SELECT id FROM farm.base WHERE reference = 'quay.io/os/alpine:3'), t.d('A1'), NULL);
SELECT is(t.rebuilds(), '{}', 'a base that is resolved for the first time makes no jobs: those of the plan wait for it');
SELECT t.run_all('plant:base@main', t.d('B1')), t.run_all('plant:hmi@main', t.d('H1')), t.run_all('plant:panel@main', t.d('P1')), t.run_all('plant:other@main', t.d('O1')),
       t.run_all('plant:alone@main', t.d('L1'));

-- Resolving.
SELECT ok(NOT t.resolve(t.d('D1')), 'the same digest');
SELECT is(t.rebuilds(), '{}', 'is no change');
SELECT ok(NOT t.resolve(NULL, 'registry is down'), 'cannot resolve');
SELECT is(t.rebuilds(), '{}', 'is no change either');
SELECT results_eq($$SELECT digest, error, error_since IS NOT NULL, failures, pending_since IS NULL, images, outdated FROM dashboard.bases WHERE reference LIKE '%debian%'$$,
    $$VALUES (t.d('D1'), 'registry is down', true, 1, true, 2, 0)$$, 'it is shown, with since when and the error; the digest stays');
SELECT t.resolve(NULL, 'still down');
SELECT results_eq($$SELECT error, failures FROM dashboard.bases WHERE reference LIKE '%debian%'$$, $$VALUES ('still down', 2)$$, 'again');
SELECT is((SELECT count(*) FROM farm.event WHERE detail->>'base' = 'quay.io/os/debian:12' AND detail ? 'error'), 1::bigint, 'one event tells when it began');
UPDATE farm.base SET checked_at = now() - interval '45 s';
SELECT is((SELECT count(*) FROM farm.bases_due('1 hour')), 0::bigint, 'the second try in vain: twice as long');
UPDATE farm.base SET checked_at = now() - interval '61 s';
SELECT is((SELECT array_agg(reference) FROM farm.bases_due('1 hour')), '{quay.io/os/debian:12}', 'due after a minute');

-- A change, in a window.
SELECT ok(t.resolve(t.d('D2')), 'another digest');
SELECT results_eq($$SELECT digest, previous, changed_at IS NOT NULL, pending_since IS NOT NULL, error, outdated FROM dashboard.bases WHERE reference LIKE '%debian%'$$,
    $$VALUES (t.d('D2'), t.d('D1'), true, true, NULL::text, 2)$$, 'pending');
SELECT is((SELECT detail->>'from' || ' ' || (detail->>'to') FROM farm.event WHERE detail ? 'base' AND detail ? 'from'), t.d('D1') || ' ' || t.d('D2'), 'an event has both digests');
SELECT is(t.rebuilds('5 minutes'), '{}', 'it waits for others within the window');
SELECT t.resolve(t.d('D1'));
UPDATE farm.base SET pending_since = now() - interval '5 minutes' WHERE pending_since IS NOT NULL;
SELECT is(t.rebuilds('5 minutes'), '{}', 'what flipped back within it makes no job');
SELECT is((SELECT count(*) FROM farm.base WHERE pending_since IS NOT NULL), 0::bigint, 'and is over');
SELECT t.resolve(t.d('D2')), farm.base_resolved((SELECT id FROM farm.base WHERE reference = 'quay.io/os/alpine:3'), t.d('A2'), NULL);
UPDATE farm.base SET pending_since = now() - interval '5 minutes' WHERE reference LIKE '%debian%';
SELECT is((SELECT array_agg(n) FROM unnest(t.rebuilds('5 minutes')) WITH ORDINALITY u (n, ord) WHERE n LIKE 'build:%'),
    '{build:plant:alone@main:amd64,build:plant:base@main:amd64,build:plant:other@main:amd64,build:plant:hmi@main:amd64,build:plant:panel@main:amd64}',
    'two bases in one go: what stands on them and what is built from that, parents first, each once');
SELECT is((SELECT array_agg(DISTINCT k ORDER BY k) FROM (SELECT kind AS k FROM farm.job WHERE state = 'waiting' AND image_id = (SELECT id FROM farm.image WHERE name = 'panel')) x),
    '{build,mirror,publish,test}', 'each with its whole chain');
SELECT is(t.because('build:plant:base@main:amd64'), 'external quay.io/os/debian:12', 'because: the reference');
SELECT is(t.because('publish:plant:other@main'), 'external quay.io/os/debian:12', 'so is the rest of the chain');
SELECT is(t.because('build:plant:panel@main:amd64'), 'parent hmi', 'because: only its parent');
SELECT is(t.rebuilds(), '{}', 'once');
SELECT is(t.run_all('plant:base@main', t.d('B2')), 'succeeded succeeded succeeded succeeded succeeded', 'it is built from the new digest');
SELECT is((SELECT pins->('base:' || b.id)->>'digest' FROM farm.job, farm.base b WHERE farm.job.id = t.job('build:plant:base@main:amd64') AND b.reference LIKE '%debian%'), t.d('D2'), 'which its pin says');
SELECT is(t.run_all('plant:hmi@main', t.d('H2')), 'succeeded succeeded succeeded succeeded succeeded', 'then its child');
SELECT is(t.run('build:plant:alone@main:amd64', t.d('L1')), 'succeeded', 'an image whose build gives the same');
SELECT is(t.run('test:plant:alone@main:amd64') || t.run('publish:plant:alone@main'), 'skippedskipped', 'is neither tested nor released again');

-- What waits already takes the new digest.
SELECT is(t.state('build:plant:other@main:amd64'), 'waiting', 'other has not begun');
SELECT t.resolve(t.d('D3'));
SELECT is((SELECT array_agg(n) FROM unnest(t.rebuilds()) n WHERE n LIKE 'build:%'), '{build:plant:base@main:amd64,build:plant:hmi@main:amd64,build:plant:panel@main:amd64}', 'a job that waits takes the newest digest');
SELECT t.run_all('plant:base@main', t.d('B3')), t.run_all('plant:hmi@main', t.d('H3')), t.run_all('plant:panel@main', t.d('P3')), t.run_all('plant:other@main', t.d('O3'));

-- On demand.
SELECT throws_ok($$SELECT dashboard.submit_command('base_check', '{"reference": "debian:13"}', 'ann', 'x')$$, '22023', 'there is no base debian:13', 'an unknown reference');
SELECT is(t.outcome('base_check', '{"reference": "debian:12"}'), '{"bases": 1, "reference": "quay.io/os/debian:12"}', 'a part of a reference that is clear');
SELECT ok((SELECT check_pending FROM dashboard.bases WHERE reference LIKE '%debian%'), 'a look is pending');
SELECT is((SELECT array_agg(reference) FROM farm.bases_due('1 hour')), '{quay.io/os/debian:12}', 'due at once');
SELECT farm.base_resolved(id, digest, NULL, 0) FROM farm.base WHERE reference LIKE '%debian%';
SELECT ok((SELECT check_pending FROM dashboard.bases WHERE reference LIKE '%debian%'), 'a look that began before does not answer it');
SELECT farm.base_resolved(id, digest, NULL, asked) FROM farm.bases_due('1 hour') JOIN farm.base USING (id);
SELECT ok(NOT (SELECT check_pending FROM dashboard.bases WHERE reference LIKE '%debian%'), 'one that began after it does');
SELECT is(t.outcome('base_check', '{}'), '{"bases": 2}', 'all');
SELECT is(t.outcome('base_bump', '{"reference": "quay.io/os/debian:12"}')->'images', '0', 'a bump of what everything stands on already');
SELECT t.resolve(t.d('D4'));
SELECT is(t.outcome('base_bump', '{"reference": "debian:12"}')->'images', '4', 'a bump does not wait for the window');
SELECT is((SELECT actor FROM farm.event WHERE job_id = t.job('build:plant:base@main:amd64') ORDER BY seq LIMIT 1), 'operator:ann', 'and is a person''s');
SELECT is(t.rebuilds(), '{}', 'the window has nothing left');

-- What it would cost.
SELECT results_eq($$SELECT name, wave, direct, build_seconds IS NOT NULL, test_seconds IS NOT NULL FROM dashboard.base_cost('debian:12')$$,
    $$VALUES ('plant:base@main', 0, true, true, true), ('plant:other@main', 0, true, true, true), ('plant:hmi@main', 1, false, true, true), ('plant:panel@main', 2, false, true, true)$$, 'the cost by waves');
UPDATE farm.job_state SET started_at = now() - interval '90 s', finished_at = now() WHERE outcome = 'succeeded';
SELECT is((SELECT sum(build_seconds + test_seconds) FROM dashboard.base_cost('debian:12')), 720::float8, 'in seconds of the past');
UPDATE farm.job_state s SET attempt_id = NULL FROM farm.job_fixed j WHERE j.id = s.id AND j.image_arch_id = t.id('plant:other@main');
SELECT is((SELECT build_seconds FROM dashboard.base_cost('debian:12') WHERE name = 'plant:other@main'), NULL, 'no past');

-- The breaker.
CREATE FUNCTION t.fail_build(name text, class text DEFAULT 'user') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM t.ready(t.job(name));
    RETURN t.finish(t.claim(t.job(name)), t.bad(class, 'run-failed'), 'failed');
END $$;
SELECT t.fail_build('build:plant:base@main:amd64');
SELECT is((SELECT reason FROM dashboard.images WHERE image = 'base'), 'build-failed', 'once');
SELECT t.resolve(t.d('D5'));
SELECT ok('build:plant:base@main:amd64' = ANY (t.rebuilds()), 'a change of the base tries again');
SELECT t.fail_build('build:plant:base@main:amd64', 'infra');
SELECT is((SELECT failures FROM farm.image_arch WHERE id = t.id('plant:base@main')), 1, 'a fault of ours does not count');
SELECT t.resolve(t.d('D6'));
SELECT ok('build:plant:base@main:amd64' = ANY (t.rebuilds()), 'twice');
SELECT t.fail_build('build:plant:base@main:amd64', 'timeout');
SELECT t.resolve(t.d('D7'));
SELECT ok('build:plant:base@main:amd64' = ANY (t.rebuilds()), 'thrice');
SELECT t.fail_build('build:plant:base@main:amd64');
SELECT results_eq($$SELECT state, reason, detail, failing_message FROM dashboard.images WHERE image = 'base'$$,
    $$VALUES ('Degraded', 'breaker', '3 failures in a row: no automatic rebuilds until a commit or `bootfarm job retry`', 'it broke')$$, 'the breaker is open');
SELECT is((SELECT count(*) FROM dashboard.events WHERE job = 'build:plant:base@main:amd64' AND detail->>'breaker' = 'open'), 1::bigint, 'with an event');
SELECT t.run_all('plant:other@main', t.d('O7'));
SELECT t.resolve(t.d('D8'));
SELECT is((SELECT array_agg(n) FROM unnest(t.rebuilds()) n WHERE n LIKE 'build:%'), '{build:plant:other@main:amd64}', 'it is passed over, with what would only follow from it; others go on');
SELECT is((SELECT detail FROM dashboard.images WHERE image = 'base'), '3 failures in a row: no automatic rebuilds until a commit or `bootfarm job retry`; held back: quay.io/os/debian:12', 'what is held back is said');
SELECT is((SELECT detail->>'of' FROM dashboard.events WHERE detail->>'breaker' = 'held back'), 'quay.io/os/debian:12', 'in an event, too');
SELECT farm.reopen(ARRAY[t.job('build:plant:base@main:amd64')], '{ann}');
SELECT is((SELECT breaker_since FROM farm.image_arch WHERE id = t.id('plant:base@main')), NULL, 'job retry closes it');
SELECT is((SELECT actor FROM farm.event WHERE detail->>'breaker' = 'closed'), 'operator:ann', 'with an event, and who');
SELECT is(t.rebuilds(), '{}', 'the retried build takes the newest digest');
SELECT is(t.run_all('plant:base@main', t.d('B8')), 'succeeded succeeded succeeded succeeded succeeded', 'and goes on to its release');
SELECT is((SELECT failures FROM farm.image_arch WHERE id = t.id('plant:base@main')), 0, 'a pass forgets the failures');

-- Held back, and the test is what a person retries: the base's change is not lost.
CREATE FUNCTION t.fail_test(name text) RETURNS text LANGUAGE sql AS $$ SELECT t.fail_build(name) $$;
UPDATE farm.image_arch_state SET failures = 2 WHERE id = t.id('plant:other@main');
SELECT t.run('build:plant:other@main:amd64', t.d('O8')), t.fail_test('test:plant:other@main:amd64');
SELECT t.resolve(t.d('D9'));
SELECT ok(NOT 'build:plant:other@main:amd64' = ANY (t.rebuilds()), 'a third failure of a test opens it as well');
SELECT farm.reopen(ARRAY[t.job('test:plant:other@main:amd64')], '{ann}');
SELECT ok('build:plant:other@main:amd64' = ANY (t.rebuilds()), 'what was held back is made as soon as the breaker is closed');
SELECT is(t.because('build:plant:other@main:amd64'), 'external quay.io/os/debian:12', 'because of the base');

-- A commit closes it, and so does a command.
UPDATE farm.image_arch_state SET failures = 3, breaker_since = now(), held = NULL;
SELECT t.push(t.plan('2', t.graph('b')));
SELECT is((SELECT count(*) FROM farm.image_arch WHERE breaker_since IS NULL), 1::bigint, 'a commit closes the breaker of what it changes');
SELECT t.do('build', '{"image": "hmi"}');
SELECT is((SELECT breaker_since FROM farm.image_arch WHERE id = t.id('plant:hmi@main')), NULL, 'the command build does');
SELECT t.run('build:plant:alone@main:amd64', t.d('L9'));
UPDATE farm.image_arch_state SET failures = 0, breaker_since = NULL;
SELECT * FROM finish();
ROLLBACK;
