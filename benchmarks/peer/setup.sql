-- The peer's own tables. {terms} is a file of one term a line.
CREATE DATABASE IF NOT EXISTS peer;
DROP TABLE IF EXISTS peer.terms;
CREATE TABLE peer.terms (t String) ENGINE = Memory;
INSERT INTO peer.terms SELECT line FROM file('{terms}', LineAsString, 'line String');
DROP TABLE IF EXISTS peer.plain;
CREATE TABLE peer.plain
(
    id String, created_at DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4), author_id String, author_handle String,
    author_followers Nullable(Int64), author_following Nullable(Int64), text String,
    lang LowCardinality(String), kind LowCardinality(String),
    token_count UInt32, simhash UInt64 CODEC(NONE), terms Array(String)
)
ENGINE = MergeTree PARTITION BY toYear(created_at) ORDER BY (toStartOfFiveMinutes(created_at), lang, id)
