-- 0015_logs: logs of attempts, in chunks by offset. Every byte offset below the end is stored or inside an explicit gap.

-- Everything before this offset is stored, or was left out and says so.
CREATE FUNCTION farm.log_end(attempt uuid) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT c.byte_offset + c.raw_bytes FROM farm.log_chunk c WHERE c.attempt_id = attempt ORDER BY c.byte_offset DESC LIMIT 1), 0)
$$;

-- Stores a chunk that begins where the log ends (or after the gap that it declares), drops one that is stored already or comes after the seal, and answers
-- how far the log goes; a sender that is ahead goes back to there. NULL: no such attempt. Past log_limit (bytes, default 256 MiB) only the
-- size of what is left out is kept. Not flushed at commit: the seal is.
CREATE FUNCTION farm.log_append(attempt uuid, byte_offset bigint, raw int, gap bigint, data bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    log_limit constant bigint := coalesce((SELECT s.value FROM farm.setting s WHERE s.name = 'log_limit'), '268435456');
    log_end bigint;
BEGIN
    PERFORM farm.my_term();
    IF coalesce(current_setting('farm.log_sealed', true), '') <> 'on' THEN     -- a seal of another log in this transaction is to be flushed
        PERFORM set_config('synchronous_commit', 'off', true);
    END IF;
    IF raw NOT BETWEEN 0 AND 262144 OR gap < 0 OR length(data) > 262144 OR byte_offset < gap THEN
        RAISE EXCEPTION 'log chunk of % bytes at %, gap %', raw, byte_offset, gap USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM farm.attempt_of t WHERE t.id = attempt FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    log_end := farm.log_end(attempt);
    IF byte_offset - gap > log_end OR byte_offset < log_end OR raw + gap = 0 OR EXISTS (SELECT FROM farm.log_seal l WHERE l.attempt_id = attempt) THEN
        RETURN log_end;
    END IF;
    IF byte_offset + raw > log_limit THEN
        UPDATE farm.log_chunk c SET byte_offset = log_append.byte_offset + raw, gap_bytes = c.gap_bytes + (log_append.byte_offset + raw - log_end), at = now()
         WHERE c.attempt_id = attempt AND c.byte_offset = log_end AND c.raw_bytes = 0;
        IF NOT FOUND THEN
            INSERT INTO farm.log_chunk (attempt_id, byte_offset, raw_bytes, gap_bytes, data)
            VALUES (attempt, log_append.byte_offset + raw, 0, log_append.byte_offset + raw - log_end, '');
        END IF;
    ELSE
        INSERT INTO farm.log_chunk AS c (attempt_id, byte_offset, raw_bytes, gap_bytes, data)
        VALUES (attempt, log_append.byte_offset, raw, log_append.byte_offset - log_end, log_append.data)
        ON CONFLICT ON CONSTRAINT log_chunk_pkey DO UPDATE SET raw_bytes = excluded.raw_bytes, data = excluded.data;     -- after a gap that stood alone
    END IF;
    PERFORM pg_notify('farm_log', attempt::text);
    RETURN byte_offset + raw;
END $$;

-- For a sender that has nothing more to send. `stored` is what it was last told. False: no such attempt, or the store has lost chunks
-- that were not flushed when PostgreSQL stopped: log_end tells from where to send again. Else true: the log is durable, the spool may
-- go. What is missing at the end becomes a gap; a log that is not what the sender says it is, is `truncated`. Flushed at commit.
CREATE FUNCTION farm.log_seal(attempt uuid, length bigint, stored bigint, sha256 bytea) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    log_end constant bigint := farm.log_end(attempt);
BEGIN
    PERFORM farm.my_term();
    IF length < 0 OR stored < 0 THEN
        RAISE EXCEPTION 'log seal of % bytes, % stored', length, stored USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM FROM farm.attempt_of t WHERE t.id = attempt FOR KEY SHARE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF NOT EXISTS (SELECT FROM farm.log_seal l WHERE l.attempt_id = attempt) THEN
        IF log_end < stored THEN
            RETURN false;
        END IF;
        IF log_end < length THEN
            INSERT INTO farm.log_chunk (attempt_id, byte_offset, raw_bytes, gap_bytes, data) VALUES (attempt, log_seal.length, 0, log_seal.length - log_end, '');
        END IF;
        INSERT INTO farm.log_seal (attempt_id, length, sha256, truncated)
        VALUES (attempt, greatest(log_seal.length, log_end), coalesce(log_seal.sha256, ''), log_end <> log_seal.length OR octet_length(coalesce(log_seal.sha256, '')) <> 32);
    END IF;
    PERFORM set_config('synchronous_commit', 'on', true), set_config('farm.log_sealed', 'on', true), pg_notify('farm_log', attempt::text);
    RETURN true;
END $$;

-- For readers: from the chunk that holds from_offset on. dashboard.attempts says how long the log is and whether it is sealed.
CREATE FUNCTION dashboard.job_log(attempt uuid, from_offset bigint, max_chunks int)
RETURNS TABLE (byte_offset bigint, raw_bytes int, gap_bytes bigint, data bytea) LANGUAGE sql STABLE AS $$
    SELECT c.byte_offset, c.raw_bytes, c.gap_bytes, c.data
      FROM farm.log_chunk c
     WHERE c.attempt_id = attempt AND c.byte_offset > from_offset - 262144 AND c.byte_offset + c.raw_bytes > from_offset
     ORDER BY c.byte_offset
     LIMIT least(greatest(max_chunks, 0), 256)
$$;
