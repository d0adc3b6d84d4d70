-- Identities that join: who belongs to whom now, every claim with what became of it, and on whose word it stands.

-- One row an identity. A merge or an unmerge rewrites `customer_id`; everything else stays keyed by the part it was
-- made for. `state` is the part's own, while its customer has several parts that were seen; else the customer's row is.
CREATE TABLE parts (
    tenant_id   BIGINT NOT NULL,
    part_id     TEXT   NOT NULL,
    customer_id TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    value       TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    claimed     BIGINT NOT NULL,
    seen        BIGINT NOT NULL,
    source      TEXT   NOT NULL,
    state       TEXT,
    PRIMARY KEY (tenant_id, part_id)
) WITHOUT ROWID;
CREATE INDEX parts_customer ON parts (tenant_id, customer_id);

INSERT INTO parts (tenant_id, part_id, customer_id, kind, value, since, claimed, seen, source)
SELECT customers.tenant_id, customers.part_id, customers.customer_id, identity_kind, identity_value,
    COALESCE(claims.position, 0), 0, 1, COALESCE(claims.source, '')
FROM customers LEFT JOIN claims ON claims.tenant_id = customers.tenant_id AND claims.part_id = customers.part_id
    AND claims.kind = identity_kind AND claims.value = identity_value;

-- Who the event's sender was: 0 a browser, 1 a server, 2 an operator.
ALTER TABLE events ADD COLUMN authority BIGINT NOT NULL DEFAULT 0;

-- The event at `position` of the part claimed an identity. One row a pair for each authority and policy in force.
-- A claim of a part's own identity says that the part was seen. `status`: 0 joined, 1 refused (`refusal` says why),
-- 2 undone. What was claimed before now joined nobody: it is claimed anew by the next event that says so.
ALTER TABLE claims RENAME TO claims_before;
DROP INDEX claims_value;
CREATE TABLE claims (
    tenant_id BIGINT NOT NULL,
    part_id   TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    value     TEXT   NOT NULL,
    authority BIGINT NOT NULL,
    policy    BIGINT NOT NULL,
    position  BIGINT NOT NULL,
    source    TEXT   NOT NULL,
    status    BIGINT NOT NULL,
    refusal   BIGINT,
    PRIMARY KEY (tenant_id, part_id, kind, value, authority, policy)
) WITHOUT ROWID;
CREATE INDEX claims_value ON claims (tenant_id, kind, value);
INSERT INTO claims (tenant_id, part_id, kind, value, authority, policy, position, source, status)
SELECT claims_before.tenant_id, claims_before.part_id, claims_before.kind, claims_before.value, 0, 0, position, source, 0
FROM claims_before JOIN customers ON customers.tenant_id = claims_before.tenant_id
    AND customers.part_id = claims_before.part_id AND identity_kind = claims_before.kind
    AND identity_value = claims_before.value;
DROP TABLE claims_before;

ALTER TABLE customers ADD COLUMN consents TEXT NOT NULL DEFAULT '{}';

-- The identity kinds of a tenant by the position at which they took effect.
CREATE TABLE identity_policies (
    tenant_id  BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    definition TEXT   NOT NULL,
    PRIMARY KEY (tenant_id, position)
) WITHOUT ROWID;

-- Declared attributes: type and merge strategy.
CREATE TABLE attributes (
    tenant_id  BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    definition TEXT   NOT NULL,
    position   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) WITHOUT ROWID;

-- Identities that a rule proposes to join. `status`: 0 open, 1 accepted, 2 rejected.
CREATE TABLE matches (
    tenant_id  BIGINT NOT NULL,
    id         TEXT   NOT NULL,
    part_id    TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    value      TEXT   NOT NULL,
    score      BIGINT NOT NULL,
    reason     TEXT   NOT NULL,
    source     TEXT   NOT NULL,
    proposed_at BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    decided_at BIGINT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE INDEX matches_open ON matches (tenant_id, id) WHERE status = 0;
