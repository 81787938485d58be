#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The first five minutes of a new user, on a Debian that has nothing but `make`, `git` and a Swift toolchain:
# clone, `make run`, paste the printed lines, `make run` again. Prints how long each step took.
#
#   Tests/Tools/clean-root.sh            as root; needs mmdebstrap; SWIFT=/path/to/toolchain if it is not beside `swift`
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
swift=${SWIFT:-$(dirname "$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")")}
root=$(mktemp -d /var/tmp/gatehouse-root.XXXXXX)

cleanup() {
    [ -n "${server:-}" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    for mount in opt/swift proc dev; do umount "$root/$mount" 2>/dev/null || true; done
    rm -rf --one-file-system "$root"
}
trap cleanup EXIT

step() {
    local name=$1 begin
    shift
    begin=$(date +%s.%N)
    "$@"
    printf 'clean-root: %-46s %6.1f s\n' "$name" "$(echo "$(date +%s.%N) - $begin" | bc)"
}

inside() { chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb PATH=/opt/swift/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    ${PIP_ENV:-} bash -c "cd /root/gatehouse && $*"; }

make_root() {
    mmdebstrap --quiet --variant=apt --include=ca-certificates,make,git bookworm "$root"
    mkdir -p "$root/opt/swift"
    mount --bind -o ro "$swift" "$root/opt/swift"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    # The network as the host has it: names, certificates, and where its packages come from.
    cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    cp -L /etc/hosts "$root/etc/hosts"
    cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/"
    git clone --quiet "$here" "$root/root/gatehouse"
}

log=$root/root/run.log
# `make run` in the background, until it has printed its banner.
run() {
    : >"$log"
    inside "exec make run" >"$log" 2>&1 &
    server=$!
    for _ in $(seq 1 6000); do
        grep -q '^ *ready' "$log" && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    cat "$log"
    echo "clean-root: make run did not come up" >&2
    return 1
}

stop() {
    inside "pkill -TERM -x gatehouse"
    wait "$server"
    server=
}

# The curl line exactly as printed.
paste_curl() {
    inside "$(sed -n '/^ *curl /,/[^\\]$/p' "$log")" | tee >(cat >&2) | grep -q '"chat.completion"'
}

step "a Debian with make, git and the toolchain" make_root
step "make run, the first time (packages and build)" run
sed -n '/gatehouse/,$p' "$log" | tail -n 40
inside "apt-get install -y -qq curl procps >/dev/null 2>&1"
step "the printed curl line" paste_curl
step "stop by SIGTERM" stop
step "make run, the second time" run
step "the printed curl line again" paste_curl
step "stop by SIGTERM" stop
stat -c 'clean-root: %a %n' "$root/root/gatehouse/data" "$root"/root/gatehouse/data/* "$root"/root/gatehouse/*.key
