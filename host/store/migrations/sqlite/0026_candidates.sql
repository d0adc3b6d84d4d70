-- A version that was uploaded and waits to be agreed to, beside the one that runs.
ALTER TABLE plugins ADD COLUMN candidate TEXT;
ALTER TABLE plugins ADD COLUMN candidate_version TEXT;
ALTER TABLE plugins ADD COLUMN candidate_manifest TEXT;
ALTER TABLE plugins ADD COLUMN candidate_at BIGINT;
