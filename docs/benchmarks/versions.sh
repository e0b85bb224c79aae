#!/usr/bin/env bash
# Creates and lookups a second of two versions of Quorid on this machine, in turns, and the memory of
# their servers: what does a change cost? Prints a table with medians and ratios.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=turns.sh
source "$root/docs/benchmarks/turns.sh"
# shellcheck source=quorid.sh
source "$root/docs/benchmarks/quorid.sh"

usage() {
    cat <<END
usage: versions.sh OLD NEW [options]
$TURNS_OPTIONS
OLD and NEW are programs (release builds); each has three servers with TLS as \`quorid demo\` starts them. Needs
python3.
END
}

programs=()
while (($#)); do
    case $1 in
        --help) usage && exit ;;
        -*) turns_option "$1" "${2-}" && shift 2 ;;
        *) programs+=("$1") && shift ;;
    esac
done
[[ ${#programs[@]} -eq 2 ]] || { usage >&2 && exit 2; }
for program in "${programs[@]}"; do need_program "$program"; done
declare -A program_of=([old]=$(realpath "${programs[0]}") [new]=$(realpath "${programs[1]}"))

dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-versions.XXXXXX")
end() {
    end_quorid
    rm -rf "$dir"
}
trap end EXIT
cd "$dir"

systems=(new old)
titles=([new]=new [old]=old)
for system in "${systems[@]}"; do start_quorid "${program_of[$system]}" "$system"; done
fill() { fill_quorid "${program_of[$1]}" "$1" "$accounts"; }
load() { load_quorid "${program_of[$1]}" "$1" "$2" "$3" "$seconds" "$accounts"; }
memory() {
    # shellcheck disable=SC2046 # process ids
    mib_of $(servers_of_quorid "$1")
}
count() { count_quorid "${program_of[$1]}" "$1"; }
measure_in_turns
