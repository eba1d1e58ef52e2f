-- The schema on a cluster: every table replicated, and a Distributed table over
-- each that holds rows. Made from the migrations by a test:
--
--   SLUICE_TEST_UPDATE=1 go test ./sinks/clickhouse -run TestClusterDDL
--
-- Run it before Sluice starts for the first time: Sluice finds the tables there and
-- leaves them as they are. The servers need the macros cluster, shard and replica.
-- Sluice writes to one shard, through any of its replicas: the tokens by which an
-- epoch that is written again is known are kept with the replicated table. Read
-- over all shards from the tables that end in _all; the views are of one shard.

CREATE DATABASE IF NOT EXISTS sluice ON CLUSTER '{cluster}';

CREATE TABLE IF NOT EXISTS sluice.schema_migrations ON CLUSTER '{cluster}'
(
    version    UInt32,
    step       String,
    checksum   String,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (version, step);

CREATE TABLE IF NOT EXISTS sluice.posts ON CLUSTER '{cluster}'
(
    `id`                String,
    `created_at`        DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4),
    `author_id`         String,
    `author_handle`     String,
    `author_followers`  Nullable(Int64),
    `author_following`  Nullable(Int64),
    `author_created_at` Nullable(DateTime64(3, 'UTC')),
    `text`              String,
    `lang`              LowCardinality(String),
    `kind`              LowCardinality(String),
    `reply_to`          String,
    `quote_of`          String,
    `repost_of`         String,
    `urls`              Array(String),
    `hashtags`          Array(String),
    `mentions`          Array(String),
    `media_hashes`      Array(String),
    `platform`          LowCardinality(String),
    `source`            LowCardinality(String),
    `source_offset`     Int64 CODEC(Delta, LZ4),
    `token_count`       UInt32,
    `url_domains`       Array(String),
    `text_hash`         UInt64 CODEC(NONE),
    `simhash`           UInt64 CODEC(NONE),
    `hits`              Nested(list LowCardinality(String), term String, start UInt32, end UInt32),
    `inserted_at`       DateTime64(3, 'UTC') DEFAULT now64(3),
    INDEX ix_id id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX ix_author author_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYear(created_at)
ORDER BY (toStartOfFiveMinutes(created_at), lang, id)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800, min_bytes_for_wide_part = 134217728;

CREATE TABLE IF NOT EXISTS sluice.detections ON CLUSTER '{cluster}'
(
    `post_id`       String,
    `created_at`    DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4),
    `author_id`     String,
    `platform`      LowCardinality(String),
    `lang`          LowCardinality(String),
    `kind`          LowCardinality(String),
    `rule_id`       LowCardinality(String),
    `rule_version`  UInt32,
    `rule_hash`     LowCardinality(String),
    `severity`      LowCardinality(String),
    `mode`          LowCardinality(String),
    `owner`         LowCardinality(String),
    `labels`        Array(LowCardinality(String)),
    `score`         Float32,
    `spans`         Nested(list LowCardinality(String), term String, start UInt32, end UInt32),
    `values`        Nested(name LowCardinality(String), value String),
    `text`          String,
    `text_hash`     UInt64 CODEC(NONE),
    `simhash`       UInt64 CODEC(NONE),
    `source`        LowCardinality(String),
    `source_offset` Int64,
    `inserted_at`   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYear(created_at)
ORDER BY (rule_id, toStartOfHour(created_at), platform, post_id, rule_version, rule_hash, kind, source, source_offset)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE TABLE IF NOT EXISTS sluice.rejected ON CLUSTER '{cluster}'
(
    `source`        LowCardinality(String),
    `source_offset` Int64,
    `step`          LowCardinality(String),
    `reason`        LowCardinality(String),
    `detail`        String,
    `raw`           String CODEC(ZSTD(1)),
    `raw_size`      Int64,
    `inserted_at`   DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (step, reason, source, source_offset)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE TABLE IF NOT EXISTS sluice.rules ON CLUSTER '{cluster}'
(
    `rule_id`    String,
    `version`    UInt32,
    `hash`       String,
    `owner`      LowCardinality(String),
    `severity`   LowCardinality(String),
    `mode`       LowCardinality(String),
    `labels`     Array(LowCardinality(String)),
    `condition`  String,
    `file`       String,
    `first_seen` DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (rule_id, version, hash, mode);

CREATE TABLE IF NOT EXISTS sluice.epochs ON CLUSTER '{cluster}'
(
    `pipeline`         LowCardinality(String),
    `sink`             LowCardinality(String),
    `source_partition` String,
    `from_position`    String,
    `to_position`      String,
    `posts`            UInt64,
    `detections`       UInt64,
    `rejected`         UInt64,
    `min_created_at`   Nullable(DateTime64(3, 'UTC')),
    `max_created_at`   Nullable(DateTime64(3, 'UTC')),
    `written_at`       DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (pipeline, sink, source_partition, from_position, to_position)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE TABLE IF NOT EXISTS sluice.posts_by_minute ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYear(minute)
ORDER BY (minute, platform, lang, kind)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS sluice.posts_by_minute_view ON CLUSTER '{cluster}' TO sluice.posts_by_minute AS
SELECT
    toStartOfMinute(created_at) AS minute,
    platform,
    lang,
    kind,
    count() AS posts,
    countIf(notEmpty(hits.list)) AS with_hits,
    sum(length(text)) AS text_bytes,
    uniqCombined64State(author_id) AS authors
FROM sluice.posts
GROUP BY minute, platform, lang, kind;

CREATE TABLE IF NOT EXISTS sluice.posts_by_hour ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYear(hour)
ORDER BY (hour, platform, lang, kind)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS sluice.posts_by_hour_view ON CLUSTER '{cluster}' TO sluice.posts_by_hour AS
SELECT
    toStartOfHour(m.minute) AS hour,
    m.platform AS platform,
    m.lang AS lang,
    m.kind AS kind,
    sum(m.posts) AS posts,
    sum(m.with_hits) AS with_hits,
    sum(m.text_bytes) AS text_bytes,
    uniqCombined64MergeState(m.authors) AS authors
FROM sluice.posts_by_minute AS m
GROUP BY hour, platform, lang, kind;

CREATE TABLE IF NOT EXISTS sluice.detections_by_minute ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYear(minute)
ORDER BY (minute, rule_id, kind, severity, mode)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS sluice.detections_by_minute_view ON CLUSTER '{cluster}' TO sluice.detections_by_minute AS
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
FROM sluice.detections
GROUP BY minute, rule_id, kind, severity, mode;

CREATE TABLE IF NOT EXISTS sluice.detections_by_hour ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
PARTITION BY toYear(hour)
ORDER BY (hour, rule_id, kind, severity, mode)
SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800;

CREATE MATERIALIZED VIEW IF NOT EXISTS sluice.detections_by_hour_view ON CLUSTER '{cluster}' TO sluice.detections_by_hour AS
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
FROM sluice.detections_by_minute AS m
GROUP BY hour, rule_id, kind, severity, mode;

ALTER TABLE sluice.posts ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS `hits.view` Array(LowCardinality(String)) AFTER `hits.end`,
    ADD COLUMN IF NOT EXISTS `hits.disguise` Array(LowCardinality(String)) AFTER `hits.view`,
    ADD COLUMN IF NOT EXISTS `hits.weight` Array(Float32) AFTER `hits.disguise`;

ALTER TABLE sluice.detections ON CLUSTER '{cluster}'
    ADD COLUMN IF NOT EXISTS `spans.view` Array(LowCardinality(String)) AFTER `spans.end`,
    ADD COLUMN IF NOT EXISTS `spans.disguise` Array(LowCardinality(String)) AFTER `spans.view`,
    ADD COLUMN IF NOT EXISTS `spans.weight` Array(Float32) AFTER `spans.disguise`,
    ADD COLUMN IF NOT EXISTS `lists.name` Array(LowCardinality(String)) AFTER `spans.weight`,
    ADD COLUMN IF NOT EXISTS `lists.version` Array(LowCardinality(String)) AFTER `lists.name`;

-- A post's id is unique in its platform only, so a verdict names that too. A
-- reviewer has one verdict on a detection: the last one stands.
CREATE TABLE IF NOT EXISTS sluice.feedback ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', at)
ORDER BY (rule_id, rule_version, platform, post_id, reviewer);

CREATE VIEW IF NOT EXISTS sluice.hits_by_rule_hour ON CLUSTER '{cluster}' AS
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
FROM sluice.detections FINAL
GROUP BY rule_id, hour, rule_version, severity, mode;

-- From the post's creation to the detection's storing. A backfill of old posts
-- makes it long, so the hour is that of the post: a live stream's hours can be
-- asked for alone.
CREATE VIEW IF NOT EXISTS sluice.time_to_detect ON CLUSTER '{cluster}' AS
SELECT
    rule_id,
    toStartOfHour(created_at) AS hour,
    count() AS detections,
    quantileTDigest(0.5)(dateDiff('millisecond', created_at, inserted_at) / 1000) AS p50_seconds,
    quantileTDigest(0.9)(dateDiff('millisecond', created_at, inserted_at) / 1000) AS p90_seconds,
    quantileTDigest(0.99)(dateDiff('millisecond', created_at, inserted_at) / 1000) AS p99_seconds,
    max(dateDiff('millisecond', created_at, inserted_at) / 1000) AS max_seconds
FROM sluice.detections FINAL
GROUP BY rule_id, hour;

-- Posts of one day whose folded words are the same. Reposts are left out, as
-- are posts of fewer than five tokens: "good morning" is nobody's campaign.
CREATE VIEW IF NOT EXISTS sluice.copy_groups ON CLUSTER '{cluster}' AS
SELECT
    toDate(created_at) AS day,
    text_hash,
    count() AS copies,
    uniqExact(platform, author_id) AS authors,
    uniqExact(platform) AS platforms,
    min(created_at) AS first_at,
    max(created_at) AS last_at,
    argMin(text, (created_at, id)) AS first_text
FROM sluice.posts
WHERE text_hash != 0 AND token_count >= 5 AND kind != 'repost'
GROUP BY day, text_hash
HAVING copies > 1;

-- What hid listed terms, with the earliest example as it was written.
CREATE VIEW IF NOT EXISTS sluice.evasion_seen ON CLUSTER '{cluster}' AS
SELECT
    toDate(created_at) AS day,
    hit_list AS list,
    hit_term AS term,
    hit_disguise AS disguise,
    count() AS hits,
    uniqExact(platform, id) AS posts,
    uniqExact(platform, author_id) AS authors,
    argMin(substring(text, hit_start + 1, hit_end - hit_start), (created_at, id)) AS written_as
FROM sluice.posts
ARRAY JOIN
    hits.list AS hit_list,
    hits.term AS hit_term,
    hits.start AS hit_start,
    hits.end AS hit_end,
    hits.disguise AS hit_disguise
WHERE hit_disguise != ''
GROUP BY day, list, term, disguise;

-- A post counts once for a rule's version, by the majority of its reviewers.
-- One on which they are divided, or unsure, is undecided. precision is correct
-- of what is decided, null where nothing is; precision_low and precision_high
-- are Wilson's interval of 95 % (E. B. Wilson, 1927).
CREATE VIEW IF NOT EXISTS sluice.rule_precision ON CLUSTER '{cluster}' AS
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
    FROM sluice.feedback FINAL
    GROUP BY rule_id, rule_version, platform, post_id
)
GROUP BY rule_id, rule_version;

CREATE TABLE IF NOT EXISTS sluice.alerts ON CLUSTER '{cluster}'
(
    `pipeline`     LowCardinality(String),
    `sink`         LowCardinality(String),
    `route`        LowCardinality(String),
    `alert_id`     String,
    `sequence`     UInt32,
    `status`       LowCardinality(String),
    `group_id`     String,
    `group.name`   Array(LowCardinality(String)),
    `group.value`  Array(String),
    `rule_id`      LowCardinality(String),
    `rule_version` UInt32,
    `kind`         LowCardinality(String),
    `owner`        LowCardinality(String),
    `severity`     LowCardinality(String),
    `labels`       Array(LowCardinality(String)),
    `detections`   UInt64,
    `authors`      UInt64,
    `per_minute`   Float32,
    `opening_at`   DateTime64(3, 'UTC'),
    `first_seen`   DateTime64(3, 'UTC'),
    `last_seen`    DateTime64(3, 'UTC'),
    `detected_at`  DateTime64(3, 'UTC'),
    `made_at`      DateTime64(3, 'UTC'),
    `runbook`      String
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}')
ORDER BY (alert_id, sequence);

-- The row with the latest at says how it stands.
CREATE TABLE IF NOT EXISTS sluice.alert_deliveries ON CLUSTER '{cluster}'
(
    `pipeline` LowCardinality(String),
    `sink`     LowCardinality(String),
    `alert_id` String,
    `sequence` UInt32,
    `target`   LowCardinality(String),
    `status`   LowCardinality(String),
    `rule_id`  LowCardinality(String),
    `result`   LowCardinality(String),
    `attempts` UInt32,
    `detail`   String,
    `made_at`  DateTime64(3, 'UTC'),
    `at`       DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', at)
ORDER BY (alert_id, sequence, target);

-- Each alert as its last message has it.
CREATE VIEW IF NOT EXISTS sluice.alerts_now ON CLUSTER '{cluster}' AS
SELECT
    rule_id,
    alert_id,
    pipeline,
    sink,
    route,
    status,
    kind,
    owner,
    severity,
    labels,
    `group.name`,
    `group.value`,
    detections,
    authors,
    per_minute,
    first_seen,
    last_seen,
    detected_at,
    made_at,
    runbook
FROM sluice.alerts FINAL
WHERE status != 'acknowledged'
ORDER BY alert_id, sequence DESC
LIMIT 1 BY alert_id;

-- From the post that opened an alert to its detection, and on to the first
-- target that took a message about it. An alert that nobody was told of has no
-- row here.
CREATE VIEW IF NOT EXISTS sluice.time_to_alert ON CLUSTER '{cluster}' AS
SELECT
    rule_id,
    toStartOfHour(opening_at) AS hour,
    count() AS alerts,
    quantileTDigest(0.5)(dateDiff('millisecond', opening_at, detected_at) / 1000) AS detected_p50_seconds,
    quantileTDigest(0.99)(dateDiff('millisecond', opening_at, detected_at) / 1000) AS detected_p99_seconds,
    quantileTDigest(0.5)(dateDiff('millisecond', detected_at, told_at) / 1000) AS told_p50_seconds,
    quantileTDigest(0.99)(dateDiff('millisecond', detected_at, told_at) / 1000) AS told_p99_seconds,
    quantileTDigest(0.5)(dateDiff('millisecond', opening_at, told_at) / 1000) AS p50_seconds,
    quantileTDigest(0.99)(dateDiff('millisecond', opening_at, told_at) / 1000) AS p99_seconds,
    max(dateDiff('millisecond', opening_at, told_at) / 1000) AS max_seconds
FROM
(
    SELECT alert_id, argMin(rule_id, sequence) AS rule_id, min(opening_at) AS opening_at, min(detected_at) AS detected_at
    FROM sluice.alerts FINAL
    WHERE kind != 'meta'
    GROUP BY alert_id
) AS opened
INNER JOIN
(
    SELECT alert_id, min(at) AS told_at
    FROM sluice.alert_deliveries FINAL
    WHERE result = 'sent'
    GROUP BY alert_id
) AS told USING (alert_id)
GROUP BY rule_id, hour;

CREATE TABLE IF NOT EXISTS sluice.posts_all ON CLUSTER '{cluster}' AS sluice.posts
ENGINE = Distributed('{cluster}', sluice, posts);

CREATE TABLE IF NOT EXISTS sluice.detections_all ON CLUSTER '{cluster}' AS sluice.detections
ENGINE = Distributed('{cluster}', sluice, detections);

CREATE TABLE IF NOT EXISTS sluice.rejected_all ON CLUSTER '{cluster}' AS sluice.rejected
ENGINE = Distributed('{cluster}', sluice, rejected);

CREATE TABLE IF NOT EXISTS sluice.rules_all ON CLUSTER '{cluster}' AS sluice.rules
ENGINE = Distributed('{cluster}', sluice, rules);

CREATE TABLE IF NOT EXISTS sluice.epochs_all ON CLUSTER '{cluster}' AS sluice.epochs
ENGINE = Distributed('{cluster}', sluice, epochs);

CREATE TABLE IF NOT EXISTS sluice.feedback_all ON CLUSTER '{cluster}' AS sluice.feedback
ENGINE = Distributed('{cluster}', sluice, feedback);

CREATE TABLE IF NOT EXISTS sluice.alerts_all ON CLUSTER '{cluster}' AS sluice.alerts
ENGINE = Distributed('{cluster}', sluice, alerts);

CREATE TABLE IF NOT EXISTS sluice.alert_deliveries_all ON CLUSTER '{cluster}' AS sluice.alert_deliveries
ENGINE = Distributed('{cluster}', sluice, alert_deliveries);

CREATE TABLE IF NOT EXISTS sluice.posts_by_minute_all ON CLUSTER '{cluster}' AS sluice.posts_by_minute
ENGINE = Distributed('{cluster}', sluice, posts_by_minute);

CREATE TABLE IF NOT EXISTS sluice.posts_by_hour_all ON CLUSTER '{cluster}' AS sluice.posts_by_hour
ENGINE = Distributed('{cluster}', sluice, posts_by_hour);

CREATE TABLE IF NOT EXISTS sluice.detections_by_minute_all ON CLUSTER '{cluster}' AS sluice.detections_by_minute
ENGINE = Distributed('{cluster}', sluice, detections_by_minute);

CREATE TABLE IF NOT EXISTS sluice.detections_by_hour_all ON CLUSTER '{cluster}' AS sluice.detections_by_hour
ENGINE = Distributed('{cluster}', sluice, detections_by_hour);
