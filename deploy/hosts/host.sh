# What hosts.sh does on a host. It is sent there as text and run by `sh`, as root, so it is plain
# POSIX sh and the host needs no copy of it.   sh -c "$(cat host.sh)" NAME VERB [ARGUMENT...]
# shellcheck shell=sh
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 022
cd /

name=$0
program=/usr/local/bin/quorid
config=/etc/quorid/quorid.toml
data=/var/lib/quorid
unit=/etc/systemd/system/quorid.service
# Without systemd: the server's process and when it began, so that another process that got the
# same id later is not taken for it; the code that the server ended with; and its log.
pid_file=/run/quorid.pid
exit_file=/run/quorid.exit
log=/var/log/quorid.log

fail() { # what and which; what to try
    echo "error: $name: $1; try: $2" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }
with_systemd() { [ -d /run/systemd/system ]; }
user() { if id -u quorid >/dev/null 2>&1; then echo quorid; else echo root; fi; }

# Waits until a condition holds; 1 if it does not within so many fiftieths of a second.
until_true() { # fiftieths, command...
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.02
    done
}

# "<state letter> <start time>" of a process, from the part of its stat after its name.
stat_of() {
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086 # the fields are to be split
    set -- ${line##*) }
    [ "$1" != Z ] && [ "$1" != X ] && echo "$1 ${20}"
}

# The server's process id, if it runs.
server_pid() {
    if with_systemd; then
        pid=$(systemctl show --property MainPID --value quorid)
        [ "${pid:-0}" -ne 0 ] && stat_of "$pid" >/dev/null && echo "$pid"
    else
        { read -r pid began <"$pid_file"; } 2>/dev/null || return 1
        now=$(stat_of "$pid") && [ "${now#* }" = "$began" ] && echo "$pid"
    fi
}

state() {
    now=X
    if pid=$(server_pid); then now=$(stat_of "$pid") || now=X; fi
    case $now in
        X) echo stopped ;;
        [tT]*) echo paused ;;
        *) echo running ;;
    esac
}
is_state() { [ "$(state)" = "$1" ]; }
is_gone() { ! stat_of "$1" >/dev/null; }

running_pid() {
    server_pid || fail "the server is stopped" "hosts.sh start $name"
}

start() {
    if ! [ -e "$config" ] || ! [ -x "$program" ]; then
        fail "Quorid is not installed on this host" "hosts.sh put $name"
    fi
    if pid=$(server_pid); then
        fail "the server runs already, as process $pid" "hosts.sh stop $name"
    fi
    if with_systemd; then
        # Starts by hand count as well against systemd's limit of starts.
        systemctl reset-failed quorid 2>/dev/null || true
        systemctl start --no-block quorid
        return
    fi
    rm -f "$pid_file" "$exit_file"
    # The shell stays as the server's parent, to write down the code that it ends with.
    # shellcheck disable=SC2016 # for that shell
    setsid sh -c '
        ulimit -n 65536 2>/dev/null
        (umask 077; exec setpriv --reuid "$1" --regid "$1" --clear-groups --no-new-privs \
            "$2" serve --config "$3") &
        read -r stat <"/proc/$!/stat"
        pid=$!
        set -- "$4" "$5" ${stat##*) }
        echo "$pid ${22}" >"$1.new" && mv "$1.new" "$1"
        code=0
        wait "$pid" || code=$?
        echo "$code" >"$2"
    ' sh "$(user)" "$program" "$config" "$pid_file" "$exit_file" </dev/null >>"$log" 2>&1 &
    until_true 250 test -e "$pid_file" ||
        fail "the server was not started" "tail $log on the host"
}

stop() {
    ! is_state paused || fail "the server is paused" "hosts.sh resume $name"
    pid=$(running_pid)
    if with_systemd; then
        systemctl stop quorid
        # Of a unit that ended well systemd may have forgotten all by now (0); 1: it called exit.
        ended=$(systemctl show --property ExecMainCode --value quorid)
        code=$(systemctl show --property ExecMainStatus --value quorid)
        case $ended in 0 | 1) ;; *) code="signal $code" ;; esac
        ! systemctl --quiet is-failed quorid || [ "$code" != 0 ] || code=unknown
    else
        kill -TERM "$pid"
        until_true 1000 test -e "$exit_file" ||
            fail "the server did not end within 20 s of SIGTERM" "hosts.sh kill $name"
        read -r code <"$exit_file"
    fi
    [ "$code" = 0 ] || fail "the server ended with code $code" "hosts.sh log $name"
}

kill_server() {
    pid=$(running_pid)
    kill -KILL "$pid"
    # Its parent says so only when all its threads are gone.
    if with_systemd; then gone="is_gone $pid"; else gone="test -e $exit_file"; fi
    # shellcheck disable=SC2086 # a command and its arguments
    until_true 250 $gone ||
        fail "process $pid is still there 5 s after SIGKILL" "ps -o stat,wchan $pid on the host"
    # systemd would start it again in two seconds. It is dead by now: this only says to leave it so.
    ! with_systemd || systemctl stop quorid
}

