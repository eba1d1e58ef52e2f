-- Recall and precision of the rule extremist-term against what was planted.
-- flagged of the kinds term and disguise is recall; of all other kinds it is
-- false positives.
SELECT
    truth_kind,
    count() AS posts,
    countIf(id IN (SELECT post_id FROM detections WHERE rule_id = 'extremist-term')) AS flagged,
    round(flagged / posts, 4) AS share,
    if(truth_kind IN ('term', 'disguise'), 'recall', 'false positives') AS meaning
FROM posts
GROUP BY truth_kind
ORDER BY meaning DESC, truth_kind
