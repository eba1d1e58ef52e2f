-- Near copies of the twenty largest groups of exact copies: posts whose
-- SimHash differs from the group's in 1 to 3 bits of 64.
WITH seeds AS
(
    SELECT simhash AS seed, count() AS exact, any(substringUTF8(text, 1, 60)) AS sample
    FROM posts
    WHERE kind != 'repost' AND token_count >= 8
    GROUP BY simhash
    ORDER BY exact DESC
    LIMIT 20
)
SELECT
    sample,
    any(exact) AS exact_copies,
    count() AS near_copies,
    uniqExact(author_id) AS authors,
    topK(3)(truth_detail) AS edits
FROM posts
CROSS JOIN seeds
WHERE kind != 'repost' AND token_count >= 8 AND bitHammingDistance(simhash, seed) BETWEEN 1 AND 3
GROUP BY seed, sample
ORDER BY exact_copies DESC
