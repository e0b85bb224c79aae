#!/usr/bin/env bash
# Puts Quorid on the hosts of an inventory and drives it there: over ssh, or in the hosts of lab.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    cat <<'END'
Puts Quorid on each of a list of hosts and drives it there.

    hosts.sh [--inventory FILE] [--dir DIR] VERB [SERVER] [MORE]

  --inventory FILE   the hosts; otherwise $QUORID_HOSTS, otherwise ./inventory
  --dir DIR          for certificates and configurations; otherwise FILE.d

set up
  prepare            makes the authority, certificates, and a quorid.toml for each host, in DIR
  put [SERVER..]     copies program, configuration, certificates and unit file to the hosts
  remove [SERVER..]  undoes put on hosts whose server is stopped; data stays (see wipe)
drive a server
  start S            starts it; does not wait until it is ready
  stop S             ends it in order (SIGTERM) and waits
  kill S             SIGKILL; nothing starts it again
  pause S, resume S  SIGSTOP, SIGCONT
  state S            running, paused or stopped
  log S              its log from the beginning, and what is added, until Ctrl-C
  wipe S             deletes the data of a stopped server, for good
cut it off, by dropping packets
  cut S all          nothing in or out (over ssh: of Quorid's ports; ssh itself goes on)
  cut S peers        nothing between S and the other servers; clients still reach S
  cut S in           S hears nothing from the other servers, they hear S
  cut S out          the other servers hear nothing from S, S hears them
  part S T           S and T cannot talk to each other
  heal               undoes all cuts on all hosts
use the cluster, as its operator
  status             quorid cluster status
  watch              quorid cluster leader --watch
  env                prints `export` lines for a shell
  stage [FILE]       writes a stage file for `quorid demo --tour --stage`; DIR/stage.toml
  list               prints the servers' names

An inventory has a line for each host, `name destination address`, and settings, `key=value`:

    s1  root@10.0.0.11  10.0.0.11      # destination: for ssh, or lab:PID for a host of lab.sh
    s2  root@10.0.0.12  10.0.0.12
    s3  root@10.0.0.13  10.0.0.13
    client_port=7400                   # these are the defaults
    peer_port=7401
    access=closed
    timing=lan
    config=log_format = "json"         # a line of quorid.toml, as often as you like
    ssh_options=-p 22                  # further options of ssh, none by default

Where the remote user is not root, it needs sudo without a password. The program that is used here
and put there is $QUORID, otherwise the `quorid` in PATH.
END
}

fail() { # what and which; what to try
    echo "error: $1; try: $2" >&2
    exit 1
}

# ---- the inventory -------------------------------------------------------------------------

names=()
declare -A destination address
client_port=7400 peer_port=7401 access=closed timing=lan ssh_options='' config_lines=()

