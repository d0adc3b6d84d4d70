-- Who is in which segment at the checkpoint.

CREATE TABLE memberships (
    tenant_id   BIGINT NOT NULL,
    segment     TEXT   NOT NULL,
    customer_id TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, segment, customer_id)
) WITHOUT ROWID;
CREATE INDEX memberships_customer ON memberships (tenant_id, customer_id);
