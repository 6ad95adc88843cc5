-- claim, work, start.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a'), t.image('other', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.job('build:plant:base@main:amd64') AS base, t.job('build:plant:other@main:amd64') AS other \gset
SELECT set_config('t.base', :'base', true), set_config('t.other', :'other', true);
CREATE FUNCTION t.nth(job text, n int) RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT t.attempt(current_setting('t.' || job)::bigint, n) $$;
SELECT t.ready(:base), t.ready(:other);
DELETE FROM farm.artifact WHERE key = t.d('cothera');

SELECT results_eq(format($$SELECT job, status, work::jsonb->>'job' FROM farm.claim(ARRAY[%1$s, %2$s, 999999, t.job('publish:plant:base@main')], ARRAY[t.attempt(%1$s, 1), t.attempt(%2$s, 2), t.attempt(999999, 3), t.attempt(t.job('publish:plant:base@main'), 4)],
                                                                           array_fill(t.worker('hub-1'), '{4}'), array_fill(t.uuid(0), '{4}'))$$, :other, :base),
    format($$VALUES (%s::bigint, 'refused', NULL), (%s, 'ok', 'build:plant:base@main:amd64'), (999999, 'stale', NULL), (t.job('publish:plant:base@main'), 'stale', NULL)$$, :other, :base),
    'refused (its context is not there), ok, unknown, not ready');
SELECT matches((SELECT error FROM farm.quarantine), 'artifact .* is not in the staging registry', 'the quarantine says what is missing');
SELECT results_eq(format('SELECT state, reason, attempt_id IS NULL FROM farm.job WHERE id = %s', :other), $$VALUES ('ready', 'quarantined', true)$$, 'the refused one stays ready, and says why');
SELECT is((SELECT count(*) FROM farm.attempt), 1::bigint, 'of the refused one no attempt is left');
SELECT results_eq('SELECT job_id, worker_id, boot_id, term, number, started_at FROM farm.attempt',
    format($$SELECT %s::bigint, t.worker('hub-1'), t.uuid(0), (SELECT term FROM farm.leader), 1, NULL::timestamptz$$, :base), 'the attempt');
SELECT is((SELECT status FROM farm.claim(ARRAY[:base::bigint], ARRAY[t.attempt(:base, 5)], ARRAY[t.worker('hub-2')], ARRAY[t.uuid(0)])), 'stale', 'leased already');
SELECT is((SELECT status FROM farm.claim(ARRAY[:other::bigint], ARRAY[t.attempt(:other, 6)], '{999999}', ARRAY[t.uuid(0)])), 'refused', 'a worker that does not exist');
SELECT is((SELECT status FROM farm.claim(ARRAY[:other::bigint], ARRAY[t.attempt(:base, 7)], ARRAY[t.worker('hub-1')], ARRAY[t.uuid(0)])), 'refused', 'an attempt that begins with another job');
SELECT matches((SELECT error FROM farm.quarantine ORDER BY id DESC LIMIT 1), 'cannot be one of job', 'and that is said');
SELECT is((SELECT count(*) FROM farm.attempt WHERE job_id = :base AND ended_at IS NULL), 1::bigint, 'one live attempt: the row of the job has room for no other');

-- The order again, after a plan that wants something else.
SELECT work AS before FROM farm.work(ARRAY[t.nth('base', 2)]) \gset
SELECT t.push(t.plan('two', ARRAY[t.image('base', 'b'), t.image('other', 'a')]));
SELECT results_eq($$SELECT attempt, work::jsonb FROM farm.work(ARRAY[t.nth('base', 77), t.nth('base', 2)])$$, format($$VALUES (t.nth('base', 77), NULL::jsonb), (t.nth('base', 2), %L)$$, :'before'),
    'the order of an attempt does not change with later plans; none for an unknown one');

SELECT results_eq($$SELECT * FROM farm.start(ARRAY[t.nth('base', 2), t.nth('base', 77)], '{3000000,1}')$$, $$VALUES (t.nth('base', 2), 'ok'), (t.nth('base', 77), 'unknown')$$, 'start');
SELECT results_eq($$SELECT * FROM farm.start(ARRAY[t.nth('base', 2)], '{3000000}')$$, $$VALUES (t.nth('base', 2), 'duplicate')$$, 'start again');
SELECT ok((SELECT started_at = leased_at FROM farm.attempt WHERE id = t.nth('base', 2)), 'not before it was leased, whatever the worker says');
SELECT is((SELECT state FROM farm.job WHERE id = :base), 'running', 'it runs');
SELECT results_eq($$SELECT status FROM farm.lose(ARRAY[t.nth('base', 2)], '{ready}', '{NULL}', '{0}')$$, $$VALUES ('ok')$$, 'lost');
SELECT results_eq($$SELECT * FROM farm.start(ARRAY[t.nth('base', 2)], '{1}')$$, $$VALUES (t.nth('base', 2), 'fenced')$$, 'a late start is fenced');
SELECT is((SELECT work::jsonb FROM farm.work(ARRAY[t.nth('base', 2)])), NULL, 'no order for an attempt that has ended');

-- An order that cannot be composed any more: its job fails, the other gets its order.
SELECT results_eq(format($$SELECT status FROM farm.reopen(ARRAY[%s::bigint], '{NULL}')$$, :other), $$VALUES ('ok')$$, 'the refused one again');
SELECT t.ready(:other);
SELECT results_eq(format($$SELECT status FROM farm.claim(ARRAY[%s, %s]::bigint[], ARRAY[t.nth('base', 10), t.nth('other', 11)], array_fill(t.worker('hub-1'), '{2}'), array_fill(t.uuid(0), '{2}'))$$, :base, :other),
    $$VALUES ('ok'), ('ok')$$, 'both are leased');
DELETE FROM farm.artifact WHERE key = t.d('cothera');
SELECT results_eq($$SELECT attempt, work::jsonb->>'job' FROM farm.work(ARRAY[t.nth('other', 11), t.nth('base', 10)])$$,
    $$VALUES (t.nth('other', 11), NULL), (t.nth('base', 10), 'build:plant:base@main:amd64')$$, 'the whole one is there');
SELECT results_eq(format($$SELECT state, detail LIKE 'the artifact %% is not in the staging registry%%', attempt_id FROM farm.job WHERE id = %s$$, :other),
    $$VALUES ('failed', true, NULL::uuid)$$, 'the job of the other has failed, and says why');
SELECT is((SELECT count(*) FROM farm.quarantine WHERE what = 'work'), 1::bigint, 'and stands in the quarantine');
SELECT is((SELECT outcome FROM farm.attempt WHERE id = t.nth('other', 11)), 'lost', 'its attempt is over');
SELECT * FROM finish();
ROLLBACK;
