-- The length of a customer's history, about: what is counted from here on.
ALTER TABLE customers ADD COLUMN events BIGINT NOT NULL DEFAULT 0;
