-- The microseconds since 1970 of the instant that a text writes, and NULL of any other text: what conditions compare. The
-- same forms as the hub reads, and as it says to SQLite in a statement.
CREATE FUNCTION written_instant(written TEXT) RETURNS BIGINT
LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN written ~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?)$'
        AND CAST(substr(written, 9, 2) AS INT) <= CASE WHEN substr(written, 6, 2) IN ('04', '06', '09', '11') THEN 30
            WHEN substr(written, 6, 2) <> '02' THEN 31
            WHEN CAST(substr(written, 1, 4) AS INT) % 4 = 0 AND (CAST(substr(written, 1, 4) AS INT) % 100 <> 0
                OR CAST(substr(written, 1, 4) AS INT) % 400 = 0) THEN 29
            ELSE 28 END
    THEN (CAST(make_date(CAST(substr(written, 1, 4) AS INT), CAST(substr(written, 6, 2) AS INT), CAST(substr(written, 9, 2) AS INT))
            - DATE '1970-01-01' AS BIGINT) * 86400
        + CAST(substr(written, 12, 2) AS BIGINT) * 3600 + CAST(substr(written, 15, 2) AS BIGINT) * 60 + CAST(substr(written, 18, 2) AS BIGINT)
        - COALESCE(CASE substring(written, '([+-])[0-9:]+$') WHEN '-' THEN -1 WHEN '+' THEN 1 END
            * (CAST(substring(written, '[+-]([0-9]{2})[0-9:]*$') AS BIGINT) * 3600
                + CAST(COALESCE(substring(written, '[+-][0-9]{2}:?([0-9]{2})$'), '0') AS BIGINT) * 60), 0)) * 1000000
        + CAST(substr(COALESCE(substring(written, '\.([0-9]+)'), '') || '000000', 1, 6) AS BIGINT)
    END
$$;
