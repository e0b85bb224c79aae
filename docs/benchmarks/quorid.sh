# shellcheck shell=bash
# Sourced by the scripts beside it: Quorid as `quorid demo` starts it, three servers with TLS.

demos=()

start_quorid() { # program; a new folder
    local program=$1 folder=$2
    mkdir "$folder"
    "$program" demo --dir "$folder/demo" --output json >"$folder/demo.json" &
    demos+=($!)
    until [[ -s $folder/demo.json ]] && python3 -c '
import json, sys
line = open(sys.argv[1]).readline()
for name, value in json.loads(line)["environment"].items():
    print(f"{name}={value}")' "$folder/demo.json" >"$folder/environment" 2>/dev/null; do
        kill -0 "${demos[-1]}"
        sleep 0.1
    done
}

creates_a_second() { # program; its folder; seconds
    requests_a_second "$1" "$2" create --seconds "$3"
}

requests_a_second() { # program; its folder; what `quorid bench` takes
    local program=$1 folder=$2
    shift 2
    (
        while read -r line; do export "${line?}"; done <"$folder/environment"
        "$program" bench "$@" --clients 64 --output json |
            python3 -c 'import json, sys; print(int(json.load(sys.stdin)["per_second"]))'
    )
}

# The most memory that any of its servers has used so far, MiB.
memory_of_a_server() { # position in $demos
    local server most=0 used
    for server in $(pgrep -P "${demos[$1]}"); do
        used=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$server/status")
        ((used <= most)) || most=$used
    done
    echo "$most"
}

end_quorid() {
    local demo
    for demo in "${demos[@]}"; do
        { kill -INT "$demo" && wait "$demo"; } 2>/dev/null || true
    done
}

# One line for each round with two figures, and the medians; the ratio is that of each pair. The same
# goes to the file $RESULT as JSON, where that is set.
# shellcheck disable=SC2086 # each command is a name and its arguments
pairs_in_turns() { # what is counted; rounds; names of both; commands that print a figure, as two words
    local what=$1 rounds=$2 first=$3 second=$4 one=$5 other=$6 a b round
    : >pairs
    $one >/dev/null
    $other >/dev/null
    printf '%-10s %12s %12s  ratio\n' "$what" "$first" "$second"
    for ((round = 1; round <= rounds; round++)); do
        a=$($one)
        b=$($other)
        echo "$a $b" >>pairs
        awk -v n="$round" -v a="$a" -v b="$b" \
            'BEGIN { printf "round %-4d %12d %12d %6.2f\n", n, a, b, a / b }'
    done
    python3 - "$first" "$second" "${RESULT-}" <<'END'
import json
import sys
from statistics import median
*names, result = sys.argv[1:]
pairs = [tuple(map(int, line.split())) for line in open("pairs")]
medians = [median(each) for each in zip(*pairs)]
ratio = median(a / b for a, b in pairs)
print(f"median     {medians[0]:12.0f} {medians[1]:12.0f} {ratio:6.2f}")
if result:
    with open(result, "w") as file:
        json.dump({"names": names, "rounds": pairs, "medians": medians, "ratio": ratio}, file)
END
}
