# shellcheck shell=bash
# Sourced by the scripts here: compose, as a plugin of docker or as a program of its own, for the
# demonstration's project.

# Says whether there is one, and which.
find_compose() {
    if docker compose version >/dev/null 2>&1; then
        compose_command=(docker compose)
    elif command -v docker-compose >/dev/null; then
        compose_command=(docker-compose)
    else
        return 1
    fi
}

compose() {
    find_compose || {
        echo "neither \`docker compose\` nor \`docker-compose\` is there" >&2
        return 1
    }
    # shellcheck disable=SC2154 # set by who sources this
    "${compose_command[@]}" --project-name "$QUORID_STAGE" --project-directory "$here" \
        --file "$here/compose.yaml" --file "$here/compose.demo.yaml" "$@"
}
