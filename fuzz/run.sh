#!/usr/bin/env bash
# Builds the fuzz targets with the stable toolchain, and runs them. README.md says what they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    cat <<'END'
Feeds the decoders of outside bytes with inputs that libFuzzer makes up, and prints a table.

    run.sh [--seconds N] [--jobs N] [TARGET..]    each target for N seconds (30), as many beside
                                                  each other as there are processors
    run.sh --replay [TARGET..]      runs each input of corpus/ once
    run.sh --minimize [TARGET..]    makes corpus/ anew: of the inputs that runs found, the few
                                    that reach the most code
    run.sh --check                  only says whether it can run here

Runs write to target/ only: inputs to target/scratch, crashes to target/artifacts, logs to
target/logs. The exit code is 1 if an input crashed, took longer than 10 s or more than 2 GiB;
77 if it cannot run here; 2 for wrong usage.
END
}

fail() { # what; what to try
    echo "error: $1; try: $2" >&2
    exit 2
}

# As cargo-fuzz sets them with `--sanitizer none`. Not its stack depth, which would make inputs
# interesting that only recurse, nor dead code, which takes long to link.
flags=(
    --cfg fuzzing
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0
)
limits=(-timeout=10 -rss_limit_mb=2048)
input_bytes_max=16384

# No more is kept in the repository for each target, besides what once failed.
corpus_files_max=100
corpus_bytes_max=102400

check_machine() {
    command -v cargo >/dev/null || cannot "cargo is not installed; try: https://rustup.rs"
    command -v "${CXX:-c++}" >/dev/null ||
        cannot "libFuzzer needs a C++ compiler, ${CXX:-c++}; try: apt-get install g++"
    # For `wait -n -p`.
    ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)) ||
        cannot "bash $BASH_VERSION is older than 5.1"
}

cannot() { # why
    echo "error: run.sh cannot run here: $1" >&2
    exit 77
}

build() {
    # With a target given, these flags do not reach build scripts and macros.
    env -u CARGO_ENCODED_RUSTFLAGS RUSTFLAGS="${flags[*]}" \
        cargo build --locked --profile "$profile" --target "$host" --target-dir target --bins
}

program() { # target
    echo "target/$host/${profile/#dev/debug}/$1"
}

# ---- fuzzing -------------------------------------------------------------------------------

begin() { # target
    local scratch=target/scratch/$1 seeds=target/seeds/$1
    rm -rf -- "$seeds"
    mkdir -p "$scratch" "$seeds" "target/artifacts/$1" "corpus/$1"
    QUORID_FUZZ_SEEDS=$seeds "$(program "$1")" >"target/logs/$1.seeds" 2>&1 ||
        { cat "target/logs/$1.seeds" >&2 && return 1; }
    touch "target/logs/$1.begun"
    "$(program "$1")" "${limits[@]}" -max_total_time="$seconds" -max_len="$input_bytes_max" \
        -artifact_prefix="target/artifacts/$1/" -print_final_stats=1 \
        "$scratch" "corpus/$1" "$seeds" >"target/logs/$1.log" 2>&1 &
    running[$!]=$1
}

end_one() {
    local pid=0 code=0
    wait -n -p pid "${!running[@]}" || code=$?
    codes[${running[$pid]}]=$code
    unset "running[$pid]"
}

