-- Rejected records by reason, each with an example.

WITH if({color:UInt8}, '\x1b[1m', '') AS bold, if({color:UInt8}, '\x1b[0m', '') AS off
SELECT arrayJoin(if((SELECT count() FROM rejected) = 0, emptyArrayString(), ['', bold || 'REJECTED BY REASON' || off || ' (each with its first example)']))
FORMAT TSVRaw;

WITH
    n -> trim(LEADING ',' FROM reverse(replaceRegexpAll(reverse(toString(n)), '(\\d{3})', '\\1,'))) AS num,
    s -> replaceRegexpAll(toValidUTF8(s), '[\\p{Cc}\\p{Zl}\\p{Zp}\\x{202A}-\\x{202E}\\x{2066}-\\x{2069}]', ' ') AS clean
SELECT leftPadUTF8(num(rows), 12) || '  ' || step || ': ' || reason || if(why = '', '', ' (' || substringUTF8(clean(why), 1, {width:UInt32} - 40) || ')')
    || '\n              at ' || toString(first_offset) || if(size = 0 OR example = '', '', ': ' || substringUTF8(clean(example), 1, {width:UInt32} - 36) || if(lengthUTF8(clean(example)) > {width:UInt32} - 36, '…', ''))
FROM
(
    SELECT step, reason, count() AS rows, min(source_offset) AS first_offset, argMin(detail, (source, source_offset)) AS why,
        argMin(substring(raw, 1, 1000), (source, source_offset)) AS example, argMin(raw_size, (source, source_offset)) AS size
    FROM rejected
    GROUP BY step, reason
)
ORDER BY rows DESC, step, reason
LIMIT 20
FORMAT TSVRaw;
