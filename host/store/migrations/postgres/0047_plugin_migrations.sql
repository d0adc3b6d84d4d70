-- How far the objects of a plugin are on their way to the version that is to come into force.
ALTER TABLE plugins ADD COLUMN migrating TEXT COLLATE "C";
