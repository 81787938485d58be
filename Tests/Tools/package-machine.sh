#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The Debian package on a clean Debian 12 with a real systemd: installed by apt, set up, started, asked, reloaded, bound to port
# 443, restarted under load, upgraded, removed and purged, in a virtual machine without a network. Prints a line for each
# thing that is so, and fails at the first that is not.
#
#   Tests/Tools/package-machine.sh       as root, after `make deb`; needs mmdebstrap, qemu-system-x86 and e2fsprogs
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
package=$(ls "$here"/.build/deb/gatehouse_*_amd64.deb)
work=$(mktemp -d /var/tmp/gatehouse-machine.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root

# ROOT: one that was made before, with the packages below.
if [ -n "${ROOT:-}" ]; then
    cp -a "$ROOT" "$root"
else
    mmdebstrap --quiet --variant=minbase \
        --include=systemd,systemd-sysv,udev,dbus,linux-image-cloud-amd64,initramfs-tools,kmod,iproute2,ca-certificates,curl \
        bookworm "$root"
fi

# The same package as a higher version, for the upgrade.
mkdir "$work/next"
dpkg-deb -R "$package" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/next" "$root/root/next.deb" >/dev/null
cp "$package" "$root/root/gatehouse.deb"

# Dependencies come from the network, which the machine has not: everything but the package itself is installed here.
cp -a /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
chroot "$root" apt-get update -qq
depends=$(dpkg-deb -f "$package" Depends | tr ',' '\n' | sed 's/|.*//; s/(.*//' | tr '\n' ' ')
# shellcheck disable=SC2086  # a list
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $depends >/dev/null

cat >"$root/root/scenario" <<'SCENARIO'
#!/bin/bash
# What is shown, in the machine.
set -u
export DEBIAN_FRONTEND=noninteractive HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
fail() { echo "package: FAILED $*"; journalctl -u gatehouse --no-pager -n 40; exit 1; }
is() { local what=$1; shift; if "$@"; then echo "package: ok $what"; else fail "$what: $*"; fi; }
until_so() { for _ in $(seq 1 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done; return 1; }
port=8443
ask() { # ask PATH [BODY]: the status of the answer
    curl -s -o /root/answer -w '%{http_code}' --max-time 60 --cacert /etc/gatehouse/tls/cert.pem \
        --resolve "gate.example.org:$port:127.0.0.1" -H "authorization: Bearer $key" -H 'content-type: application/json' \
        ${2:+-d "$2"} "https://gate.example.org:$port$1"
}
chat() { [ "$(ask /v1/chat/completions "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}")" = "$2" ]; }
state() { [ "$(systemctl show -P "$1" gatehouse)" = "$2" ]; }
mode() { [ "$(stat -c '%U:%G %a' "$1")" = "$2" ]; }
status() { grep -q "^$1:[[:space:]]*$2" "/proc/$(systemctl show -P MainPID gatehouse)/status"; }

is "apt installs it" apt-get install -y -qq /root/gatehouse.deb
is "without a configuration nothing starts, and nothing failed" state ActiveState inactive
is "the root key is root's alone" mode /etc/gatehouse/root.key "root:root 600"
first=$(sha256sum /etc/gatehouse/root.key)
is "setup writes a configuration" gatehouse setup --host gate.example.org --yes
is "the certificate's key is for the service to read, and nobody else" mode /etc/gatehouse/tls/key.pem "root:gatehouse 640"
is "the service starts, and is ready when systemctl returns" systemctl start gatehouse
is "it is active" state ActiveState active
is "it runs as its user" status Uid "$(id -u gatehouse)"
is "it has no capability" status CapEff 0000000000000000
is "it can gain none" status NoNewPrivs 1
is "its system calls are filtered" status Seccomp 2
is "its data are its own" mode /var/lib/gatehouse "gatehouse:gatehouse 700"
key=$(gatehouse key create --name machine --json | grep -oE 'ghk_[A-Za-z0-9]{49}' | head -n 1)
is "a key is made" [ -n "$key" ]
is "a request is answered" chat builtin 200
key=x is "a wrong key is refused" chat builtin 401

printf '\n[[gateway.model]]\nname = "second"\nprovider = "builtin"\nupstream = "builtin-chat"\n' >>/etc/gatehouse/gatehouse.toml
is "before a reload the new model is unknown" chat second 404
pid=$(systemctl show -P MainPID gatehouse)
is "a changed configuration is reloaded" systemctl reload gatehouse
is "the new model answers" until_so chat second 200
cp /etc/gatehouse/gatehouse.toml /root/good.toml
echo 'mistake = 1' >>/etc/gatehouse/gatehouse.toml
is "one with a mistake is refused" bash -c '! systemctl reload gatehouse 2>/dev/null'
is "the old one goes on" chat second 200
is "in the same process" [ "$pid" = "$(systemctl show -P MainPID gatehouse)" ]
cp /root/good.toml /etc/gatehouse/gatehouse.toml

systemctl stop gatehouse
is "systemd binds port 443" systemctl enable -q --now gatehouse.socket
is "the service takes it over" systemctl start gatehouse
port=443
is "a request at port 443 is answered" chat builtin 200
(
    refused=0
    asked=0
    while [ ! -e /root/enough ]; do
        asked=$((asked + 1))
        chat builtin 200 || refused=$((refused + 1))
    done
    echo "$asked $refused" >/root/asked
) &
sleep 3
is "it restarts while it is asked" systemctl restart gatehouse
sleep 3
touch /root/enough
wait
read -r asked refused </root/asked
is "none of $asked requests failed meanwhile" [ "$refused" = 0 ]

mkdir -p /etc/systemd/system/gatehouse.service.d
printf '[Service]\nWatchdogSec=4s\n' >/etc/systemd/system/gatehouse.service.d/watchdog.conf
systemctl daemon-reload
is "it starts under a watchdog" systemctl restart gatehouse
pid=$(systemctl show -P MainPID gatehouse)
kill -STOP "$pid"
is "one that hangs is killed by the watchdog" until_so [ ! -e "/proc/$pid" ]
is "and started anew" until_so chat builtin 200
rm -r /etc/systemd/system/gatehouse.service.d
systemctl daemon-reload

is "apt upgrades it" apt-get install -y -qq /root/next.deb
is "the version is the higher one" bash -c 'dpkg-query -W gatehouse | grep -q +next'
is "the key of before still works, at the port of before" until_so chat second 200
is "the root key is the same" [ "$first" = "$(sha256sum /etc/gatehouse/root.key)" ]
is "the store is whole" gatehouse store verify
is "the audit log is whole" gatehouse audit verify

is "apt removes it" apt-get remove -y -qq gatehouse
is "configuration, root key and data are still there" ls /etc/gatehouse/gatehouse.toml /etc/gatehouse/root.key /var/lib/gatehouse/keyring.db
is "nothing runs" bash -c '! grep -qx gatehouse /proc/[0-9]*/comm'
is "and nothing listens" bash -c '! ss -ltnH | grep -E ":(443|80|8443) "'
is "apt installs it again" apt-get install -y -qq /root/gatehouse.deb
port=8443
is "and it opens what was there" until_so chat second 200
is "apt purges it" apt-get purge -y -qq gatehouse
is "nothing is left" bash -c '! ls -d /etc/gatehouse /var/lib/gatehouse /usr/bin/gatehouse 2>/dev/null'
echo "package: ALL OK"
SCENARIO
chmod +x "$root/root/scenario"
cat >"$root/etc/systemd/system/scenario.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/root/scenario
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
UNIT
ln -s ../scenario.service "$root/etc/systemd/system/multi-user.target.wants/scenario.service"
# The scenario is a service of multi-user.target, and comes behind the others of it.
sed -i 's/^After=.*/After=dbus.service/' "$root/etc/systemd/system/scenario.service"
echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
cp "$root"/boot/vmlinuz-* "$work/kernel"
cp "$root"/boot/initrd.img-* "$work/initrd"
rm -rf "$root"/var/cache/apt/archives/*.deb
mkfs.ext4 -q -d "$root" "$work/disk.img" 3G

timeout "${SECONDS_MAX:-1500}" qemu-system-x86_64 -accel tcg -cpu max -m 1536 -smp 1 -nographic -no-reboot -nic none \
    -kernel "$work/kernel" -initrd "$work/initrd" \
    -append "root=/dev/vda rw console=ttyS0 quiet systemd.mask=serial-getty@ttyS0.service" \
    -drive "file=$work/disk.img,format=raw,if=virtio" </dev/null | stdbuf -oL tr -d '\r' | tee "$work/log" | grep --line-buffered -E '^package: ' || true
if ! grep -q '^package: ALL OK' "$work/log"; then
    tail -n 60 "$work/log"
    exit 1
fi
