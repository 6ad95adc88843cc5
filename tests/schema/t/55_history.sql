-- A partition for each month of events and past attempts; old ones go.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
CREATE FUNCTION t.months(of text) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(right(relname, 7) ORDER BY relname) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = ('farm.' || of)::regclass AND relname ~ '_\d{4}_\d{2}$'
$$;
SELECT is(t.months('event_log'), ARRAY[to_char(now(), 'YYYY_MM'), to_char(now() + interval '1 month', 'YYYY_MM'), to_char(now() + interval '2 months', 'YYYY_MM')], 'this month and two more');
SELECT farm.history_months((date_trunc('month', now()) + interval '4 months')::date);
SELECT is(cardinality(t.months('event_log')), 6, 'months that are to come');
SELECT is(cardinality(t.months('attempt_past')), 6, 'of attempts, too');
SELECT is(t.do('setting_set', '{"name": "history_keep", "value": "2"}'), 'done', 'two months are kept');
SELECT matches(t.do('setting_set', '{"name": "history_keep", "value": "never"}'), '^refused: never is not a history_keep', 'a number of them');
SELECT farm.history_months((date_trunc('month', now()) + interval '4 months')::date);
SELECT is(cardinality(t.months('event_log')), 4, 'what is older goes');
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL), t.ready(t.job('build:plant:base@main:amd64'));
SELECT ok(EXISTS (SELECT FROM farm.event_log_rest WHERE at = now()), 'and what comes late has a place all the same');
SELECT * FROM finish();
ROLLBACK;
