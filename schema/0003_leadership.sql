-- 0003_leadership: one leader, and the check that begins each of its transactions.

-- The row of a leader that stopped for 3 s is taken over; so is this holder's own, since a process that asks again has dropped its
-- world. Milliseconds of the epoch, so that a restored backup never gives a term out again.
CREATE FUNCTION farm.lead(holder text) RETURNS TABLE (term bigint, ms_left int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    stale constant interval := '3 seconds';
    next_term constant bigint := (extract(epoch FROM clock_timestamp()) * 1000)::bigint;
BEGIN
    UPDATE farm.leader l SET term = greatest(l.term + 1, next_term), holder = lead.holder, renewed_at = clock_timestamp()
     WHERE l.holder = lead.holder OR l.renewed_at < clock_timestamp() - stale
    RETURNING l.term INTO lead.term;
    IF lead.term IS NULL THEN
        INSERT INTO farm.leader AS l (term, holder, renewed_at) VALUES (next_term, lead.holder, clock_timestamp())
        ON CONFLICT DO NOTHING RETURNING l.term INTO lead.term;
    END IF;
    IF lead.term IS NULL THEN
        SELECT greatest(0, ceil(extract(epoch FROM l.renewed_at + stale - clock_timestamp()) * 1000))::int INTO lead.ms_left FROM farm.leader l;
    ELSE
        lead.ms_left := 0;
    END IF;
    RETURN NEXT;
END $$;

CREATE FUNCTION farm.is_stale(holder text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM farm.leader l WHERE l.holder <> is_stale.holder AND l.renewed_at < clock_timestamp() - interval '3 seconds')
$$;

-- Ends the sessions of a leader that stopped for 3 s and that still hold its row (check_term). One that waits for its client to read is
-- not idle, so that no time-out ends it, and a take-over would wait for as long as that client sleeps. With the rights of the caller,
-- who may end sessions of its own role only.
CREATE FUNCTION farm.evict(holder text) RETURNS bigint LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE pg_terminate_backend(k.pid))
      FROM pg_locks k
      JOIN pg_stat_activity a ON a.pid = k.pid
     WHERE farm.is_stale(holder) AND k.relation = 'farm.leader'::regclass AND k.mode = 'RowShareLock' AND k.granted
       AND k.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
       AND k.pid <> pg_backend_pid() AND a.usename = current_user
$$;

CREATE FUNCTION farm.renew(term bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE farm.leader l SET renewed_at = clock_timestamp() WHERE l.term = renew.term;
    RETURN FOUND;
END $$;

-- Locks the row against a take-over until the end of the transaction. A leader that is stopped within a transaction would hold that lock
-- for as long as it sleeps, so PostgreSQL ends its session when it is silent for longer than a leadership lasts.
CREATE FUNCTION farm.check_term(term bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM farm.leader l WHERE l.term = check_term.term FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'term % is over', check_term.term USING ERRCODE = 'BF001';
    END IF;
    PERFORM set_config('farm.term', check_term.term::text, true), set_config('farm.actor', 'scheduler', true),
            set_config('idle_in_transaction_session_timeout', '3s', true);
END $$;

-- The term that this transaction has checked. Every function that writes for the leader asks for it.
CREATE FUNCTION farm.my_term() RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    term constant text := nullif(current_setting('farm.term', true), '');
BEGIN
    IF term IS NULL THEN
        RAISE EXCEPTION 'farm.check_term was not called in this transaction' USING ERRCODE = 'BF002';
    END IF;
    RETURN term;
END $$;

CREATE FUNCTION farm.us(t timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT (extract(epoch FROM t) * 1000000)::bigint
$$;

CREATE FUNCTION farm.at(us bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT 'epoch'::timestamptz + us * interval '1 microsecond'
$$;

CREATE FUNCTION farm.now_us() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT farm.us(clock_timestamp())
$$;
