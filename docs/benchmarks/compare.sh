#!/usr/bin/env bash
# Creates a second, Quorid beside PostgreSQL, on this machine, in turns.
#     compare.sh [ROUNDS]
# PostgreSQL is a primary and two standbys, one of which has to sync a commit before it counts, so
# that it is on two of three disks, as with Quorid; 64 connections on loopback, without TLS, prepared
# statements, one row of the same size and two unique indexes for each create. Quorid is as
# `quorid demo` starts it: three servers, TLS, 64 requests at once.
# Needs PostgreSQL's server programs and pgbench (Debian: postgresql), python3, and the release build. $PG_BIN is where they
# are, $QUORID the program. The figures go to the file $RESULT as JSON too, where that is set.
set -euo pipefail

rounds=${1:-5}
seconds=${SECONDS_EACH:-8}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
quorid=${QUORID:-$root/target/release/quorid}
# shellcheck disable=SC2012 # versions are numbers
bin=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)}
[[ -x $quorid ]] || { echo "error: no program $quorid; try: make" >&2 && exit 2; }
[[ -x $bin/postgres ]] || { echo 'error: no PostgreSQL; try: apt-get install postgresql' >&2 && exit 2; }

# shellcheck source=quorid.sh
source "$root/docs/benchmarks/quorid.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-compare.XXXXXX")
user=$(id -un)
if [[ $(id -u) -eq 0 ]]; then # PostgreSQL doesn't run as root
    user=nobody
    chown "$user" "$dir"
fi
as() { if [[ $user == "$(id -un)" ]]; then "$@"; else runuser -u "$user" -- "$@"; fi; }
end() {
    end_quorid
    local name
    for name in s2 s3 s1; do
        [[ ! -f $dir/$name/postmaster.pid ]] ||
            as "$bin/pg_ctl" -D "$dir/$name" -m immediate -s stop || true
    done
    rm -rf "$dir"
}
trap end EXIT
cd "$dir"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# ---- PostgreSQL ------------------------------------------------------------------------------
port=$(free_port)
as "$bin/initdb" -D "$dir/s1" -U bench -A trust >/dev/null
as tee -a "$dir/s1/postgresql.conf" >/dev/null <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 100
shared_buffers = 256MB
END
start() { as "$bin/pg_ctl" -D "$dir/$1" -o "-p $2 -c cluster_name=$1" -l "$dir/$1.log" -s -w start; }
start s1 "$port"
sql() { "$bin/psql" -h 127.0.0.1 -p "$port" -U bench -d postgres -qAt -c "$1"; }
for name in s2 s3; do
    as "$bin/pg_basebackup" -h 127.0.0.1 -p "$port" -U bench -D "$dir/$name" -R
    start "$name" "$(free_port)"
done
sql 'CREATE TABLE account (id uuid PRIMARY KEY, login_name text UNIQUE, real_name text, created
     timestamptz, created_by text, changed timestamptz, changed_by text); CREATE SEQUENCE n'
sql "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (s2, s3)'"
sql 'SELECT pg_reload_conf()' >/dev/null
until [[ $(sql "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == 2 ]]; do
    sleep 0.1
done
cat >create.sql <<'END'
INSERT INTO account VALUES (gen_random_uuid(), 'bench-' || nextval('n'), 'A Name of the Usual Length',
    now(), '127.0.0.1:40000', now(), '127.0.0.1:40000')
END
postgres() {
    "$bin/pgbench" -h 127.0.0.1 -p "$port" -U bench -n -f create.sql -M prepared -c 64 -j 2 \
        -T "$seconds" postgres 2>/dev/null | awk '/^tps/ { printf "%d", $3 }'
}

# ---- in turns --------------------------------------------------------------------------------
start_quorid "$quorid" q
quorid() { creates_a_second "$quorid" q "$seconds"; }
pairs_in_turns creates/s "$rounds" Quorid PostgreSQL quorid postgres
