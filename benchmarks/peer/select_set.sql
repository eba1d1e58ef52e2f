-- What a ClickHouse user writes for the same work: tokens, a shingle SimHash,
-- and 10,000 whole words as a set. {posts} is the JSON lines file.
SELECT
    id, created_at, author.id AS author_id, author.handle AS author_handle,
    author.followers AS author_followers, author.following AS author_following, text, lang, kind,
    length(splitByNonAlpha(lowerUTF8(text)) AS tokens)::UInt32 AS token_count,
    wordShingleSimHashUTF8(lowerUTF8(text)) AS simhash,
    arrayFilter(x -> x IN (SELECT t FROM peer.terms), tokens) AS terms
FROM file('{posts}', JSONEachRow,
    'id String, created_at DateTime64(3, \'UTC\'), author Tuple(id String, handle String, followers Nullable(Int64), following Nullable(Int64)), text String, lang String, kind String')
