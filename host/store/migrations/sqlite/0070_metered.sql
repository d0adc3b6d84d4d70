-- What is counted of a tenant, in quarters of an hour: each meter, by channel, plugin or object type (or nothing, ''), and for a
-- subscription, where it is known for which. Rows of a cut before the tenant's own change no more.
ALTER TABLE tenants ADD COLUMN cut BIGINT NOT NULL DEFAULT 0;
CREATE TABLE metered (
    tenant_id    BIGINT NOT NULL,
    quarter      BIGINT NOT NULL,
    meter        TEXT NOT NULL,
    divided_by   TEXT NOT NULL,
    subscription TEXT NOT NULL,
    cut          BIGINT NOT NULL,
    quantity     BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, quarter, meter, divided_by, subscription, cut)
) WITHOUT ROWID;

-- What was reported from outside, each key of a reporter once and for good.
CREATE TABLE usage_reports (
    tenant_id    BIGINT NOT NULL,
    reporter_id  BIGINT NOT NULL,
    key          TEXT NOT NULL,
    meter        TEXT NOT NULL,
    subscription TEXT NOT NULL,
    quantity     BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    reported_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, reporter_id, key)
) WITHOUT ROWID;
