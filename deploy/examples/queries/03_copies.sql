-- The largest groups of exact copies (equal after folding), reposts left out.
-- Many authors with one text in a short time are a campaign, or a song.
SELECT
    count() AS copies,
    uniqExact(author_id) AS authors,
    dateDiff('second', min(created_at), max(created_at)) AS seconds,
    groupUniqArray(3)(truth_kind) AS truth,
    any(substringUTF8(text, 1, 70)) AS sample
FROM posts
WHERE kind != 'repost' AND token_count >= 5
GROUP BY text_hash
HAVING authors >= 5
ORDER BY copies DESC
LIMIT 20
