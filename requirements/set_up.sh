#!/usr/bin/env bash
# Sets the checkout up. Make calls it; nothing needs to be installed but Python 3.11 or newer.
#   set_up.sh python SET    .venv with requirements/SET.txt (hash-checked) and the package itself
#   set_up.sh debian        the programs of requirements/debian.txt, with root
#   set_up.sh npm           tests/wire/npm/node_modules from its lock file
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'set-up: %s\n' "$*" >&2; }
quit() { say "$*"; exit 1; }
is_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
    # Debian starts what it installs; the policy file forbids that while we install.
    local policy=/usr/sbin/policy-rc.d ours=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && ours=yes
    fi
    local log code=0
    log=$(mktemp)
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } \
        </dev/null >"$log" 2>&1 || code=$?
    [ -z "$ours" ] || rm -f "$policy"
    [ "$code" = 0 ] || tail -n 5 "$log" >&2
    rm -f "$log"
    return "$code"
}

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

make_venv() {
    # Debian's own python3 first: it is the one that is measured and that needs no shim on PATH.
    local python found=
    for python in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
        python=$(command -v "$python") && new_enough "$python" || continue
        found=$python
        rm -rf .venv
        "$python" -m venv .venv >/dev/null 2>&1 && return
        if [ "$python" = /usr/bin/python3 ] && is_root; then
            say "installing python3-venv"
            apt_install python3-venv && rm -rf .venv && "$python" -m venv .venv && return
        fi
    done
    rm -rf .venv
    [ -n "$found" ] || quit "no Python 3.11 or newer on PATH; install python3 and try again"
    quit "$found cannot make virtual environments; run: apt-get install python3-venv"
}

set_up_python() {
    .venv/bin/python -c '' 2>/dev/null || { say "making .venv"; make_venv; }
    say "installing requirements/$1.txt"
    local pip=(.venv/bin/python -m pip --quiet --quiet --disable-pip-version-check --no-input)
    # A lock names all there is, so nothing is resolved: looking for newer releases of what is locked, pip would
    # refuse the one it finds, since no hash of it is known.
    "${pip[@]}" install --no-deps --require-hashes -r "requirements/$1.txt"
    "${pip[@]}" install --no-deps --no-build-isolation -e .
}

present() { case $1 in /*) [ -e "$1" ] ;; *) PATH=$PATH:/usr/sbin command -v "$1" >/dev/null ;; esac; }

absent_packages() {
    local package proof
    while read -r package proof; do
        case $package in '' | '#'*) continue ;; esac
        present "$proof" || printf '%s\n' "$package"
    done <requirements/debian.txt
}

set_up_debian() {
    local absent
    mapfile -t absent < <(absent_packages)
    [ "${#absent[@]}" = 0 ] && return
    if is_root; then
        say "installing ${absent[*]}"
        apt_install "${absent[@]}" || say "apt-get did not install them"
        mapfile -t absent < <(absent_packages)
        [ "${#absent[@]}" = 0 ] && return
    fi
    [ "${CI:-}" != true ] || quit "CI needs ${absent[*]}"
    say "without ${absent[*]}: the tests that start them are skipped; apt-get install ${absent[*]}"
}

set_up_npm() {
    if ! command -v npm >/dev/null; then
        say "without npm: the test of the openai npm package is skipped"
        return
    fi
    say "installing tests/wire/npm/package-lock.json"
    (cd tests/wire/npm && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error)
}

case ${1:-} in
    python) set_up_python "${2:?which set: run, test or bench}" ;;
    debian) set_up_debian ;;
    npm) set_up_npm ;;
    *) quit "set_up.sh python SET | debian | npm" ;;
esac
