-- What was planted, and what the posts are like.
SELECT
    truth_kind,
    count() AS posts,
    round(100 * posts / (SELECT count() FROM posts), 2) AS percent,
    uniqExact(author_id) AS authors,
    uniqExact(lang) AS languages,
    round(avg(length(text))) AS text_bytes
FROM posts
GROUP BY truth_kind
ORDER BY posts DESC