fuzz() {
    local target
    for target in "${targets[@]}"; do
        ((${#running[@]} < jobs)) || end_one
        begin "$target"
    done
    while ((${#running[@]} > 0)); do
        end_one
    done
    table
}

stop() {
    local pid
    for pid in "${!running[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    wait
}

stat_of() { # target, name
    sed -n "s/^stat::$2: *//p" "target/logs/$1.log" | tail -1
}

# Of the last line of progress: `#12 NEW cov: 34 ft: 56 corp: 7/89b ...`
progress() { # target, name
    sed -n "s/^#.* $2: \([0-9]*\).*/\1/p" "target/logs/$1.log" | tail -1
}

table() {
    local target inputs slowest crashes failed=()
    printf '\n%-16s %12s %9s %7s %9s %9s %8s\n' \
        target inputs inputs/s corpus features slowest crashes
    for target in "${targets[@]}"; do
        inputs=$(stat_of "$target" number_of_executed_units)
        slowest=$(stat_of "$target" slowest_unit_time_sec)
        crashes=$(crashes "$target" | wc -l)
        [[ $slowest == 0 ]] && slowest='< 1'
        printf '%-16s %12s %9s %7s %9s %7s s %8s\n' "$target" "${inputs:-0}" \
            "$(stat_of "$target" average_exec_per_sec)" "$(progress "$target" corp)" \
            "$(progress "$target" ft)" "${slowest:-?}" "$crashes"
        # One that ends well without having run tells nothing.
        ((codes[$target] == 0 && crashes == 0 && ${inputs:-0} > 0)) || failed+=("$target")
    done
    for target in "${failed[@]}"; do
        tell "$target"
    done
    ((${#failed[@]} == 0))
}

crashes() { # target
    find "target/artifacts/$1" -type f -newer "target/logs/$1.begun" \
        \( -name 'crash-*' -o -name 'timeout-*' -o -name 'oom-*' -o -name 'leak-*' \)
}

tell() { # target
    local input
    printf '\n%s failed (exit code %s); from fuzz/target/logs/%s.log:\n' "$1" "${codes[$1]}" "$1"
    grep -aE -A4 "panicked at|ERROR: libFuzzer" "target/logs/$1.log" | head -20 ||
        tail -5 "target/logs/$1.log"
    while read -r input; do
        echo "  repeat it: fuzz/$(program "$1") fuzz/$input"
    done < <(crashes "$1")
}

# ---- the corpus in the repository ----------------------------------------------------------

replay() {
    local target inputs code failed=0
    printf '\n%-16s %7s\n' target inputs
    for target in "${targets[@]}"; do
        inputs=("corpus/$target"/*)
        [[ -e ${inputs[0]} ]] || fail "corpus/$target is empty" "run.sh --minimize $target"
        code=0
        "$(program "$target")" "${limits[@]}" "${inputs[@]}" >"target/logs/$target.log" 2>&1 ||
            code=$?
        printf '%-16s %7s\n' "$target" "$(grep -ac '^Executed ' "target/logs/$target.log")"
        ((code == 0)) && continue
        failed=1
        echo "  failed (exit code $code): $(grep -a '^Running: ' "target/logs/$target.log" | tail -1)"
        grep -aE -A3 'panicked at|ERROR: libFuzzer' "target/logs/$target.log" | head -12
    done
    return "$failed"
}

minimize() {
    local target size file files bytes
    for target in "${targets[@]}"; do
        [[ -d target/scratch/$target ]] || fail "$target has not been run" "run.sh $target"
        rm -rf -- "target/minimized/$target"
        mkdir -p "target/minimized/$target"
        # Which branches are taken counts, not how often: else hundreds would be left.
        "$(program "$target")" "${limits[@]}" -set_cover_merge=1 -use_counters=0 \
            "target/minimized/$target" "corpus/$target" "target/seeds/$target" \
            "target/scratch/$target" >"target/logs/$target.log" 2>&1 ||
            { tail -5 "target/logs/$target.log" >&2 && return 1; }
        # Inputs that once crashed stay.
        find "corpus/$target" -type f ! -name 'bug-*' -delete
        # The larger an input, the more it reaches, mostly.
        files=0 bytes=0
        while read -r size file; do
            ((files < corpus_files_max && bytes + size <= corpus_bytes_max)) || continue
            ((files += 1, bytes += size))
            cp -- "$file" "corpus/$target/"
        done < <(find "target/minimized/$target" -type f -printf '%s %p\n' | sort -rn)
        printf '%-16s %4s inputs, %s bytes\n' "$target" \
            "$(find "corpus/$target" -type f | wc -l)" "$(cat "corpus/$target"/* | wc -c)"
    done
}

# ---- the command line ----------------------------------------------------------------------

seconds=30
jobs=$(getconf _NPROCESSORS_ONLN)
mode=fuzz
targets=()
while (($# > 0)); do
    case $1 in
        -h | --help) usage && exit ;;
        --seconds) seconds=${2-} && shift $(($# > 1 ? 2 : 1)) ;;
        --jobs) jobs=${2-} && shift $(($# > 1 ? 2 : 1)) ;;
        --replay | --minimize | --check) mode=${1#--} && shift ;;
        -*) fail "there is no option $1" "run.sh --help" ;;
        *) targets+=("$1") && shift ;;
    esac
done
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "--seconds $seconds is no number of seconds" "--seconds 30"
[[ $jobs =~ ^[1-9][0-9]*$ ]] || fail "--jobs $jobs is no number of jobs" "--jobs 2"
for target in "${targets[@]}"; do
    [[ -f fuzz_targets/$target.rs ]] ||
        fail "there is no target $target" "one of: $(basename -s .rs -a fuzz_targets/*.rs | xargs)"
done
((${#targets[@]} > 0)) || mapfile -t targets < <(basename -s .rs -a fuzz_targets/*.rs)

check_machine
[[ $mode != check ]] || exit 0
host=$(rustc -vV | sed -n 's/^host: //p')
profile=release
if [[ $mode == replay ]]; then
    # Inputs that are there are run without looking for new code: a build of a few minutes less, with
    # debug assertions and checks of overflows.
    profile=dev flags=(--cfg fuzzing)
fi
declare -A running=() codes=()
build
mkdir -p target/logs
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
"$mode"
