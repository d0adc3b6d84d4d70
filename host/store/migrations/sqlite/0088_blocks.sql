-- What holds a subscription back. A block stays when it is lifted: what was not charged meanwhile can still be told.
CREATE TABLE subscription_blocks (
    tenant_id    BIGINT NOT NULL,
    id           TEXT NOT NULL,
    subscription TEXT NOT NULL,
    provider_id  BIGINT NOT NULL,
    reason       TEXT NOT NULL,
    stops        BIGINT NOT NULL,
    set_by       TEXT NOT NULL,
    set_at       BIGINT NOT NULL,
    lifted_by    TEXT,
    lifted_at    BIGINT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, subscription) REFERENCES subscriptions (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX subscription_blocks_of ON subscription_blocks (tenant_id, subscription, set_at);
CREATE INDEX subscription_blocks_provider ON subscription_blocks (provider_id) WHERE lifted_at IS NULL;

-- What a subscription made is held while a block on service is in force: it stays as it is, and does not act.
ALTER TABLE journeys ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
ALTER TABLE plugins ADD COLUMN held BIGINT NOT NULL DEFAULT 0;
