-- Detections and the accounts behind them, by rule.
SELECT
    rule_id,
    severity,
    mode,
    count() AS detections,
    uniqExact(author_id) AS authors,
    round(100 * detections / (SELECT count() FROM posts), 3) AS percent_of_posts
FROM detections FINAL
GROUP BY rule_id, severity, mode
ORDER BY detections DESC
