#!/usr/bin/env bash
# Creates a second of two versions of Quorid on this machine, in turns: what does a change cost?
#     versions.sh OLD NEW [ROUNDS]
# Both are programs (release builds); each has three servers with TLS as `quorid demo` starts them,
# and gets 64 requests at once for SECONDS_EACH (8). Needs python3.
set -euo pipefail

[[ $# -ge 2 ]] || { echo 'usage: versions.sh OLD NEW [ROUNDS]' >&2 && exit 2; }
old=$(realpath "$1") new=$(realpath "$2") rounds=${3:-5}
seconds=${SECONDS_EACH:-8}
for program in "$old" "$new"; do
    [[ -x $program ]] || { echo "error: no program $program; try: make" >&2 && exit 2; }
done
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=quorid.sh
source "$root/docs/benchmarks/quorid.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-versions.XXXXXX")
end() {
    end_quorid
    rm -rf "$dir"
}
trap end EXIT
cd "$dir"

start_quorid "$old" old
start_quorid "$new" new
old_creates() { creates_a_second "$old" old "$seconds"; }
new_creates() { creates_a_second "$new" new "$seconds"; }
pairs_in_turns "$rounds" new old new_creates old_creates
