# shellcheck shell=bash
# Sourced by compare.sh: OpenLDAP, a provider and two consumers without TLS. The provider syncs an entry before it
# answers; the consumers get it some time later, so that it may be on one disk only. $peers is the load generator,
# $dir an empty directory.

: "${peers:?}" "${dir:?}"
openldap_servers=() # process ids

start_openldap() { # a new folder
    local name
    mkdir "$1"
    openldap_provider=127.0.0.1:$(free_port)
    for name in l1 l2 l3; do
        mkdir "$1/$name"
        cat >"$1/$name.conf" <<END
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
serverID ${name#l}
pidfile $dir/$1/$name.pid
sizelimit unlimited
database mdb
suffix dc=bench
rootdn cn=admin,dc=bench
rootpw bench
directory $dir/$1/$name
maxsize 4294967296
index objectClass,entryUUID,entryCSN,uid eq
END
        if [[ $name == l1 ]]; then
            echo 'overlay syncprov'
        else
            echo "syncrepl rid=1 provider=ldap://$openldap_provider type=refreshAndPersist retry=\"1 +\""
            echo '    searchbase=dc=bench bindmethod=simple binddn=cn=admin,dc=bench credentials=bench'
        fi >>"$1/$name.conf"
    done
}

# It adds a thousand accounts a second, whatever the number of clients, so all servers begin with the same file.
fill_openldap() { # folder; how many accounts
    local name address
    {
        printf 'dn: dc=bench\nobjectClass: domain\ndc: bench\n\n'
        printf 'dn: ou=people,dc=bench\nobjectClass: organizationalUnit\nou: people\n\n'
        awk -v accounts="$2" 'BEGIN {
            time = "2026-01-01T00:00:00.000000Z 127.0.0.1:40000"
            for (n = 1; n <= accounts; n++) {
                printf "dn: uid=bench-0badcafe-%d,ou=people,dc=bench\nobjectClass: inetOrgPerson\n", n
                printf "uid: bench-0badcafe-%d\ncn: Bench %d\nsn: Bench %d\n", n, n, n
                printf "employeeNumber: 00000000-0000-7000-8000-%012d\n", n
                printf "description: %s %s\n\n", time, time
            }
        }'
    } | slapadd -q -w -f "$1/l1.conf"
    for name in l2 l3; do cp "$1/l1/data.mdb" "$1/$name/"; done
    for name in l1 l2 l3; do
        address=$openldap_provider
        [[ $name == l1 ]] || address=127.0.0.1:$(free_port)
        slapd -f "$1/$name.conf" -h "ldap://$address" -d 0 >"$1/$name.log" 2>&1 &
        openldap_servers+=($!)
    done
    until "$peers" openldap lookup --servers "$openldap_provider" --clients 1 --count 1 >/dev/null 2>&1; do
        kill -0 "${openldap_servers[@]}"
        sleep 0.1
    done
}

load_openldap() { # folder; kind; clients; seconds; accounts that lookups choose from
    "$peers" openldap "$2" --servers "$openldap_provider" --clients "$3" --seconds "$4" --names "$5" >"$1/bench.json"
    rate_of "$1/bench.json"
}

count_openldap() {
    ldapsearch -LLL -x -H "ldap://$openldap_provider" -D cn=admin,dc=bench -w bench -b ou=people,dc=bench \
        '(objectClass=inetOrgPerson)' 1.1 | grep -c '^dn:'
}

end_openldap() {
    local server
    for server in "${openldap_servers[@]}"; do { kill "$server" && wait "$server"; } 2>/dev/null || true; done
}