read_inventory() {
    local line number=0 words
    [[ -r $inventory ]] ||
        fail "there is no inventory $inventory" "hosts.sh --inventory FILE, and --help for its form"
    while IFS= read -r line || [[ $line ]]; do
        number=$((number + 1))
        line=${line#"${line%%[![:space:]]*}"}
        case $line in
            '' | '#'*) continue ;;
            config=*) config_lines+=("${line#config=}") && continue ;;
        esac
        line=${line%%#*}
        line=${line%"${line##*[![:space:]]}"}
        case $line in
            client_port=* | peer_port=*)
                [[ ${line#*=} =~ ^[0-9]{1,5}$ ]] ||
                    fail "$inventory, line $number: ${line#*=} is no port" "${line%%=*}=7400"
                printf -v "${line%%=*}" %s "${line#*=}"
                continue
                ;;
            access=* | timing=* | ssh_options=*)
                printf -v "${line%%=*}" %s "${line#*=}"
                continue
                ;;
        esac
        read -ra words <<<"$line"
        if [[ ${#words[@]} != 3 || $line =~ ^[a-z_]+= ]]; then
            fail "$inventory, line $number is neither a host nor a setting: $line" \
                "hosts.sh --help"
        fi
        [[ ${words[0]} =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] ||
            fail "$inventory, line $number: ${words[0]} is no name of a server" "a name like s1"
        [[ ! ${destination[${words[0]}]-} ]] ||
            fail "$inventory, line $number: there are two hosts ${words[0]}" "another name"
        [[ ${words[2]} =~ ^[0-9.]+$|: ]] ||
            fail "$inventory, line $number: ${words[2]} is no IP address" \
                "the address, not the name"
        names+=("${words[0]}")
        destination[${words[0]}]=${words[1]}
        address[${words[0]}]=${words[2]}
    done <"$inventory"
    ((${#names[@]} > 0)) ||
        fail "$inventory names no host" "a line like: s1 root@10.0.0.11 10.0.0.11"
}

known() { # server...
    local name
    for name; do
        [[ $name && ${destination[$name]-} ]] ||
            fail "${name:+server $name is not in $inventory}${name:-a server is missing}" \
                "one of: ${names[*]}"
    done
}

at() { # server, port
    local host=${address[$1]}
    [[ $host != *:* ]] || host="[$host]"
    echo "$host:$2"
}

# ---- transport: all that knows how a host is reached ---------------------------------------

on_host=$(<"$here/host.sh")

is_lab() { [[ ${destination[$1]} == lab:* ]]; }

# The command that reaches a host, in `reach`; what is appended to it is run there by host.sh.
reach_for() { # server
    local of=${destination[$1]} pid sockets
    if is_lab "$1"; then
        pid=${of#lab:}
        # The number means another process, and other namespaces, outside of its lab.
        [[ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") == *" --in-host "*"/$1 $1 " ]] ||
            fail "lab host $1 ($of) is not there" "it from within its lab, or lab.sh -- ..., anew"
        reach=(env -i nsenter --target "$pid" --mount --uts --ipc --net --pid --
            sh -c "$on_host" "$1")
        return
    fi
    # A socket's path has to be short.
    sockets=${XDG_RUNTIME_DIR:-/tmp}/quorid-ssh-$UID
    [[ -d $sockets ]] || mkdir -m 0700 "$sockets" || [[ -d $sockets ]]
    [[ -O $sockets ]] || fail "$sockets belongs to somebody else" "another XDG_RUNTIME_DIR"
    # shellcheck disable=SC2206,SC2016 # the options are words; the rest is for the far shell
    reach=(ssh -o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR -o ControlMaster=auto
        -o ControlPersist=60 -o "ControlPath=$sockets/%C" $ssh_options -- "$of"
        "exec sh -c $(quoted 's=; [ "$(id -u)" = 0 ] || s="sudo -n"; exec $s sh -c "$@"') sh"
        "$(quoted "$on_host")" "$1")
}

quoted() { # for the far shell
    printf "'%s'" "${1//\'/\'\\\'\'}"
}

# Runs a verb of host.sh on a host. Standard input goes with it.
on() { # server, verb, arguments
    local reach words=() status=0 word
    reach_for "$1"
    for word in "${@:2}"; do
        if is_lab "$1"; then words+=("$word"); else words+=("$(quoted "$word")"); fi
    done
    "${reach[@]}" "${words[@]}" || status=$?
    if [[ $status == 255 ]]; then
        fail "host $1 cannot be reached by ssh" \
            "ssh ${ssh_options:+$ssh_options }${destination[$1]} true"
    fi
    return "$status"
}

# Becomes the process that prints a host's log: whoever kills this one kills that one. The far end
# ends with its standard input, whose writing end no one but this process holds.
log() { # server
    local reach pipe theirs
    reach_for "$1"
    exec {pipe}<> <(:)
    if is_lab "$1"; then
        # shellcheck disable=SC2094 # both are ends of one pipe
        exec {theirs}</proc/self/fd/"$pipe" 9>/proc/self/fd/"$pipe" {pipe}>&-
        exec "${reach[@]}" log held <&"$theirs" {theirs}<&-
    fi
    # ssh closes all but the first three, so this one is both ends.
    exec "${reach[@]}" log <&"$pipe" {pipe}>&-
}

# ---- setting up ----------------------------------------------------------------------------

need_program() {
    program=${QUORID:-$(command -v quorid || true)}
    [[ $program ]] || fail "no program quorid in PATH" "QUORID=target/release/quorid hosts.sh ..."
    [[ -x $program ]] || fail "QUORID=$program cannot be run" "make"
}

prepare() {
    local name shown
    need_program
    mkdir -p "$dir"
    [[ -e $certs/ca.crt ]] || "$program" cert ca --out "$certs"
    for name in "${names[@]}"; do
        if [[ ! -e $certs/$name.crt ]]; then
            "$program" cert server "$name" --host "${address[$name]}" --ca "$certs"
        fi
        shown=$("$program" cert show "$certs/$name.crt")
        [[ $shown$'\n' =~ [[:space:]]"${address[$name]}"[,$'\n'] ]] ||
            fail "$certs/$name.crt is not for ${address[$name]}" "rm $certs/$name.*, then prepare"
        write_config "$name"
        echo "$dir/$name.toml"
    done
    [[ -e $certs/operator.crt ]] || "$program" cert operator operator --ca "$certs"
}

write_config() { # server
    local name
    {
        echo "# Made by hosts.sh from $inventory: change that one, then prepare and put."
        echo "name = \"$1\""
        echo 'data_dir = "/var/lib/quorid"'
        echo "client_listen = \"$(listen "$1" "$client_port")\""
        echo "peer_listen = \"$(listen "$1" "$peer_port")\""
        echo 'initial_servers = ['
        for name in "${names[@]}"; do
            echo "  \"$name=$(at "$name" "$peer_port"),$(at "$name" "$client_port")\","
        done
        echo ']'
        echo "access = \"$access\""
        echo "timing = \"$timing\""
        ((${#config_lines[@]} == 0)) || printf '%s\n' "${config_lines[@]}"
        printf '\n%s\n' '[tls]' 'ca = "tls/ca.crt"' "cert = \"tls/$1.crt\"" "key = \"tls/$1.key\""
    } >"$dir/$1.toml"
}

listen() { # server, port
    if [[ ${address[$1]} == *:* ]]; then echo "[::]:$2"; else echo "0.0.0.0:$2"; fi
}

put() { # server...
    local name
    need_program
    (($# > 0)) || set -- "${names[@]}"
    known "$@"
    for name; do
        [[ -e $dir/$name.toml && -e $certs/$name.key ]] ||
            fail "there is no configuration for $name in $dir" "hosts.sh prepare"
        on "$name" make_room </dev/null
        on "$name" receive /usr/local/bin/quorid 0755 <"$program"
        on "$name" receive /etc/quorid/quorid.toml 0640 <"$dir/$name.toml"
        on "$name" receive /etc/quorid/tls/ca.crt 0644 <"$certs/ca.crt"
        on "$name" receive "/etc/quorid/tls/$name.crt" 0644 <"$certs/$name.crt"
        on "$name" receive "/etc/quorid/tls/$name.key" 0640 <"$certs/$name.key"
        if on "$name" with_systemd </dev/null; then
            on "$name" receive /etc/systemd/system/quorid.service 0644 <"$here/quorid.service"
        fi
        on "$name" settle </dev/null
        echo "$name: put on ${destination[$name]}"
    done
}

remove() { # server...
    local name
    (($# > 0)) || set -- "${names[@]}"
    known "$@"
    for name; do
        on "$name" remove </dev/null
        echo "$name: removed from ${destination[$name]}"
    done
}

# ---- cuts ----------------------------------------------------------------------------------

cut_off() { # server, all|peers|in|out
    local name others=()
    known "$1"
    for name in "${names[@]}"; do
        [[ $name == "$1" ]] || others+=("${address[$name]}")
    done
    case ${2-} in
        all) if is_lab "$1"; then
            # Its end at the switch has the host's name.
            ip link set "$1" down || fail "the link of lab host $1 cannot be taken down" "ip link"
        else
            on "$1" cut all "$peer_port" "$client_port" </dev/null
            [[ ! -t 2 ]] || echo "note: on $1 only Quorid's ports are cut; ssh goes on" >&2
        fi ;;
        peers | in | out) on "$1" cut "$2" "$peer_port" "$client_port" "${others[@]}" </dev/null ;;
        *) fail "cut cannot do \"${2-}\"" "cut $1 all, peers, in or out" ;;
    esac
}

part() { # two servers
    known "${1-}" "${2-}"
    on "$1" cut peers "$peer_port" "$client_port" "${address[$2]}" </dev/null
}

heal() {
    local name jobs=() job status=0
    for name in "${names[@]}"; do
        {
            ! is_lab "$name" || ip link set "$name" up || fail "no link of lab host $name" "ip link"
            on "$name" heal </dev/null
        } &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job" || status=1
    done
    return "$status"
}

# ---- use -----------------------------------------------------------------------------------

as_operator() {
    local name servers=()
    [[ -e $certs/operator.crt ]] || fail "there are no certificates in $certs" "hosts.sh prepare"
    for name in "${names[@]}"; do
        servers+=("$(at "$name" "$client_port")")
    done
    export QUORID_CA=$certs/ca.crt QUORID_CERT=$certs/operator.crt QUORID_KEY=$certs/operator.key
    QUORID_SERVERS=$(IFS=,; echo "${servers[*]}")
    export QUORID_SERVERS
}

print_env() {
    local variable
    as_operator
    for variable in QUORID_SERVERS QUORID_CA QUORID_CERT QUORID_KEY; do
        printf 'export %s=%q\n' "$variable" "${!variable}"
    done
}

stage() { # file
    local file=${1:-$dir/stage.toml} name
    as_operator
    grep -qE '^log_format *= *"json"' "$dir/${names[0]}.toml" 2>/dev/null ||
        fail "the tour reads the servers' logs as JSON" \
            "config=log_format = \"json\" in $inventory, then prepare and put"
    {
        echo "driver = [\"$here/hosts.sh\", \"--inventory\", \"$inventory\", \"--dir\", \"$dir\"]"
        echo 'what = "host"'
        echo "ca = \"$QUORID_CA\""
        echo "cert = \"$QUORID_CERT\""
        echo "key = \"$QUORID_KEY\""
        for name in "${names[@]}"; do
            printf '\n[[servers]]\nname = "%s"\n' "$name"
            echo "client_address = \"$(at "$name" "$client_port")\""
            echo "peer_address = \"$(at "$name" "$peer_port")\""
            # Where lab.sh keeps the files of its hosts.
            ! is_lab "$name" || echo "data_dir = \"${inventory%/*}/$name/var/lib/quorid\""
        done
    } >"$file"
    echo "$file"
}

# ---- the command line ----------------------------------------------------------------------

inventory=${QUORID_HOSTS:-inventory} dir=
while (($# > 0)); do
    case $1 in
        -h | --help | help) usage && exit ;;
        --inventory | --dir)
            (($# > 1)) || fail "$1 needs a value" "hosts.sh --help"
            printf -v "${1#--}" %s "$2"
            shift 2
            ;;
        --inventory=* | --dir=*)
            option=${1%%=*}
            printf -v "${option#--}" %s "${1#*=}"
            shift
            ;;
        -*) fail "there is no option $1" "hosts.sh --help" ;;
        *) break ;;
    esac
done
verb=${1-}
[[ $verb ]] || { usage >&2 && exit 1; }
shift
read_inventory
inventory=$(realpath "$inventory")
dir=$(realpath -m "${dir:-$inventory.d}")
certs=$dir/certs

case $verb in
    prepare | put | remove | part | heal | stage) "$verb" "$@" ;;
    start | stop | kill | pause | resume | state | wipe)
        known "${1-}"
        on "$1" "$verb" </dev/null || exit 1
        ;;
    log) known "${1-}" && log "$1" ;;
    cut) cut_off "${1-}" "${2-}" ;;
    status) need_program && as_operator && exec "$program" cluster status "$@" ;;
    watch) need_program && as_operator && exec "$program" cluster leader --watch "$@" ;;
    env) print_env ;;
    list) printf '%s\n' "${names[@]}" ;;
    *) fail "there is no verb $verb" "hosts.sh --help" ;;
esac
