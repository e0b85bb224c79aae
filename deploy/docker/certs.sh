#!/usr/bin/env bash
# Makes the certificates of a cluster of containers, each in a volume of its own: a server gets to
# see no key but its own.
set -euo pipefail

usage() {
    cat <<'END'
Usage: certs.sh [--image NAME:TAG] [--volumes PREFIX] [--label KEY=VALUE]

Makes these volumes, or leaves those alone that are there:
  PREFIX-ca                          the authority; mounted by no server: keep a copy, and its key
                                     away from others
  PREFIX-s1, PREFIX-s2, PREFIX-s3    ca.crt and a server's own certificate and key
  PREFIX-operator                    ca.crt and an operator's

  --image    the image of quorid; quorid:latest, or $QUORID_IMAGE, unless given
  --volumes  quorid-certs, or $QUORID_CERTS, unless given
  --label    for the volumes
END
}

fail() {
    printf 'error: %s\n' "$1" >&2
    [[ -z ${2-} ]] || printf '  try: %s\n' "$2" >&2
    exit 1
}

image=${QUORID_IMAGE:-quorid:latest}
prefix=${QUORID_CERTS:-quorid-certs}
label=
while (($#)); do
    case $1 in
        --image) image=${2-}; shift ;;
        --volumes) prefix=${2-}; shift ;;
        --label) label=${2-}; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift || { usage >&2; exit 2; }
done
docker image inspect "$image" >/dev/null 2>&1 ||
    fail "there is no image $image here" "deploy/docker/image.sh --tag $image"

# Containers that are never started, to copy from and to; and volumes not finished.
containers=()
unfinished=()
leave() {
    ((${#containers[@]} == 0)) || docker rm --force --volumes "${containers[@]}" >/dev/null || true
    ((${#unfinished[@]} == 0)) || docker volume rm "${unfinished[@]}" >/dev/null || true
}
trap leave EXIT

there() {
    docker volume inspect "$1" >/dev/null 2>&1
}

# $1: a volume; $2 and on: an argument vector of quorid, which finds the volume at /etc/quorid.
quorid_in() {
    local volume=$1
    shift
    docker run --rm --network none ${label:+--label "$label"} \
        --volume "$volume:/etc/quorid" "$image" "$@" >/dev/null
}

authority=$prefix-ca
if ! there "$authority"; then
    docker volume create ${label:+--label "$label"} "$authority" >/dev/null
    unfinished=("$authority")
    quorid_in "$authority" cert ca --out /etc/quorid ||
        fail "no authority was made in the volume $authority; the reason stands above"
    unfinished=()
    echo "made $authority"
fi
source=$(docker create ${label:+--label "$label"} --volume "$authority:/etc/quorid" "$image")
containers+=("$source")

# $1: the volume's ending; $2: the name in the certificate; $3 and on: what makes it.
make() {
    local volume=$prefix-$1 name=$2 file container
    shift 2
    if there "$volume"; then
        echo "left $volume as it was"
        return
    fi
    # Made beside the authority, whose key it needs, and there again if it was made before.
    quorid_in "$authority" cert "$@" --ca /etc/quorid --force ||
        fail "no certificate was made for $name; the reason stands above"
    docker volume create ${label:+--label "$label"} "$volume" >/dev/null
    unfinished=("$volume")
    container=$(docker create ${label:+--label "$label"} \
        --volume "$volume:/etc/quorid" "$image")
    containers+=("$container")
    # As an archive, which keeps owner and mode: for the image's user alone.
    for file in ca.crt "$name.crt" "$name.key"; do
        docker cp "$source:/etc/quorid/$file" - | docker cp - "$container:/etc/quorid" ||
            fail "$file could not be copied to the volume $volume; the reason stands above"
    done
    unfinished=()
    echo "made $volume"
}

# By name for containers, and for programs that reach a published port of this machine.
for server in s1 s2 s3; do
    make "$server" "$server" server "$server" \
        --host "$server" --host localhost --host 127.0.0.1
done
make operator operator operator operator
