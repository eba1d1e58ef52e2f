-- Version 1: the tables of the streams, the ledger, the rule registry and the
-- rollups. One idempotent statement a step. Every table that an epoch or a
-- view writes to remembers the tokens of its last inserts: a table without
-- that window would double when an epoch is written again.

-- Parts: a block of posts that spans seven months costs twice the time when it
-- is cut by month, and backfills look like that, so posts are partitioned by
-- year; the sort key begins with the time and prunes as well. Parts of one
-- epoch stay compact (a file a part, not two a column), merged ones are wide.

-- A token is remembered for each partition, so a table is partitioned by what
-- its rows say or not at all. By the time of writing, an epoch that is written
-- again in another month would be stored twice.

-- step posts
CREATE TABLE IF NOT EXISTS posts
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
ENGINE = MergeTree
PARTITION BY toYear(created_at)
ORDER BY (toStartOfFiveMinutes(created_at), lang, id)
SETTINGS non_replicated_deduplication_window = 10000, min_bytes_for_wide_part = 134217728

-- step detections
CREATE TABLE IF NOT EXISTS detections
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
ENGINE = ReplacingMergeTree
PARTITION BY toYear(created_at)
ORDER BY (rule_id, toStartOfHour(created_at), platform, post_id, rule_version, rule_hash, kind, source, source_offset)
SETTINGS non_replicated_deduplication_window = 10000

-- step rejected
CREATE TABLE IF NOT EXISTS rejected
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
ENGINE = MergeTree
ORDER BY (step, reason, source, source_offset)
SETTINGS non_replicated_deduplication_window = 10000

-- step rules
CREATE TABLE IF NOT EXISTS rules
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
ENGINE = ReplacingMergeTree
ORDER BY (rule_id, version, hash, mode)

-- step epochs
CREATE TABLE IF NOT EXISTS epochs
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
ENGINE = ReplacingMergeTree
ORDER BY (pipeline, sink, source_partition, from_position, to_position)
SETTINGS non_replicated_deduplication_window = 10000
