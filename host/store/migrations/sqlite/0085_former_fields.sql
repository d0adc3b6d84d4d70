-- Fields that the last migration of a plugin's type left out of an object, and the version of the type that had them: kept for the way back.
ALTER TABLE objects ADD COLUMN former TEXT;
