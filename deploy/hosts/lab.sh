#!/usr/bin/env bash
# Makes hosts out of namespaces on this machine and runs a command on one more, the client's.
set -euo pipefail

self=$(realpath "${BASH_SOURCE[0]}")

usage() {
    cat <<'END'
Makes hosts s1, s2, .. on this machine, and runs a command next to them.

    lab.sh [--hosts N] -- COMMAND [ARGUMENT..]

Each host has a network of its own (address 10.77.0.11, 12, ..; a cable to a switch), processes,
a host name, and an /etc, /var/lib, /var/log, /run and /usr/local/bin of its own; /var/lib is on
the disk. The rest of the files is this machine's. COMMAND runs on the client's host, 10.77.0.1,
which sees this machine's files and no network but the lab's. In its environment, LAB_INVENTORY is
the inventory of the hosts for hosts.sh:

    lab.sh -- bash
    hosts.sh --inventory "$LAB_INVENTORY" prepare

Nothing outlives the lab: when COMMAND or this script ends, in whatever way, the kernel takes away
processes, interfaces and mounts. Only after kill -9 is a directory left in $TMPDIR (/tmp).

The exit code is COMMAND's; 77 if a lab cannot be made here; 2 for wrong usage.
END
}

fail() { # what; what to try
    echo "error: $1; try: $2" >&2
    exit 2
}

cannot() { # why
    echo "error: lab.sh cannot run here: $1" >&2
    exit 77
}

# ---- on this machine -----------------------------------------------------------------------

