#!/usr/bin/env bash
# Creates and lookups a second of two versions of Quorid on this machine, in turns, and the memory of
# their servers: what does a change cost?
#     versions.sh OLD NEW [ROUNDS]
# Both are programs (release builds); each has three servers with TLS as `quorid demo` starts them,
# and gets 64 requests at once for SECONDS_EACH (8). Lookups are linearizable. Needs python3.
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
creates() { creates_a_second "${!1}" "$1" "$seconds"; }
lookups() { requests_a_second "${!1}" "$1" lookup --seconds "$seconds"; }
for load in creates lookups; do
    pairs_in_turns "$load/s" "$rounds" new old "$load new" "$load old"
done
echo "most memory of a server: new $(memory_of_a_server 1) MiB, old $(memory_of_a_server 0) MiB"
