-- 0015_logs: logs of attempts, in chunks by offset. Every byte offset below the end is stored or inside an explicit gap.
--
-- Chunks lie in a partition for each day, and a whole log in that of the day (UTC) on which its attempt was leased: so an offset is unique,
-- a reader looks in one partition, and an old day goes with one DROP TABLE.
--
-- What is called often is planned by keys (enable_seqscan = off): a session keeps the plan that it made when a day was empty.

CREATE TABLE farm.log_chunk (
    day        date NOT NULL,                   -- farm.log_day of the attempt
    attempt_id uuid NOT NULL,
    byte_offset bigint NOT NULL,
    raw_bytes  int NOT NULL,
    gap_bytes  bigint NOT NULL DEFAULT 0,
    data       bytea NOT NULL,                  -- zstd frame
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (attempt_id, byte_offset, day)
) PARTITION BY RANGE (day);
ALTER TABLE farm.log_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE farm.log_seal (
    attempt_id uuid PRIMARY KEY,
    length     bigint NOT NULL,
    sha256     bytea NOT NULL,                  -- as the worker gave it; empty: unknown
    truncated  boolean NOT NULL DEFAULT false,  -- what is stored is not what the worker had
    sealed_at  timestamptz NOT NULL DEFAULT now()
);

-- ---- days ------------------------------------------------------------------------------------------------------------------------------------

CREATE FUNCTION farm.log_day(leased_at timestamptz) RETURNS date LANGUAGE sql IMMUTABLE AS $$
    SELECT (leased_at AT TIME ZONE 'UTC')::date
$$;

-- The first day that is kept: setting log_keep, in days, 30 by default.
CREATE FUNCTION farm.log_first_day(today date) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT today - coalesce((SELECT s.value::int FROM farm.setting s WHERE s.name = 'log_keep'), 30)
$$;

CREATE FUNCTION farm.log_partition(day date) RETURNS name LANGUAGE sql IMMUTABLE AS $$
    SELECT ('log_chunk_' || to_char(day, 'YYYYMMDD'))::name
$$;

-- Made beside the table and then attached: nobody who reads or writes waits for it.
CREATE FUNCTION farm.log_add_day(day date) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    name constant name := farm.log_partition(day);
BEGIN
    IF to_regclass('farm.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE farm.%I (LIKE farm.log_chunk INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE farm.log_chunk ATTACH PARTITION farm.%I FOR VALUES FROM (%L) TO (%L)', name, day, day + 1);
    RETURN true;
END $$;

-- Makes the partitions of yesterday to the day after tomorrow where they are missing, and drops the oldest that is no longer kept: one, since a drop stops readers
-- for a moment; it waits half a second for them at most and leaves it to the next call. False: call again soon, there is more to drop.
-- Does nothing else: it is called as often as one likes.
CREATE FUNCTION farm.log_days(today date DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    day date := coalesce(today, farm.log_day(now()));
    before constant name := farm.log_partition(farm.log_first_day(day));
    old name[];
BEGIN
    PERFORM farm.my_term();
    PERFORM farm.log_add_day(day + n) FROM generate_series(-1, 2) n;
    SELECT array_agg(c.relname ORDER BY c.relname) INTO old
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'farm.log_chunk'::regclass AND c.relname < before;
    IF old IS NULL THEN
        RETURN true;
    END IF;
    BEGIN
        PERFORM set_config('lock_timeout', '500ms', true);
        EXECUTE format('DROP TABLE farm.%I', old[1]);
        RETURN cardinality(old) = 1;
    EXCEPTION WHEN lock_not_available THEN
        RETURN false;
    END;
END $$;

-- ---- writing ---------------------------------------------------------------------------------------------------------------------------------

-- Everything before this offset is stored, or was left out and says so.
CREATE FUNCTION farm.log_end(attempt uuid) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT c.byte_offset + c.raw_bytes FROM farm.known_attempt(attempt) t JOIN farm.log_chunk c ON c.day = farm.log_day(t.leased_at) AND c.attempt_id = t.id
                      ORDER BY c.byte_offset DESC LIMIT 1), 0);
END $$;

