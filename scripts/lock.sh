#!/bin/sh
# Resolves pyproject.toml and writes the two locks: versions and hashes, no addresses. From where they come is the
# business of whoever installs, so uv's own lock, which names registries, stays out of the repository.
#   requirements.lock         everything: server, tests, tools
#   requirements-kfp.lock     what compiles a pipeline; in an environment of its own
#   requirements-kserve.lock  what the storage initializer runs; its container image uses it
#   requirements-server.lock  what a server with PostgreSQL and S3 runs; the container image and production use it
set -eu
cd "$(dirname "$0")/.."
uv="${VENV:-.venv}/bin/uv"

export_to() {
    out=$1
    shift
    "$uv" export -q --frozen --no-emit-project --no-header --no-annotate "$@" -o "$out" >/dev/null
}

"$uv" lock -q --upgrade
export_to requirements.lock --extra postgres --extra s3 --extra kserve --group dev
export_to requirements-kfp.lock --only-group kfp
export_to requirements-kserve.lock --only-group kserve
export_to requirements-server.lock --no-default-groups --extra postgres --extra s3
