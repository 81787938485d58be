#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh build [test] [deb] [machine] [bench] [profile]: makes sure that what a build (and the tests) need is there, and
# installs what is missing.
# Looks for the things themselves, not for package names, so that what came from elsewhere counts too.
set -euo pipefail

missing=()
libraries=$(/sbin/ldconfig -p 2>/dev/null || true)
want() { # want PACKAGE TEST…: the package is missing when the test fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
library() { [[ $libraries == *"$1"* ]]; }
any() { compgen -G "$1"; }

for group in "$@"; do
    case $group in
    build)
        want make command -v make
        want git command -v git
        want pkg-config command -v pkg-config
        want binutils command -v ld
        want libc6-dev test -e /usr/include/stdio.h
        want 'libstdc++-dev' any '/usr/lib/gcc/*/*/libstdc++.so'
        want libssl-dev test -e /usr/include/openssl/ssl.h
        want libsqlite3-dev test -e /usr/include/sqlite3.h
        want libseccomp-dev test -e /usr/include/seccomp.h
        # What the Swift toolchain itself is linked to.
        want libcurl4 library libcurl.so.4
        want libxml2 library libxml2.so.2
        want libncurses6 library libncurses.so.6
        want zlib1g library libz.so.1
        want ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
        ;;
    test)
        want python3 command -v python3
        want python3-venv python3 -c 'import venv, ensurepip'
        want python3-venv /usr/bin/python3 -c 'import venv, ensurepip'
        want openssl command -v openssl
        want curl command -v curl
        want testssl.sh command -v testssl
        want groff-base command -v groff
        want zsh command -v zsh
        want fish command -v fish
        ;;
    deb)
        want build-essential dpkg-query -W build-essential
        want dpkg-dev command -v dpkg-buildpackage
        want debhelper command -v dh_installsysusers
        want lintian command -v lintian
        want python3 command -v python3
        ;;
    machine)
        want mmdebstrap command -v mmdebstrap
        want qemu-system-x86 command -v qemu-system-x86_64
        want e2fsprogs command -v mkfs.ext4
        ;;
    bench)
        want nginx command -v nginx
        want libnginx-mod-http-echo test -e /usr/lib/nginx/modules/ngx_http_echo_module.so
        want wrk command -v wrk
        want sqlcipher library libsqlcipher.so.0
        want bubblewrap command -v bwrap
        ;;
    profile)
        want valgrind command -v valgrind
        ;;
    *)
        echo "packages.sh: error: there is no group '$group'" >&2
        exit 2
        ;;
    esac
done

if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "make: error: these are missing, and there is no apt-get to install them: ${missing[*]}" >&2
        exit 1
    fi
    sudo=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "make: error: as root, first: apt-get install ${missing[*]}" >&2
            exit 1
        }
        sudo=(sudo)
    fi
    echo "make: installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq
    # libstdc++'s headers carry a version in their name.
    for i in "${!missing[@]}"; do
        if [ "${missing[$i]}" = 'libstdc++-dev' ]; then
            missing[i]=$(apt-cache search --names-only '^libstdc\+\+-[0-9]+-dev$' | cut -d' ' -f1 | sort -V | tail -n 1)
        fi
    done
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

command -v "${SWIFT:-swift}" >/dev/null || {
    echo "make: error: there is no swift in the PATH" >&2
    echo "make: hint: install the Swift 6.3 toolchain: https://www.swift.org/install/linux/" >&2
    exit 1
}
