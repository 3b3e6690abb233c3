-- The read-only user of `POST /v1/analytics/query` (KASSA_ANALYTICS_SQL_URL) and of Grafana. READER_PASSWORD stands for its password.
-- readonly = 2: it may set limits for its own statements, which Kassa does, and nothing else; the constraints are what it cannot exceed,
-- nor do away with: 0 would be no limit.
CREATE SETTINGS PROFILE IF NOT EXISTS kassa_reader SETTINGS
    readonly = 2,
    max_execution_time = 10 MIN 1 MAX 60,
    max_memory_usage = 1000000000 MIN 1 MAX 4000000000,
    max_bytes_to_read = 20000000000 MIN 1 MAX 100000000000,
    max_threads = 2 MIN 1 MAX 8,
    max_concurrent_queries_for_user = 8 READONLY,
    allow_ddl = 0 READONLY,
    allow_introspection_functions = 0 READONLY;

CREATE USER IF NOT EXISTS kassa_reader IDENTIFIED WITH sha256_password BY 'READER_PASSWORD' SETTINGS PROFILE kassa_reader;

-- No grant of CREATE TEMPORARY TABLE, FILE, URL, REMOTE and the like: table functions that leave the server are refused.
GRANT SELECT ON kassa.* TO kassa_reader;
