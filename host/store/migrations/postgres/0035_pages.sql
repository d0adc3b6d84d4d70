-- Under which key secrets are sealed and marks are made: a hub with another one does not start.
CREATE TABLE secret_keys (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

-- What a tenant says about the keys of its pages, as JSON lists: from which origins they send, and the events that only servers say.
ALTER TABLE tenants ADD COLUMN page_origins TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tenants ADD COLUMN server_events TEXT NOT NULL DEFAULT '[]';
