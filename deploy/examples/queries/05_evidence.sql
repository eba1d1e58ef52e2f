-- Why posts matched: the words as they stand in the text, beside the terms of
-- the lists. Spans are byte offsets into the text; a hit on another column,
-- such as a link's domain, has none.
SELECT
    rule_id,
    lang,
    arrayMap((s, e) -> if(e > s, substring(text, s + 1, e - s), '(not in the text)'), spans.start, spans.end) AS matched,
    spans.term AS terms,
    text
FROM detections FINAL
WHERE rule_id = 'recruitment-link'
ORDER BY created_at, post_id
LIMIT 10