pause() {
    pid=$(running_pid)
    kill -STOP "$pid"
    until_true 250 is_state paused || fail "process $pid does not stop" "hosts.sh kill $name"
}

resume() {
    pid=$(running_pid)
    kill -CONT "$pid"
    until_true 250 is_state running || fail "the server did not go on" "hosts.sh log $name"
}

# The log, from its beginning, until standard input ends. An idle `tail` at the far end of a
# broken connection would never notice.
log() {
    [ "${1:-}" = held ] && exec 9>&- # lab hosts: the writing end of standard input is the caller's
    if with_systemd; then
        journalctl --output cat --lines all --follow --no-pager \
            --since "@$(stat -c %Y "$unit")" _SYSTEMD_UNIT=quorid.service &
    else
        [ -e "$log" ] || fail "there is no log yet" "hosts.sh start $name"
        tail -n +1 -F "$log" 2>/dev/null &
    fi
    reader=$!
    exec 3<&0
    {
        read -r _ <&3 || true
        kill "$reader" 2>/dev/null
    } &
    watcher=$!
    exec 2>/dev/null # that the reader was told to end is no news
    wait "$reader" || true
    kill "$watcher" 2>/dev/null || true
}

wipe() {
    is_state stopped || fail "the server is $(state)" "hosts.sh kill $name"
    find "$data" -mindepth 1 -delete
}

# Drops, silently, what is described; the table is this script's own.
cut() { # peers|in|out|all, peer port, client port, address...
    has nft || fail "there is no nft on this host" "apt-get install nftables"
    what=$1 peer_port=$2 client_port=$3
    shift 3
    {
        echo 'add table inet quorid_cut'
        echo 'add chain inet quorid_cut from { type filter hook input priority -300; }'
        echo 'add chain inet quorid_cut to { type filter hook output priority -300; }'
        for end in dport sport; do
            if [ "$what" = all ]; then
                ports="{ $peer_port, $client_port }"
                echo "add rule inet quorid_cut from iifname != lo tcp $end $ports drop"
                echo "add rule inet quorid_cut to oifname != lo tcp $end $ports drop"
            fi
            for address; do
                ip=ip
                case $address in *:*) ip=ip6 ;; esac
                [ "$what" = out ] ||
                    echo "add rule inet quorid_cut from $ip saddr $address tcp $end $peer_port drop"
                [ "$what" = in ] ||
                    echo "add rule inet quorid_cut to $ip daddr $address tcp $end $peer_port drop"
            done
        done
    } | nft -f - || fail "nft refused the cut" "nft list ruleset on the host"
}

heal() {
    has nft || return 0
    printf '%s\n' 'add table inet quorid_cut' 'delete table inet quorid_cut' | nft -f - ||
        fail "nft refused to undo the cuts" "nft delete table inet quorid_cut on the host"
}

# What `put` needs first: the user and the directories.
make_room() {
    if ! id -u quorid >/dev/null 2>&1 && has useradd; then
        useradd --system --user-group --no-create-home --home-dir "$data" \
            --shell /usr/sbin/nologin --comment 'Quorid server (hosts.sh)' quorid
    fi
    user=$(user)
    [ "$user" = quorid ] || echo "note: $name: no user quorid, no useradd: it will run as root" >&2
    mkdir -p /usr/local/bin
    install -d -o root -g "$user" -m 0750 /etc/quorid /etc/quorid/tls
    install -d -o "$user" -g "$user" -m 0700 "$data"
}

# Standard input becomes a file, at once and whole.
receive() { # path, mode
    cat >"$1.new"
    chgrp "$(user)" "$1.new"
    chmod "$2" "$1.new"
    mv "$1.new" "$1"
}

# What `put` does last: whether the server could start.
settle() {
    [ -e "$log" ] || with_systemd || : >"$log"
    ! with_systemd || systemctl daemon-reload
    user=$(user)
    said=$(cd /etc/quorid && setpriv --reuid "$user" --regid "$user" --clear-groups \
        "$program" serve --config "$config" --check-config 2>&1) ||
        fail "the server could not start: $said" "correct the inventory, then prepare and put"
}

remove() {
    is_state stopped || fail "the server is $(state)" "hosts.sh stop $name"
    heal
    rm -rf /etc/quorid
    rm -f "$program" "$unit" "$log" "$pid_file" "$exit_file"
    ! with_systemd || systemctl daemon-reload
    if [ -d "$data" ] && ! rmdir "$data" 2>/dev/null; then
        echo "note: $name: kept $data and its user, it holds data; wipe first to remove it" >&2
    elif grep -qs '^quorid:.*Quorid server (hosts.sh)' /etc/passwd; then
        userdel quorid
    fi
}

verb=$1
shift
case $verb in
    kill) kill_server ;;
    state | start | stop | pause | resume | log | wipe | cut | heal) "$verb" "$@" ;;
    make_room | receive | settle | remove | with_systemd) "$verb" "$@" ;;
    *) fail "there is no verb $verb" "hosts.sh --help" ;;
esac