-- Where the log of an attempt lies; NULL: no such attempt, or its day is no longer kept.
CREATE FUNCTION farm.log_home(attempt uuid) RETURNS date LANGUAGE sql STABLE AS $$
    SELECT farm.log_day(t.leased_at) FROM farm.known_attempt(attempt) t WHERE farm.log_day(t.leased_at) >= farm.log_first_day(farm.log_day(now()))
$$;

-- Bytes of one log beyond which only the size is kept: setting log_limit, 256 MiB by default.
CREATE FUNCTION farm.log_limit() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT s.value::bigint FROM farm.setting s WHERE s.name = 'log_limit'), 268435456)
$$;

-- A commit need not wait for the disk, unless a seal stands in the same transaction.
CREATE FUNCTION farm.log_relax() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM farm.my_term();
    IF coalesce(current_setting('farm.log_sealed', true), '') <> 'on' THEN
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
END $$;

-- Stores a chunk that begins where the log ends (or after the gap that it declares), drops one that is stored already or comes after the seal, and answers
-- how far the log goes; a sender that is ahead goes back to there. NULL: no such attempt, or its log is no longer kept. Past log_limit only the
-- size of what is left out is kept. Not flushed at commit: the seal is.
CREATE FUNCTION farm.log_append(attempt uuid, byte_offset bigint, raw int, gap bigint, data bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    home constant date := farm.log_home(attempt);
    log_end bigint;
BEGIN
    PERFORM farm.log_relax();
    IF raw NOT BETWEEN 0 AND 262144 OR gap < 0 OR length(data) > 262144 OR byte_offset < gap THEN
        RAISE EXCEPTION 'log chunk of % bytes at %, gap %', raw, byte_offset, gap USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF home IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM farm.log_add_day(home);      -- log_days has made it, usually
    log_end := farm.log_end(attempt);
    IF byte_offset - gap > log_end OR byte_offset < log_end OR raw + gap = 0 OR EXISTS (SELECT FROM farm.log_seal l WHERE l.attempt_id = attempt) THEN
        RETURN log_end;
    END IF;
    IF byte_offset + raw > farm.log_limit() THEN
        UPDATE farm.log_chunk c SET byte_offset = log_append.byte_offset + raw, gap_bytes = c.gap_bytes + (log_append.byte_offset + raw - log_end), at = now()
         WHERE c.day = home AND c.attempt_id = attempt AND c.byte_offset = log_end AND c.raw_bytes = 0;
        IF NOT FOUND THEN
            INSERT INTO farm.log_chunk (day, attempt_id, byte_offset, raw_bytes, gap_bytes, data)
            VALUES (home, attempt, log_append.byte_offset + raw, 0, log_append.byte_offset + raw - log_end, '');
        END IF;
    ELSE
        INSERT INTO farm.log_chunk AS c (day, attempt_id, byte_offset, raw_bytes, gap_bytes, data)
        VALUES (home, attempt, log_append.byte_offset, raw, log_append.byte_offset - log_end, log_append.data)
        ON CONFLICT ON CONSTRAINT log_chunk_pkey DO UPDATE SET raw_bytes = excluded.raw_bytes, data = excluded.data;     -- after a gap that stood alone
    END IF;
    PERFORM pg_notify('farm_log', attempt::text);
    RETURN byte_offset + raw;
END $$;

-- log_append for many chunks of many logs at once, those of one log in their order, each only for the worker that the attempt belongs to: a row for each
-- attempt, stored NULL where it is another's or nobody's. Notifies nobody: commits that notify wait for each other, and for each other's disk (log_tell).
CREATE FUNCTION farm.log_put(attempts uuid[], workers bigint[], byte_offsets bigint[], raws int[], gaps bigint[], datas bytea[])
RETURNS TABLE (attempt uuid, stored bigint) LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_variable
DECLARE
    first_day constant date := farm.log_first_day(farm.log_day(now()));
    log_limit constant bigint := farm.log_limit();
    -- A chunk that is a gap alone, or past the limit, changes what stands already: then one after the other.
    singly constant boolean := EXISTS (SELECT FROM unnest(byte_offsets, raws) u(byte_offset, raw) WHERE u.raw = 0 OR u.byte_offset + u.raw > log_limit);
    days date[];         -- of the attempts, NULL: not for this worker, or no longer kept
    c record;
    taken int[] := '{}'; -- places in the arrays, and the gap before each
    taken_gaps bigint[] := '{}';
BEGIN
    PERFORM farm.log_relax();
    IF EXISTS (SELECT FROM unnest(byte_offsets, raws, gaps, datas) u(byte_offset, raw, gap, data)
                WHERE u.raw NOT BETWEEN 0 AND 262144 OR u.gap < 0 OR u.byte_offset < u.gap OR length(u.data) > 262144) THEN
        RAISE EXCEPTION 'log chunks of wrong sizes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT array_agg(t.day ORDER BY u.n) INTO days
      FROM unnest(attempts, workers) WITH ORDINALITY u(attempt, worker, n)
      LEFT JOIN LATERAL (SELECT farm.log_day(q.leased_at) AS day FROM farm.known_attempt(u.attempt) q WHERE q.worker_id = u.worker) t ON t.day >= first_day;
    PERFORM farm.log_add_day(u.day) FROM (SELECT DISTINCT d.day FROM unnest(days) d(day) WHERE d.day IS NOT NULL) u;     -- log_days has made them, usually
    FOR c IN
        SELECT u.attempt, u.n, u.byte_offset, u.raw, u.gap, u.day, coalesce(e.log_end, 0) AS log_end, l.sealed
          FROM unnest(attempts, days, byte_offsets, raws, gaps) WITH ORDINALITY u(attempt, day, byte_offset, raw, gap, n)
          LEFT JOIN LATERAL (SELECT q.byte_offset + q.raw_bytes AS log_end FROM farm.log_chunk q WHERE q.day = u.day AND q.attempt_id = u.attempt
                              ORDER BY q.byte_offset DESC LIMIT 1) e ON true
          LEFT JOIN LATERAL (SELECT true AS sealed FROM farm.log_seal q WHERE q.attempt_id = u.attempt LIMIT 1) l ON true
         ORDER BY u.attempt, u.n
    LOOP
        IF attempt IS DISTINCT FROM c.attempt THEN
            IF attempt IS NOT NULL THEN
                RETURN NEXT;
            END IF;
            attempt := c.attempt;
            stored := CASE WHEN c.day IS NOT NULL THEN c.log_end END;
        END IF;
        IF stored IS NULL OR c.sealed OR c.byte_offset - c.gap > stored OR c.byte_offset < stored OR c.raw + c.gap = 0 THEN
            CONTINUE;
        ELSIF singly THEN
            stored := farm.log_append(c.attempt, c.byte_offset, c.raw, c.gap, datas[c.n]);
        ELSE
            taken := taken || c.n::int;
            taken_gaps := taken_gaps || c.byte_offset - stored;
            stored := c.byte_offset + c.raw;
        END IF;
    END LOOP;
    IF attempt IS NOT NULL THEN
        RETURN NEXT;
    END IF;
    INSERT INTO farm.log_chunk (day, attempt_id, byte_offset, raw_bytes, gap_bytes, data)
    SELECT days[u.n], attempts[u.n], byte_offsets[u.n], raws[u.n], u.gap, datas[u.n] FROM unnest(taken, taken_gaps) u(n, gap)
    ON CONFLICT ON CONSTRAINT log_chunk_pkey DO UPDATE SET raw_bytes = excluded.raw_bytes, data = excluded.data;     -- after a gap that stood alone
END $$;

-- Tells those who read along that more of these logs is there.
CREATE FUNCTION farm.log_tell(attempts uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true), pg_notify('farm_log', u.attempt::text) FROM unnest(attempts) u(attempt);
END $$;

-- For a sender that has nothing more to send. `stored` is what it was last told. False: no such attempt (or its log is no longer kept), or the store has lost chunks
-- that were not flushed when PostgreSQL stopped: log_end tells from where to send again. Else true: the log is durable, the spool may
-- go. What is missing at the end becomes a gap; a log that is not what the sender says it is, is `truncated`. Flushed at commit.
CREATE FUNCTION farm.log_seal(attempt uuid, length bigint, stored bigint, sha256 bytea) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    home constant date := farm.log_home(attempt);
    log_end constant bigint := farm.log_end(attempt);
BEGIN
    PERFORM farm.my_term();
    IF length < 0 OR stored < 0 THEN
        RAISE EXCEPTION 'log seal of % bytes, % stored', length, stored USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF home IS NULL THEN
        RETURN false;
    END IF;
    IF NOT EXISTS (SELECT FROM farm.log_seal l WHERE l.attempt_id = attempt) THEN
        IF log_end < stored THEN
            RETURN false;
        END IF;
        IF log_end < length THEN
            PERFORM farm.log_add_day(home);
            INSERT INTO farm.log_chunk (day, attempt_id, byte_offset, raw_bytes, gap_bytes, data)
            VALUES (home, attempt, log_seal.length, 0, log_seal.length - log_end, '');
        END IF;
        INSERT INTO farm.log_seal (attempt_id, length, sha256, truncated)
        VALUES (attempt, greatest(log_seal.length, log_end), coalesce(log_seal.sha256, ''), log_end <> log_seal.length OR octet_length(coalesce(log_seal.sha256, '')) <> 32);
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true), set_config('farm.log_sealed', 'on', true), pg_notify('farm_log', attempt::text);
    RETURN true;
