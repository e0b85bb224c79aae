# shellcheck shell=bash
# Sourced by compare.sh: PostgreSQL, a primary and two standbys. One of them has to sync a commit before it counts,
# so that it is on two of three disks, as with Quorid. $bin is where its programs are. $dir is an empty
# directory.

: "${bin:?}" "${dir:?}"
user=$(id -un)
if [[ $(id -u) -eq 0 ]]; then # PostgreSQL doesn't run as root
    user=nobody
    chown "$user" "$dir"
fi
as() { if [[ $user == "$(id -un)" ]]; then "$@"; else runuser -u "$user" -- "$@"; fi; }

declare -A postgres # how each cluster is reached

start_postgres() { # a new folder; `require` TLS, or `disable` it
    local folder=$dir/$1 tls=$2 port name
    port=$(free_port)
    postgres[$1]="host=127.0.0.1 port=$port user=bench dbname=postgres sslmode=$tls"
    as mkdir "$folder"
    as "$bin/initdb" -D "$folder/s1" -U bench -A trust >/dev/null
    as tee -a "$folder/s1/postgresql.conf" >/dev/null <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 300
shared_buffers = 256MB
END
    if [[ $tls == require ]]; then
        as openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=127.0.0.1 \
            -keyout "$folder/s1/server.key" -out "$folder/s1/server.crt" 2>/dev/null
        as tee -a "$folder/s1/postgresql.conf" >/dev/null <<<'ssl = on'
    fi
    start_postgres_server "$folder/s1" "$port"
    for name in s2 s3; do
        as "$bin/pg_basebackup" -d "${postgres[$1]}" -D "$folder/$name" -R -c fast
        start_postgres_server "$folder/$name" "$(free_port)"
    done
    # The same that Quorid keeps of an account without attributes, with two unique indexes.
    sql "$1" 'CREATE TABLE account (id uuid PRIMARY KEY, login_name text UNIQUE, real_name text, revision bigint,
        created timestamptz, created_by text, changed timestamptz, changed_by text); CREATE SEQUENCE n'
    sql "$1" "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (s2, s3)'"
    sql "$1" 'SELECT pg_reload_conf()' >/dev/null
    until [[ $(sql "$1" "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == 2 ]]; do
        sleep 0.1
    done
    cat >create.sql <<'END'
INSERT INTO account SELECT gen_random_uuid(), 'bench-0badcafe-' || n, 'Bench ' || n, n,
    now(), '127.0.0.1:40000', now(), '127.0.0.1:40000' FROM nextval('n') n
END
}

start_postgres_server() { # data directory; port
    as "$bin/pg_ctl" -D "$1" -o "-p $2 -c cluster_name=${1##*/}" -l "$1.log" -s -w start
}

sql() { "$bin/psql" -d "${postgres[$1]}" -qAt -c "$2"; }

# pgbench with two threads and prepared statements.
pgbench() { # folder; clients; options
    local at=${postgres[$1]} clients=$2
    shift 2
    if ! "$bin/pgbench" -n -M prepared -c "$clients" -j 2 "$@" "$at" >pgbench.out 2>pgbench.err; then
        cat pgbench.err >&2
        return 1
    fi
}

fill_postgres() { # folder; how many accounts
    local each=$(($2 / 64)) rest=$(($2 % 64))
    ((each == 0)) || pgbench "$1" 64 -f create.sql -t "$each"
    ((rest == 0)) || pgbench "$1" 1 -f create.sql -t "$rest"
    sql "$1" 'VACUUM ANALYZE account'
    sql "$1" CHECKPOINT
}

# How many transactions succeed a second, and how many failed.
load_postgres() { # folder; kind; clients; seconds; accounts that lookups choose from
    cat >lookup.sql <<END
\\set number random(1, $5)
SELECT * FROM account WHERE login_name = 'bench-0badcafe-' || :number
END
    local what
    case $2 in
        create) what=(-f create.sql) ;;
        lookup) what=(-f lookup.sql) ;;
        mixed) what=(-f lookup.sql@95 -f create.sql@5) ;;
    esac
    # pgbench's time begins before it connects, which takes a second with 256 clients.
    local connecting=$1-connecting-$3
    if [[ ! -s $connecting ]]; then
        pgbench "$1" "$3" -f lookup.sql -t 1
        awk '/^initial connection time/ { printf "%d\n", $5 / 1000 + 0.5 }' pgbench.out >"$connecting"
    fi
    pgbench "$1" "$3" "${what[@]}" -T "$(($4 + $(<"$connecting")))"
    awk '/^number of failed transactions:/ { failed = $5 } /^tps/ { printf "%.0f %d\n", $3, failed }' pgbench.out
}

# Process ids of all servers of a cluster.
servers_of_postgres() { # folder
    local server postmaster
    for server in s1 s2 s3; do
        read -r postmaster <"$dir/$1/$server/postmaster.pid"
        echo "$postmaster"
        pgrep -P "$postmaster"
    done
}

count_postgres() { # folder
    sql "$1" 'SELECT count(*) FROM account'
}

end_postgres() {
    local folder server
    for folder in "${!postgres[@]}"; do
        for server in s2 s3 s1; do
            [[ ! -f $dir/$folder/$server/postmaster.pid ]] ||
                as "$bin/pg_ctl" -D "$dir/$folder/$server" -m immediate -s stop || true
        done
    done
}
