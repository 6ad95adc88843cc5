-- 0001_tables: the tables of the farm. Functions are the only writers (0002_*.sql); people and programs read `dashboard`.
--
-- Conventions: times are timestamptz of the database's clock; durations are in microseconds where C hands them over, else interval.
-- Digests are text 'sha256:<64 hex>'. Keys (recipe, input, test) are digests, too. Names of states are mirrored from scheduler/core/job.c.

CREATE SCHEMA farm;
CREATE SCHEMA dashboard;

-- Each result passes this some five times: a regular expression would cost 16 us each time. Keys of tables are of collation "C", compared byte by byte: that of
-- the database costs an index of digests half as much again, and more where it is a language's. Columns that people read are not, since PostgreSQL
-- compares no rows whose collations differ.
CREATE DOMAIN farm.digest AS text
    CHECK (octet_length(VALUE) = 71 AND starts_with(VALUE, 'sha256:') AND encode(decode(substr(VALUE, 8), 'hex'), 'hex') = substr(VALUE, 8));
CREATE DOMAIN farm.image_name AS text
    CHECK (VALUE ~ '^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$' AND length(VALUE) <= 200);
CREATE DOMAIN farm.slug AS text CHECK (VALUE ~ '^[a-z0-9]+([._-][a-z0-9]+)*$' AND length(VALUE) <= 63);

-- What `migrate` has applied. A binary older than `oldest_binary` must not use the schema any more.
CREATE TABLE farm.migration (
    version       int PRIMARY KEY,
    name          text NOT NULL,
    oldest_binary text NOT NULL,
    applied_at    timestamptz NOT NULL DEFAULT now()
);

