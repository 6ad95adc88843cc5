-- succeed: the short way of results that are what they seem, and what falls out of it.
BEGIN;
SET search_path = t, public;
SELECT no_plan();
SELECT farm.check_term((SELECT term FROM farm.leader));
SELECT t.push(t.plan('one', ARRAY[t.image('base', 'a'), t.image('other', 'a'), t.image('third', 'a')]));
SELECT farm.base_resolved((SELECT id FROM farm.base), t.d('debian'), NULL);
SELECT t.job('build:plant:base@main:amd64') AS base, t.job('build:plant:other@main:amd64') AS other, t.job('build:plant:third@main:amd64') AS third, t.worker('hub-1') AS w \gset
SELECT t.ready(:base), t.ready(:other), t.ready(:third);
SELECT t.claim(:base) AS a, t.claim(:other) AS b, t.claim(:third) AS c \gset
SELECT farm.start(ARRAY[:'b'::uuid], '{5000}');

SELECT results_eq(format($$SELECT attempt, status, job, digest, repository, state, created FROM farm.succeed(ARRAY[%s, %s, %s, %s]::bigint[], ARRAY[%L, %L, %L, t.uuid(99)]::uuid[], array_fill(%s::bigint, '{4}'),
                                                ARRAY[t.d('B1'), t.d('B2'), NULL, t.d('B3')], '{5,6,7,8}', '{2000,2000,2000,2000}', ARRAY['{"n": 1}', NULL, NULL, NULL]::jsonb[])$$,
                         :base, :other, :third, :third, :'a', :'b', :'c', :w),
    format($$VALUES (%2$L::uuid, 'accepted', %1$s::bigint, t.d('B1'), 'staging.test:5000/build/plant/base', 'succeeded', '{}'::bigint[]), (%4$L, 'accepted', %3$s, t.d('B2'), 'staging.test:5000/build/plant/other', 'succeeded', '{}'),
                    (%6$L, 'refused', %5$s, NULL, NULL, 'leased', '{}'), (t.uuid(99), 'unknown', %5$s, NULL, NULL, 'leased', '{}')$$, :base, :'a', :other, :'b', :third, :'c'),
    'two as they should be; a build without a digest is refused, an unknown attempt is said, and neither stops the others');
SELECT results_eq(format($$SELECT outcome, digest::text, size, detail, started_at IS NOT NULL, ended_at IS NOT NULL FROM farm.attempt WHERE id IN (%L, %L) ORDER BY size$$, :'a', :'b'),
    $$VALUES ('succeeded', t.d('B1'), 5::bigint, '{"n": 1}'::jsonb, true, true), ('succeeded', t.d('B2'), 6, NULL, true, true)$$, 'the attempts say so');
SELECT results_eq(format($$SELECT via FROM farm.event WHERE job_id = %s AND attempt_id IS NOT NULL ORDER BY seq$$, :base), $$VALUES ('{leased}'::text[]), ('{running,succeeded}')$$, 'start and result of one turn are one event');
SELECT results_eq(format($$SELECT via FROM farm.event WHERE job_id = %s AND attempt_id IS NOT NULL ORDER BY seq$$, :other), $$VALUES ('{leased}'::text[]), ('{running}'), ('{succeeded}')$$, 'of two turns, two');
SELECT is((SELECT count(*) FROM farm.build_result WHERE digest IN (t.d('B1'), t.d('B2'))), 2::bigint, 'what was built is known');
SELECT results_eq(format($$SELECT status FROM farm.succeed(ARRAY[%s]::bigint[], ARRAY[%L]::uuid[], ARRAY[%s]::bigint[], ARRAY[t.d('B1')], '{5}', '{2000}', ARRAY[NULL]::jsonb[])$$, :base, :'a', :w), $$VALUES ('duplicate')$$, 'again');
SELECT results_eq(format($$SELECT status FROM farm.succeed(ARRAY[%s]::bigint[], ARRAY[%L]::uuid[], ARRAY[t.worker('hub-2')], ARRAY[t.d('B1')], '{5}', '{2000}', ARRAY[NULL]::jsonb[])$$, :third, :'c'), $$VALUES ('fenced')$$, 'by another worker');