END $$;

-- log_seal for a worker, which may only seal the logs of its own attempts: known is false for any other.
CREATE FUNCTION farm.log_close(attempt uuid, worker bigint, length bigint, was_stored bigint, sha256 bytea)
RETURNS TABLE (known boolean, sealed boolean, stored bigint) LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    known := farm.log_home(attempt) IS NOT NULL AND EXISTS (SELECT FROM farm.known_attempt(attempt) t WHERE t.worker_id = worker);
    sealed := known AND farm.log_seal(attempt, length, was_stored, sha256);
    stored := CASE WHEN known THEN farm.log_end(attempt) END;
    RETURN NEXT;
END $$;

-- ---- reading ---------------------------------------------------------------------------------------------------------------------------------

-- For readers: from the chunk that holds from_offset on. dashboard.attempts says how long the log is and whether it is sealed.
CREATE FUNCTION dashboard.job_log(attempt uuid, from_offset bigint, max_chunks int)
RETURNS TABLE (byte_offset bigint, raw_bytes int, gap_bytes bigint, data bytea) LANGUAGE sql STABLE AS $$
    SELECT c.byte_offset, c.raw_bytes, c.gap_bytes, c.data
      FROM farm.log_chunk c
     WHERE c.day = (SELECT farm.log_day(t.leased_at) FROM farm.known_attempt(attempt) t)
       AND c.attempt_id = attempt AND c.byte_offset > from_offset - 262144 AND c.byte_offset + c.raw_bytes > from_offset
     ORDER BY c.byte_offset
     LIMIT least(greatest(max_chunks, 0), 256)
