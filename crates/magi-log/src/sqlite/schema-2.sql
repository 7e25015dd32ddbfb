-- What version 2 of the stored format adds to version 1.

-- Presets that a person made: every version of each, kept for ever, so that a deliberation's council
-- can be explained. A name that was deleted is hidden, and its versions are never given again.
CREATE TABLE presets (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,             -- from 1
    saved_at INTEGER NOT NULL,
    deleted_at INTEGER,                   -- since when it is hidden
    content TEXT NOT NULL,                -- the council's own JSON, opaque here
    PRIMARY KEY (name, version)
) STRICT;

-- How often a preset was used, and the history by preset.
CREATE INDEX asked_with ON deliberations (preset, id);
