-- Why posts matched: the words as they stand in the text (spans are byte
-- offsets into it), beside the terms of the list.
SELECT
    rule_id,
    lang,
    arrayMap((s, e) -> substring(text, s + 1, e - s), spans.start, spans.end) AS matched,
    spans.term AS terms,
    text
FROM detections FINAL
WHERE rule_id = 'recruitment-link'
ORDER BY created_at, post_id
LIMIT 10
