#!/usr/bin/env bash
# Tries every verb of hosts.sh on real servers, in a lab, and says what held.
#     test.sh          the hosts are reached by nsenter, as lab.sh gives them
#     test.sh --ssh    each host runs an sshd of its own, and is reached by ssh
# The exit code is 1 if something did not hold, and 77 if it cannot be tried here.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export QUORID=${QUORID:-$here/../../target/debug/quorid}
[[ -x $QUORID ]] || { echo "error: no program $QUORID; try: make build" >&2 && exit 2; }

if [[ ! ${LAB_INVENTORY-} ]]; then
    if [[ ${1-} == --ssh ]] && ! command -v /usr/sbin/sshd >/dev/null; then
        echo "error: test.sh --ssh cannot run here: no sshd; try: apt-get install openssh-server" >&2
        exit 77
    fi
    exec "$here/lab.sh" -- "$here/test.sh" "$@"
fi

work=$(dirname "$LAB_INVENTORY")
inventory=$LAB_INVENTORY
failures=0

hosts() { "$here/hosts.sh" --inventory "$inventory" "$@"; }

holds() { # what, command...
    local what=$1
    shift
    if "$@" >/dev/null 2>"$work/said"; then
        echo "ok    $what"
    else
        echo "FAIL  $what${*:+ ($*)}" && sed 's/^/      /' "$work/said"
        failures=$((failures + 1))
    fi
}

# Waits for a condition, 30 s at most.
soon() { # what, command...
    local what=$1 began=${EPOCHREALTIME/./}
    shift
    until "$@" >/dev/null 2>&1; do
        if ((${EPOCHREALTIME/./} - began > 30000000)); then
            echo "FAIL  $what ($*: not within 30 s)"
            failures=$((failures + 1))
            return
        fi
    done
    echo "ok    $what ($(((${EPOCHREALTIME/./} - began) / 1000)) ms)"
}

not() { ! "$@"; }
is() { [[ $1 == "$2" ]]; }
state_is() { is "$(hosts state "$1")" "$2"; }
leader() { "$QUORID" cluster leader --timeout 1s 2>/dev/null | grep -oE 's[0-9]+' | head -1; }
leads() { is "$(leader)" "$1"; }
another_leads() { local now; now=$(leader) && [[ $now && $now != "$1" ]]; }
role() { "$QUORID" cluster status 2>/dev/null | awk -v s="$1" '$1 == s { print $2; exit }'; }
role_is() { is "$(role "$1")" "$2"; }
writes() { "$QUORID" create "u$RANDOM$RANDOM" Nobody --timeout 5s; }
all_equal() { "$QUORID" cluster status --digest; }
refuses() { # words of the error, verb...
    local words=$1 said
    shift
    said=$(hosts "$@" 2>&1) && return 1
    [[ $said == *"$words"* && $said != *$'\n'* ]] || { echo "$said" >&2 && return 1; }
}
others() { hosts list | grep -vx "$1"; }
# A host of the lab from the inside, however the test reaches it.
inside() {
    nsenter --target "$(sed -nE "s/^$1 lab:([0-9]+) .*/\1/p" "$LAB_INVENTORY")" --all -- "${@:2}"
}

with_sshd() {
    local name of address
    inventory=$work/ssh-inventory
    ssh-keygen -q -t ed25519 -N '' -f "$work/id"
    : >"$work/known_hosts"
    while read -r name of address; do
        [[ $of == lab:* ]] || continue
        inside "$name" mkdir -p /run/sshd
        inside "$name" chmod 0755 /run/sshd
        ssh-keygen -q -t ed25519 -N '' -f "$work/$name.host"
        echo "$address $(<"$work/$name.host.pub")" >>"$work/known_hosts"
        cp "$work/id.pub" "$work/authorized" && chmod 600 "$work/authorized"
        inside "$name" /usr/sbin/sshd -f /dev/null -h "$work/$name.host" -o PidFile=none \
            -o "AuthorizedKeysFile=$work/authorized" -o StrictModes=no -o UsePAM=no
        echo "$name root@$address $address" >>"$inventory"
    done <"$LAB_INVENTORY"
    echo "ssh_options=-i $work/id -o UserKnownHostsFile=$work/known_hosts" >>"$inventory"
    export XDG_RUNTIME_DIR=$work
}
[[ ${1-} != --ssh ]] || with_sshd

printf 'config=%s\n' 'log_format = "json"' 'log_keep_entries = 500' 'snapshot_after_entries = 250' \
    >>"$inventory"

echo '# set up'
holds 'prepare' hosts prepare
holds 'prepare again keeps the CA' is "$(md5sum "$inventory.d/certs/ca.key")" \
    "$(hosts prepare >/dev/null && md5sum "$inventory.d/certs/ca.key")"
