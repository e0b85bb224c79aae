#!/usr/bin/env bash
# Starts, stops and disturbs the servers of a demonstration in containers: the driver that
# `quorid demo --tour --stage` calls. The stage is made by demo.sh.
set -euo pipefail

usage() {
    cat <<'END'
Usage: docker.sh --stage FILE <verb> [server] [more]

FILE is what demo.sh wrote of its stage: variables of compose.demo.yaml.

  start S, stop S, kill S     kill is SIGKILL, and nothing starts the server again but start
  pause S, resume S
  cut S all                   takes S off the network
  heal                        undoes all cuts
  state S                     prints running, paused or stopped
  log S                       writes the server's log, and what is added to it until killed
  wipe S                      removes the data (and the log) of a stopped server
END
}

fail() {
    printf 'error: %s\n' "$1" >&2
    [[ -z ${2-} ]] || printf '  try: %s\n' "$2" >&2
    exit 1
}

not_supported() {
    printf 'error: `%s` is not supported on containers\n  %s\n' "$1" \
        "try: the hosts' stage" >&2
    exit 2
}

# Engine and compose say a lot where it went well, too.
quietly() {
    local said
    said=$("$@" 2>&1) || fail "$verb $server: ${said##*$'\n'}"
}

status() {
    docker inspect --format '{{.State.Status}}' "$1" 2>/dev/null
}

state() {
    local status
    status=$(status "$1") || fail "there is no container $1" "docker ps --all"
    case $status in
        running | paused) echo "$status" ;;
        created | exited | dead) echo stopped ;;
        *) fail "the container $1 is $status, which is none of running, paused and stopped" ;;
    esac
}

stop() {
    local code
    [[ $(state "$1") == running ]] || fail "$server is not running, so it cannot be stopped"
    quietly docker stop --time 20 "$1"
    code=$(docker inspect --format '{{.State.ExitCode}}' "$1")
    ((code == 0)) || fail "$server ended with exit code $code, not 0" "docker logs $1"
}

kill_server() {
    quietly docker kill --signal KILL "$1"
    # `docker kill` may return before the process is gone.
    quietly docker wait "$1"
}

connected() {
    docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' "$1"
}

heal() {
    local address
    for server in s1 s2 s3; do
        [[ " $(connected "$QUORID_STAGE-$server")" == *" $QUORID_STAGE "* ]] && continue
        address=QUORID_${server^^}
        quietly docker network connect --ip "${!address}" --alias "$server" \
            "$QUORID_STAGE" "$QUORID_STAGE-$server"
    done
}

# The image has no rm: container and volume are removed and made anew.
wipe() {
    [[ $(state "$1") == stopped ]] || fail "$server runs, so its data cannot be removed" "stop it"
    quietly docker rm "$1"
    quietly docker volume rm "${QUORID_STAGE}_$server"
    quietly compose up --no-start --no-recreate --no-deps "$server"
}

# Runs as long as its caller at most, even if that is killed.
tied() {
    exec setpriv --pdeathsig KILL "$@"
}

# `docker logs --follow` ends with each end of the server, and tells everything from the beginning
# on when it begins: what was written already is left out then. The stage's file is removed before
# its containers are.
log() {
    local since line count written=0 id=none now follower
    while [[ -e $stage_file ]]; do
        since=$(date +%s.%N)
        if now=$(docker inspect --format '{{.Id}}' "$1" 2>/dev/null); then
            # Wiped, it is another container.
            [[ $now == "$id" ]] || written=0
            id=$now
            count=0
            while IFS= read -r line; do
                count=$((count + 1))
                ((count <= written)) || printf '%s\n' "$line"
            done < <(tied docker logs --follow "$1" 2>&1)
            written=$((count > written ? count : written))
        fi
        # Until it is started or removed, or was since.
        exec 3< <(tied docker events --since "$since" --filter "type=container" \
            --filter "container=$1" --filter event=start --filter event=destroy 2>/dev/null)
        follower=$!
        read -r line <&3 || break
        kill "$follower" 2>/dev/null || true
        exec 3<&-
    done
}

[[ ${1-} == --stage && -r ${2-} ]] || { usage >&2; exit 2; }
set -a
# shellcheck disable=SC1090
. "$2"
set +a
stage_file=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=compose.sh
. "$here/compose.sh"
shift 2
verb=${1-}
server=${2-}
container=$QUORID_STAGE-$server
case $verb in
    start | stop | kill | pause | resume | cut | part | state | log | wipe)
        [[ $server =~ ^s[123]$ ]] || fail "there is no server \`$server\`" "s1, s2 or s3" ;;
esac
case $verb in
    start)
        [[ $(state "$container") == stopped ]] || fail "$server runs already"
        quietly docker start "$container"
        ;;
    stop) stop "$container" ;;
    kill) kill_server "$container" ;;
    pause) quietly docker pause "$container" ;;
    resume) quietly docker unpause "$container" ;;
    cut)
        case ${3-} in
            all) quietly docker network disconnect "$QUORID_STAGE" "$container" ;;
            peers | in | out) not_supported "cut $server $3" ;;
            *) usage >&2; exit 2 ;;
        esac
        ;;
    part) not_supported "part $server ${3-}" ;;
    heal) heal ;;
    state) state "$container" ;;
    log) log "$container" ;;
    wipe) wipe "$container" ;;
    *) usage >&2; exit 2 ;;
esac