$$;

-- job_log for one who reads along, and in each row whether nothing more will come, and the length once sealed. One row without a chunk where none is left; no row: no
-- such attempt. An attempt that ended a minute ago without a seal (its worker is gone) gets no more. In a language that keeps its plan: a follower asks often.
CREATE FUNCTION dashboard.log_tail(attempt uuid, from_offset bigint, max_chunks int)
RETURNS TABLE (ended boolean, length bigint, byte_offset bigint, raw_bytes int, gap_bytes bigint, data bytea) LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
#variable_conflict use_variable
BEGIN
    RETURN QUERY
    SELECT l.attempt_id IS NOT NULL OR coalesce(t.ended_at < now() - interval '1 minute', false), l.length, c.byte_offset, c.raw_bytes, c.gap_bytes, c.data
      FROM farm.known_attempt(attempt) t
      LEFT JOIN farm.log_seal l ON l.attempt_id = t.id
      LEFT JOIN LATERAL (SELECT q.byte_offset, q.raw_bytes, q.gap_bytes, q.data FROM farm.log_chunk q
                          WHERE q.day = farm.log_day(t.leased_at) AND q.attempt_id = t.id
                            AND q.byte_offset > from_offset - 262144 AND q.byte_offset + q.raw_bytes > from_offset
                          ORDER BY q.byte_offset LIMIT least(greatest(max_chunks, 0), 256)) c ON true
     ORDER BY c.byte_offset;
END $$;

-- The first partitions; log_days() needs a term.
SELECT farm.log_add_day(farm.log_day(now()) + n) FROM generate_series(-1, 2) n;
