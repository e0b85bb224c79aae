#!/usr/bin/env bash
# What many busy connections do to consensus: elections, and how long creates take beside them.
#     connections.sh PROGRAM [CONNECTIONS] [SECONDS]
# PROGRAM is a release build. Three servers with TLS run as `quorid demo` starts them. CONNECTIONS (10000) clients, each with a connection of its
# own, look up accounts on all servers for SECONDS (60) without a pause. Sixteen others create accounts, before and beside
# them. Needs python3, and twice as many open files as there are connections.
set -euo pipefail

[[ $# -ge 1 ]] || { echo 'usage: connections.sh PROGRAM [CONNECTIONS] [SECONDS]' >&2 && exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=quorid.sh
source "$root/docs/benchmarks/quorid.sh"
need_program "$1"
program=$(realpath "$1") connections=${2:-10000} seconds=${3:-60}

dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-connections.XXXXXX")
end() {
    end_quorid
    rm -rf "$dir"
}
trap end EXIT
cd "$dir"

term() {
    with_quorid "$program" cluster cluster status --output json | python3 -c '
import json, sys
print(json.load(sys.stdin)["term"])'
}

# Beside whatever else there is.
creates() { # for how many seconds; what is beside them
    with_quorid "$program" cluster bench create --clients 16 --connections 1 --seconds "$1" --output json |
        python3 -c '
import json, sys
found = json.load(sys.stdin)
latency = found["latency_us"]
print("creates, %s: %.0f/s, p50 %.1f ms, p99 %.1f ms, longest gap %.0f ms, failed %d" % (
    sys.argv[1], found["per_second"], latency["p50"] / 1000, latency["p99"] / 1000, found["longest_gap_ms"], found["failed"]))' "$2"
}

start_quorid "$program" cluster
fill_quorid "$program" cluster 10000
before=$(term)
creates 10 'alone'

# For longer than the creates: to connect takes a while, too.
lookups() {
    exec "$program" bench lookup --clients "$connections" --connections "$connections" --consistency stale \
        --seconds "$((seconds + 30))" --output json >lookups.json 2>lookups.err
}
while read -r line; do export "${line?}"; done <cluster/environment
lookups &
busy=$!
open_files() { find "/proc/$busy/fd" -maxdepth 1 2>/dev/null | wc -l; }
began=$SECONDS
until (($(open_files) > connections)); do
    kill -0 "$busy" || { cat lookups.err >&2 && exit 1; }
    sleep 0.2
done
echo "connected: $connections in $((SECONDS - began)) s"
creates "$seconds" "beside $connections busy connections"
wait "$busy" || { cat lookups.err >&2 && exit 1; }
python3 -c '
import json
found = json.load(open("lookups.json"))
print("lookups: %.0f/s, p50 %.0f ms, p99 %.0f ms, failed %d %s" % (
    found["per_second"], found["latency_us"]["p50"] / 1000, found["latency_us"]["p99"] / 1000, found["failed"], found["errors"] or ""))'
echo "elections: $(($(term) - before))"