-- One row. `term` is the key, so that FOR KEY SHARE of a writer conflicts with a take-over (which changes the key) and not with the
-- renewal each second (which does not): a writer never waits for a heartbeat.
CREATE TABLE farm.leader (
    term       bigint PRIMARY KEY,
    holder     text NOT NULL,
    renewed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX leader_is_one ON farm.leader ((true));

-- Farm-wide values: staging_registry, release_registry (HOST[:PORT]), curve_public, arch (the hub's), format versions.
CREATE TABLE farm.setting (
    name  text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE farm.site (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         farm.slug NOT NULL UNIQUE,
    kind         text NOT NULL CHECK (kind IN ('hub', 'acp')),
    registry     text,                          -- HOST[:PORT] of the site's registry; NULL: the site has none
    on_partition text NOT NULL DEFAULT 'kill' CHECK (on_partition IN ('kill', 'continue')),
    grace        interval NOT NULL DEFAULT '1 hour' CHECK (grace BETWEEN interval '0' AND interval '90 days'),
    created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE farm.worker (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         farm.slug NOT NULL UNIQUE,
    site_id      bigint NOT NULL REFERENCES farm.site,
    roles        text[] NOT NULL CHECK (roles <@ ARRAY['build', 'test', 'publish', 'mirror'] AND cardinality(roles) > 0),
    public_key   text NOT NULL UNIQUE CHECK (length(public_key) = 40),
    revoked_at   timestamptz,
    drained      boolean NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- written when they change, from Reports; not a heartbeat
    boot_id      uuid,
    arch         text,
    slots        int,
    capabilities text[] NOT NULL DEFAULT '{}',
    binary_version text,
    pressure     jsonb,
    state        text NOT NULL DEFAULT 'never-seen' CHECK (state IN ('never-seen', 'connected', 'draining', 'disconnected', 'resting')),
    state_since  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE farm.repo (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug         farm.slug NOT NULL UNIQUE,
    url          text NOT NULL,
    refs         text[] NOT NULL DEFAULT '{HEAD}',
    poll_every   interval NOT NULL DEFAULT '60 seconds' CHECK (poll_every BETWEEN interval '1 second' AND interval '7 days'),
    git          jsonb NOT NULL DEFAULT '{}',   -- names of files at the scheduler: ssh_key, known_hosts, ca_file, credentials, allowed_signers, keyring
    weight       int NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),   -- of its share of the workers: so many times that of 1
    removed_at   timestamptz,
    head         text,                          -- the remote's default branch
    sync_wanted  bigint NOT NULL DEFAULT 0,     -- raised by each sync request ...
    sync_done    bigint NOT NULL DEFAULT 0,     -- ... and copied here by the poll that began after it
    polled_at    timestamptz,
    error        text,                          -- of the last poll; NULL: it succeeded
    error_since  timestamptz,
    failures     int NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- A watched ref; `serial` counts the revisions seen at its head.
CREATE TABLE farm.ref (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repo_id    bigint NOT NULL REFERENCES farm.repo,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    oid        text,                            -- of the newest planned revision; NULL: to be planned (again)
    serial     bigint NOT NULL DEFAULT 0,
    gone_at    timestamptz,
    UNIQUE (repo_id, name)
);

CREATE TABLE farm.revision (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ref_id     bigint NOT NULL REFERENCES farm.ref,
    serial     bigint NOT NULL,
    oid        text NOT NULL CHECK (oid ~ '^[0-9a-f]{40,64}$'),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (ref_id, serial)
);

-- Errors and warnings of the newest revision of each ref.
CREATE TABLE farm.definition_error (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ref_id      bigint NOT NULL REFERENCES farm.ref,
    revision_id bigint NOT NULL REFERENCES farm.revision,
    severity    text NOT NULL CHECK (severity IN ('error', 'warning')),
    file text, line int, col int, code text NOT NULL, message text NOT NULL, hint text,
    images      text[]                          -- those that it is known to concern; NULL: not known, or more than 1,000
);
CREATE INDEX definition_error_of_ref ON farm.definition_error (ref_id);

-- A context or a bundle of test scripts in the staging registry, by its key.
CREATE TABLE farm.artifact (
    key        farm.digest COLLATE "C" PRIMARY KEY, -- context_key or scripts_key
    digest     farm.digest NOT NULL,            -- of the OCI manifest
    repository text NOT NULL,                   -- HOST/contexts/SLUG
    size       bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    gone_at    timestamptz                      -- its registry has lost it; the planner is asked to make it again
);

-- An image of a ref, and what the newest revision wants of it. removed_at: no revision wants it any more.
-- No foreign keys here and below, as for jobs: plan_commit makes these rows from others that it has locked or made, and nothing deletes any.
CREATE TABLE farm.image (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ref_id      bigint NOT NULL,
    name        farm.image_name NOT NULL,
    publish_key farm.digest NOT NULL,
    spec        jsonb NOT NULL,                 -- {publish, publish_key, mirror, place, priority, file, matrix, provides}
    revision_id bigint NOT NULL,                -- the newest revision that changed what is wanted
    removed_at  timestamptz,
    broken_at   timestamptz,                    -- its definition has an error since; what is stored is the last good one
    UNIQUE (ref_id, name)
);

-- The same per architecture; the brain works on these.
-- An image of an architecture is two rows, too: what plans say of it, and what results do. `farm.image_arch` (0002) is both.
CREATE TABLE farm.image_arch_plan (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id       bigint NOT NULL,
    arch           text NOT NULL,
    recipe         farm.digest NOT NULL,
    tests_key      farm.digest NOT NULL,
    spec_id        bigint NOT NULL,             -- IMAGE of scheduler/planner/README.md
    onbuild        boolean NOT NULL DEFAULT false,  -- whether it has triggers,
    scheduled      boolean NOT NULL DEFAULT false,  -- and rebuilds by time
    removed_at     timestamptz,
    UNIQUE (image_id, arch)
);
CREATE INDEX image_arch_onbuild ON farm.image_arch_plan (id) WHERE onbuild;
CREATE INDEX image_arch_scheduled ON farm.image_arch_plan (id) WHERE scheduled;

CREATE TABLE farm.image_arch_state (
    id             bigint PRIMARY KEY,
    passing_digest farm.digest,                 -- newest digest with a passing verdict; what children are built from
    passing_repository text,                    -- HOST/build/SLUG/NAME where it lies
    passing_serial bigint,                      -- of the revision whose test gave it; it never goes back
    failures       int NOT NULL DEFAULT 0,      -- builds and tests that failed by the image's own fault since one passed or somebody intervened
    breaker_since  timestamptz,                 -- too many of them: no automatic rebuilds
    held           text,                        -- the newest automatic rebuild that the breaker held back: the reference or schedule
    scheduled_at   timestamptz NOT NULL DEFAULT now()   -- the last scheduled rebuild, or when the image was first seen
);

-- The sites whose registries shall hold the image: mirror.sites against the names of the ACPs that have a registry.
CREATE TABLE farm.image_site (
    id       bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    image_id bigint NOT NULL REFERENCES farm.image ON DELETE CASCADE,
    site_id  bigint NOT NULL REFERENCES farm.site ON DELETE CASCADE,
    PRIMARY KEY (image_id, site_id)
);
CREATE INDEX image_site_of_site ON farm.image_site (site_id);

-- Edges between images (of one ref; 0020 adds those across refs), and to external bases.
CREATE TABLE farm.image_parent (
    image_arch_id  bigint NOT NULL REFERENCES farm.image_arch_plan ON DELETE CASCADE,
    parent_arch_id bigint NOT NULL REFERENCES farm.image_arch_plan,
    PRIMARY KEY (image_arch_id, parent_arch_id)
);
CREATE INDEX image_parent_children ON farm.image_parent (parent_arch_id);

CREATE TABLE farm.base (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reference  text NOT NULL,                   -- normalised
    arch       text NOT NULL,
    digest     farm.digest,                     -- of the platform's manifest, what builds pin; NULL: never resolved
    previous   farm.digest,                     -- the digest before it
    changed_at timestamptz,                     -- since when the digest is what it is
    pending_since timestamptz,                  -- it changed, and what stands on it got no jobs for that yet
    checked_at timestamptz,
    check_wanted bigint NOT NULL DEFAULT 0,     -- raised by `base check` ...
    check_done bigint NOT NULL DEFAULT 0,       -- ... and copied here by the lookup that began after it
    error      text,                            -- of the last try; the digest stays
    error_since timestamptz,
    failures   int NOT NULL DEFAULT 0,          -- tries that failed in a row
    UNIQUE (reference, arch)
);

CREATE TABLE farm.image_base (
    image_arch_id bigint NOT NULL REFERENCES farm.image_arch_plan ON DELETE CASCADE,
    base_id       bigint NOT NULL REFERENCES farm.base,
    PRIMARY KEY (image_arch_id, base_id)
);
CREATE INDEX image_base_of_base ON farm.image_base (base_id);

-- Legal transitions; the trigger on farm.job refuses others.
CREATE TABLE farm.job_transition (
    from_state text NOT NULL,
    to_state   text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);

-- What plans say of an image or of one of its architectures. Rows never change: a later plan gives the image another one, and its jobs keep theirs. What is
-- equal is found by its hash and then compared; that two commits at the same time store it twice does no harm.
CREATE TABLE farm.spec (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash bigint NOT NULL GENERATED ALWAYS AS (jsonb_hash_extended(body, 0)) STORED,
    body jsonb NOT NULL,
    scripts_key text GENERATED ALWAYS AS (body->>'scripts_key') STORED,     -- of the tests' artifact
    -- What a job has of it:
    site text NOT NULL GENERATED ALWAYS AS (coalesce(body->'place'->>'site', '')) STORED,
    priority int NOT NULL GENERATED ALWAYS AS (coalesce((body->>'priority')::int, 0)) STORED,
    anywhere boolean NOT NULL GENERATED ALWAYS AS (coalesce(body->'place'->'needs', '[]') = '[]' AND coalesce(body->'build'->'secrets', '[]') = '[]') STORED, -- it needs no capability
    -- A guest takes its memory when it starts; of a build it is a limit.
    guest_mib int NOT NULL GENERATED ALWAYS AS (CASE WHEN body->'test'->>'boot' <> 'no' THEN coalesce(least((body->'test'->>'memory')::bigint >> 20, 2000000000)::int, 0) ELSE 0 END) STORED,
    -- What a test's work order says of it. The whole takes what the guest may take, and ten minutes to pull and to make the disk.
    test_order text GENERATED ALWAYS AS (',"test":' || (body->'test')::text || ',"timeout_ms":' || coalesce((body->'test'->>'timeout_ms')::bigint, 0) + 600000 || ',"silence_ms":0') STORED
);
CREATE INDEX spec_of_hash ON farm.spec (hash);

CREATE SEQUENCE farm.forced;                    -- serials of forced rebuilds
CREATE SEQUENCE farm.event_seq;                 -- the order of events, also of those that are read off jobs and attempts

-- A job is two rows: what it is, which never changes, and what becomes of it. The second is narrow and much written; no index holds what changes
-- while it lives, so that its updates stay on their page (HOT). `farm.job` (0002) is both.
--
-- Neither has foreign keys: a check for each of them costs as much as the row, for jobs that come by the ten thousand. add_jobs makes both
-- from rows that it reads, nothing deletes those, and tests/schema looks for orphans.

-- `image_arch_id` for build and test; `image_id` always; `site_id`: of the mirror's target site.
CREATE TABLE farm.job_fixed (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('build', 'test', 'publish', 'mirror')),
    image_id      bigint NOT NULL,
    image_arch_id bigint,
    target_site_id bigint,
    revision_id   bigint NOT NULL,
    spec_id       bigint NOT NULL,
    run_site_id   bigint,                       -- where it must run; NULL (a farm without hub): anywhere that has the role
    forced        bigint NOT NULL DEFAULT 0,    -- serial of a forced rebuild; 0: none. Enters the input key
    created_at    timestamptz NOT NULL DEFAULT now(),
    priority      int NOT NULL DEFAULT 0,
    needs         text[] NOT NULL DEFAULT '{}', -- capabilities
    title         text NOT NULL,                -- repo:name@ref of its image
    arch          text,                         -- of image_arch_id
    because       text,                         -- README: "Why a job was made"
    because_of    text,                         -- the parent, reference or site that it names
    made_seq      bigint NOT NULL DEFAULT nextval('farm.event_seq'),    -- number of the event,
    made_by       text,                         -- and its actor; NULL: the scheduler
    CHECK ((kind IN ('build', 'test')) = (image_arch_id IS NOT NULL)),
    CHECK ((kind = 'mirror') = (target_site_id IS NOT NULL))
);
CREATE INDEX job_of_arch ON farm.job_fixed (image_arch_id, kind, id DESC) WHERE image_arch_id IS NOT NULL;
CREATE INDEX job_of_image ON farm.job_fixed (image_id, kind, id DESC) WHERE image_arch_id IS NULL;
CREATE INDEX job_of_target ON farm.job_fixed (image_id, target_site_id, id DESC) WHERE kind = 'mirror';
CREATE INDEX job_of_revision ON farm.job_fixed (revision_id);

-- Why the ready jobs of a bucket wait. The brain writes it when it changes, whatever the number of jobs; a bucket's number is a hash of what they ask for.
CREATE TABLE farm.bucket (
    id            bigint PRIMARY KEY,
    reason        text NOT NULL,
    detail        text,
    since         timestamptz NOT NULL DEFAULT now()
);

-- The newest attempt stands in its job's row, and goes to attempt_past when another begins: most jobs have one only. What must hold of a row the trigger
-- job_illegal (0002) looks after: PostgreSQL reads the text of a CHECK anew in each statement, and seven of them took a tenth of a millisecond.
CREATE TABLE farm.job_state (
    id            bigint PRIMARY KEY,
    kind          text NOT NULL,                -- as in job_fixed, for turns need not look there
    image_arch_id bigint,                       -- the same
    serial        bigint NOT NULL,              -- of its revision
    state         text NOT NULL DEFAULT 'waiting', -- one of job_transition
    attempts      int NOT NULL DEFAULT 0,
    losses        int NOT NULL DEFAULT 0,
    reason_since  timestamptz NOT NULL DEFAULT now(),
    not_before    timestamptz,
    ready_at      timestamptz,
    ended_at      timestamptz,
    reason        text,                         -- why it waits: parent blocked base backoff worker drained busy pressure disconnected quarantined resting
    detail        text,                         -- the parent's name, the last error, ...
    fail_class    text,                         -- user infra timeout
    -- the newest attempt:
    attempt_id    uuid,
    worker_id     bigint,
    boot_id       uuid,
    term          bigint,
    leased_at     timestamptz,
    leased_seq    bigint,                       -- number of the event
    started_at    timestamptz,
    started_seq   bigint,                       -- NULL: it was reported together with the result
    finished_at   timestamptz,
    finished_seq  bigint,
    outcome       text,                         -- succeeded failed cancelled lost
    next_state    text,                         -- of the job, by that outcome
    actor         text,                         -- who ended it; NULL: its worker
    class         text,
    phase         text,
    code text, step text, message text,
    size          bigint,
    result        jsonb,
    -- what goes in and what comes out:
    digest        farm.digest,                  -- result, also of a skipped job
    repository    text,                         -- where it lies, or is going to lie
    input_key     farm.digest,                  -- formed at waiting -> ready
    bucket        bigint,                       -- of ready jobs that the same workers can run
    pins          jsonb                         -- {"image:12": {"digest": "sha256:…", "repository": "…"}, "base:3": {…}}
);
CREATE INDEX job_live ON farm.job_state (id) WHERE ended_at IS NULL;
CREATE INDEX job_built ON farm.job_state (digest) WHERE kind = 'build' AND ended_at IS NOT NULL AND digest IS NOT NULL;

-- Attempts that were followed by another one of the same job.
CREATE TABLE farm.attempt_past (
    id         uuid NOT NULL,
    job_id     bigint NOT NULL,
    number     int NOT NULL,                    -- 1 is the job's first
    worker_id  bigint NOT NULL,
    boot_id    uuid NOT NULL,
    term       bigint NOT NULL,
    leased_at  timestamptz NOT NULL,
    leased_seq bigint NOT NULL,
    started_at timestamptz,
    started_seq bigint,
    finished_at timestamptz NOT NULL,
    finished_seq bigint NOT NULL,
    outcome    text NOT NULL,
    next_state text NOT NULL,
    actor      text,
    class      text,
    phase      text,
    code text, step text, message text,
    size       bigint,
    digest     farm.digest,
    result     jsonb
) PARTITION BY RANGE (leased_at);
CREATE TABLE farm.attempt_past_rest PARTITION OF farm.attempt_past DEFAULT;
CREATE INDEX attempt_past_of_job ON farm.attempt_past (job_id, number DESC);

-- Transitions that neither a job's birth nor an attempt shows, and what is no transition at all (via is empty). All of one job by one actor in one turn are one row.
CREATE TABLE farm.event_log (
    seq        bigint NOT NULL DEFAULT nextval('farm.event_seq'),
    at         timestamptz NOT NULL DEFAULT now(),
    turn       xid8 NOT NULL DEFAULT pg_current_xact_id(),
    job_id     bigint,
    attempt_id uuid,
    actor      text NOT NULL,                   -- scheduler, worker:NAME, operator:NAME, database:ROLE (a manual UPDATE)
    via        text[] NOT NULL,                 -- states entered, in order
    ats        timestamptz[] NOT NULL,
    detail     jsonb
) PARTITION BY RANGE (at);
CREATE TABLE farm.event_log_rest PARTITION OF farm.event_log DEFAULT;
CREATE INDEX event_of_job ON farm.event_log (job_id, seq);
CREATE INDEX event_in_order ON farm.event_log USING brin (seq) WITH (pages_per_range = 16);     -- rows come in this order

-- Rows that PostgreSQL refused for their content, kept for people; the farm goes on without them.
CREATE TABLE farm.quarantine (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    what   text NOT NULL,
    object text NOT NULL,
    error  text NOT NULL
);

-- What was built from which inputs. A digest that its registry has lost gets gone_at.
CREATE TABLE farm.build_result (
    input_key  farm.digest COLLATE "C" PRIMARY KEY,
    digest     farm.digest NOT NULL,
    repository text NOT NULL,                   -- HOST/build/SLUG/NAME
    size       bigint,
    attempt_id uuid NOT NULL,
    built_at   timestamptz NOT NULL DEFAULT now(),
    gone_at    timestamptz
);
CREATE INDEX build_result_digest ON farm.build_result (digest);

CREATE TABLE farm.verdict (
    test_key   farm.digest COLLATE "C" PRIMARY KEY, -- digest + tests
    digest     farm.digest NOT NULL,
    passed     boolean NOT NULL,
    flaky      boolean NOT NULL DEFAULT false,
    attempt_id uuid NOT NULL,
    detail     jsonb,
    decided_at timestamptz NOT NULL DEFAULT now()
);

-- A release row is committed before the first tag moves. `serial` rises per image; `build` counts the distinct digests of the repository
-- (of all refs, since they share its tags) and fills {build}: a digest released again gets its number again. `revision_id` is the newest revision it stands for.
CREATE TABLE farm.release (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id    bigint NOT NULL REFERENCES farm.image,
    serial      bigint NOT NULL,
    revision_id bigint NOT NULL REFERENCES farm.revision,
    build       int NOT NULL,
    digest      farm.digest NOT NULL,
    repository  text NOT NULL,                  -- HOST/SLUG/NAME
    tags        text[] NOT NULL,
    fixed_tags  text[] NOT NULL,                -- those of them that never move
    publish_key farm.digest NOT NULL,
    job_id      bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('publishing', 'released', 'abandoned')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    released_at timestamptz,
    UNIQUE (image_id, serial)
);
CREATE INDEX release_of_job ON farm.release (job_id);
CREATE INDEX release_build ON farm.release (repository, build);
CREATE UNIQUE INDEX release_one_at_a_time ON farm.release (image_id) WHERE state = 'publishing';

-- What a site's registry holds of an image, verified by digest.
CREATE TABLE farm.presence (
    site_id     bigint NOT NULL REFERENCES farm.site,
    image_id    bigint NOT NULL REFERENCES farm.image,
    digest      farm.digest NOT NULL,
    tags        text[] NOT NULL,
    verified_at timestamptz NOT NULL,
    PRIMARY KEY (site_id, image_id)
);

-- Small and much written: vacuumed early, with room on the page for the next version of a row.
ALTER TABLE farm.job_state SET (fillfactor = 45, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0.05);
-- A test that passed writes its image: room for that, so that no index has to follow.
ALTER TABLE farm.image_arch_state SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE farm.worker SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE farm.leader SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);

CREATE TABLE farm.command (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verb       text NOT NULL,
    args       jsonb NOT NULL,
    who        text NOT NULL,
    source     text NOT NULL,                   -- from where: unix:uid=0, ...
    at         timestamptz NOT NULL DEFAULT now(),
    state      text NOT NULL DEFAULT 'submitted' CHECK (state IN ('submitted', 'done', 'refused')),
    outcome    jsonb,
    message    text,
    ended_at   timestamptz
);
CREATE INDEX command_open ON farm.command (id) WHERE state = 'submitted';
