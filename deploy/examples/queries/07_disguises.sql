-- Which disguises the rule extremist-term sees through, and which
-- counter-speech it takes for the real thing.
SELECT
    truth_kind,
    truth_detail,
    count() AS posts,
    countIf(id IN (SELECT post_id FROM detections WHERE rule_id = 'extremist-term')) AS flagged,
    round(flagged / posts, 4) AS share,
    any(text) AS sample
FROM posts
WHERE truth_kind IN ('term', 'disguise', 'news', 'lookalike')
GROUP BY truth_kind, truth_detail
ORDER BY truth_kind, share DESC, truth_detail