-- A test, at the second try.
SELECT t.ready(t.job('test:plant:base@main:amd64'));
SELECT t.claim(t.job('test:plant:base@main:amd64')) AS x \gset
SELECT t.finish(:'x', t.bad('user', 'test'), 'ready');
SELECT t.claim(t.job('test:plant:base@main:amd64'), 'hub-2') AS y \gset
SELECT results_eq(format($$SELECT status, digest, state FROM farm.succeed(ARRAY[t.job('test:plant:base@main:amd64')], ARRAY[%L]::uuid[], ARRAY[t.worker('hub-2')], ARRAY[NULL], ARRAY[NULL]::bigint[], '{2000}', ARRAY[NULL]::jsonb[])$$, :'y'),
    $$VALUES ('accepted', t.d('B1'), 'succeeded')$$, 'a test needs no digest');
SELECT results_eq($$SELECT passed, flaky, digest::text FROM farm.verdict$$, $$VALUES (true, true, t.d('B1'))$$, 'the verdict remembers the failure');
SELECT is((SELECT passing_digest::text FROM farm.image_arch WHERE id = t.id('plant:base@main')), t.d('B1'), 'children are built from it');
SELECT results_eq($$SELECT number, outcome, worker_id FROM farm.attempt WHERE job_id = t.job('test:plant:base@main:amd64') ORDER BY number$$,
    $$VALUES (1, 'failed', t.worker('hub-1')), (2, 'succeeded', t.worker('hub-2'))$$, 'both attempts are kept');

-- Nothing points at what is not there.
SELECT is((SELECT count(*) FROM farm.job_fixed f FULL JOIN farm.job_state s ON s.id = f.id WHERE f.id IS NULL OR s.id IS NULL OR f.kind <> s.kind), 0::bigint, 'a job is two rows');
SELECT is((SELECT count(*) FROM farm.job_fixed f LEFT JOIN farm.image i ON i.id = f.image_id LEFT JOIN farm.revision v ON v.id = f.revision_id LEFT JOIN farm.spec p ON p.id = f.spec_id
            WHERE i.id IS NULL OR v.id IS NULL OR p.id IS NULL OR (f.image_arch_id IS NOT NULL AND NOT EXISTS (SELECT FROM farm.image_arch a WHERE a.id = f.image_arch_id AND a.image_id = f.image_id))), 0::bigint, 'each of an image');
SELECT is((SELECT count(*) FROM farm.image_arch_plan a FULL JOIN farm.image_arch_state s ON s.id = a.id WHERE a.id IS NULL OR s.id IS NULL OR NOT EXISTS (SELECT FROM farm.image i WHERE i.id = a.image_id)), 0::bigint, 'an image_arch is two rows, of an image');
SELECT is((SELECT count(*) FROM farm.image i LEFT JOIN farm.revision v ON v.id = i.revision_id AND v.ref_id = i.ref_id LEFT JOIN farm.ref r ON r.id = i.ref_id WHERE v.id IS NULL OR r.id IS NULL), 0::bigint, 'each image of a ref and its revision');
SELECT is((SELECT count(*) FROM farm.provided p WHERE NOT EXISTS (SELECT FROM farm.image i WHERE i.id = p.image_id)), 0::bigint, 'each reference of an image');
SELECT is((SELECT count(*) FROM farm.attempt t WHERE t.job_id <> farm.job_of(t.id) OR NOT EXISTS (SELECT FROM farm.worker w WHERE w.id = t.worker_id)), 0::bigint, 'each attempt of its job and of a worker');
SELECT * FROM finish();
ROLLBACK;
