-- Each version of a plugin as it was uploaded. A plugin points to the one that is active, the one before it, and one that waits.
CREATE TABLE plugin_versions (
    tenant_id   BIGINT NOT NULL,
    plugin      TEXT   NOT NULL,
    digest      TEXT   NOT NULL,
    version     TEXT   NOT NULL,
    manifest    TEXT   NOT NULL,
    signer      TEXT,
    granted     TEXT,
    uploaded_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, plugin, digest),
    FOREIGN KEY (tenant_id, plugin) REFERENCES plugins (tenant_id, name) ON DELETE CASCADE
);
INSERT INTO plugin_versions (tenant_id, plugin, digest, version, manifest, granted, uploaded_at)
SELECT tenant_id, name, digest, version, manifest, granted, installed_at FROM plugins;
INSERT INTO plugin_versions (tenant_id, plugin, digest, version, manifest, uploaded_at)
SELECT tenant_id, name, candidate, candidate_version, candidate_manifest, candidate_at FROM plugins
WHERE candidate <> digest;
ALTER TABLE plugins DROP COLUMN version;
ALTER TABLE plugins DROP COLUMN manifest;
ALTER TABLE plugins DROP COLUMN installed_at;
ALTER TABLE plugins DROP COLUMN candidate_version;
ALTER TABLE plugins DROP COLUMN candidate_manifest;
ALTER TABLE plugins DROP COLUMN candidate_at;
ALTER TABLE plugins ADD COLUMN previous TEXT;
-- Who signs its versions: the key of the first that was signed.
ALTER TABLE plugins ADD COLUMN publisher_key TEXT;
