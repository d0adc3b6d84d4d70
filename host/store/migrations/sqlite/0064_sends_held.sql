-- Whether nothing is sent for the tenant: its rows were restored, and another hub may have sent since they were written.
ALTER TABLE tenants ADD COLUMN sends_held BIGINT NOT NULL DEFAULT 0;
