#!/bin/sh
# Makes .venv with exactly what requirements.lock lists, and this project in it. Needs Python 3.11 to 3.13 and nothing else.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}

say() { printf '%s\n' "$*" >&2; }

# The first Python that can run this project: $PYTHON, python3, or one that is named by its version.
find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    say "Python 3.11, 3.12 or 3.13 is needed, and none was found. Install one, or name it: make PYTHON=/path/to/python3.12 ..."
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }
}

# Debian's python3 has no venv until python3-venv is there.
make_venv() {
    "$1" -m venv "$venv" >/dev/null 2>&1 && return
    rm -rf "$venv"
    version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if may_install; then
        say "This Python cannot make virtual environments; installing Debian's python$version-venv."
        export DEBIAN_FRONTEND=noninteractive
        as_root apt-get update -qq </dev/null >/dev/null || true
        as_root apt-get install -qq -y --no-install-recommends "python$version-venv" </dev/null >/dev/null || true
        "$1" -m venv "$venv" && return
        rm -rf "$venv"
    fi
    say "This Python cannot make virtual environments. As root: apt-get install python$version-venv. Then run make again."
    exit 1
}

say "Installing what requirements.lock lists into $venv (about 1 GB; a minute or two the first time)."
if [ ! -x "$venv/bin/uv" ]; then
    python=$(find_python)
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then make_venv "$python"; fi
    sed -n '/^uv==/,/[^\\]$/p' requirements.lock >"$venv/uv.txt"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$venv/uv.txt"
fi

export UV_LINK_MODE=${UV_LINK_MODE:-copy}
"$venv/bin/uv" pip install -q --python "$venv/bin/python" --require-hashes -r requirements.lock
"$venv/bin/uv" pip install -q --python "$venv/bin/python" --no-deps --no-build-isolation --editable .
touch "$venv/.installed"
