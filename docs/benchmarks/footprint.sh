#!/usr/bin/env bash
# Memory and disk of a server of two versions of Quorid, each after the same number of creates.
#     footprint.sh OLD NEW [ACCOUNTS]
# Both are programs (release builds); each has three servers with TLS as `quorid demo` starts them, one
# version after the other, and gets ACCOUNTS (100000) accounts. Bytes on disk are those of one server, log and state
# apart, as they are allocated. Needs python3.
set -euo pipefail

[[ $# -ge 2 ]] || { echo 'usage: footprint.sh OLD NEW [ACCOUNTS]' >&2 && exit 2; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=quorid.sh
source "$root/docs/benchmarks/quorid.sh"
for program in "$1" "$2"; do need_program "$program"; done
old=$(realpath "$1") new=$(realpath "$2") accounts=${3:-100000}

dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-footprint.XXXXXX")
end() {
    end_quorid
    rm -rf "$dir"
}
trap end EXIT
cd "$dir"

# The most memory that any server of a demo has used so far, MiB.
memory() { # folder of the demo
    local server most=0 used
    for server in $(servers_of_quorid "$1"); do
        used=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$server/status")
        ((used <= most)) || most=$used
    done
    echo "$most"
}

# The most that any server of a demo has of one kind of file, MiB.
on_disk() { # folder of the demo; pattern of the file names
    local server most=0 used
    for server in "$1"/demo/*/; do
        used=$(find "$server" -name "$2" -printf '%k\n' | awk '{ kib += $1 } END { print int(kib / 1024) }')
        ((used <= most)) || most=$used
    done
    echo "$most"
}

printf '%-8s %14s %12s %12s\n' version 'memory MiB' 'state MiB' 'log MiB'
for version in old new; do
    start_quorid "${!version}" "$version"
    fill_quorid "${!version}" "$version" "$accounts"
    printf '%-8s %14s %12s %12s\n' "$version" "$(memory "$version")" \
        "$(on_disk "$version" 'state.redb*')" "$(on_disk "$version" '*.wal')"
    end_quorid
done
