-- Version 2: rollups for dashboards. The hour is made of the minute's states,
-- not of the posts: a tenth of the work. Each view's target has a
-- deduplication window of its own, see version 1.

-- step posts_by_minute
CREATE TABLE IF NOT EXISTS posts_by_minute
(
    `minute`     DateTime('UTC') CODEC(DoubleDelta, LZ4),
    `platform`   LowCardinality(String),
    `lang`       LowCardinality(String),
    `kind`       LowCardinality(String),
    `posts`      SimpleAggregateFunction(sum, UInt64),
    `with_hits`  SimpleAggregateFunction(sum, UInt64),
    `text_bytes` SimpleAggregateFunction(sum, UInt64),
    `authors`    AggregateFunction(uniqCombined64, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(minute)
ORDER BY (minute, platform, lang, kind)
SETTINGS non_replicated_deduplication_window = 10000

-- step posts_by_minute_view
CREATE MATERIALIZED VIEW IF NOT EXISTS posts_by_minute_view TO posts_by_minute AS
SELECT
    toStartOfMinute(created_at) AS minute,
    platform,
    lang,
    kind,
    count() AS posts,
    countIf(notEmpty(hits.list)) AS with_hits,
    sum(length(text)) AS text_bytes,
    uniqCombined64State(author_id) AS authors
FROM posts
GROUP BY minute, platform, lang, kind

-- step posts_by_hour
CREATE TABLE IF NOT EXISTS posts_by_hour
(
    `hour`       DateTime('UTC') CODEC(DoubleDelta, LZ4),
    `platform`   LowCardinality(String),
    `lang`       LowCardinality(String),
    `kind`       LowCardinality(String),
    `posts`      SimpleAggregateFunction(sum, UInt64),
    `with_hits`  SimpleAggregateFunction(sum, UInt64),
    `text_bytes` SimpleAggregateFunction(sum, UInt64),
    `authors`    AggregateFunction(uniqCombined64, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(hour)
ORDER BY (hour, platform, lang, kind)
SETTINGS non_replicated_deduplication_window = 10000

-- step posts_by_hour_view
CREATE MATERIALIZED VIEW IF NOT EXISTS posts_by_hour_view TO posts_by_hour AS
SELECT
    toStartOfHour(m.minute) AS hour,
    m.platform AS platform,
    m.lang AS lang,
    m.kind AS kind,
    sum(m.posts) AS posts,
    sum(m.with_hits) AS with_hits,
    sum(m.text_bytes) AS text_bytes,
    uniqCombined64MergeState(m.authors) AS authors
FROM posts_by_minute AS m
GROUP BY hour, platform, lang, kind

-- step detections_by_minute
CREATE TABLE IF NOT EXISTS detections_by_minute
(
    `minute`     DateTime('UTC') CODEC(DoubleDelta, LZ4),
    `rule_id`    LowCardinality(String),
    `kind`       LowCardinality(String),
    `severity`   LowCardinality(String),
    `mode`       LowCardinality(String),
    `detections` SimpleAggregateFunction(sum, UInt64),
    `max_score`  SimpleAggregateFunction(max, Float32),
    `posts`      AggregateFunction(uniqCombined64, String),
    `authors`    AggregateFunction(uniqCombined64, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(minute)
ORDER BY (minute, rule_id, kind, severity, mode)
SETTINGS non_replicated_deduplication_window = 10000

-- step detections_by_minute_view
CREATE MATERIALIZED VIEW IF NOT EXISTS detections_by_minute_view TO detections_by_minute AS
SELECT
    toStartOfMinute(created_at) AS minute,
    rule_id,
    kind,
    severity,
    mode,
    count() AS detections,
    max(score) AS max_score,
    uniqCombined64State(post_id) AS posts,
    uniqCombined64State(author_id) AS authors
FROM detections
GROUP BY minute, rule_id, kind, severity, mode

-- step detections_by_hour
CREATE TABLE IF NOT EXISTS detections_by_hour
(
    `hour`       DateTime('UTC') CODEC(DoubleDelta, LZ4),
    `rule_id`    LowCardinality(String),
    `kind`       LowCardinality(String),
    `severity`   LowCardinality(String),
    `mode`       LowCardinality(String),
    `detections` SimpleAggregateFunction(sum, UInt64),
    `max_score`  SimpleAggregateFunction(max, Float32),
    `posts`      AggregateFunction(uniqCombined64, String),
    `authors`    AggregateFunction(uniqCombined64, String)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(hour)
ORDER BY (hour, rule_id, kind, severity, mode)
SETTINGS non_replicated_deduplication_window = 10000

-- step detections_by_hour_view
CREATE MATERIALIZED VIEW IF NOT EXISTS detections_by_hour_view TO detections_by_hour AS
SELECT
    toStartOfHour(m.minute) AS hour,
    m.rule_id AS rule_id,
    m.kind AS kind,
    m.severity AS severity,
    m.mode AS mode,
    sum(m.detections) AS detections,
    max(m.max_score) AS max_score,
    uniqCombined64MergeState(m.posts) AS posts,
    uniqCombined64MergeState(m.authors) AS authors
FROM detections_by_minute AS m
GROUP BY hour, rule_id, kind, severity, mode
