-- Posts and detections by minute of event time, from the rollups.
SELECT
    minute,
    sum(posts) AS posts_in_minute,
    any(found) AS detections_in_minute,
    bar(detections_in_minute, 0, max(detections_in_minute) OVER (), 40) AS chart
FROM posts_by_minute AS p
LEFT JOIN
(
    SELECT minute, sum(detections) AS found
    FROM detections_by_minute
    GROUP BY minute
) AS d USING (minute)
GROUP BY minute
ORDER BY minute
