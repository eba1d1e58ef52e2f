-- A read-only account for people who explore, with quotas. Put in the hash of a
-- password first (printf %s "$password" | sha256sum), and the addresses that may
-- come. Run it once the tables are there; on a cluster, add ON CLUSTER '{cluster}'
-- behind each name.

CREATE SETTINGS PROFILE IF NOT EXISTS sluice_analyst SETTINGS
    readonly = 2,
    allow_ddl = 0 CONST,
    allow_introspection_functions = 0 CONST,
    max_execution_time = 60 CONST,
    max_memory_usage = 8000000000 CONST,
    max_rows_to_read = 5000000000 CONST,
    max_result_rows = 1000000 CONST,
    result_overflow_mode = 'throw' CONST,
    max_threads = 8 MAX 8,
    priority = 10 CONST;

CREATE ROLE IF NOT EXISTS sluice_reader SETTINGS PROFILE 'sluice_analyst';

GRANT SELECT ON sluice.* TO sluice_reader;

CREATE USER IF NOT EXISTS sluice_analyst
    IDENTIFIED WITH sha256_hash BY '0000000000000000000000000000000000000000000000000000000000000000'
    HOST LOCAL
    DEFAULT ROLE sluice_reader
    DEFAULT DATABASE sluice
    SETTINGS PROFILE 'sluice_analyst';

GRANT sluice_reader TO sluice_analyst;

CREATE QUOTA IF NOT EXISTS sluice_analyst
    KEYED BY user_name
    FOR INTERVAL 1 minute MAX queries = 60, errors = 30,
    FOR INTERVAL 1 hour MAX queries = 1000, read_rows = 100000000000, execution_time = 1800
    TO sluice_reader;

-- Reviewers read too, and write verdicts; nothing else.
CREATE SETTINGS PROFILE IF NOT EXISTS sluice_reviewer SETTINGS
    allow_ddl = 0,
    max_execution_time = 60 CONST,
    max_memory_usage = 4000000000 CONST;

CREATE ROLE IF NOT EXISTS sluice_reviewer SETTINGS PROFILE 'sluice_reviewer';

GRANT SELECT ON sluice.* TO sluice_reviewer;

GRANT INSERT ON sluice.feedback TO sluice_reviewer;
