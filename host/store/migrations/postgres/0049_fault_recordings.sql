-- The call of a plugin that failed on one row or object, so that it can be made again elsewhere.
ALTER TABLE faults ADD COLUMN recording TEXT COLLATE "C";
CREATE INDEX faults_recorded ON faults (tenant_id, at, id) WHERE recording IS NOT NULL;
