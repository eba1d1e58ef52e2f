-- What demo.sh prints after a run: lines of text, laid out here, so that
-- nothing but sluice is needed. Parameters:
--   color   1 for a terminal that takes colours
--   width   columns of the screen, 80 or more
--   micros  how long the run took
--   records how many records the source has, by another way of counting; -1 if unknown
--   counted_by  that way
--   label   the column to describe groups by: truth_kind of generated posts, lang of others
--   label_title  its heading

WITH
    if({color:UInt8}, '\x1b[1m', '') AS bold, if({color:UInt8}, '\x1b[0m', '') AS off,
    if({color:UInt8}, '\x1b[32m', '') AS good, if({color:UInt8}, '\x1b[1;31m', '') AS bad,
    n -> trim(LEADING ',' FROM reverse(replaceRegexpAll(reverse(toString(n)), '(\\d{3})', '\\1,'))) AS num,
    (SELECT count() FROM posts) AS posts,
    (SELECT count() FROM rejected) AS rejected,
    (SELECT (count(), uniqExact(post_id)) FROM detections FINAL) AS found,
    {micros:UInt64} / 1e6 AS seconds
SELECT arrayJoin([
    '',
    bold || 'WHAT CAME IN' || off,
    '  posts       ' || leftPadUTF8(num(posts), 12),
    '  rejected    ' || leftPadUTF8(num(rejected), 12),
    '  records in  ' || multiIf({records:Int64} < 0, '     unknown: ' || {counted_by:String}, leftPadUTF8(num({records:Int64}), 12) || '   ' || {counted_by:String} || ': '
        || if({records:Int64} = posts + rejected, good || 'equal to posts + rejected' || off, bad || 'NOT equal to posts + rejected' || off)),
    '  detections  ' || leftPadUTF8(num(found.1), 12) || '   on ' || num(found.2) || ' posts',
    '  rate        ' || leftPadUTF8(num(toUInt64((posts + rejected) / greatest(seconds, 0.001))), 12) || '   posts a second, ' || toString(round(seconds, 1)) || ' s with start and stop',
    '',
    bold || 'DETECTIONS BY RULE' || off,
    '  rule                   severity  mode    detections    authors'])
FORMAT TSVRaw;

WITH
    n -> trim(LEADING ',' FROM reverse(replaceRegexpAll(reverse(toString(n)), '(\\d{3})', '\\1,'))) AS num,
    multiIf({color:UInt8} = 0, '', severity = 'critical', '\x1b[1;31m', severity = 'high', '\x1b[31m', severity = 'medium', '\x1b[33m', '\x1b[36m') AS on,
    if({color:UInt8}, '\x1b[0m', '') AS off
SELECT '  ' || rightPadUTF8(rule_id, 22) || ' ' || on || rightPadUTF8(severity, 9) || off || ' ' || rightPadUTF8(mode, 6)
    || leftPadUTF8(num(found), 12) || leftPadUTF8(num(authors), 11) || '  ' || bar(found, 0, max(found) OVER (), {width:UInt32} - 68)
FROM
(
    -- The register has the rules that found nothing, too.
    SELECT rule_id, argMax(severity, version) AS severity, argMax(mode, version) AS mode, sum(n) AS found, sum(who) AS authors
    FROM
    (
        SELECT rule_id, version, severity, mode, 0 AS n, 0 AS who FROM rules FINAL
        UNION ALL
        SELECT rule_id, max(rule_version), any(severity), any(mode), count(), uniqExact(author_id) FROM detections FINAL GROUP BY rule_id
    )
    GROUP BY rule_id
)
ORDER BY found DESC, rule_id
FORMAT TSVRaw;

SELECT '  None of the rules matched: their lists hold made-up words. Put your own into\n  deploy/examples/lists and deploy/examples/rules, and run this again.'
WHERE (SELECT count() FROM detections) = 0
FORMAT TSVRaw;

WITH if({color:UInt8}, '\x1b[1m', '') AS bold, if({color:UInt8}, '\x1b[0m', '') AS off
SELECT arrayJoin(['', bold || 'GROUPS OF COPIES' || off || ' (one folded text, five authors at least, no reposts)',
    '     copies  authors    within  ' || rightPadUTF8({label_title:String}, 11) || ' sample'])
FORMAT TSVRaw;

-- The five largest groups, then the five that were posted fastest: a song that
-- all quote is large, a campaign is fast.
WITH
    {width:UInt32} - 45 AS room,
    n -> trim(LEADING ',' FROM reverse(replaceRegexpAll(reverse(toString(n)), '(\\d{3})', '\\1,'))) AS num,
    -- Characters that a terminal would obey or that turn the line around are left out.
    s -> replaceRegexpAll(s, '[\\p{Cc}\\p{Zl}\\p{Zp}\\x{200B}-\\x{200F}\\x{202A}-\\x{202E}\\x{2060}-\\x{206F}\\x{FEFF}]+', ' ') AS clean,
    extractAll(clean(sample), '(?s).') AS chars,
    arrayCumSum(arrayMap(c -> greatest(visibleWidth(c), if(length(c) = 4, 2, 0)), chars)) AS ends
