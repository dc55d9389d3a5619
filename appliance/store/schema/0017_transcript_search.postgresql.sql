-- What is said is found by its pairs and triples of letters: no extension is needed, and two Chinese letters are a word.
CREATE FUNCTION transcript_grams(folded TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $body$
    SELECT ARRAY(
        SELECT DISTINCT substr(folded, place, size)
        FROM generate_series(1, length(folded) - 1) AS place, (VALUES (2), (3)) AS sizes (size)
        WHERE place + size - 1 <= length(folded)
    )
$body$;
CREATE INDEX transcript_segments_by_grams ON transcript_segments USING gin (transcript_grams(search_key));
