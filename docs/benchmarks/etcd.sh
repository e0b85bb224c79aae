# shellcheck shell=bash
# Sourced by compare.sh: etcd, three servers without TLS. $peers is the load generator.

: "${peers:?}"
etcd_servers=() # process ids
etcd_clients='' # addresses

start_etcd() { # a new folder
    local name server=0 cluster='' ports=()
    mkdir "$1"
    for name in e1 e2 e3; do
        ports+=("$(free_port)" "$(free_port)")
        cluster+=${cluster:+,}$name=http://127.0.0.1:${ports[-1]}
        etcd_clients+=${etcd_clients:+,}127.0.0.1:${ports[-2]}
    done
    for name in e1 e2 e3; do
        local client=http://127.0.0.1:${ports[server]} peer=http://127.0.0.1:${ports[server + 1]}
        etcd --name "$name" --data-dir "$1/$name" --initial-cluster "$cluster" --initial-cluster-state new \
            --listen-client-urls "$client" --advertise-client-urls "$client" \
            --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
            --quota-backend-bytes 4000000000 >"$1/$name.log" 2>&1 &
        etcd_servers+=($!)
        server=$((server + 2))
    done
    until "$peers" etcd create --servers "$etcd_clients" --clients 1 --count 1 >/dev/null 2>&1; do
        kill -0 "${etcd_servers[@]}"
        sleep 0.1
    done
}

load_etcd() { # folder; kind; clients; seconds; accounts that lookups choose from
    "$peers" etcd "$2" --servers "$etcd_clients" --clients "$3" --connections "$((($3 + 15) / 16))" --seconds "$4" \
        --names "$5" >"$1/bench.json"
    rate_of "$1/bench.json"
}

fill_etcd() { # folder; how many accounts: one is there already
    "$peers" etcd create --servers "$etcd_clients" --clients 64 --connections 4 --count "$(($2 - 1))" >"$1/bench.json"
}

count_etcd() {
    ETCDCTL_API=3 etcdctl --endpoints "$etcd_clients" get --prefix name/ --keys-only | grep -c '^name/'
}

end_etcd() {
    local server
    for server in "${etcd_servers[@]}"; do { kill "$server" && wait "$server"; } 2>/dev/null || true; done
}
