-- The people of a tenant, and where they are logged in. Of passwords, invitations and sessions there are only hashes.
CREATE TABLE persons (
    tenant_id     BIGINT NOT NULL,
    id            TEXT NOT NULL,
    email         TEXT NOT NULL,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL,
    password      TEXT,
    invitation    TEXT,
    invited_until BIGINT,
    created_at    BIGINT NOT NULL,
    made_by       TEXT,
    logged_in_at  BIGINT,
    PRIMARY KEY (tenant_id, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX persons_email ON persons (tenant_id, email);
CREATE INDEX persons_newest ON persons (tenant_id, created_at, id);

CREATE TABLE sessions (
    tenant_id  BIGINT NOT NULL,
    hash       TEXT NOT NULL,
    person     TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, hash),
    FOREIGN KEY (tenant_id, person) REFERENCES persons (tenant_id, id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX sessions_person ON sessions (tenant_id, person);