check_machine() {
    local tool missing=() said
    for tool in ip nft unshare nsenter setpriv mount; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    ((${#missing[@]} == 0)) ||
        cannot "missing: ${missing[*]}; try: apt-get install iproute2 nftables util-linux"
    ((EUID == 0)) || cannot "it needs root, for namespaces; try: sudo $self"
    said=$(unshare --mount --net --pid --fork sh -ec '
        mount -t tmpfs lab /mnt && mkdir /mnt/new /mnt/work
        mount -t overlay -o lowerdir=/etc,upperdir=/mnt/new,workdir=/mnt/work lab /etc
        ip link add br0 type bridge && ip link add s1 type veth peer name eth0
        nft add table inet quorid_cut' 2>&1) || cannot "the kernel refuses: ${said//$'\n'/, }"
}

end_lab() { # The command has been told; it gets 10 s.
    timeout 10 tail --pid="$lab" -f /dev/null || kill -KILL "$lab" 2>/dev/null || true
}

# Ctrl-C reaches the command by itself; SIGTERM is passed on.
on_signal() { # signal, exit code
    local first=
    trap : INT TERM HUP
    ended_by=$2
    read -r first <"/proc/$lab/task/$lab/children" || true
    if [[ $1 == TERM && $first && -e $dir/command.pid ]]; then
        # shellcheck disable=SC2016 # for the inner shell
        nsenter --target "$first" --pid -- bash -c 'kill -TERM "$1"' - "$(<"$dir/command.pid")" \
            2>/dev/null || true
    fi
    end_lab
}

main() {
    local hosts=3 status=0
    while (($# > 0)); do
        case $1 in
            -h | --help) usage && exit ;;
            --hosts) hosts=${2-} && shift $(($# > 1 ? 2 : 1)) ;;
            --hosts=*) hosts=${1#*=} && shift ;;
            --) shift && break ;;
            -*) fail "there is no option $1" "lab.sh --help" ;;
            *) break ;;
        esac
    done
    [[ $hosts =~ ^[1-7]$ ]] || fail "--hosts $hosts is not a number from 1 to 7" "--hosts 3"
    (($# > 0)) || fail "there is no command" "lab.sh -- bash"
    check_machine

    dir=$(mktemp -d "${TMPDIR:-/tmp}/quorid-lab.XXXXXX")
    trap 'rm -rf -- "$dir"' EXIT
    ended_by=
    trap 'on_signal INT 130' INT
    trap 'on_signal TERM 143' TERM
    trap 'on_signal TERM 129' HUP
    # The lab's first process dies with `unshare`, that one with this script, and with the first
    # process all others. It is not begun if this script died before that was so.
    # shellcheck disable=SC2016 # for the inner shell
    setpriv --pdeathsig KILL -- bash -c '[[ $PPID == "$1" ]] && shift && exec "$@"' - $$ \
        unshare --mount --net --pid --uts --ipc --fork --kill-child -- \
        bash "$self" --in-lab "$dir" "$hosts" "$@" <&0 &
    lab=$!
    while :; do
        status=0
        wait "$lab" 2>/dev/null || status=$? # without a word on who was killed
        kill -0 "$lab" 2>/dev/null || break
    done
    exit "${ended_by:-$status}"
}

# ---- in the lab: its first process ---------------------------------------------------------

in_lab() { # directory, hosts, command...
    local dir=$1 hosts=$2 number status
    shift 2
    mount -t proc proc /proc
    echo client >/proc/sys/kernel/hostname
    ip link set lo up
    # Names of interfaces are those of the hosts, so the switch has another.
    ip link add switch type bridge
    ip link set switch up
    ip address add 10.77.0.1/24 dev switch
    echo '# The hosts of a lab; valid in it only.' >"$dir/inventory"
    for ((number = 1; number <= hosts; number++)); do
        add_host "$dir" "s$number" "10.77.0.1$number"
    done

    trap : INT # The command decides what Ctrl-C means.
    LAB_INVENTORY=$dir/inventory env --default-signal=INT,QUIT,TERM -- "$@" <&0 &
    command=$!
    echo "$command" >"$dir/command.pid"
    while :; do
        status=0
        wait "$command" || status=$?
        kill -0 "$command" 2>/dev/null || break
    done
    exit "$status"
}

add_host() { # directory, name, address
    local dir=$1 name=$2 said pid
    mkdir -p "$dir/$name"
    # The host tells its process id, as it is known here, when its files are in place.
    exec {said}< <(exec unshare --mount --net --pid --uts --ipc --fork --kill-child -- \
        bash "$self" --in-host "$dir/$name" "$name" </dev/null)
    read -r pid <&"$said" || cannot "host $name did not come up; see above"
    ip link add "$name" type veth peer name eth0 netns "$pid"
    ip link set "$name" master switch up
    nsenter --target "$pid" --net -- ip address add "$3/24" dev eth0
    nsenter --target "$pid" --net -- ip link set eth0 up
    nsenter --target "$pid" --net -- ip link set lo up
    echo "$name lab:$pid $3" >>"$dir/inventory"
}

# ---- in a host: its first process ----------------------------------------------------------

in_host() { # directory, name
    local dir=$1 pid own place
    read -r pid _ </proc/self/stat # while /proc is still the lab's
    mount -t proc proc /proc
    echo "$2" >/proc/sys/kernel/hostname
    for place in /var/lib /var/log; do # on the disk, so that a sync is one
        mkdir -p "$dir$place"
        mount --bind "$dir$place" "$place"
    done
    own=$dir/memory
    mkdir -p "$own"
    mount -t tmpfs -o mode=0700 own "$own"
    mkdir "$own/etc" "$own/work"
    mount -t overlay -o "lowerdir=/etc,upperdir=$own/etc,workdir=$own/work" own /etc
    mount -t tmpfs -o mode=0755 own /usr/local/bin
    mount -t tmpfs -o mode=0755 own /run
    echo "127.0.1.1 $2" >>/etc/hosts
    echo "$pid"
    # From here on it does what the first process has to: stay, and reap.
    exec >/dev/null {wait}<> <(:)
    trap : CHLD
    while :; do
        read -ru "$wait" || true
    done
}

case ${1-} in
    --in-lab) shift && in_lab "$@" ;;
    --in-host) shift && in_host "$@" ;;
    *) main "$@" ;;
esac
