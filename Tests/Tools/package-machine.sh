#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The Debian package on a clean Debian. First in a virtual machine with a real systemd and without a network: installed by apt,
# set up, started, asked, reloaded, bound to port 443, its sandbox attacked and asked for more than its limits, restarted under
# load, upgraded, removed and purged; and once more by the manual's own commands, those that want root and systemd. Then in a
# folder (chroot(8)): the same installation, asked by the stock `openai` SDK.
# Prints a line for each thing that is so, and fails at the first that is not.
#
#   Tests/Tools/package-machine.sh [SUITE [PACKAGE]]     as root, after `make deb`; needs mmdebstrap, qemu-system-x86, e2fsprogs
set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
suite=${1:-bookworm}
package=${2:-$(ls "$here"/.build/deb/gatehouse_*_amd64.deb)}
work=$(mktemp -d /var/tmp/gatehouse-machine.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
begun=$(date +%s)
took() { echo "package: $(($(date +%s) - begun)) s until $*"; }

# ROOT: one that was made before, with the packages below.
if [ -n "${ROOT:-}" ]; then
    cp -a "$ROOT" "$root"
else
    include=systemd,systemd-sysv,udev,dbus,linux-image-cloud-amd64,initramfs-tools,kmod,iproute2,ca-certificates,curl
    mmdebstrap --quiet --variant=minbase --include="$include,python3,python3-venv" "$suite" "$root"
fi
took "a clean $suite is there"

# The same package as a higher version, for the upgrade.
mkdir "$work/next"
dpkg-deb -R "$package" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/next" "$root/root/next.deb" >/dev/null
cp "$package" "$root/root/gatehouse.deb"
cp "$here/Tests/Tools/package_boxes.py" "$here/Tests/Clients/sandbox_cases.json" "$root/root/"

# The manual's commands that Tests/Clients/test_manual.py leaves to this: a file for each block, in the order of the pages.
python3 - "$here" "$root/root/manual" <<'BLOCKS'
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1] + "/packaging")
import pages

folder = Path(sys.argv[2])
folder.mkdir()
for page in sorted(pages.MANUAL.glob("*.md")):
    for number, (kind, information, lines) in enumerate(pages.blocks(page.read_text())):
        if kind == "fence" and information == "sh needs=package":
            (folder / f"{page.stem}.{number:03}").write_text("set -e\n" + "\n".join(lines) + "\n")
assert len(list(folder.iterdir())) > 5
BLOCKS

