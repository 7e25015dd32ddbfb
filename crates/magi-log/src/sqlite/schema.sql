-- The stored format, version 1. docs/design/0003-log-format.md says why it is so.
-- Instants are milliseconds since 1970 in UTC; ids are ULIDs as text; truth values are 0 and 1.

CREATE TABLE deliberations (
    number INTEGER PRIMARY KEY,           -- the index's own name for it: search.rowid / 8
    id TEXT NOT NULL UNIQUE,              -- later ones sort later
    created_at INTEGER NOT NULL,
    setup BLOB NOT NULL,                  -- the council's own, opaque here
    -- What was asked.
    title TEXT NOT NULL,
    question TEXT NOT NULL,
    lang TEXT NOT NULL,
    preset TEXT NOT NULL,
    conversation_id TEXT,
    fork_of TEXT,
    -- What a person added.
    my_decision TEXT,
    outcome TEXT,
    -- What follows from its events, written with the batch that changed it.
    status TEXT NOT NULL,
    over INTEGER NOT NULL,                -- whether its last event is stored
    mode TEXT,
    verdict TEXT,
    approved INTEGER,
    rejected INTEGER,
    abstained INTEGER,
    overruled INTEGER,
    summary TEXT,
    usage TEXT,                           -- JSON, as in the events
    cost_usd REAL,
    -- Where its log stands.
    generation INTEGER NOT NULL,          -- the fencing token
    first_kept INTEGER NOT NULL,          -- 1, until a retention drops a prefix
    last_seq INTEGER NOT NULL,
    last_event_at INTEGER NOT NULL,
    owner TEXT                            -- who writes it; null when over or handed over
) STRICT;

CREATE INDEX unfinished ON deliberations (id) WHERE over = 0;
CREATE INDEX owned ON deliberations (owner) WHERE owner IS NOT NULL;
CREATE INDEX conversations ON deliberations (conversation_id, id) WHERE conversation_id IS NOT NULL;

-- One row per uninterrupted writing of a log, kept for ever: what an old cursor means.
CREATE TABLE generations (
    deliberation TEXT NOT NULL,
    generation INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    progress INTEGER NOT NULL,            -- a finished part was stored in it
    released INTEGER NOT NULL,            -- handed over or ended, not crashed
    PRIMARY KEY (deliberation, generation)
) STRICT, WITHOUT ROWID;

-- The events: one row per batch, at most 256 events of one generation.
CREATE TABLE batches (
    deliberation TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    checksum BLOB NOT NULL,               -- SHA-256, see Batch::digest
    bytes BLOB NOT NULL,                  -- each event's JSON and a line feed
    UNIQUE (deliberation, first_seq)
) STRICT;

-- Idempotency keys, kept for ever, also for deleted deliberations.
CREATE TABLE keys (
    identity TEXT NOT NULL,
    key TEXT NOT NULL,
    deliberation TEXT NOT NULL,
    body_sha256 BLOB NOT NULL,
    deleted_at INTEGER,
    PRIMARY KEY (identity, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_of ON keys (deliberation);

-- One row per store handle that owns or owned a log: its lease.
CREATE TABLE owners (
    owner TEXT NOT NULL PRIMARY KEY,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Verbs for the owner of a log, taken by it oldest first.
CREATE TABLE posted (
    number INTEGER PRIMARY KEY,
    deliberation TEXT NOT NULL,
    verb BLOB NOT NULL
) STRICT;

-- The words: rowid = deliberations.number * 8 + the field's index; cut into terms by us.
CREATE VIRTUAL TABLE search USING fts5(terms, tokenize = 'unicode61');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
