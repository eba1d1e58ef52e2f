-- Version 3: a hit and a span say in which view the term was seen, by which
-- disguise it was hidden and what it weighs; a detection names the lists that
-- its rule looked at, with their versions.

-- step posts_hits
ALTER TABLE posts
    ADD COLUMN IF NOT EXISTS `hits.view` Array(LowCardinality(String)) AFTER `hits.end`,
    ADD COLUMN IF NOT EXISTS `hits.disguise` Array(LowCardinality(String)) AFTER `hits.view`,
    ADD COLUMN IF NOT EXISTS `hits.weight` Array(Float32) AFTER `hits.disguise`

-- step detections_spans
ALTER TABLE detections
    ADD COLUMN IF NOT EXISTS `spans.view` Array(LowCardinality(String)) AFTER `spans.end`,
    ADD COLUMN IF NOT EXISTS `spans.disguise` Array(LowCardinality(String)) AFTER `spans.view`,
    ADD COLUMN IF NOT EXISTS `spans.weight` Array(Float32) AFTER `spans.disguise`,
    ADD COLUMN IF NOT EXISTS `lists.name` Array(LowCardinality(String)) AFTER `spans.weight`,
    ADD COLUMN IF NOT EXISTS `lists.version` Array(LowCardinality(String)) AFTER `lists.name`
