#!/usr/bin/env bash
# Makes three hosts by lab.sh, puts quorid on them, and runs a command with the stage's file in
# QUORID_STAGE. Needs root. The program is $QUORID, otherwise target/debug/quorid.
#     stage.sh [SETTING..] -- COMMAND [ARGUMENT..]
# A SETTING is a line of the servers' quorid.toml. The exit code is COMMAND's; 77 if there can be no
# such hosts here.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
QUORID=$(realpath -m "${QUORID:-$here/../../target/debug/quorid}")
export QUORID
[[ -x $QUORID ]] || { echo "error: there is no program $QUORID; try: make build" >&2 && exit 2; }

[[ ${LAB_INVENTORY-} ]] || exec "$here/lab.sh" -- "$here/stage.sh" "$@"

while [[ ${1---} != -- ]]; do
    printf 'config=%s\n' "$1" >>"$LAB_INVENTORY"
    shift
done
shift || true
[[ $# -gt 0 ]] || { echo 'error: no command; try: stage.sh -- COMMAND' >&2 && exit 2; }
printf 'config=%s\n' 'log_format = "json"' >>"$LAB_INVENTORY"
hosts=("$here/hosts.sh" --inventory "$LAB_INVENTORY")
"${hosts[@]}" prepare >/dev/null
"${hosts[@]}" put
QUORID_STAGE=$("${hosts[@]}" stage)
export QUORID_STAGE
exec "$@"
