#!/usr/bin/env bash
# Installs what some tests start: Debian's PostgreSQL, and Chromium. What is there already is left alone; where nothing
# can be installed it says so and leaves with 0, and those tests skip and say so.
set -euo pipefail

absent=()
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || absent+=(postgresql)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || absent+=(chromium)
if [ ${#absent[@]} -eq 0 ]; then
    echo "services: PostgreSQL and Chromium are installed"
    exit 0
fi

without() {
    echo "services: $1; ${absent[*]} not installed, and the tests that need it skip" >&2
    exit 0
}

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    # -n: a question for a password would hang where nobody sits.
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        without "neither root nor sudo without a password"
    fi
fi
command -v apt-get >/dev/null || without "no apt-get on this system"

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >/dev/null
}

apt update || { sleep 5 && apt update; } || without "apt-get update failed twice"
apt install -y --no-install-recommends "${absent[@]}" || without "apt-get could not install them"
echo "services: installed ${absent[*]}"
