# Read by the other scripts here. What a phone remembers lies in /data/phone: settings over a
# restart, the rest until then. `refuse COMMAND` prints what a phone that refuses says, and exits.
state=/data/phone
mkdir -p $state
refuse() {
    if [ -f /vendor/etc/refuses/$1.txt ]; then
        cat /vendor/etc/refuses/$1.txt >&2
        exit $(cat /vendor/etc/refuses/$1.exit)
    fi
}
remembered() {
    cat $state/$1 2>/dev/null || echo "$2"
}
