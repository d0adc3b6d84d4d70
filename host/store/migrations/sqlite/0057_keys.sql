-- What a key is for, from where it may be used, and its former secret while that still works.
ALTER TABLE keys ADD COLUMN page BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]';
ALTER TABLE keys ADD COLUMN former_hash TEXT;
ALTER TABLE keys ADD COLUMN former_until BIGINT;
ALTER TABLE keys ADD COLUMN rotated_at BIGINT;
ALTER TABLE keys ADD COLUMN last_used_at BIGINT;
ALTER TABLE keys ADD COLUMN made_by TEXT;
-- The keys that were made for pages.
UPDATE keys SET page = 1 WHERE scopes = '["events:write"]';
