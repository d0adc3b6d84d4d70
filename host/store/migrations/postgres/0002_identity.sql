-- Identities that join: who belongs to whom now, every claim with what became of it, and on whose word it stands.

-- One row an identity. A merge or an unmerge rewrites `customer_id`; everything else stays keyed by the part it was
-- made for. `state` is the part's own, while its customer has several parts that were seen; else the customer's row is.
CREATE TABLE parts (
    tenant_id   BIGINT NOT NULL,
    part_id     TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    value       TEXT COLLATE "C" NOT NULL,
    since       BIGINT NOT NULL,
    claimed     BIGINT NOT NULL,
    seen        BIGINT NOT NULL,
    source      TEXT COLLATE "C" NOT NULL,
    state       TEXT COLLATE "C",
    PRIMARY KEY (tenant_id, part_id)
);
CREATE INDEX parts_customer ON parts (tenant_id, customer_id);

-- The wall is for the hub's statements; a migration speaks for all tenants.
ALTER TABLE customers NO FORCE ROW LEVEL SECURITY;
ALTER TABLE claims NO FORCE ROW LEVEL SECURITY;

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
ALTER TABLE claims_before RENAME CONSTRAINT claims_pkey TO claims_before_pkey;
DROP INDEX claims_value;
CREATE TABLE claims (
    tenant_id BIGINT NOT NULL,
    part_id   TEXT COLLATE "C" NOT NULL,
    kind      TEXT COLLATE "C" NOT NULL,
    value     TEXT COLLATE "C" NOT NULL,
    authority BIGINT NOT NULL,
    policy    BIGINT NOT NULL,
    position  BIGINT NOT NULL,
    source    TEXT COLLATE "C" NOT NULL,
    status    BIGINT NOT NULL,
    refusal   BIGINT,
    PRIMARY KEY (tenant_id, part_id, kind, value, authority, policy)
);
CREATE INDEX claims_value ON claims (tenant_id, kind, value);
INSERT INTO claims (tenant_id, part_id, kind, value, authority, policy, position, source, status)
SELECT claims_before.tenant_id, claims_before.part_id, claims_before.kind, claims_before.value, 0, 0, position, source, 0
FROM claims_before JOIN customers ON customers.tenant_id = claims_before.tenant_id
    AND customers.part_id = claims_before.part_id AND identity_kind = claims_before.kind
    AND identity_value = claims_before.value;
DROP TABLE claims_before;

ALTER TABLE customers ADD COLUMN consents JSONB NOT NULL DEFAULT '{}';

-- The identity kinds of a tenant by the position at which they took effect.
CREATE TABLE identity_policies (
    tenant_id  BIGINT NOT NULL,
    position   BIGINT NOT NULL,
    definition TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant_id, position)
);

-- Declared attributes: type and merge strategy.
CREATE TABLE attributes (
    tenant_id  BIGINT NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    definition TEXT COLLATE "C" NOT NULL,
    position   BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

-- Identities that a rule proposes to join. `status`: 0 open, 1 accepted, 2 rejected.
CREATE TABLE matches (
    tenant_id  BIGINT NOT NULL,
    id         TEXT COLLATE "C" NOT NULL,
    part_id    TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    value      TEXT COLLATE "C" NOT NULL,
    score      BIGINT NOT NULL,
    reason     TEXT COLLATE "C" NOT NULL,
    source     TEXT COLLATE "C" NOT NULL,
    proposed_at BIGINT NOT NULL,
    status     BIGINT NOT NULL,
    decided_at BIGINT,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX matches_open ON matches (tenant_id, id) WHERE status = 0;

ALTER TABLE customers FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
    walled TEXT;
BEGIN
    FOREACH walled IN ARRAY ARRAY['parts', 'claims', 'identity_policies', 'attributes', 'matches'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY tenant ON %I USING (tenant_id = ANY ((SELECT string_to_array(current_setting(''openhub.tenants'', true), '',''))::BIGINT[]))',
            walled
        );
    END LOOP;
END
$$;
