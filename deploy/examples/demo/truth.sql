-- Recall and precision of the generated posts, of which each says what it was
-- planted as. The rule extremist-term is meant for the kinds term and disguise.

WITH
    if({color:UInt8}, '\x1b[1m', '') AS bold, if({color:UInt8}, '\x1b[0m', '') AS off,
    (x, y) -> if(y = 0, '   n/a', leftPad(toString(toDecimalString(100 * x / y, 1)), 6) || '%') AS percent,
    n -> trim(LEADING ',' FROM reverse(replaceRegexpAll(reverse(toString(n)), '(\\d{3})', '\\1,'))) AS num,
    (SELECT (count(), countIf(flagged), countIf(meant), countIf(flagged AND meant), countIf(truth_kind = 'term'), countIf(truth_kind = 'term' AND flagged))
     FROM (SELECT truth_kind, truth_kind IN ('term', 'disguise') AS meant, id IN (SELECT post_id FROM detections WHERE rule_id = 'extremist-term') AS flagged FROM posts)) AS t
SELECT arrayJoin([
    '',
    bold || 'AGAINST THE TRUTH' || off || ' (each post says what it was planted as; rule extremist-term)',
    '  recall     ' || percent(t.4, t.3) || '   ' || num(t.4) || ' of ' || num(t.3) || ' with a term; undisguised:' || percent(t.6, t.5),
    '  precision  ' || percent(t.4, t.2) || '   ' || num(t.4) || ' of ' || num(t.2) || ' posts that the rule flagged',
    '',
    '  planted as   detail                  posts    flagged    share'])
FORMAT TSVRaw;

WITH
    n -> trim(LEADING ',' FROM reverse(replaceRegexpAll(reverse(toString(n)), '(\\d{3})', '\\1,'))) AS num,
    multiIf({color:UInt8} = 0, '', (share > 0.5) = (truth_kind IN ('term', 'disguise')), '\x1b[32m', '\x1b[33m') AS on,
    if({color:UInt8}, '\x1b[0m', '') AS off
SELECT '  ' || rightPadUTF8(truth_kind, 12) || ' ' || rightPadUTF8(detail, 16) || leftPadUTF8(num(posts), 12) || leftPadUTF8(num(flagged), 11)
    || on || leftPadUTF8(toDecimalString(100 * share, 1), 8) || '%' || off || '  ' || bar(share, 0, 1, {width:UInt32} - 66)
FROM
(
    SELECT truth_kind, if(truth_kind IN ('disguise', 'news'), truth_detail, '') AS detail, count() AS posts,
        countIf(id IN (SELECT post_id FROM detections WHERE rule_id = 'extremist-term')) AS flagged, flagged / posts AS share,
        indexOf(['term', 'disguise', 'news', 'lookalike', 'campaign', 'burst', 'organic'], truth_kind) AS place
    FROM posts
    GROUP BY truth_kind, detail
)
ORDER BY place, share DESC, detail
FORMAT TSVRaw;

SELECT arrayJoin([
    '  Flagged in vain is counter-speech without a word of news_context.txt.'])
FORMAT TSVRaw;
