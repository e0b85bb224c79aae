#!/usr/bin/env bash
# The tour on separate hosts: three servers, each on a host of its own made by lab.sh, are started,
# killed and cut off. Needs root. The program is $QUORID, otherwise target/debug/quorid.
#     demo.sh [OPTIONS OF quorid demo --tour]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(realpath "$here/../..")
QUORID=$(realpath -m "${QUORID:-$root/target/debug/quorid}")
export QUORID
[[ -x $QUORID ]] || { echo "error: there is no program $QUORID; try: make build" >&2 && exit 2; }

[[ ${LAB_INVENTORY-} ]] || exec "$here/lab.sh" -- "$here/demo.sh" "$@"

# So little log is kept that a server can be away for too long within seconds.
printf 'config=%s\n' 'log_format = "json"' 'log_keep_entries = 500' 'snapshot_after_entries = 250' \
    >>"$LAB_INVENTORY"
hosts=("$here/hosts.sh" --inventory "$LAB_INVENTORY")
"${hosts[@]}" prepare >/dev/null
"${hosts[@]}" put
stage=$("${hosts[@]}" stage)
exec "$QUORID" demo --tour --stage "$stage" --samples "$root/samples/accounts.csv" "$@"
