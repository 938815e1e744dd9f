#!/bin/bash
# Build the container image of the live tests: busybox, about 1 MB.
#
# usage: mini_image.sh OUT.tar.gz
#
# Needs busybox-static.  The same busybox gives the same bytes each time, so
# the image keeps its fingerprint from one build to the next.
set -euo pipefail

readonly EPOCH=1700000000

make_tree() { # root file system: empty folders, busybox and its applets
    local root=$1 applet
    mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,run,root,home/alice,mnt,srv,tmp} \
        "$root"/{usr/bin,usr/sbin,var/lib,var/log}
    chmod 1777 "$root/tmp"
    chmod 700 "$root/root"
    install -m 755 /bin/busybox "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s /bin/busybox "$root/bin/$applet"
    done
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' \
        'alice:x:1000:1000::/home/alice:/bin/sh' >"$root/etc/passwd"
    printf '%s\n' 'root:x:0:' 'alice:x:1000:' >"$root/etc/group"
    chown 1000:1000 "$root/home/alice"
}

# Why not busybox's own init: its shutdown sleeps for two fixed seconds and
# `incus stop` sends SIGPWR.  A shell as PID 1 needs no more than a trap.
# While it sits in `wait`, ash also reaps the orphans that end up with it.
write_init() {
    cat >"$1/sbin/init" <<'INIT'
#!/bin/sh
# PID 1.  `incus stop` sends SIGPWR: end everything, wait at most 0.5 s, go.
others() { # is any process left but PID 1?  (a zombie has no exe)
    for p in /proc/[0-9]*; do
        [ "$p" = /proc/1 ] || [ ! -e "$p/exe" ] || return 0
    done
    return 1
}
halt() {
    trap '' PWR TERM INT
    kill -TERM -1 2>/dev/null
    n=0
    while [ $n -lt 10 ] && others; do
        usleep 50000
        n=$((n + 1))
    done
    exit 0
}
trap halt PWR TERM INT
/etc/rc &
while :; do
    sleep 86400 &
    wait $!
done
INIT
    chmod 755 "$1/sbin/init"
}

write_network() { # loopback, and DHCP on eth0 if the test gives it one
    cat >"$1/etc/rc" <<'RC'
#!/bin/sh
[ -f /etc/hostname ] && hostname -F /etc/hostname
ip link set lo up 2>/dev/null
[ -d /sys/class/net/eth0 ] && exec udhcpc -i eth0 -b -t 3 -s /etc/udhcpc.script >/dev/null 2>&1
exit 0
RC
    cat >"$1/etc/udhcpc.script" <<'DHCP'
#!/bin/sh
case "$1" in
deconfig) ip link set "$interface" up ;;
bound | renew)
    ip addr flush dev "$interface"
    ip addr add "$ip/${mask:-24}" dev "$interface"
    for r in $router; do ip route add default via "$r" dev "$interface"; done
    ;;
esac
DHCP
    chmod 755 "$1/etc/rc" "$1/etc/udhcpc.script"
}

write_metadata() {
    mkdir "$1/templates"
    echo '{{ container.name }}' >"$1/templates/hostname.tpl"
    cat >"$1/metadata.yaml" <<META
architecture: $(uname -m)
creation_date: $EPOCH
properties: {os: busybox, release: mini, description: busybox mini}
templates:
  /etc/hostname:
    when: [create, copy]
    template: hostname.tpl
META
}

main() {
    local out work
    out=$(realpath "$1")
    umask 022
    work=$(mktemp -d)
    # shellcheck disable=SC2064  # expand now: `work` is local
    trap "rm -rf '$work'" EXIT
    make_tree "$work/rootfs"
    write_init "$work/rootfs"
    write_network "$work/rootfs"
    write_metadata "$work"
    tar -C "$work" --sort=name --mtime="@$EPOCH" --numeric-owner -cf - \
        metadata.yaml templates rootfs | gzip -9n >"$out.new"
    mv "$out.new" "$out"
}

[ $# = 1 ] || { echo "usage: $0 OUT.tar.gz" >&2; exit 2; }
main "$1"
