#!/usr/bin/env bash
# Builds quorid as one static file, and the container image with nothing else in it.
set -euo pipefail

usage() {
    cat <<'END'
Usage: image.sh [--profile dev|release] [--tag NAME:TAG] [--binary-only]

  --profile      dev (no optimisation) or release; release unless given
  --tag          of the image; quorid:latest unless given
  --binary-only  leave the image out: only target/static/<profile>/quorid
END
}

fail() {
    printf 'error: %s\n' "$1" >&2
    [[ -z ${2-} ]] || printf '  try: %s\n' "$2" >&2
    exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
profile=release
tag=quorid:latest
image=yes
while (($#)); do
    case $1 in
        --profile) profile=${2-}; shift ;;
        --tag) tag=${2-}; shift ;;
        --binary-only) image=no ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift || { usage >&2; exit 2; }
done
case $profile in
    dev) built=debug ;;
    release) built=release ;;
    *) usage >&2; exit 2 ;;
esac
[[ -n $tag ]] || { usage >&2; exit 2; }

# From 2.34 on glibc has its name services within itself; before that, a static program loads them
# from files that the image does not have, and knows no host by name.
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || true)
oldest=$(printf '%s\n' "glibc 2.34" "${libc:-none}" | sort -V | head -n 1)
[[ $libc == glibc* && $oldest == "glibc 2.34" ]] ||
    fail "the C library here is \`${libc:-unknown}\`; a static quorid needs glibc 2.34 or newer" \
        "building on Debian 12, Ubuntu 22.04, or newer"

# Only the last step of the build differs from an ordinary one: all crates but the program itself
# are those of `cargo build`. Cargo puts the program in the ordinary one's place, so that one is
# laid aside.
target=${CARGO_TARGET_DIR:-$top/target}
[[ $target == /* ]] || target=$PWD/$target
ordinary=$target/$built/quorid
aside=$ordinary.ordinary
static=$target/static/$profile/quorid
mkdir -p "$(dirname "$static")"
context=
leave() {
    # mv would not touch two names of one file.
    if [[ $aside -ef $ordinary ]]; then rm -f "$aside"; fi
    [[ ! -e $aside ]] || mv -f "$aside" "$ordinary"
    [[ -z $context ]] || rm -rf "$context"
}
trap leave EXIT
[[ ! -e $ordinary ]] || ln -f "$ordinary" "$aside"
"${CARGO:-cargo}" rustc --locked --profile "$profile" --target-dir "$target" \
    --manifest-path "$top/Cargo.toml" --package quorid --bin quorid \
    -- -C target-feature=+crt-static -C strip=debuginfo ||
    fail "cargo could not build the static quorid; its reason stands above" \
        "installing the C library's static files (Debian: libc6-dev, Fedora: glibc-static)"
cp -f "$ordinary" "$static.new"
mv -f "$static.new" "$static"
headers=$(LC_ALL=C readelf -lW "$static") ||
    fail "readelf could not read $static" "installing binutils"
if [[ $headers == *INTERP* ]]; then
    fail "$static is not static: it asks for a dynamic loader"
fi
[[ $image == yes ]] || exit 0

# What the image holds. Modes and owners of the directories are what named volumes begin with.
context=$(mktemp -d)
install -m 0755 "$static" "$context/quorid"
install -d -m 0755 "$context"/directories/{,var,var/lib,etc,home}
install -d -m 0700 "$context"/directories/{var/lib,etc,home}/quorid
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$top/Cargo.toml")
revision=$(git -C "$top" rev-parse HEAD 2>/dev/null || echo unknown)
# Silent unless it fails: where docker lacks its newer builder, it warns of the older one.
said=$(docker build --quiet --file "$here/Dockerfile" --tag "$tag" \
    --label "org.opencontainers.image.version=$version" \
    --label "org.opencontainers.image.revision=$revision" "$context" 2>&1) || {
    printf '%s\n' "$said" >&2
    fail "docker could not build the image $tag; its reason stands above"
}
docker image inspect --format "image $tag: {{.Size}} bytes" "$tag"
