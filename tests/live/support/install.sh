#!/bin/bash
# Install what the live tests need on a plain Debian 12: Incus 6.0, its tools,
# a private Incus 7.0, restic and the test image.  Run as root; safe to run again and
# safe to run twice at once; does nothing when nothing is missing.
#
# Incus 6.0 comes from bookworm-backports.  Incus 7.0 comes from
# trixie-backports and would drag in a newer libc; so its binaries live in a
# folder of their own with their own loader and libraries.
# The machine's apt sources and package lists stay as they are.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOOLS=${INCUSBAK_TOOLS:-/var/lib/incus-backup-dev}
APT=$TOOLS/apt
UNFINISHED=$TOOLS/unfinished # there while apt-get works; stays if it is killed
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
POLICY=/usr/sbin/policy-rc.d
POLICY_MARK='# made by incus-backup tests/live/support/install.sh'
PATH=$PATH:/usr/sbin:/sbin

# program:package, each looked up in PATH or by its full path
PROGRAMS=(
    /usr/libexec/incus/incusd:incus-base incus:incus-client
    mkfs.btrfs:btrfs-progs dnsmasq:dnsmasq-base zstd:zstd bzip2:bzip2
    /bin/busybox:busybox-static patchelf:patchelf ip:iproute2
    unshare:util-linux openssl:openssl xz:xz-utils restic:restic rclone:rclone
    ssh:openssh-client
)
# the libraries Incus 7.0 is linked with, as trixie names their packages
LIBRARIES=(
    libc6 libgcc-s1 libcap2 libacl1 libudev1 libsqlite3-0 libcowsql0 libraft0
    libuv1t64 liblz4-1 liblxc1t64 libseccomp2 libselinux1 libapparmor1
    libpcre2-8-0 libssl3t64 libdbus-1-3 libsystemd0 libzstd1 zlib1g
    libxxhash0 libcrypt1
)

say() { echo "install: $*" >&2; }
die() { say "$*"; exit 1; }

# --- what is missing ---------------------------------------------------------
missing_packages() {
    local entry
    for entry in "${PROGRAMS[@]}"; do
        command -v "${entry%%:*}" >/dev/null || echo "${entry#*:}"
    done
}

has_restic() { [ -x "$TOOLS/restic/restic" ]; }

has_incus7() { [ -x "$TOOLS/incus7/bin/incusd" ] && [ -x "$TOOLS/incus7/bin/incus" ]; }

# The recipe lies beside the image: a changed recipe makes a new image.
has_image() {
    [ -s "$TOOLS/images/mini.tar.gz" ] && cmp -s "$HERE/mini_image.sh" "$TOOLS/images/mini.recipe"
}

list_missing() {
    missing_packages
    [ ! -e "$UNFINISHED" ] || echo 'the end of an interrupted installation'
    has_incus7 || echo 'Incus 7.0'
    has_restic || echo 'restic'
    has_image || echo 'the test image'
}

# --- where the packages come from --------------------------------------------
# Prints "MIRROR<TAB>FILE" for each entry for bookworm main in a deb822 file.
read_deb822() {
    awk -v file="$1" '
        function has(list, word) { return index(" " list " ", " " word " ") }
        function finish(   uri) {
            split(field["uris"], uri)
            if (has(field["types"], "deb") && has(field["suites"], "bookworm") &&
                has(field["components"], "main") && field["enabled"] !~ /^ *no *$/ && uri[1])
                print uri[1] "\t" file
            delete field
        }
        /^#/ { next }
        /^[ \t]*$/ { finish(); next }
        /^[ \t]/ { sub(/^[ \t]+/, ""); field[key] = field[key] " " $0; next }
        { key = tolower($0); sub(/:.*/, "", key); sub(/^[^:]*:[ \t]*/, ""); field[key] = $0 }
        END { finish() }' "$1"
}

# The same for the one-line format: deb [options] URL SUITE COMPONENT...
read_one_line() {
    awk -v file="$1" '
        $1 == "deb" {
            sub(/\[[^]]*\]/, "")
            if ($3 == "bookworm" && / main( |$)/) print $2 "\t" file
        }' "$1"
}

