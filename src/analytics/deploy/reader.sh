#!/bin/bash
# Makes the read-only user when ClickHouse starts for the first time.
set -euo pipefail
case "${READER_PASSWORD:-}" in
  '' | *[!A-Za-z0-9]*)
    echo 'READER_PASSWORD: letters and digits are expected' >&2
    exit 1
    ;;
esac
sed "s/'READER_PASSWORD'/'$READER_PASSWORD'/" /etc/kassa/reader.sql |
  clickhouse-client --user "$CLICKHOUSE_USER" --password "$CLICKHOUSE_PASSWORD" --multiquery
