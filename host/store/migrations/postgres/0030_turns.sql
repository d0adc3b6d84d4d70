-- The last transaction of each writer that was committed: a writer whose COMMIT had no answer looks here on a new
-- connection. A row of a writer that is gone is deleted after a day. (A transaction's number would not do: one that was
-- lost in a crash of the server is given out again.)
CREATE TABLE turns (
    writer TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    turn   BIGINT NOT NULL,
    at     TIMESTAMPTZ NOT NULL
);
