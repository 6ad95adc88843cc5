-- 0012_workers: what Reports say of workers, phases of attempts, answers to commands.

CREATE FUNCTION farm.worker_seen_rows(workers bigint[], boots uuid[], states text[], facts jsonb[]) RETURNS TABLE (worker bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH seen AS (
        UPDATE farm.worker w
           SET boot_id = coalesce(u.boot, w.boot_id), state = q.state, state_since = CASE WHEN w.state <> q.state THEN now() ELSE w.state_since END,
               arch = coalesce(left(u.facts->>'arch', 32), w.arch), slots = coalesce((u.facts->>'slots')::int, w.slots),
               capabilities = CASE WHEN u.facts ? 'capabilities' THEN ARRAY(SELECT left(c, 100) FROM jsonb_array_elements_text(u.facts->'capabilities') c)
                                   ELSE w.capabilities END,
               binary_version = coalesce(left(u.facts->>'version', 50), w.binary_version), pressure = coalesce(u.facts->'pressure', w.pressure)
          FROM unnest(workers, boots, states, facts) u (id, boot, state, facts)
          JOIN farm.worker o ON o.id = u.id
         -- A leader that has not heard of a worker for a lease cannot know whether anybody ever has.
         CROSS JOIN LATERAL (SELECT CASE WHEN u.state = 'disconnected' AND o.state = 'never-seen' THEN o.state ELSE u.state END AS state) q
         WHERE w.id = u.id
        RETURNING w.id
    )
    SELECT u.id, CASE WHEN s.id IS NULL THEN 'unknown' ELSE 'ok' END
      FROM unnest(workers) WITH ORDINALITY u (id, ord) LEFT JOIN seen s ON s.id = u.id ORDER BY u.ord;
END $$;

CREATE FUNCTION farm.worker_seen(workers bigint[], boots uuid[], states text[], facts jsonb[]) RETURNS TABLE (worker bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY SELECT * FROM farm.worker_seen_rows(workers, boots, states, facts);
EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
    FOR i IN 1 .. cardinality(workers) LOOP
        BEGIN
            RETURN QUERY SELECT * FROM farm.worker_seen_rows(workers[i:i], boots[i:i], states[i:i], facts[i:i]);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation OR syntax_error_or_access_rule_violation THEN
            PERFORM farm.refuse('worker_seen', 'worker ' || workers[i], NULL, NULL, SQLERRM);
            RETURN QUERY SELECT workers[i], 'refused';
        END;
    END LOOP;
END $$;

CREATE FUNCTION farm.worker_drain(workers bigint[], drained boolean[]) RETURNS TABLE (worker bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY
    WITH told AS (
        UPDATE farm.worker w SET drained = u.drained FROM unnest(workers, worker_drain.drained) u (id, drained) WHERE w.id = u.id RETURNING w.id
    )
    SELECT u.id, CASE WHEN t.id IS NULL THEN 'unknown' ELSE 'ok' END
      FROM unnest(workers) WITH ORDINALITY u (id, ord) LEFT JOIN told t ON t.id = u.id ORDER BY u.ord;
END $$;

-- What workers say of their own attempts; of others they are not heard. On the connection of turns: see 0006_jobs.
CREATE FUNCTION farm.phases(workers bigint[], attempts uuid[], phases text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM farm.my_term();
    UPDATE farm.job_state s SET phase = left(u.phase, 50) FROM unnest(phases.workers, phases.attempts, phases.phases) u (worker, id, phase)
     WHERE s.id = ANY (ARRAY[farm.job_of(u.id)]) AND s.attempt_id = u.id AND s.worker_id = u.worker AND s.state IN ('leased', 'running');
END $$;

CREATE FUNCTION farm.command_done(ids bigint[], states text[], outcomes jsonb[], messages text[]) RETURNS TABLE (id bigint, status text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    PERFORM farm.my_term();
    RETURN QUERY
    WITH ended AS (
        UPDATE farm.command c SET state = u.state, outcome = u.outcome, message = left(u.message, 2000), ended_at = now()
          FROM unnest(ids, states, outcomes, messages) u (id, state, outcome, message)
         WHERE c.id = u.id AND c.state = 'submitted'
        RETURNING c.id
    )
    SELECT u.id, CASE WHEN e.id IS NULL THEN 'stale' ELSE 'ok' END
      FROM unnest(ids) WITH ORDINALITY u (id, ord) LEFT JOIN ended e ON e.id = u.id ORDER BY u.ord;
END $$;
