-- The language and the time zone of customers who say nothing about theirs.
ALTER TABLE tenants ADD COLUMN locale TEXT NOT NULL DEFAULT 'en';
ALTER TABLE tenants ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
