#!/bin/sh
# Installs the Debian packages listed in apt.txt that are missing; says what to do where it cannot.
set -eu
list="$(dirname "$0")/apt.txt"
if ! command -v dpkg-query >/dev/null; then
    echo "cosim: this is not a Debian system; the guests are built on Debian 12 (bookworm)." >&2
    echo "cosim: run it in a Debian 12 machine or container, or copy a built .cache/guests here." >&2
    exit 2
fi
release=$(. /etc/os-release && echo "${ID:-?} ${VERSION_ID:-?}")
if [ "$release" != "debian 12" ]; then
    echo "cosim: this is $release; packages and sources are those of Debian 12 (bookworm). Use Debian 12." >&2
    exit 2
fi
missing=""
for package in $(grep -v '^#' "$list"); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
command -v apt-get >/dev/null || { echo "cosim: install these Debian packages first:$missing" >&2; exit 2; }
if [ "$(id -u)" = 0 ]; then root=""
elif sudo -n true 2>/dev/null; then root="sudo -n"
else
    echo "cosim: not root, and sudo asks for a password. As root, run:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 2
fi
echo "cosim: installing$missing" >&2
$root apt-get -qq update
DEBIAN_FRONTEND=noninteractive $root apt-get -qq install -y --no-install-recommends $missing >/dev/null