SELECT if(n = 1, if(kind = 1, '  largest\n', '  fastest\n'), '')
    || leftPadUTF8(num(copies), 11) || leftPadUTF8(num(authors), 9)
    || leftPadUTF8(multiIf(seconds < 600, num(seconds) || ' s', seconds < 36000, num(intDiv(seconds, 60)) || ' min', seconds < 864000, num(intDiv(seconds, 3600)) || ' h', num(intDiv(seconds, 86400)) || ' days'), 10)
    || '  ' || rightPadUTF8(substringUTF8(if(label = '', 'unknown', label), 1, 11), 11) || ' '
    || arrayStringConcat(arrayFilter((c, e) -> e <= room, chars, ends)) || if(ends[-1] > room, '…', '')
FROM
(
    SELECT *, if(by_size <= 5, 1, 2) AS kind, if(by_size <= 5, by_size, row_number() OVER (PARTITION BY by_size <= 5 ORDER BY by_speed)) AS n
    FROM
    (
        SELECT *, row_number() OVER (ORDER BY copies DESC, sample) AS by_size,
            row_number() OVER (ORDER BY copies / greatest(seconds, 10) DESC, sample) AS by_speed
        FROM
        (
            SELECT count() AS copies, uniqExact(author_id) AS authors, dateDiff('second', min(created_at), max(created_at)) AS seconds,
                min(text) AS sample, min({label:Identifier}) AS label
            FROM posts
            WHERE kind != 'repost' AND token_count >= 5
                AND text_hash IN (SELECT text_hash FROM posts WHERE kind != 'repost' AND token_count >= 5 GROUP BY text_hash HAVING count() >= 5)
            GROUP BY text_hash
            HAVING authors >= 5
        )
    )
)
WHERE n <= 5 AND (kind = 1 OR copies >= 10) -- a few copies at once are no record
ORDER BY kind, n
FORMAT TSVRaw;

WITH if({color:UInt8}, '\x1b[1m', '') AS bold, if({color:UInt8}, '\x1b[0m', '') AS off
SELECT arrayJoin(['', bold || 'SOME DETECTIONS' || off || ' (what matched is marked)'])
WHERE (SELECT count() FROM detections) > 0
FORMAT TSVRaw;

-- The text is cut into characters, each with its byte offset, so that the spans
-- fit whatever the script is; then a window is shown that holds the first mark.
WITH
    if({color:UInt8}, '\x1b[1;30;43m', '[[') AS mark, if({color:UInt8}, '\x1b[0m', ']]') AS unmark,
    if({color:UInt8}, '\x1b[2m', '') AS dim, if({color:UInt8}, '\x1b[0m', '') AS off,
    arrayFilter((s, e) -> e > s, spans.start, spans.end) AS froms,
    arrayFilter((e, s) -> e > s, spans.end, spans.start) AS tos,
    extractAll(text, '(?s).') AS chars,
    arrayMap((e, c) -> e - length(c), arrayCumSum(arrayMap(c -> length(c), chars)), chars) AS offsets,
    arrayMap(o -> toUInt8(arrayExists((s, e) -> o >= s AND o < e, froms, tos)), offsets) AS marked,
    arrayCumSum(arrayMap(c -> greatest(visibleWidth(c), if(length(c) = 4, 2, 0)), chars)) AS ends,
    {width:UInt32} - 6 - if({color:UInt8}, 0, 4 * length(froms)) AS room,
    indexOf(marked, 1) AS first_mark,
    if(ends[-1] <= room, 1, greatest(1, toInt64(first_mark) - toInt64(intDiv(room, 4)))) AS begin,
    if(begin > 1, ends[begin - 1], 0) AS skipped,
    arrayFilter(i -> i >= begin AND ends[i] - skipped <= room, arrayEnumerate(chars)) AS shown,
    arrayMap(i -> if(marked[i] AND (i = begin OR NOT marked[i - 1]), mark, '')
        || replaceRegexpAll(chars[i], '[\\p{Cc}\\p{Zl}\\p{Zp}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]', ' ')
        || if(marked[i] AND (i = shown[-1] OR NOT marked[i + 1]), unmark, ''), shown) AS line
SELECT '  ' || rule_id || dim || '  ' || severity || ', ' || if(lang = '', 'language unknown', lang) || ', '
    || formatDateTime(created_at, '%Y-%m-%d %H:%i:%S') || if(empty(terms), '', ', found: ' || substringUTF8(arrayStringConcat(terms, ', '), 1, {width:UInt32} - 60)) || off
    || '\n    ' || if(begin > 1, '…', '') || arrayStringConcat(line) || if(shown[-1] < length(chars), '…', '')
FROM
(
    SELECT *, arrayDistinct(spans.term) AS terms, indexOf(['critical', 'high', 'medium', 'low', 'info'], severity) AS rank
    FROM detections FINAL
    ORDER BY rank, rule_id, lang, cityHash64(post_id)
    LIMIT 1 BY rule_id, lang
)
ORDER BY rank, rule_id, cityHash64(post_id)
LIMIT 2 BY rule_id
LIMIT 12
FORMAT TSVRaw;
