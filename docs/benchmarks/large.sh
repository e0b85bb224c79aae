#!/usr/bin/env bash
# What a large directory costs: creates a second beside a small one, in turns, and the time until servers are ready again.
#     large.sh PROGRAM [options]
# PROGRAM is a release build. Two clusters of three servers run at once, with TLS, as `quorid demo` starts them. One of them is
# restarted on its way to LARGE accounts, after SIGINT and after kill -9: all three servers at once. The time is that until
# they have a leader and answer. Needs python3.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=turns.sh
source "$root/docs/benchmarks/turns.sh"
# shellcheck source=quorid.sh
source "$root/docs/benchmarks/quorid.sh"

large=3000000 restart_at=1000000
cells=(create:64)
usage() {
    cat <<END
usage: large.sh PROGRAM [options]
$TURNS_OPTIONS
    --large N       how many accounts the large directory has; the small one has as many as --accounts says (3000000)
    --restart-at N  how many it has when its servers are restarted (1000000)
END
}

program=
while (($#)); do
    case $1 in
        --help) usage && exit ;;
        --large | --restart-at)
            [[ ${2-} =~ ^[1-9][0-9]*$ ]] || refuse "$1 needs a number above 0"
            [[ $1 == --large ]] && large=$2 || restart_at=$2
            shift 2
            ;;
        -*) turns_option "$1" "${2-}" && shift 2 ;;
        *) program=$1 && shift ;;
    esac
done
[[ $program ]] || { usage >&2 && exit 2; }
need_program "$program"
((restart_at < large)) || refuse "--restart-at $restart_at is not below --large $large"
program=$(realpath "$program")

dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-large.XXXXXX")
end() {
    end_quorid
    rm -rf "$dir"
}
trap end EXIT
cd "$dir"

restarted() { # how they were ended
    local began ended
    began=$(date +%s%N)
    run_quorid "$program" large
    ended=$(date +%s%N)
    echo "ready after $1 at $restart_at accounts: $(((ended - began) / 1000000)) ms"
}

start_quorid "$program" large
echo "large: creating $restart_at accounts" >&2
fill_quorid "$program" large "$restart_at"
end_quorid
restarted SIGINT
# shellcheck disable=SC2046 # process ids
{ kill -9 "${demos[large]}" $(servers_of_quorid large) && wait "${demos[large]}"; } 2>/dev/null || true
restarted 'kill -9'

systems=(large small)
start_quorid "$program" small
titles=([large]="$large accounts" [small]="$accounts accounts")
fill() {
    if [[ $1 == large ]]; then
        fill_quorid "$program" large "$((large - restart_at))"
    else
        fill_quorid "$program" small "$accounts"
    fi
}
load() { load_quorid "$program" "$1" "$2" "$3" "$seconds" "$accounts"; }
memory() {
    # shellcheck disable=SC2046 # process ids
    mib_of $(servers_of_quorid "$1")
}
count() { count_quorid "$program" "$1"; }
measure_in_turns
