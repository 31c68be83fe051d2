#!/bin/sh
# How long does a newcomer wait on a machine that has Python and nothing else?
#
#   benchmarks/bare_machine.sh [root|visitor] [SUITE]
#
# Makes a minimal Debian in a scratch folder (debootstrap: python3, python3-venv, ca-certificates
# and what they need, no compiler, no git, no Node), puts a clone of the committed state in it, and
# runs there, as root or as the ordinary user `visitor`:
#
#   ./xin up      until the first GraphQL answer; its seconds are printed
#   ./xin up      once more: what the second start takes
#   ./xin test    the whole of it, with the shared data when it lies beside the repository
#
# Needs root, debootstrap and unshare. Nothing is left behind: the mounts and processes live in
# namespaces that end with the script. Of the host's set-up only what leads to the package index
# goes in: name resolution, the certificate bundle, pip's index settings and the proxy variables.
set -eu

who=${1:-root}
suite=${2:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
repository=$(cd "$(dirname "$0")/.." && pwd)

if [ "${XIN_BARE_INSIDE:-}" != yes ]; then
    scratch=$(mktemp -d)
    trap 'rm -rf --one-file-system "$scratch"' EXIT
    chmod 755 "$scratch"
    XIN_BARE_INSIDE=yes XIN_BARE_SCRATCH=$scratch \
        unshare --mount --pid --fork --kill-child sh "$0" "$who" "$suite"
    exit
fi

scratch=$XIN_BARE_SCRATCH
root=$scratch/machine
echo "bare machine: making Debian $suite"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' "Created-By: Packages" |
    awk -v suite="$suite" '$2 == suite { print $1; exit }')
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
    "$suite" "$root" ${mirror:+"$mirror"} >"$scratch/debootstrap.log" ||
    { tail "$scratch/debootstrap.log"; exit 1; }

mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev/shm"
cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"
cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
# What pip knows about its index, less what lies in the host's own files.
{
    echo "[global]"
    python3 -m pip config list | sed -n "s/^[a-z:]*\.\{0,1\}[a-z:]*\.\(index-url\|extra-index-url\|trusted-host\)='\(.*\)'$/\1 = \2/p" |
        grep -v 'file:' | sort -u || true
} >"$root/etc/pip.conf"

chroot "$root" useradd --create-home visitor
case $who in root) home=/root ;; *) home=/home/visitor ;; esac
git clone --quiet "$repository" "$root$home/a clone of xinyuan"
if [ -d "$repository/../shared" ]; then
    mkdir "$root$home/shared"
    cp -r "$repository/../shared/data" "$root$home/shared/data"
fi
cat >"$root$home/newcomer.py" <<'PYTHON'
"""Run `./xin up` twice, each time until the first GraphQL answer, then `./xin test`."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

PORT = "8765"
QUESTION = json.dumps({"query": "{ checkpoint { treeSize } }"}).encode()


def first_answer() -> float:
    started = time.monotonic()
    served = subprocess.Popen(["./xin", "up"], env={**os.environ, "PORT": PORT})
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/graphql", QUESTION, {"Content-Type": "application/json"}
    )
    try:
        while served.poll() is None:
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    assert json.load(answer)["data"]["checkpoint"]["treeSize"] > 0
                    return time.monotonic() - started
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise SystemExit(f"bare machine: ./xin up ended with {served.returncode}")
    finally:
        served.send_signal(signal.SIGINT)
        served.wait()


first, second = first_answer(), first_answer()
print(f"bare machine: first answer after {first:.1f} s, when installed {second:.1f} s", flush=True)
started = time.monotonic()
code = subprocess.call(["./xin", "test"])
print(f"bare machine: ./xin test took {time.monotonic() - started:.0f} s, exit code {code}")
sys.exit(code)
PYTHON
chroot "$root" chown -R "$who:$who" "$home"
# A clean environment, but for proxies.
set -- HOME="$home" USER="$who" PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    eval "value=\${$name:-}"
    [ -z "$value" ] || set -- "$@" "$name=$value"
done
# uv trusts its own list of authorities unless told of the machine's.
set -- "$@" SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
chroot --userspec="$who" "$root" env -i "$@" \
    sh -c 'cd "$HOME/a clone of xinyuan" && exec python3 ../newcomer.py'
