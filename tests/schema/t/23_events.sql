-- The events that transitions leave.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.job('build:plant:base@main:amd64') AS j \gset

SELECT results_eq(format('SELECT actor, via, detail FROM farm.event WHERE job_id = %s', :j),
    $$VALUES ('scheduler', '{waiting}'::text[], '{"because": "new"}'::jsonb)$$, 'making a job is an event');
SELECT t.ready(:j);
SELECT results_eq(format('SELECT actor, via FROM farm.event WHERE job_id = %s ORDER BY seq', :j), $$VALUES ('scheduler', '{waiting}'::text[]), ('scheduler', '{ready}')$$,
    'that it is ready is the next');
SELECT is((SELECT count(*)::int FROM farm.event_log WHERE job_id = :j), 1, 'of both, one is written: the first is read off the job');
UPDATE farm.event_log SET turn = '1';        -- what follows is another turn
SELECT t.claim(:j) AS a \gset
UPDATE farm.event_log SET turn = '1';
SELECT is(t.finish(:'a', t.ok(t.d('B1')), 'succeeded'), 'accepted', 'a result without a start report');
SELECT results_eq(format('SELECT actor, attempt_id, via, cardinality(ats), detail FROM farm.event WHERE job_id = %s ORDER BY seq', :j),
    format($$VALUES ('scheduler', NULL, '{waiting}'::text[], 1, '{"because": "new"}'::jsonb), ('scheduler', NULL, '{ready}', 1, NULL), ('scheduler', %1$L::uuid, '{leased}', 1, NULL),
                    ('worker:hub-1', %1$L, '{running,succeeded}', 2, jsonb_build_object('digest', t.d('B1')))$$, :'a'),
    'leased -> succeeded says that it ran in between; the worker is the actor');

-- By hand: held to the table, and recorded.
SELECT set_config('farm.actor', '', true);
SELECT throws_ok(format('UPDATE farm.job_state SET state = ''waiting'', ended_at = NULL WHERE id = %s', :j), '23514', NULL, 'an illegal UPDATE by hand is refused');
UPDATE farm.job_state SET state = 'cancelled', ended_at = now() WHERE id = t.job('publish:plant:base@main');
SELECT is((SELECT actor FROM farm.event ORDER BY seq DESC LIMIT 1), 'database:postgres', 'a legal one leaves an event that names the role');
UPDATE farm.job_state SET losses = losses + 1;
SELECT is((SELECT via FROM farm.event ORDER BY seq DESC LIMIT 1), '{cancelled}', 'what is no transition leaves none');

-- Two actors in one turn are two rows.
SELECT * FROM farm.end_jobs(ARRAY[t.job('mirror:plant:base@main:acp-1'), t.job('mirror:plant:base@main:acp-2')], '{cancelled,superseded}', ARRAY['ann', NULL]);
SELECT * FROM farm.reopen(ARRAY[t.job('mirror:plant:base@main:acp-1')], ARRAY['operator:bob']);
SELECT results_eq($$SELECT actor, via FROM farm.event_log WHERE job_id = t.job('mirror:plant:base@main:acp-1') AND turn <> '1' ORDER BY seq$$,
    $$VALUES ('operator:ann', '{cancelled}'::text[]), ('operator:bob', '{waiting}')$$, 'each operator has an event');
SELECT is((SELECT actor FROM farm.event_log WHERE job_id = t.job('mirror:plant:base@main:acp-2') AND turn <> '1'), 'scheduler', 'no actor is the scheduler');
SELECT * FROM finish();
ROLLBACK;