# Dependencies come from the network, which the machine has not: everything but the package itself is installed here.
for file in /etc/apt/apt.conf.d/*; do
    # What a package brought is that package's there too.
    dpkg -S "$file" >/dev/null 2>&1 || cp "$file" "$root/etc/apt/apt.conf.d/"
done
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
fail() { echo "package: FAILED $*"; journalctl -u 'gatehouse*' --no-pager -n 60; exit 1; }
is() { local what=$1; shift; if "$@"; then echo "package: ok $what"; else fail "$what: $*"; fi; }
until_so() { for _ in $(seq 1 300); do "$@" >/dev/null 2>&1 && return 0; sleep 0.2; done; return 1; }
port=8443 host=gate.example.org
ask() { # ask PATH [BODY]: the status of the answer; /root/said has what curl says of it
    curl -s -o /root/answer -w '%{http_code} %{exitcode} %{errormsg} (%{time_connect} %{time_appconnect} %{time_total} s)' \
        --max-time 300 --cacert /etc/gatehouse/tls/cert.pem \
        --resolve "$host:$port:127.0.0.1" -H "authorization: Bearer $key" -H 'content-type: application/json' \
        ${2:+-d "$2"} "https://$host:$port$1" >/root/said
    cut -d' ' -f1 /root/said
}
chat() { [ "$(ask /v1/chat/completions "{\"model\":\"$1\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}")" = "$2" ]; }
under_load() { # under_load WHAT COMMAND…: while requests are made, one behind the other
    rm -f /root/enough
    (
        refused=0
        asked=0
        while [ ! -e /root/enough ]; do
            asked=$((asked + 1))
            chat builtin 200 && continue
            refused=$((refused + 1))
            echo "package: request $asked failed: $(</root/said)"
        done
        echo "$asked $refused" >/root/asked
    ) &
    local load=$! asked refused
    sleep 3
    is "$@"
    sleep 3
    touch /root/enough
    wait "$load"
    read -r asked refused </root/asked
    is "none of $asked requests failed meanwhile" [ "$refused" = 0 ]
}
state() { [ "$(systemctl show -P "$1" gatehouse)" = "$2" ]; }
mode() { [ "$(stat -c '%U:%G %a' "$1")" = "$2" ]; }
status() { grep -q "^$1:[[:space:]]*$2" "/proc/$(systemctl show -P MainPID gatehouse)/status"; }

# By its command line, which its boxes have from it: a clean system has no pgrep.
pgrep_keeper() { grep -lzx '[s]andbox-keeper' /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 | sort -n | head -n 1; }
ps_user() { stat -c %U "/proc/$(pgrep_keeper)"; }
sandboxed() {
    printf '\n[sandbox]\nkeeper = "/run/gatehouse/sandbox.sock"\ncpu_percent = 50\n' >>/etc/gatehouse/gatehouse.toml
    systemctl enable -q --now gatehouse-sandbox.socket && systemctl restart gatehouse
}
whole_sandbox() {
    gatehouse sandbox check --json >/root/sandbox || { cat /root/sandbox; systemctl status 'gatehouse-sandbox@*' | cat; return 1; }
    [ "$(grep -o '"cgroup2"' /root/sandbox | wc -l)" = 3 ] || { cat /root/sandbox; return 1; }
}
own_keeper() { # own_keeper USER
    systemd-run -q --wait --pipe -p Delegate=yes -p User="$1" gatehouse --config /etc/gatehouse/own.toml sandbox check --json \
        >/root/sandbox 2>&1
    [ "$(grep -o '"cgroup2"' /root/sandbox | wc -l)" = 3 ] && return 0
    cat /root/sandbox
    return 1
}
boxes_run() { local key=$KEY; [ "$(ask /v1/executions '{"language":"python","code":"print(1)"}')" = 200 ] && grep -q '"stdout":"1' /root/answer; }
# Every file but those of what is not installed, and of the machine's own life.
everything() {
    find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /root -o -path /tmp -o -path /var/tmp -o -path /var/log \
        -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/lib/systemd \) -prune -o -print | sort
}
echo '127.0.0.1 gate.example.org' >>/etc/hosts
everything >/root/everything
systemd-analyze time 2>/dev/null | head -n 1 | sed 's/^/package: /'
uname -r | sed 's/^/package: kernel /'

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

cat >/root/provider.py <<'PROVIDER'
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        open("/root/seen", "w").write(self.headers["authorization"])
        self.send_error(500)
http.server.HTTPServer(("127.0.0.1", 8090), Answer).serve_forever()
PROVIDER
python3 /root/provider.py 2>/dev/null &
(umask 077 && echo sk-machine >/etc/gatehouse/providers/elsewhere)
printf '\n[[gateway.provider]]\nname = "elsewhere"\nkind = "openai"\nbase_url = "http://127.0.0.1:8090/v1"\nkey = "credential:provider_elsewhere"\n\n[[gateway.model]]\nname = "far"\nprovider = "elsewhere"\nupstream = "far"\n' >>/etc/gatehouse/gatehouse.toml
is "it starts with a provider whose key is root's" systemctl restart gatehouse
chat far 502
is "and the provider gets it" grep -qx 'Bearer sk-machine' /root/seen
is "a sandbox is set up" sandboxed
is "its keeper has a user of its own" [ "$(ps_user sandbox-keeper)" = gatehouse-sandbox ]
is "a box on this host keeps what it promises, by control groups" whole_sandbox
KEY=$(gatehouse key create --name boxes --scope executions --json | grep -oE 'ghk_[A-Za-z0-9]{49}' | head -n 1)
export KEY SSL_CERT_FILE=/etc/gatehouse/tls/cert.pem
is "a program runs in a box" boxes_run
is "boxes hold: the attack table, and limits by control groups of version 2" \
    python3 /root/package_boxes.py https://gate.example.org:8443 /root/sandbox_cases.json
grep -v '^keeper = ' /etc/gatehouse/gatehouse.toml >/etc/gatehouse/own.toml
is "so does one whose gateway has root's rights, starts a keeper of its own and has a group delegated" own_keeper root
is "and one of a plain user's" own_keeper gatehouse
before=$(pgrep_keeper)
is "a keeper that is killed" kill -9 "$before"
is "is replaced by another" until_so boxes_run
is "which is another" [ "$before" != "$(pgrep_keeper)" ]

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
under_load "it restarts" systemctl restart gatehouse

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

under_load "apt upgrades it" apt-get install -y -qq /root/next.deb
is "the version is the higher one" bash -c 'dpkg-query -W gatehouse | grep -q +next'
is "the key of before still works, at the port of before" until_so chat second 200
is "the sandbox is there again" boxes_run
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
# Debian's policy lets a user stay, since an id must not come to mean somebody else.
everything | comm -13 /root/everything - | grep -vE '^/etc/(passwd|group|shadow|gshadow|subuid|subgid|\.pwd\.lock)-?$' >/root/left || true
is "nothing is left but its users' names" [ ! -s /root/left ]
is "nowhere" bash -c '! find / -xdev -name "*gatehouse*" -not -path "/root/*" -not -path "/proc/*" -not -path "/tmp/*" -not -path "/var/tmp/*" | grep .'
is "and no unit of it" bash -c '! systemctl list-units --all --plain --no-legend "gatehouse*" | grep -v not-found | grep .'

# The manual, by somebody who types what it says.
cd /root/manual || fail "the manual's commands"
files=(/root/gatehouse.deb /root/next.deb)
for name in $(cat 0* | grep -oE 'gatehouse_[0-9.]+_amd64\.deb' | awk '!seen[$0]++'); do
    cp "${files[0]}" "$name"
    files=("${files[@]:1}")
done
typed() { # typed BLOCK: in a shell of root's, whose control group is its own; what the doctor only warns of is no failure
    local code=0
    systemd-run -q --wait --pipe -p Delegate=yes --working-directory=/root/manual -E HOME=/root bash "$1" >/root/told 2>&1 || code=$?
    [ "$code" = 0 ] || { [ "$code" = 3 ] && grep -q doctor "$1"; } || { cat /root/told; return 1; }
}
for block in 0*[0-9]; do
    case $(cat "$block") in
    # The page says in a sentence what the configuration wants before this.
    *gatehouse-sandbox.socket*) printf '\n[sandbox]\nkeeper = "/run/gatehouse/sandbox.sock"\n' >>/etc/gatehouse/gatehouse.toml ;;
    esac
    is "the manual's $block: $(grep -v '^set -e' "$block" | paste -sd ';')" typed "./$block"
done
host=ai.example.org port=443
key=$(gatehouse key create --name manual --json | grep -oE 'ghk_[A-Za-z0-9]{49}' | head -n 1)
is "what the manual made answers, at the port that it says" until_so chat builtin 200
is "and is the version that it upgraded to" bash -c 'dpkg-query -W gatehouse | grep -q +next'
is "it goes as it came" apt-get purge -y -qq gatehouse
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

took "the machine starts"
timeout "${SECONDS_MAX:-2400}" qemu-system-x86_64 -accel tcg -cpu max -m 1536 -smp 1 -nographic -no-reboot -nic none \
    -kernel "$work/kernel" -initrd "$work/initrd" \
    -append "root=/dev/vda rw console=ttyS0 quiet systemd.mask=serial-getty@ttyS0.service" \
    -drive "file=$work/disk.img,format=raw,if=virtio" </dev/null | stdbuf -oL tr -d '\r' | tee "$work/log" | grep --line-buffered -E "^(package|boxes): " || true
if ! grep -q '^package: ALL OK' "$work/log"; then
    tail -n "${LINES_OF_LOG:-80}" "$work/log"
    exit 1
fi
took "the machine is done"

# The stock SDK against the installed package. The folder has names, mounts and a network of its own.
pins=$(grep -vE '^(#|$)' "$here/Tests/Clients/requirements.txt")
chroot "$root" python3 -m venv /root/sdk
echo "$pins" >"$root/root/pins"
# The network as this machine has it: where packages come from, and whom it trusts.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
chroot "$root" /root/sdk/bin/pip install -q --disable-pip-version-check -c /root/pins openai
cat >"$root/root/ask.py" <<'ASK'
import os, ssl, sys
from openai import AuthenticationError, DefaultHttpxClient, OpenAI

def client(key):
    trust = ssl.create_default_context(cafile="/etc/gatehouse/tls/cert.pem")
    return OpenAI(base_url="https://localhost:8443/v1", api_key=key, http_client=DefaultHttpxClient(verify=trust))

said = [{"role": "user", "content": "hello"}]
house = client(os.environ["KEY"])
assert "builtin" in [model.id for model in house.models.list()]
whole = house.chat.completions.create(model="builtin", messages=said)
assert "hello" in whole.choices[0].message.content and whole.usage.total_tokens > 0
pieces = list(house.chat.completions.create(model="builtin", messages=said, stream=True))
assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == whole.choices[0].message.content
try:
    client("ghk_" + "x" * 49).models.list()
    sys.exit("a wrong key was taken")
except AuthenticationError:
    pass
ASK
cat >"$root/root/sdk-scenario" <<'SCENARIO'
#!/bin/bash
set -eu
export DEBIAN_FRONTEND=noninteractive HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
ip link set lo up
echo "127.0.0.1 localhost" >>/etc/hosts
apt-get install -y -qq /root/gatehouse.deb >/dev/null
ldd /usr/bin/gatehouse | grep -v vdso | sed 's/^[^a-z]*/package: library /; s/ => .*//; s/ (.*//'
gatehouse setup --host gate.example.org --yes >/dev/null
# What systemd does for the service: its directory, its user, its credential.
install -d -o gatehouse -g gatehouse -m 0700 /var/lib/gatehouse /run/credential
install -o gatehouse -g gatehouse -m 0400 /etc/gatehouse/root.key /run/credential/root-key
CREDENTIALS_DIRECTORY=/run/credential setpriv --reuid gatehouse --regid gatehouse --clear-groups \
    gatehouse --config /etc/gatehouse/gatehouse.toml serve &
for _ in $(seq 600); do
    if curl -s --cacert /etc/gatehouse/tls/cert.pem https://localhost:8443/livez >/dev/null; then break; fi
    kill -0 $! || exit 1
    sleep 0.2
done
KEY=$(gatehouse key create --name sdk --json | grep -oE 'ghk_[A-Za-z0-9]{49}' | head -n 1)
KEY=$KEY /root/sdk/bin/python /root/ask.py
echo "package: ok the stock SDK, openai $(/root/sdk/bin/pip show openai 2>/dev/null | sed -n 's/^Version: //p'), runs against the installed package"
kill -TERM $!
wait $!
SCENARIO
chmod +x "$root/root/sdk-scenario"
unshare --mount --net --pid --fork --kill-child --propagation private sh -c \
    "mount --bind /dev $root/dev && exec chroot $root /root/sdk-scenario" >"$work/sdk.log" 2>&1 || true
grep '^package: ' "$work/sdk.log" || true
grep -q '^package: ok the stock SDK' "$work/sdk.log" || { tail -n 40 "$work/sdk.log"; exit 1; }
took "everything of $suite is shown"