# Debian's own files come first.  In other files only an address that ends in
# /debian counts: other vendors too call their suite bookworm.
find_mirror() {
    local etc=${APT_ETC:-/etc/apt} file
    local own_first=("$etc/sources.list.d/debian.sources" "$etc/sources.list")
    for file in "${own_first[@]}" "$etc"/sources.list.d/*.sources "$etc"/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        case $file in *.sources) read_deb822 "$file" ;; *) read_one_line "$file" ;; esac |
            case $file in
            "${own_first[0]}" | "${own_first[1]}") cat ;;
            *) awk -F'\t' '$1 ~ /\/debian(\/|$)/' ;;
            esac
    done | sed -n 1p
}

# --- apt with lists of its own -----------------------------------------------
# private_apt NAME apt-get-arguments...   (sources: $APT/NAME/sources.list.d)
private_apt() {
    local dir=$APT/$1
    shift
    mkdir -p "$dir"/{lists/partial,archives/partial,preferences.d}
    DEBIAN_FRONTEND=noninteractive apt-get -qq \
        -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$dir/sources.list.d" \
        -o "Dir::State::lists=$dir/lists" -o "Dir::Cache::archives=$dir/archives" \
        -o "Dir::Cache::pkgcache=$dir/pkgcache.bin" -o "Dir::Cache::srcpkgcache=$dir/srcpkgcache.bin" \
        -o Acquire::Languages=none -o APT::Sandbox::User=root \
        -o DPkg::Lock::Timeout=600 "$@"
}

write_source() { # write_source FILE MIRROR SUITE...
    local file=$1 mirror=$2
    shift 2
    printf '%s\n' 'Types: deb' "URIs: $mirror" "Suites: $*" 'Components: main' \
        "Signed-By: $KEYRING" >"$file"
}

# --- steps -------------------------------------------------------------------
# Maintainer scripts ask policy-rc.d before they start a service.
forbid_services() {
    if [ -e "$POLICY" ] && ! grep -qsF "$POLICY_MARK" "$POLICY"; then
        return # the machine has a policy of its own
    fi
    printf '%s\n' '#!/bin/sh' "$POLICY_MARK" 'exit 101' >"$POLICY"
    chmod 755 "$POLICY"
}

allow_services() {
    ! grep -qsF "$POLICY_MARK" "$POLICY" || rm -f "$POLICY"
}

install_packages() { # install_packages MIRROR SOURCE-FILE PACKAGE...
    local mirror=$1 file=$2 sources=$APT/bookworm/sources.list.d
    shift 2
    say "installing $*"
    rm -rf "$sources"
    mkdir -p "$sources"
    cp "$file" "$sources/machine.${file##*.}"
    grep -q bookworm-backports "$file" ||
        write_source "$sources/backports.sources" "$mirror" bookworm-backports
    private_apt bookworm update || say "some package lists could not be read; going on"
    : >"$UNFINISHED"
    forbid_services
    # Neither upgrades nor removes what the machine already has: an Incus in
    # use stays what it is.
    private_apt bookworm install -y --no-install-recommends --no-remove --no-upgrade \
        -t bookworm-backports -o Dpkg::Use-Pty=0 "$@" </dev/null >"$TOOLS/install.log" 2>&1 ||
        { tail -n20 "$TOOLS/install.log" >&2; die "apt-get failed; all of it: $TOOLS/install.log"; }
    allow_services
    rm -rf "$UNFINISHED" "$APT/bookworm"
}

finish_interrupted() {
    say "finishing an interrupted installation"
    forbid_services
    dpkg --configure -a </dev/null >"$TOOLS/install.log" 2>&1 || die "see $TOOLS/install.log"
    allow_services
    rm -f "$UNFINISHED"
}

install_incus7() { # install_incus7 MIRROR
    local dir=$APT/trixie new=$TOOLS/incus7.new lib=$TOOLS/incus7/lib program deb loader
    say "fetching Incus 7.0"
    rm -rf "$new" "$TOOLS/incus7" "$dir/deb"
    mkdir -p "$dir/sources.list.d" "$dir/deb" "$new/bin" "$new/lib" "$new/x"
    : >"$dir/status"
    write_source "$dir/sources.list.d/trixie.sources" "$1" trixie trixie-backports
    private_apt trixie -o "Dir::State::status=$dir/status" update
    (cd "$dir/deb" && private_apt trixie -o "Dir::State::status=$dir/status" download \
        {incus-base,incus-client}/trixie-backports "${LIBRARIES[@]}")
    for deb in "$dir"/deb/*.deb; do dpkg -x "$deb" "$new/x"; done
    cp -a "$new"/x/usr/lib/"$(uname -m)"-linux-gnu/*.so* "$new/lib/"
    cp "$new"/x/usr/libexec/incus/incusd "$new"/x/usr/bin/incus "$new/bin/"
    loader=$lib/$(basename "$(patchelf --print-interpreter "$new/bin/incusd")")
    for program in incusd incus; do
        patchelf --set-interpreter "$loader" --set-rpath "$lib" --force-rpath "$new/bin/$program"
    done
    rm -rf "$new/x" "$dir"
    # Only a complete folder gets the name that has_incus7 looks for.
    mv "$new" "$TOOLS/incus7"
    "$TOOLS/incus7/bin/incusd" --version >/dev/null || { rm -rf "$TOOLS/incus7"; die "Incus 7.0 does not run"; }
}

# Debian 12's own restic is of before the rules of retention that are ours too; both are tested with.
install_restic() { # install_restic MIRROR
    local dir=$APT/trixie new=$TOOLS/restic.new
    say "fetching restic"
    rm -rf "$new" "$TOOLS/restic" "$dir"
    mkdir -p "$dir/sources.list.d" "$dir/deb" "$new/x"
    : >"$dir/status"
    write_source "$dir/sources.list.d/trixie.sources" "$1" trixie
    private_apt trixie -o "Dir::State::status=$dir/status" update
    (cd "$dir/deb" && private_apt trixie -o "Dir::State::status=$dir/status" download restic)
    dpkg -x "$dir"/deb/restic_*.deb "$new/x"
    cp "$new/x/usr/bin/restic" "$new/restic" # linked statically
    rm -rf "$new/x" "$dir"
    "$new/restic" version >/dev/null || die "restic does not run"
    mv "$new" "$TOOLS/restic"
}

install_image() {
    say "building the test image"
    mkdir -p "$TOOLS/images"
    "$HERE/mini_image.sh" "$TOOLS/images/mini.tar.gz"
    cp "$HERE/mini_image.sh" "$TOOLS/images/mini.recipe"
}

main() {
    local missing mirror='' file='' packages
    missing=$(list_missing | paste -sd, | sed 's/,/, /g')
    [ -n "$missing" ] || exit 0
    [ "$(id -u)" = 0 ] || die "missing: $missing; run this script as root to install it."
    mkdir -p "$TOOLS"
    exec 9>"$TOOLS/install.lock"
    flock 9
    trap allow_services EXIT
    [ ! -e "$UNFINISHED" ] || finish_interrupted
    mapfile -t packages < <(missing_packages) # another run may have done it all by now
    if [ "${#packages[@]}" -gt 0 ] || ! has_incus7 || ! has_restic; then
        IFS=$'\t' read -r mirror file < <(find_mirror) || true
        [ -n "$mirror" ] || die "no source for Debian bookworm main in /etc/apt: cannot install $missing."
    fi
    [ "${#packages[@]}" = 0 ] || install_packages "$mirror" "$file" "${packages[@]}"
    has_incus7 || install_incus7 "$mirror"
    has_restic || install_restic "$mirror"
    has_image || install_image
    say "done: $TOOLS"
}

[ "${BASH_SOURCE[0]}" != "$0" ] || main "$@"
