-- Hashtags that come out of nowhere: the uses in a minute against those in the
-- minute before. The first minute has none before it and is left out.
SELECT
    tag,
    minute,
    uses,
    before,
    round(uses / (before + 1), 1) AS jump,
    truth
FROM
(
    SELECT
        tag,
        minute,
        uses,
        truth,
        -- 0 when the row before is not the minute before
        if(lagInFrame(minute) OVER w = minute - 60, lagInFrame(uses) OVER w, 0) AS before
    FROM
    (
        SELECT
            arrayJoin(hashtags) AS tag,
            toStartOfMinute(created_at) AS minute,
            count() AS uses,
            topK(1)(truth_id)[1] AS truth
        FROM posts
        WHERE kind != 'repost'
        GROUP BY tag, minute
    )
    WINDOW w AS (PARTITION BY tag ORDER BY minute ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
)
WHERE uses >= 50 AND minute > (SELECT min(toStartOfMinute(created_at)) FROM posts)
ORDER BY jump DESC
LIMIT 20
