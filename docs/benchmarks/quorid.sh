# shellcheck shell=bash
# Sourced by the scripts beside it: Quorid as `quorid demo` starts it, three servers with TLS.

declare -A demos

# Ends the script where a program isn't there.
need_program() { # program
    [[ -x $1 ]] || { echo "error: no program $1; try: make" >&2 && exit 2; }
}

start_quorid() { # program; a new folder
    mkdir "$2"
    run_quorid "$1" "$2"
}

# Returns when there is a leader.
run_quorid() { # program; its folder
    local program=$1 folder=$2
    rm -f "$folder/demo.json"
    "$program" demo --dir "$folder/demo" --output json >"$folder/demo.json" &
    demos[$folder]=$!
    until [[ -s $folder/demo.json ]] && python3 -c '
import json, sys
line = open(sys.argv[1]).readline()
for name, value in json.loads(line)["environment"].items():
    print(f"{name}={value}")' "$folder/demo.json" >"$folder/environment" 2>/dev/null; do
        kill -0 "${demos[$folder]}"
        sleep 0.1
    done
}

with_quorid() { # program; its folder; a command line
    local program=$1 folder=$2
    shift 2
    (
        while read -r line; do export "${line?}"; done <"$folder/environment"
        "$program" "$@"
    )
}

fill_quorid() { # program; its folder; how many accounts
    with_quorid "$1" "$2" bench create --count "$3" --clients 64 --connections 4 --output json >"$2/bench.json"
}

# How many requests succeed a second, and how many failed. 16 clients share a connection, and lookups are linearizable.
load_quorid() { # program; its folder; kind; clients; seconds; accounts that lookups choose from
    local more=()
    [[ $3 == create ]] || more=(--names "$6" --consistency linearizable)
    [[ $3 != mixed ]] || more+=(--reads 95)
    with_quorid "$1" "$2" bench "$3" --clients "$4" --connections "$((($4 + 15) / 16))" --seconds "$5" "${more[@]}" \
        --output json >"$2/bench.json"
    rate_of "$2/bench.json"
}

servers_of_quorid() { # its folder
    pgrep -P "${demos[$1]}"
}

count_quorid() { # program; its folder
    with_quorid "$1" "$2" cluster status --output json | python3 -c '
import json, sys
print(max(server["accounts"] for server in json.load(sys.stdin)["servers"]))'
}

end_quorid() {
    local demo
    for demo in "${demos[@]}"; do
        { kill -INT "$demo" && wait "$demo"; } 2>/dev/null || true
    done
    demos=()
}
