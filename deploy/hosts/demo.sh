#!/usr/bin/env bash
# The tour on separate hosts: three servers, each on a host of its own made by lab.sh, are started,
# killed and cut off. Needs root. The program is $QUORID, otherwise target/debug/quorid.
#     demo.sh [OPTIONS OF quorid demo --tour]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(realpath "$here/../..")

# So little log is kept that a server can be away for too long within seconds.
# shellcheck disable=SC2016
cd "$root"
exec "$here/stage.sh" 'log_keep_entries = 500' 'snapshot_after_entries = 250' -- \
    bash -c 'exec "$QUORID" demo --tour --stage "$QUORID_STAGE" "$@"' demo.sh \
    --samples samples/accounts.csv "$@"
