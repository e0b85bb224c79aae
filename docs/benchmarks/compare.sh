#!/usr/bin/env bash
# Creates and lookups a second, Quorid beside PostgreSQL, etcd and OpenLDAP, on this machine, in turns: prints a
# table with medians and ratios.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=turns.sh
source "$root/docs/benchmarks/turns.sh"
# shellcheck source=quorid.sh
source "$root/docs/benchmarks/quorid.sh"

usage() {
    cat <<END
usage: compare.sh [options]
$TURNS_OPTIONS
    --tls           measure PostgreSQL with TLS, too
    --peers LIST    beside which programs (\`postgres,etcd,openldap\`); all that are installed, PostgreSQL at least
Quorid is as \`quorid demo\` starts it: three servers, TLS. PostgreSQL is a primary and two standbys, one of which
has to sync a commit before it counts; its connections are on loopback, without TLS. etcd has three servers,
OpenLDAP a provider and two consumers, without TLS, too.
Needs the release build (\$QUORID is the program) and python3, and of Debian's packages:
    postgresql                    its server programs and pgbench; \$PG_BIN is where they are
    openssl                       for --tls
    etcd-server, etcd-client      for etcd
    slapd, ldap-utils             for OpenLDAP
The load generator for the last two is made by \`cargo build --release -p quorid-lab --example peers\`; \$PEERS is it.
END
}

tls='' wanted=''
while (($#)); do
    case $1 in
        --help) usage && exit ;;
        --tls) tls=yes && shift ;;
        --peers)
            wanted=${2-}
            [[ $wanted =~ ^(postgres|etcd|openldap)(,(postgres|etcd|openldap))*$ ]] ||
                refuse "--peers takes a list of postgres, etcd and openldap"
            shift 2
            ;;
        *) turns_option "$1" "${2-}" && shift 2 ;;
    esac
done

quorid=${QUORID:-$root/target/release/quorid}
peers=${PEERS:-$root/target/release/examples/peers}
# shellcheck disable=SC2012 # versions are numbers
bin=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)}
PATH=$PATH:/usr/sbin # slapd
need_program "$quorid"
quorid=$(realpath "$quorid")

# What a program lacks to be measured.
obstacle() {
    local needed=()
    case $1 in
        postgres) [[ -x $bin/postgres && -x $bin/pgbench ]] || { echo 'apt-get install postgresql' && return; } ;;
        etcd) needed=(etcd etcdctl) ;;
        openldap) needed=(slapd slapadd ldapsearch) ;;
    esac
    local program
    for program in "${needed[@]}"; do
        type -P "$program" >/dev/null && continue
        [[ $1 == etcd ]] && echo 'apt-get install etcd-server etcd-client' || echo 'apt-get install slapd ldap-utils'
        return
    done
    [[ $1 == postgres || -x $peers ]] || echo 'cargo build --release -p quorid-lab --example peers'
}

systems=(quorid)
for peer in postgres etcd openldap; do
    [[ ,${wanted:-postgres,etcd,openldap}, == *,$peer,* ]] || continue
    lacks=$(obstacle "$peer")
    if [[ ! $lacks ]]; then
        systems+=("$peer")
        [[ $peer != postgres || ! $tls ]] || systems+=(postgres_tls)
    elif [[ $wanted || $peer == postgres ]]; then
        echo "error: $peer can't be measured; try: $lacks" >&2
        exit 2
    else
        echo "skipped: $peer; try: $lacks" >&2
    fi
done
titles=([quorid]=Quorid [postgres]=PostgreSQL [postgres_tls]='PostgreSQL with TLS' [etcd]=etcd [openldap]=OpenLDAP)

dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-compare.XXXXXX")
# shellcheck source=postgres.sh
source "$root/docs/benchmarks/postgres.sh"
# shellcheck source=etcd.sh
source "$root/docs/benchmarks/etcd.sh"
# shellcheck source=openldap.sh
source "$root/docs/benchmarks/openldap.sh"
end() {
    end_quorid
    end_postgres
    end_etcd
    end_openldap
    rm -rf "$dir"
}
trap end EXIT
cd "$dir"

for system in "${systems[@]}"; do
    case $system in
        quorid) start_quorid "$quorid" quorid ;;
        postgres) start_postgres postgres disable ;;
        postgres_tls) start_postgres postgres_tls require ;;
        *) "start_$system" "$system" ;;
    esac
done

fill() {
    case $1 in
        quorid) fill_quorid "$quorid" quorid "$accounts" ;;
        postgres*) fill_postgres "$1" "$accounts" ;;
        *) "fill_$1" "$1" "$accounts" ;;
    esac
}
load() {
    case $1 in
        quorid) load_quorid "$quorid" quorid "$2" "$3" "$seconds" "$accounts" ;;
        postgres*) load_postgres "$1" "$2" "$3" "$seconds" "$accounts" ;;
        *) "load_$1" "$1" "$2" "$3" "$seconds" "$accounts" ;;
    esac
}
memory() {
    local servers
    case $1 in
        quorid) servers=$(servers_of_quorid quorid) ;;
        postgres*) servers=$(servers_of_postgres "$1") ;;
        etcd) servers=${etcd_servers[*]} ;;
        openldap) servers=${openldap_servers[*]} ;;
    esac
    # shellcheck disable=SC2086 # process ids
    mib_of $servers
}
count() {
    case $1 in
        quorid) count_quorid "$quorid" quorid ;;
        postgres*) count_postgres "$1" ;;
        *) "count_$1" ;;
    esac
}
measure_in_turns
