-- 0010_repos: when repositories are polled, and what they have uploaded.

-- When each is due, in microseconds since the epoch; 0: at once, somebody asked for it. `jitter` (0 to 1) is the part of the interval
-- over which polls of different repositories spread; the same poll is due at the same time however often it is asked for. A failing
-- repository is left alone for twice as long each time, up to 30 minutes.
CREATE FUNCTION farm.due_repos(jitter double precision)
RETURNS TABLE (id bigint, slug text, url text, refs text[], head text, git jsonb, known_refs jsonb, sync_wanted bigint, next_us bigint)
LANGUAGE sql STABLE AS $$
    SELECT p.id, p.slug, p.url, p.refs, p.head, p.git,
           (SELECT coalesce(jsonb_object_agg(r.name, r.oid), '{}') FROM farm.ref r WHERE r.repo_id = p.id AND r.gone_at IS NULL AND r.oid IS NOT NULL),
           p.sync_wanted,
           CASE WHEN p.sync_wanted > p.sync_done OR p.polled_at IS NULL THEN 0
                ELSE farm.us(p.polled_at + w.wait * (1 - jitter * (abs(hashint8(p.id # farm.us(p.polled_at))::bigint) % 1000) / 1000.0)) END AS next_us
      FROM farm.repo p
     CROSS JOIN LATERAL (SELECT CASE WHEN p.failures = 0 THEN p.poll_every
                                     ELSE least(interval '30 minutes', interval '2.5 seconds' * 2 ^ least(p.failures, 10)) END AS wait) w
     WHERE p.removed_at IS NULL
     ORDER BY next_us, p.id
$$;

CREATE FUNCTION farm.known_contexts(repo bigint) RETURNS SETOF text LANGUAGE sql STABLE AS $$
    SELECT a.key FROM farm.artifact a JOIN farm.repo p ON p.id = known_contexts.repo
     WHERE a.gone_at IS NULL AND right(a.repository, length('/contexts/' || p.slug)) = '/contexts/' || p.slug
$$;

CREATE FUNCTION farm.add_artifact(key text, digest text, repository text, size bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM farm.my_term();
    INSERT INTO farm.artifact AS a (key, digest, repository, size) VALUES (add_artifact.key, add_artifact.digest, add_artifact.repository, add_artifact.size)
    ON CONFLICT ON CONSTRAINT artifact_pkey DO UPDATE SET digest = excluded.digest, repository = excluded.repository, size = excluded.size, gone_at = NULL;
END $$;

-- The images of these refs are wanted no more. Their jobs are the brain's to end. What they released stays where it was released: an
-- external base of those that need it (0020).
CREATE FUNCTION farm.remove_images(of_refs bigint[]) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    gone bigint[];
    changed text[] := '{}';
    r bigint;
BEGIN
    WITH removed AS (
        UPDATE farm.image i SET removed_at = now() WHERE i.ref_id = ANY (of_refs) AND i.removed_at IS NULL RETURNING i.id
    )
    SELECT coalesce(array_agg(a.id ORDER BY a.id), '{}') INTO gone FROM removed m JOIN farm.image_arch a ON a.image_id = m.id;
    FOREACH r IN ARRAY of_refs LOOP
        changed := changed || farm.provide(r);
    END LOOP;
    RETURN gone || farm.relink(farm.users_of(changed));
END $$;

-- The end of a poll: `refs` are all watched refs that exist ([{"name", "oid"}]); NULL with an error. `sync` is the sync_wanted that
-- due_repos gave: a failed poll answers the request, too, or it would be repeated without a pause. Returns the image_archs that are removed.
CREATE FUNCTION farm.repo_polled(repo bigint, sync bigint, head text, refs jsonb, error text) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    gone bigint[] := '{}';
BEGIN
    PERFORM farm.my_term();
    PERFORM farm.set_head(repo, head);
    UPDATE farm.repo p
       SET polled_at = now(), sync_done = greatest(p.sync_done, sync),
           error = left(repo_polled.error, 2000), failures = CASE WHEN repo_polled.error IS NULL THEN 0 ELSE p.failures + 1 END,
           error_since = CASE WHEN repo_polled.error IS NOT NULL THEN coalesce(p.error_since, now()) END
     WHERE p.id = repo;
    IF error IS NULL AND refs IS NOT NULL THEN
        WITH missing AS (
            UPDATE farm.ref r SET gone_at = now(), oid = NULL
             WHERE r.repo_id = repo AND r.gone_at IS NULL
               AND NOT EXISTS (SELECT FROM jsonb_array_elements(refs) e WHERE e->>'name' = r.name)
            RETURNING r.id
        )
        SELECT coalesce(array_agg(m.id), '{}') INTO gone FROM missing m;
        DELETE FROM farm.definition_error d WHERE d.ref_id = ANY (gone);
    END IF;
    PERFORM pg_notify('farm_change', 'repositories');
    RETURN farm.remove_images(gone);
END $$;
