-- Each version of a plugin as it was uploaded. A plugin points to the one that is active, the one before it, and one that waits.
CREATE TABLE plugin_versions (
    tenant_id   BIGINT NOT NULL,
    plugin      TEXT   COLLATE "C" NOT NULL,
    digest      TEXT   COLLATE "C" NOT NULL,
    version     TEXT   COLLATE "C" NOT NULL,
    manifest    TEXT   COLLATE "C" NOT NULL,
    signer      TEXT   COLLATE "C",
    granted     TEXT   COLLATE "C",
    uploaded_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, plugin, digest),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
);
-- Of all tenants: as long as it is not forced, row-level security leaves out the owner.
ALTER TABLE plugins NO FORCE ROW LEVEL SECURITY;
INSERT INTO plugin_versions (tenant_id, plugin, digest, version, manifest, granted, uploaded_at)
SELECT tenant_id, name, digest, version, manifest, granted, installed_at FROM plugins;
INSERT INTO plugin_versions (tenant_id, plugin, digest, version, manifest, uploaded_at)
SELECT tenant_id, name, candidate, candidate_version, candidate_manifest, candidate_at FROM plugins
WHERE candidate <> digest;
ALTER TABLE plugins FORCE ROW LEVEL SECURITY;
ALTER TABLE plugins DROP COLUMN version;
ALTER TABLE plugins DROP COLUMN manifest;
ALTER TABLE plugins DROP COLUMN installed_at;
ALTER TABLE plugins DROP COLUMN candidate_version;
ALTER TABLE plugins DROP COLUMN candidate_manifest;
ALTER TABLE plugins DROP COLUMN candidate_at;
ALTER TABLE plugins ADD COLUMN previous TEXT COLLATE "C";
-- Who signs its versions: the key of the first that was signed.
ALTER TABLE plugins ADD COLUMN publisher_key TEXT COLLATE "C";

ALTER TABLE plugin_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE plugin_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON plugin_versions
    USING (tenant_id = ANY ((SELECT string_to_array(current_setting('openhub.tenants', true), ','))::BIGINT[]));
