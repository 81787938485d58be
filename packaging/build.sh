#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh: packs .build/gatehouse (make release) as a Debian package, .build/deb/gatehouse_VERSION_ARCHITECTURE.deb, and
# has lintian look at it.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=.build/gatehouse
version=$("$binary" version | cut -d' ' -f2)
packed=$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)
if [ "$version" != "$packed" ]; then
    echo "build.sh: error: the binary is version $version, packaging/debian/changelog says $packed" >&2
    exit 1
fi

# What it promises to be: one file of at most 20 MB, linked to these and to nothing else.
bytes=$(stat -c %s "$binary")
if [ "$bytes" -gt 20000000 ]; then
    echo "build.sh: error: $binary has $bytes bytes, more than 20 MB" >&2
    exit 1
fi
allowed='^(lib(c|m|gcc_s|stdc\+\+|ssl|crypto|sqlite3|seccomp)\.so\.[0-9]+|ld-linux-.*)$'
if readelf -d -W "$binary" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE "$allowed"; then
    echo "build.sh: error: $binary is linked to the libraries above, which are none of the package's" >&2
    exit 1
fi

rm -rf .build/deb
tree=.build/deb/gatehouse-$version
stage=$tree/stage
mkdir -p "$tree"
cp -r packaging/debian "$tree/debian"
install -D -m 0755 "$binary" "$stage/usr/bin/gatehouse"
install -D -m 0644 etc/gatehouse.toml "$stage/usr/share/gatehouse/gatehouse.toml"
"$binary" completion bash | install -D -m 0644 /dev/stdin "$stage/usr/share/bash-completion/completions/gatehouse"
"$binary" completion zsh | install -D -m 0644 /dev/stdin "$stage/usr/share/zsh/vendor-completions/_gatehouse"
"$binary" completion fish | install -D -m 0644 /dev/stdin "$stage/usr/share/fish/vendor_completions.d/gatehouse.fish"
"$binary" manual | install -D -m 0644 /dev/stdin "$stage/man/gatehouse.1"
python3 packaging/manual.py etc/gatehouse.toml "$version" | install -D -m 0644 /dev/stdin "$stage/man/gatehouse.toml.5"
install -D -m 0644 -t "$stage/doc" README.md SECURITY.md CHANGELOG.md
install -D -m 0644 -t "$stage/doc/manual" packaging/manual/*.md
# debhelper finds units, users and directories beside the control file.
cp etc/systemd/gatehouse.service etc/systemd/gatehouse.socket "$tree/debian/"
cp etc/systemd/gatehouse-redirect.socket "$tree/debian/gatehouse.gatehouse-redirect.socket"
cp etc/systemd/gatehouse-sandbox.socket "$tree/debian/gatehouse.gatehouse-sandbox.socket"
cp "etc/systemd/gatehouse-sandbox@.service" "$tree/debian/gatehouse@.gatehouse-sandbox.service"
cp etc/sysusers.d/gatehouse.conf "$tree/debian/gatehouse.sysusers"
cp etc/tmpfiles.d/gatehouse.conf "$tree/debian/gatehouse.tmpfiles"

(cd "$tree" && dpkg-buildpackage --build=binary --unsigned-changes --no-sign)
lintian --fail-on error,warning --tag-display-limit 0 .build/deb/gatehouse_"$version"_*.changes
echo "build.sh: lintian has no error and no warning, and nothing overrides one"
ls -l .build/deb/*.deb
