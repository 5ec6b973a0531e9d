#!/bin/sh
# Installs from Debian what the tests need beside Python, where that is possible: the programs of a PostgreSQL server,
# Chromium, Java and Maven (through which Keycloak comes), and a client that reads docker-compose.yml.
# What is missing in the end is no error here: each test that needs it says which promise it could not test.
set -eu

say() { printf '%s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }
has_postgres() { has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
has_compose() { docker compose version >/dev/null 2>&1 || has docker-compose; }

packages() {
    has_postgres || echo postgresql
    has chromium || echo chromium fonts-dejavu-core
    has java || echo default-jre-headless
    has mvn || echo maven
    has unzip || echo unzip
    has_compose || echo docker-compose
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null
}

# Debian starts a cluster with the server's programs. The tests make their own, so the new one goes.
drop_new_clusters() {
    pg_lsclusters -h | while read -r version name _; do
        as_root pg_dropcluster --stop "$version" "$name" || say "The PostgreSQL cluster $version/$name is still there."
    done
}

wanted=$(packages | tr '\n' ' ')
[ -n "$wanted" ] || exit 0

if ! has apt-get || { [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; }; then
    say "Not installed, since that takes apt-get and root: $wanted(tests that need them are skipped, loudly)"
    exit 0
fi

had_postgres=no
if has_postgres; then had_postgres=yes; fi
say "Installing from Debian: $wanted"
as_root apt-get update -qq </dev/null >/dev/null || say "apt-get update failed; trying with the list that is there."
# All at once; if that fails, one by one, so that one missing package does not take the others with it.
# shellcheck disable=SC2086
if ! install $wanted; then
    for package in $wanted; do
        install "$package" || say "Debian's $package could not be installed."
    done
fi
if [ "$had_postgres" = no ] && has_postgres; then drop_new_clusters; fi
