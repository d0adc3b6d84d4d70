-- One list of what did not go through. A row is one fault, or the count of those that are alike.

CREATE TABLE faults (
    tenant_id  BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    kind       BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    subject    TEXT   NOT NULL,
    code       TEXT   NOT NULL,
    text       TEXT   NOT NULL,
    place      TEXT   NOT NULL,
    position   BIGINT,
    message_id TEXT,
    part_id    TEXT,
    count      BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE INDEX faults_at ON faults (tenant_id, at, id);
CREATE INDEX faults_kind ON faults (tenant_id, kind, status, at, id);
CREATE INDEX faults_status ON faults (tenant_id, status, at, id);
CREATE INDEX faults_open ON faults (tenant_id, kind) WHERE status = 0;
CREATE INDEX faults_part ON faults (tenant_id, part_id) WHERE part_id IS NOT NULL;
CREATE INDEX faults_position ON faults (tenant_id, position) WHERE position IS NOT NULL;
CREATE INDEX faults_message ON faults (tenant_id, message_id) WHERE message_id IS NOT NULL;

-- How long faults are kept.
ALTER TABLE tenants ADD COLUMN fault_days BIGINT NOT NULL DEFAULT 90;

-- What was set aside so far stands in the list, too. Its id is its place in the log.
INSERT INTO faults (tenant_id, id, kind, status, subject, code, text, place, position, message_id, part_id, count, first_at, at)
    SELECT tenant_id, printf('00000000-0000-8000-8000-%012x', position), 1, 0, 'event', 'set-aside', fault, '', position,
        message_id, part_id, 1, at, at
    FROM set_aside;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('faults', 'faults', '100000 100000 1'),
    ('faults', 'faults_at', '100000 100000 2 1'),
    ('faults', 'faults_kind', '100000 100000 20000 10000 2 1'),
    ('faults', 'faults_status', '100000 100000 50000 2 1'),
    ('faults', 'faults_open', '10000 10000 2000'),
    ('faults', 'faults_part', '50000 50000 5'),
    ('faults', 'faults_position', '100000 100000 2'),
    ('faults', 'faults_message', '100000 100000 2');
ANALYZE sqlite_schema;
