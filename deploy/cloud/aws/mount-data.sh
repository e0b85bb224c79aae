#!/bin/sh
# Mounts the data volume, now and at every boot. Makes a file system only on a volume that is
# blank: no signature on it, and nothing but zeros at its beginning and end. Anything else that
# is not ext4 is left alone, with an error.
# usage: mount-data.sh DEVICE DIRECTORY USER
set -eu

device=$1
directory=$2
user=$3
waits=${QUORID_MOUNT_WAITS:-150}

fail() {
    echo "quorid: $*" >&2
    exit 1
}

# The volume is attached after the instance has begun to run.
while [ ! -b "$device" ]; do
    [ "$waits" -gt 0 ] || fail "the data volume, $device, is not there"
    waits=$((waits - 1))
    sleep 2
done

# blkid: 0 it knows what is there, 2 it found nothing (or could not read), 8 several things.
status=0
kind=$(blkid -p -o value -s TYPE "$device") || status=$?

case $status in
0)
    [ "$kind" = ext4 ] || fail "$device holds ${kind:-a partition table}, not ext4; left alone"
    ;;
2)
    mib=1048576
    bytes=$(blockdev --getsize64 "$device")
    [ "$bytes" -ge $((2 * mib)) ] || fail "$device is too small"
    cmp -s -n $mib "$device" /dev/zero || fail "$device is not blank; left alone"
    cmp -s -n $mib -i $((bytes - mib)):0 "$device" /dev/zero ||
        fail "$device is not blank; left alone"
    mkfs.ext4 -q -L quorid "$device"
    ;;
*)
    fail "cannot tell what $device holds (blkid: $status); left alone"
    ;;
esac

uuid=$(blkid -p -o value -s UUID "$device")
[ -n "$uuid" ] || fail "$device has no UUID"

mkdir -p "$directory"
fstab=${QUORID_FSTAB:-/etc/fstab}
# nofail: a machine without its volume can still be reached; the server does not start there.
if ! grep -qs "^UUID=${uuid}[[:space:]]" "$fstab"; then
    options=defaults,noatime,nofail,x-systemd.device-timeout=60s
    echo "UUID=$uuid $directory ext4 $options 0 2" >>"$fstab"
fi
mountpoint -q "$directory" || mount "UUID=$uuid" "$directory" -o noatime
# The user's number may be another one on an instance that was made anew.
chown -R "$user:$user" "$directory"
chmod 0700 "$directory"
