#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the Debian package in a clean Debian of another release: a folder (chroot(8)) with `make`, `git` and the Swift toolchain
# of this machine, and a clone of this tree. Leaves .build/deb-SUITE/gatehouse_….deb, and what lintian of that release says.
#
#   Tests/Tools/package-build.sh trixie      as root; needs mmdebstrap; SWIFT_ROOT=/path/to/toolchain if it is not beside `swift`
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
suite=$1
toolchain=${SWIFT_ROOT:-$(dirname "$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")")}
root=$(mktemp -d /var/tmp/gatehouse-build.XXXXXX)
cleanup() {
    for mount in opt/swift proc dev; do umount "$root/$mount" 2>/dev/null || true; done
    rm -rf --one-file-system "$root"
}
trap cleanup EXIT

mmdebstrap --quiet --variant=apt --include=ca-certificates,make,git "$suite" "$root"
mkdir -p "$root/opt/swift"
mount --bind -o ro "$toolchain" "$root/opt/swift"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
# The network as this machine has it: names, certificates, and where its packages come from.
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp -L /etc/hosts "$root/etc/hosts"
for file in /etc/apt/apt.conf.d/*; do
    # What a package brought is that package's there too.
    dpkg -S "$file" >/dev/null 2>&1 || cp "$file" "$root/etc/apt/apt.conf.d/"
done
git clone --quiet "$here" "$root/root/gatehouse"
chroot "$root" /usr/bin/env -i HOME=/root TERM=dumb PATH=/opt/swift/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DEBIAN_FRONTEND=noninteractive sh -c '. /etc/os-release && echo "package: builds on $PRETTY_NAME" && cd /root/gatehouse && make deb && openssl version'
rm -rf "$here/.build/deb-$suite"
mkdir -p "$here/.build/deb-$suite"
cp "$root"/root/gatehouse/.build/deb/gatehouse_*.deb "$here/.build/deb-$suite/"
dpkg-deb -f "$here/.build/deb-$suite"/*.deb Depends | sed "s/^/package: built on $suite, it depends on /"
