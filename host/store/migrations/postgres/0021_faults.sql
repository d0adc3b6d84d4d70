-- One list of what did not go through. A row is one fault, or the count of those that are alike.

CREATE TABLE faults (
    tenant_id  BIGINT NOT NULL,
    id         TEXT   COLLATE "C" NOT NULL,
    kind       BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    subject    TEXT   COLLATE "C" NOT NULL,
    code       TEXT   COLLATE "C" NOT NULL,
    text       TEXT   COLLATE "C" NOT NULL,
    place      TEXT   COLLATE "C" NOT NULL,
    position   BIGINT,
    message_id TEXT   COLLATE "C",
    part_id    TEXT   COLLATE "C",
    count      BIGINT NOT NULL,
    first_at   BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
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
-- Of all tenants: as long as it is not forced, row-level security leaves out the owner.
ALTER TABLE set_aside NO FORCE ROW LEVEL SECURITY;
INSERT INTO faults (tenant_id, id, kind, status, subject, code, text, place, position, message_id, part_id, count, first_at, at)
    SELECT tenant_id, '00000000-0000-8000-8000-' || lpad(to_hex(position), 12, '0'), 1, 0, 'event', 'set-aside', fault, '',
        position, message_id, part_id, 1, at, at
    FROM set_aside;
ALTER TABLE set_aside FORCE ROW LEVEL SECURITY;

ALTER TABLE faults ENABLE ROW LEVEL SECURITY;
ALTER TABLE faults FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON faults
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));
