# shellcheck shell=bash
# Sourced by compare.sh and versions.sh: the same requests to several systems in turns. A cell is a kind of
# requests and how many clients make them, such as `lookup:64`. The script that sources this has
#     systems    names, the first of which is compared with each of the others
#     titles     what they are called in the table
#     fill       SYSTEM: creates $accounts accounts
#     load       SYSTEM KIND CLIENTS: makes requests for $seconds; prints how many succeed a second, how many failed
#     memory     SYSTEM: prints the memory of its servers, MiB
#     count      SYSTEM: prints how many accounts it has

rounds=5 seconds=4 accounts=100000 json=''
cells=(lookup:1 lookup:16 lookup:64 lookup:256 mixed:64 create:1 create:64 create:256)
systems=()
declare -A titles
TURNS_OPTIONS='    --rounds N      how often each system has its turn with each cell (5)
    --seconds N     how long a turn is (4)
    --accounts N    how many accounts each system has before the first turn (100000)
    --cells LIST    which cells: kinds (`create,lookup`), cells (`lookup:1,mixed:64`), or both; all of them
    --json FILE     write every figure to this file, too'

refuse() { echo "error: $1; try: ${0##*/} --help" >&2 && exit 2; }

# Takes one option and its value, if it is one of the above.
turns_option() { # option; value
    [[ " $TURNS_OPTIONS " == *" $1 "* ]] || refuse "there is no option $1"
    [[ $2 && $2 != -* ]] || refuse "$1 needs a value"
    case $1 in
        --rounds | --seconds | --accounts)
            [[ $2 =~ ^[1-9][0-9]*$ ]] || refuse "$1 $2 is not a number above 0"
            printf -v "${1#--}" %s "$2"
            ;;
        --cells) choose_cells "$2" ;;
        --json) json=$(realpath -m -- "$2") ;;
    esac
}

choose_cells() { # list
    local all=("${cells[@]}") wanted cell chosen=()
    for wanted in ${1//,/ }; do
        case $wanted in
            create | lookup | mixed)
                for cell in "${all[@]}"; do [[ $cell != "$wanted":* ]] || chosen+=("$cell"); done
                ;;
            *)
                [[ $wanted =~ ^(create|lookup|mixed):[1-9][0-9]*$ ]] || refuse "$wanted is not a cell"
                chosen+=("$wanted")
                ;;
        esac
    done
    cells=("${chosen[@]}")
}

# Fills all systems, makes all turns, and prints the table. Every other round begins with the last system, so that
# none has the better place.
measure_in_turns() {
    local system cell kind clients round place order
    : >turns
    for system in "${systems[@]}"; do
        echo "${titles[$system]}: creating accounts" >&2
        fill "$system"
        seconds=1 load "$system" lookup 16 >/dev/null # warms up
        note_memory before "$system"
    done
    for cell in "${cells[@]}"; do
        IFS=: read -r kind clients <<<"$cell"
        for ((round = 1; round <= rounds; round++)); do
            order=()
            for ((place = 0; place < ${#systems[@]}; place++)); do
                if ((round % 2)); then
                    order+=("${systems[place]}")
                else
                    order=("${systems[place]}" "${order[@]}")
                fi
            done
            for system in "${order[@]}"; do
                echo "rate $kind $clients $round $system $(load "$system" "$kind" "$clients")" >>turns
            done
            said_of_round "$kind" "$clients" "$round" >&2
        done
    done
    for system in "${systems[@]}"; do note_memory after "$system"; done
    for system in "${systems[@]}"; do printf '%s\t%s\n' "$system" "${titles[$system]}"; done >titles
    python3 "$(dirname "${BASH_SOURCE[0]}")/table.py" titles turns \
        --rounds "$rounds" --seconds "$seconds" --accounts "$accounts" ${json:+--json "$json"}
}

# Memory while 64 clients look up: some servers have a process for each.
note_memory() { # when; system
    local mib
    seconds=3 load "$2" lookup 64 >/dev/null &
    sleep 2
    mib=$(memory "$2")
    wait "$!"
    echo "memory $1 $2 $mib $(count "$2")" >>turns
}

said_of_round() { # kind; clients; round
    local system rate line="$1 by $2, round $3:"
    for system in "${systems[@]}"; do
        rate=$(awk -v key="rate $1 $2 $3 $system" 'index($0, key " ") == 1 { print $6 }' turns)
        line+=" ${titles[$system]} $rate/s"
    done
    echo "$line"
}

# How many requests succeed a second by the load generator's JSON, and how many failed.
rate_of() { # file
    python3 -c '
import json, sys
found = json.load(open(sys.argv[1]))
print(round(found["per_second"]), found["failed"])' "$1"
}

# Memory of processes, what several of them share counted once.
mib_of() { # process ids
    local process
    for process in "$@"; do cat "/proc/$process/smaps_rollup" 2>/dev/null || true; done |
        awk '/^Pss:/ { kib += $2 } END { printf "%d\n", kib / 1024 }'
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
