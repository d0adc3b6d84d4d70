-- What an authenticator app and the hub both know of a person, sealed under the hub's key; whether it is asked for; the last code that
-- was used, by its half minute; and hashes of the codes for who has lost the app.
ALTER TABLE persons ADD COLUMN totp TEXT;
ALTER TABLE persons ADD COLUMN totp_on BIGINT NOT NULL DEFAULT 0;
ALTER TABLE persons ADD COLUMN totp_step BIGINT NOT NULL DEFAULT 0;
ALTER TABLE persons ADD COLUMN recovery TEXT NOT NULL DEFAULT '[]';
