-- Hashtags that come out of nowhere: many uses in a minute, few before.
SELECT
    tag,
    max(n) AS peak_in_minute,
    sum(n) AS uses,
    count() AS minutes,
    argMax(minute, n) AS peak_at,
    any(truth) AS truth
FROM
(
    SELECT
        arrayJoin(hashtags) AS tag,
        toStartOfMinute(created_at) AS minute,
        count() AS n,
        topK(1)(truth_id)[1] AS truth
    FROM posts
    WHERE kind != 'repost'
    GROUP BY tag, minute
)
GROUP BY tag
HAVING peak_in_minute >= 50 AND minutes <= 5
ORDER BY peak_in_minute DESC
LIMIT 20
