-- Version 5: what the sink alert reports: a row for each message about an alert,
-- and one for what has become of it at each target. Reports may come twice: a
-- row replaces the one of its key, so read both tables with FINAL.

-- step alerts
CREATE TABLE IF NOT EXISTS alerts
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
ENGINE = ReplacingMergeTree
ORDER BY (alert_id, sequence)

-- step alert_deliveries
-- The row with the latest at says how it stands.
CREATE TABLE IF NOT EXISTS alert_deliveries
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
ENGINE = ReplacingMergeTree(at)
ORDER BY (alert_id, sequence, target)

-- step alerts_now
-- Each alert as its last message has it.
CREATE VIEW IF NOT EXISTS alerts_now AS
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
FROM alerts FINAL
WHERE status != 'acknowledged'
ORDER BY alert_id, sequence DESC
LIMIT 1 BY alert_id

-- step time_to_alert
-- From the post that opened an alert to its detection, and on to the first
-- target that took a message about it. An alert that nobody was told of has no
-- row here.
CREATE VIEW IF NOT EXISTS time_to_alert AS
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
    FROM alerts FINAL
    WHERE kind != 'meta'
    GROUP BY alert_id
) AS opened
INNER JOIN
(
    SELECT alert_id, min(at) AS told_at
    FROM alert_deliveries FINAL
    WHERE result = 'sent'
    GROUP BY alert_id
) AS told USING (alert_id)
GROUP BY rule_id, hour
