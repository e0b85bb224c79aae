#!/usr/bin/env bash
# The demonstration on three containers: `quorid demo --tour`, with all that it needs made before
# and removed after.
set -euo pipefail

usage() {
    cat <<'END'
Usage: demo.sh                   runs the demonstration
       demo.sh --record FILE     the same, and writes what it showed to this file, as JSON
       demo.sh --check           says whether this machine can run it, and runs nothing
       demo.sh --shell           makes its containers and waits for Ctrl-C, to try by hand
       demo.sh --remove STAGE    removes what a demonstration left that was killed by SIGKILL

$QUORID_PROFILE  dev (unless given) or release: how quorid is built

It ends with 77 if this machine cannot run it, and says what is missing.
END
}

fail() {
    printf 'error: %s\n' "$1" >&2
    [[ -z ${2-} ]] || printf '  try: %s\n' "$2" >&2
    exit 1
}

cannot() {
    printf 'the demonstration in containers was left out: %s\n' "$1" >&2
    exit 77
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
# shellcheck source=compose.sh
. "$here/compose.sh"

directory_of() {
    echo "${TMPDIR:-/tmp}/$1"
}

# Everything has the stage's label, or compose's; nothing else is touched. The directory goes
# first: without its stage's file, the driver follows no log any more.
remove() {
    local stage=$1 kind label found
    rm -rf "$(directory_of "$stage")"
    for kind in container network volume; do
        for label in "com.docker.compose.project=$stage" "quorid.stage=$stage"; do
            found=$(list "$kind" "$label")
            [[ -n $found ]] || continue
            # shellcheck disable=SC2086 # these are words
            case $kind in
                container) docker rm --force --volumes $found ;;
                *) docker "$kind" rm $found ;;
            esac >/dev/null || return 1
        done
    done
    if docker image inspect "quorid:$stage" >/dev/null 2>&1; then
        docker image rm "quorid:$stage" >/dev/null
    fi
}

list() {
    case $1 in
        container) docker ps --all --quiet --filter "label=$2" ;;
        *) docker "$1" ls --quiet --filter "label=$2" ;;
    esac
}

check() {
    local program info endpoint
    command -v docker >/dev/null || cannot "docker is not installed"
    info=$(docker info --format '{{.OSType}} {{.OperatingSystem}} {{.SecurityOptions}}' 2>&1) ||
        cannot "docker is installed, but its engine does not answer: ${info##*$'\n'}"
    # The tour connects to the containers' addresses.
    endpoint=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}')}
    [[ $endpoint == unix://* ]] || cannot "the docker engine at $endpoint is on another machine"
    case $info in
        linux*Desktop* | linux*rootless*)
            cannot "this docker engine's containers cannot be reached by their addresses" ;;
        linux*) ;;
        *) cannot "the docker engine does not run Linux containers" ;;
    esac
    find_compose || cannot "neither \`docker compose\` nor \`docker-compose\` is installed"
    for program in "${CARGO:-cargo}" setpriv timeout; do
        command -v "$program" >/dev/null || cannot "$program is not installed"
    done
}

# A range of addresses that collides with none of this machine: docker finds one.
choose_addresses() {
    local first
    docker network create --label "quorid.stage=$stage" "$stage" >/dev/null
    subnet=$(docker network inspect --format '{{(index .IPAM.Config 0).Subnet}}' "$stage")
    docker network rm "$stage" >/dev/null
    first=${subnet%/*}
    [[ $first =~ ^[0-9.]+\.0$ ]] || fail "docker's addresses $subnet are not what was expected"
    prefix=${first%.0}
}

case ${1-} in
    '' | --shell) ;;
    --record) [[ ${2-} && $# == 2 ]] || { usage >&2; exit 2; } ;;
    --check) check; exit 0 ;;
    --remove)
        [[ ${2-} =~ ^quorid-demo-[0-9]+-[0-9a-f]+$ ]] || { usage >&2; exit 2; }
        remove "$2"
        exit 0
        ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac
check

stage=quorid-demo-$$-$(od -An -N4 -tx4 /dev/urandom | tr -d " ")
dir=$(directory_of "$stage")
mkdir -m 0700 "$dir" ||
    fail "$dir cannot be made" "$here/demo.sh --remove $stage, if it is a leftover"
tour=
leave() {
    local code=$?
    # A second Ctrl-C shall not leave half of it behind.
    trap '' INT TERM HUP
    if [[ -n $tour ]] && kill -TERM "$tour" 2>/dev/null; then
        timeout 10 tail --pid="$tour" -f /dev/null || kill -KILL "$tour" 2>/dev/null || true
    fi
    remove "$stage" || {
        printf 'error: not everything could be removed\n  try: %s --remove %s\n' \
            "$here/demo.sh" "$stage" >&2
        ((code != 0)) || code=1
    }
    exit "$code"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

echo "The stage is $stage. If this is killed by SIGKILL, remove what it leaves by"
echo "  ${here#"$PWD/"}/demo.sh --remove $stage"
profile=${QUORID_PROFILE:-dev}
"$here/image.sh" --profile "$profile" --tag "quorid:$stage"
"$here/certs.sh" --image "quorid:$stage" --volumes "$stage-certs" \
    --label "quorid.stage=$stage" >/dev/null
choose_addresses
cat >"$dir/stage.env" <<END
QUORID_STAGE=$stage
QUORID_IMAGE=quorid:$stage
QUORID_CERTS=$stage-certs
QUORID_SUBNET=$subnet
QUORID_OTHERS=$prefix.128/25
QUORID_S1=$prefix.11
QUORID_S2=$prefix.12
QUORID_S3=$prefix.13
END
set -a
# shellcheck disable=SC1091
. "$dir/stage.env"
set +a
said=$(compose up --no-start 2>&1) || fail "compose could not make the containers:"$'\n'"$said"
said=$(docker start "$stage-client" 2>&1) || fail "the client could not be started: $said"

# The operator's certificate, for the tour: it is a client outside the containers.
for file in ca.crt operator.crt operator.key; do
    docker cp "$stage-client:/etc/quorid/$file" "$dir/" >/dev/null 2>&1 ||
        fail "$file could not be copied from the client's container"
done
{
    cat <<END
driver = ["$here/docker.sh", "--stage", "$dir/stage.env"]
what = "container"
ca = "$dir/ca.crt"
cert = "$dir/operator.crt"
key = "$dir/operator.key"
command = ["docker", "exec", "-i", "$stage-client", "quorid"]
END
    for n in 1 2 3; do
        cat <<END

[[servers]]
name = "s$n"
client_address = "s$n:7400"
peer_address = "s$n:7401"
reach = "$prefix.1$n:7400"
END
    done
} >"$dir/stage.toml"

target=${CARGO_TARGET_DIR:-$top/target}
if [[ ${1-} == --shell ]]; then
    echo "driver: $here/docker.sh --stage $dir/stage.env"
    echo "stage:  $dir/stage.toml"
    program=(tail -f /dev/null)
else
    program=("$target/static/$profile/quorid" demo --tour --stage "$dir/stage.toml"
        --samples "$top/samples/accounts.csv" "$@")
fi
# In the background, so that a signal to this script is heard while it runs; and it ends with it.
setpriv --pdeathsig TERM "${program[@]}" &
tour=$!
code=0
wait "$tour" || code=$?
tour=
exit "$code"
