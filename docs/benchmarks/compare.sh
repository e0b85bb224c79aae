#!/usr/bin/env bash
# Creates and lookups a second, Quorid beside PostgreSQL, on this machine, in turns: prints a table with medians and
# ratios.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=turns.sh
source "$root/docs/benchmarks/turns.sh"

usage() {
    cat <<END
usage: compare.sh [options]
$TURNS_OPTIONS
    --tls           measure PostgreSQL with TLS, too
Quorid is as \`quorid demo\` starts it: three servers, TLS. PostgreSQL is a primary and two standbys, one of which
has to sync a commit before it counts; its connections are on loopback, without TLS. Needs the release build
(\$QUORID is the program), PostgreSQL's server programs and pgbench (Debian: postgresql; \$PG_BIN is where they are),
and python3; openssl for --tls.
END
}

tls=''
while (($#)); do
    case $1 in
        --help) usage && exit ;;
        --tls) tls=yes && shift ;;
        *) turns_option "$1" "${2-}" && shift 2 ;;
    esac
done

quorid=${QUORID:-$root/target/release/quorid}
# shellcheck disable=SC2012 # versions are numbers
bin=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)}
[[ -x $quorid ]] || { echo "error: no program $quorid; try: make" >&2 && exit 2; }
[[ -x $bin/postgres ]] || { echo 'error: no PostgreSQL; try: apt-get install postgresql' >&2 && exit 2; }
quorid=$(realpath "$quorid")

dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-compare.XXXXXX")
# shellcheck source=quorid.sh
source "$root/docs/benchmarks/quorid.sh"
# shellcheck source=postgres.sh
source "$root/docs/benchmarks/postgres.sh"
end() {
    end_quorid
    end_postgres
    rm -rf "$dir"
}
trap end EXIT
cd "$dir"

systems=(quorid postgres)
titles=([quorid]=Quorid [postgres]=PostgreSQL)
start_quorid "$quorid" quorid
start_postgres postgres disable
if [[ $tls ]]; then
    systems+=(postgres_tls)
    titles[postgres_tls]='PostgreSQL with TLS'
    start_postgres postgres_tls require
fi

fill() {
    case $1 in
        quorid) fill_quorid "$quorid" quorid "$accounts" ;;
        postgres*) fill_postgres "$1" "$accounts" ;;
    esac
}
load() {
    case $1 in
        quorid) load_quorid "$quorid" quorid "$2" "$3" "$seconds" "$accounts" ;;
        postgres*) load_postgres "$1" "$2" "$3" "$seconds" "$accounts" ;;
    esac
}
memory() {
    local servers
    case $1 in
        quorid) servers=$(servers_of_quorid quorid) ;;
        postgres*) servers=$(servers_of_postgres "$1") ;;
    esac
    # shellcheck disable=SC2086 # process ids
    mib_of $servers
}
count() {
    case $1 in
        quorid) count_quorid "$quorid" quorid ;;
        postgres*) count_postgres "$1" ;;
    esac
}
measure_in_turns
