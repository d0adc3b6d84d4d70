-- SQLite's `jsonb_each` for a list of rows: there it keeps each row in binary, here it is the same as `json_each`.
CREATE FUNCTION jsonb_each(list TEXT) RETURNS TABLE (key BIGINT, value JSONB, atom TEXT)
LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
    SELECT ordinality - 1, element, element #>> '{}'
    FROM jsonb_array_elements(list::JSONB) WITH ORDINALITY AS elements (element, ordinality)
$$;