holds 'put' hosts put
holds 'stage' hosts stage
eval "$(hosts env)"
holds 'stopped before the start' state_is s1 stopped
holds 'stop of a stopped server is an error' refuses 'try: hosts.sh start s1' stop s1
for s in s1 s2 s3; do holds "start $s" hosts start "$s"; done
holds 'start of a running server is an error' refuses 'runs already' start s1
soon 'a leader is elected' leader
soon 'the servers are equal' all_equal
holds 'status' hosts status
holds 'no server runs as root' is "$(inside s1 ps -C quorid -o user=)" quorid

echo '# kill, start'
old=$(leader)
holds "kill $old, which leads" hosts kill "$old"
holds 'it is stopped' state_is "$old" stopped
soon 'another leads' another_leads "$old"
holds 'writes go on' writes
holds "start $old" hosts start "$old"
soon 'it follows' role_is "$old" follower
soon 'the servers are equal' all_equal

for what in all peers; do
    echo "# cut $what"
    old=$(leader)
    holds "cut $old $what" hosts cut "$old" "$what"
    soon 'another leads' another_leads "$old"
    holds 'writes go on' writes
    holds 'the cut one runs' state_is "$old" running
    if [[ $what == all ]]; then
        holds 'a client does not reach it' not env QUORID_SERVERS="10.77.0.1${old#s}:7400" \
            timeout 2 "$QUORID" lookup nobody --consistency stale --timeout 1s
        soon 'status calls it unreachable' role_is "$old" unreachable
    else
        holds 'a client still reaches it' not role_is "$old" unreachable
    fi
    holds 'heal' hosts heal
    soon 'the old leader follows' role_is "$old" follower
    soon 'the servers are equal' all_equal
done
for what in in out; do
    echo "# cut $what"
    old=$(leader)
    holds "cut $old $what" hosts cut "$old" "$what"
    soon 'another leads' another_leads "$old"
    holds 'writes go on' writes
    holds 'heal' hosts heal
    soon 'the old leader follows' role_is "$old" follower
    soon 'the servers are equal' all_equal
done

echo '# part'
old=$(leader)
mapfile -t rest < <(others "$old")
holds "part ${rest[*]}, both followers" hosts part "${rest[@]}"
holds 'writes go on' writes
holds "$old leads still" leads "$old"
holds "part $old ${rest[0]}" hosts part "$old" "${rest[0]}"
soon 'writes go on' writes
holds 'heal' hosts heal
holds 'heal again' hosts heal
soon 'the servers are equal' all_equal

echo '# pause, resume'
old=$(leader)
holds "pause $old" hosts pause "$old"
holds 'it is paused' state_is "$old" paused
holds 'stop of a paused server is an error' refuses 'resume' stop "$old"
soon 'another leads' another_leads "$old"
holds "resume $old" hosts resume "$old"
holds 'it runs' state_is "$old" running
soon 'it follows' role_is "$old" follower

echo '# log'
no_tails() { ! inside s1 ps -e -o args | grep -qE '^tail|^journalctl|^sh -c .*log( held)?$'; }
"$here/hosts.sh" --inventory "$inventory" log s1 >"$work/log" 2>/dev/null &
log=$!
disown # so that nothing is said of its end
soon 'it begins at the beginning' grep -q '"' "$work/log"
before=$(wc -l <"$work/log")
longer() { (($(wc -l <"$work/log") > before)); }
hosts kill s1 && hosts start s1
soon 'it goes on over a restart' longer
kill -KILL "$log"
soon 'nothing is left on the host after its kill -9' no_tails
soon 'the servers are equal' all_equal

echo '# stop, wipe'
holds 'wipe of a running server is an error' refuses 'is running' wipe s1
for s in s1 s2 s3; do holds "stop $s" hosts stop "$s"; done
holds 'wipe s1' hosts wipe s1
holds 'its data is gone' is "$(inside s1 ls -A /var/lib/quorid)" ''
for s in s2 s3; do hosts start "$s"; done
soon 'the other two elect' leader
holds 'a wiped server starts' hosts start s1
soon 'and is refused' state_is s1 stopped

echo '# remove'
holds 'remove of a running server is an error' refuses 'is running' remove s2
hosts kill s2 && hosts kill s3
for s in s1 s2 s3; do hosts wipe "$s"; done
holds 'remove' hosts remove
left=$(inside s1 sh -c 'ls -A /usr/local/bin /var/lib; ls -d /etc/quorid; id quorid' 2>/dev/null ||
    true)
holds 'nothing is left' is "$left" $'/usr/local/bin:\n\n/var/lib:'
holds 'an unknown server is an error' refuses 'one of: s1 s2 s3' start s9
holds 'an unknown verb is an error' refuses 'no verb' frob s1

((failures == 0)) || { echo "$failures did not hold" && exit 1; }
echo 'all held'
