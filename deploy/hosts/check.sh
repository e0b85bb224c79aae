#!/usr/bin/env bash
# Checks the unit file and the scripts of this repository, without running any of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

exposure_max=2.0
has() { command -v "$1" >/dev/null; }

scripts=(*.sh ../docker/*.sh ../cloud/aws/*.sh ../../docs/benchmarks/*.sh ../../fuzz/*.sh
    ../../.ci/run)
for script in "${scripts[@]}"; do
    bash -n "$script"
done
sh -n host.sh
echo 'ok: bash -n'

if has shellcheck; then
    shellcheck --severity=warning -x -P SCRIPTDIR -- "${scripts[@]}"
    echo 'ok: shellcheck'
else
    echo 'Skipped: shellcheck (not installed)'
fi

if has systemd-analyze; then
    # Of the program it is known here that a host has it.
    copy=$(mktemp -d)
    trap 'rm -r -- "$copy"' EXIT
    sed "s:^ExecStart=[^ ]*:ExecStart=$(type -P true):" quorid.service >"$copy/quorid.service"
    said=$(systemd-analyze verify "$copy/quorid.service" 2>&1) ||
        { echo "error: quorid.service: $said; try: systemd-analyze verify" >&2 && exit 1; }
    [[ ! $said ]] ||
        { echo "error: quorid.service: $said; try: man systemd.exec" >&2 && exit 1; }
    echo 'ok: systemd-analyze verify'
    help=$(systemd-analyze --help)
    if [[ $help == *--offline* ]]; then
        said=$(systemd-analyze security --offline=true --no-pager quorid.service 2>&1) || true
        line=$(grep 'Overall exposure level' <<<"$said") ||
            { echo "error: quorid.service: $said; try: systemd-analyze security" >&2 && exit 1; }
        exposure=$(grep -oE '[0-9]+\.[0-9]+' <<<"$line")
        awk "BEGIN { exit !($exposure < $exposure_max) }" ||
            { echo "error: quorid.service: exposure $exposure is not below $exposure_max;" \
                "try: systemd-analyze security --offline=true quorid.service" >&2 && exit 1; }
        echo "ok: systemd-analyze security, exposure $exposure, below $exposure_max"
    else
        echo 'Skipped: systemd-analyze security (this one has no --offline)'
    fi
else
    echo 'Skipped: systemd-analyze verify and security (systemd-analyze is not installed)'
fi
