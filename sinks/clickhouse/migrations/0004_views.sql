-- Version 4: what analysts ask every day, as views, and the table that
-- reviewers write their verdicts to. docs/sql.md teaches them. The views use
-- columns that every pipeline has; a pipeline without the step that fills one
-- has no rows in the view. Nothing is stored for them: an insert costs what it
-- did. Their first columns are those that a WHERE on the view prunes by.

-- step feedback
-- A post's id is unique in its platform only, so a verdict names that too. A
-- reviewer has one verdict on a detection: the last one stands.
CREATE TABLE IF NOT EXISTS feedback
(
    `post_id`      String,
    `platform`     LowCardinality(String),
    `rule_id`      LowCardinality(String),
    `rule_version` UInt32,
    `verdict`      Enum8('correct' = 1, 'wrong' = 2, 'unsure' = 3),
    `reviewer`     LowCardinality(String),
    `note`         String,
    `at`           DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (rule_id, rule_version, platform, post_id, reviewer)

-- step hits_by_rule_hour
CREATE VIEW IF NOT EXISTS hits_by_rule_hour AS
SELECT
    rule_id,
    toStartOfHour(created_at) AS hour,
    rule_version,
    severity,
    mode,
    count() AS detections,
    uniqExact(platform, post_id) AS posts,
    uniqExact(platform, author_id) AS authors,
    max(score) AS max_score
FROM detections FINAL
GROUP BY rule_id, hour, rule_version, severity, mode

-- step time_to_detect
-- From the post's creation to the detection's storing. A backfill of old posts
-- makes it long, so the hour is that of the post: a live stream's hours can be
-- asked for alone.
CREATE VIEW IF NOT EXISTS time_to_detect AS
SELECT
    rule_id,
    toStartOfHour(created_at) AS hour,
    count() AS detections,
    quantileTDigest(0.5)(dateDiff('millisecond', created_at, inserted_at) / 1000) AS p50_seconds,
    quantileTDigest(0.9)(dateDiff('millisecond', created_at, inserted_at) / 1000) AS p90_seconds,
    quantileTDigest(0.99)(dateDiff('millisecond', created_at, inserted_at) / 1000) AS p99_seconds,
    max(dateDiff('millisecond', created_at, inserted_at) / 1000) AS max_seconds
FROM detections FINAL
GROUP BY rule_id, hour

-- step copy_groups
-- Posts of one day whose folded words are the same. Reposts are left out, as
-- are posts of fewer than five tokens: "good morning" is nobody's campaign.
CREATE VIEW IF NOT EXISTS copy_groups AS
SELECT
    toDate(created_at) AS day,
    text_hash,
    count() AS copies,
    uniqExact(platform, author_id) AS authors,
    uniqExact(platform) AS platforms,
    min(created_at) AS first_at,
    max(created_at) AS last_at,
    argMin(text, (created_at, id)) AS first_text
FROM posts
WHERE text_hash != 0 AND token_count >= 5 AND kind != 'repost'
GROUP BY day, text_hash
HAVING copies > 1

-- step evasion_seen
-- What hid listed terms, with the earliest example as it was written.
CREATE VIEW IF NOT EXISTS evasion_seen AS
SELECT
    toDate(created_at) AS day,
    hit_list AS list,
    hit_term AS term,
    hit_disguise AS disguise,
    count() AS hits,
    uniqExact(platform, id) AS posts,
    uniqExact(platform, author_id) AS authors,
    argMin(substring(text, hit_start + 1, hit_end - hit_start), (created_at, id)) AS written_as
FROM posts
ARRAY JOIN
    hits.list AS hit_list,
    hits.term AS hit_term,
    hits.start AS hit_start,
    hits.end AS hit_end,
    hits.disguise AS hit_disguise
WHERE hit_disguise != ''
GROUP BY day, list, term, disguise

-- step rule_precision
-- A post counts once for a rule's version, by the majority of its reviewers.
-- One on which they are divided, or unsure, is undecided. precision is correct
-- of what is decided, null where nothing is; precision_low and precision_high
-- are Wilson's interval of 95 % (E. B. Wilson, 1927).
CREATE VIEW IF NOT EXISTS rule_precision AS
SELECT
    rule_id,
    rule_version,
    count() AS reviewed,
    countIf(votes > 0) AS correct,
    countIf(votes < 0) AS wrong,
    countIf(votes = 0) AS undecided,
    correct + wrong AS decided,
    if(decided = 0, NULL, correct / decided) AS precision,
    if(decided = 0, NULL, (precision + 1.9208 / decided
        - 1.96 * sqrt((precision * (1 - precision) + 0.9604 / decided) / decided)) / (1 + 3.8416 / decided)) AS precision_low,
    if(decided = 0, NULL, (precision + 1.9208 / decided
        + 1.96 * sqrt((precision * (1 - precision) + 0.9604 / decided) / decided)) / (1 + 3.8416 / decided)) AS precision_high,
    max(last_at) AS last_review
FROM
(
    SELECT
        rule_id,
        rule_version,
        platform,
        post_id,
        toInt64(countIf(verdict = 'correct')) - toInt64(countIf(verdict = 'wrong')) AS votes,
        max(at) AS last_at
    FROM feedback FINAL
    GROUP BY rule_id, rule_version, platform, post_id
)
GROUP BY rule_id, rule_version
