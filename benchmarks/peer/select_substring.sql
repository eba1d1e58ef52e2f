-- The same with the terms as substrings, by Vectorscan. {needles} is the list
-- of terms as an array of literals.
SELECT
    id, created_at, author.id AS author_id, author.handle AS author_handle,
    author.followers AS author_followers, author.following AS author_following, text, lang, kind,
    length(splitByNonAlpha(lowerUTF8(text)) AS tokens)::UInt32 AS token_count,
    wordShingleSimHashUTF8(lowerUTF8(text)) AS simhash,
    multiMatchAllIndices(lowerUTF8(text), {needles}) AS terms
FROM file('{posts}', JSONEachRow,
    'id String, created_at DateTime64(3, \'UTC\'), author Tuple(id String, handle String, followers Nullable(Int64), following Nullable(Int64)), text String, lang String, kind String')
