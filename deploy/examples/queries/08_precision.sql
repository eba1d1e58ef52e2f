-- Precision of each rule: the kinds that its detections were planted as.
-- expected is the share of the kinds that the rule is meant for. Nothing but
-- organic posts is stuffed with hashtags.
SELECT
    rule_id,
    count() AS detections,
    countIf(truth_kind IN ('term', 'disguise')) AS extremist,
    countIf(truth_kind = 'campaign') AS campaign,
    countIf(truth_kind IN ('news', 'lookalike')) AS benign_lookalikes,
    countIf(truth_kind IN ('organic', 'burst')) AS other,
    round(multiIf(
        rule_id = 'extremist-reporting', countIf(truth_kind = 'news'),
        rule_id = 'hashtag-flood', other,
        startsWith(rule_id, 'extremist') OR rule_id = 'recruitment-link', extremist,
        campaign) / detections, 4) AS expected
FROM detections AS d FINAL
INNER JOIN (SELECT id, truth_kind FROM posts) AS p ON p.id = d.post_id
GROUP BY rule_id
ORDER BY detections DESC
