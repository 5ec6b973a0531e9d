"""Importing the package does nothing: MLflow's parent process imports it, and so does whoever only looks.

All modules that ours import from elsewhere are imported first, so that what others do at import does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys

MODULES = """
import importlib, json, pkgutil, sys
import mlflow_oidc_auth

def import_all():
    for module in pkgutil.walk_packages(mlflow_oidc_auth.__path__, "mlflow_oidc_auth."):
        if "_migrations" not in module.name:
            importlib.import_module(module.name)
"""

FOREIGN = (
    MODULES
    + """
import_all()
print(json.dumps([name for name in sys.modules if not name.startswith(("mlflow_oidc_auth", "__"))]))
"""
)

LOOK = (
    """
import json, sys
for name in json.loads(sys.stdin.read()):
    try:
        __import__(name)
    except Exception:
        pass  # a module that only exists as part of another
"""
    + MODULES
    + """
import logging, os, signal, threading
import sqlalchemy
from sqlalchemy.event import registry

engines = []
create = sqlalchemy.create_engine
sqlalchemy.create_engine = lambda *args, **options: engines.append(args) or create(*args, **options)

def state():
    return {
        "environment": dict(os.environ),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        # Tables and columns that are made tell each other of it; all other events are a listener of ours.
        "event listeners": sum(not name.endswith("parent_attach") for _, name, _ in registry._key_to_collection),
        "engines": len(engines),
        "open files": len(os.listdir("/proc/self/fd")),
        "working folder": os.getcwd(),
        "root log": (logging.root.level, len(logging.root.handlers)),
        "our log": (logging.getLogger("mlflow_oidc_auth").level, len(logging.getLogger("mlflow_oidc_auth").handlers)),
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
    }

before = state()
import_all()
after = state()
print(json.dumps({name: [str(before[name]), str(after[name])] for name in before if before[name] != after[name]}))
"""
)


def python(code: str, given: str = "") -> str:
    command, clean = [sys.executable, "-c", code], {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=clean)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_importing_every_module_changes_nothing() -> None:
    assert json.loads(python(LOOK, python(FOREIGN))) == {}


def test_the_client_loads_no_server() -> None:
    """It runs on every user's machine."""
    loaded = python(
        "import json, sys, mlflow_oidc_auth.client; "
        "print(json.dumps([name for name in sys.modules if name.startswith('mlflow_oidc_auth.')]))"
    )
    ours = {name.split(".")[1] for name in json.loads(loaded)}
    assert ours <= {"client", "operations", "vocabulary", "errors"}
