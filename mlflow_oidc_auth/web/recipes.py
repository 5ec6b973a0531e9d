"""How a program uses an access key: texts to copy, each complete by itself. Pure.

SECURITY: every value is quoted for where it is pasted; an e-mail address may hold quotes, `$` and `%`.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Recipe:
    """One text to copy: `name` for the page's own use, `title` and `hint` for people."""

    name: str
    title: str
    hint: str
    text: str


def recipes(address: str, username: str, key: str) -> tuple[Recipe, ...]:
    """The recipes for one key.

    Args:
        address: of this server, as clients name it (MLFLOW_TRACKING_URI).
        username: the login name.
        key: the access key in plain.
    """
    return (
        Recipe("python", "Python", "At the top of a notebook or script.", _python(address, username, key)),
        Recipe("shell", "Shell", "For this terminal, and what you start from it.", _shell(address, username, key)),
        Recipe(
            "file",
            "Credentials file",
            "Writes ~/.mlflow/credentials, which MLflow's client reads by itself. Only you can read the file.",
            _file(address, username, key),
        ),
        Recipe(
            "kubernetes",
            "Kubernetes",
            "Makes or replaces the secret mlflow-credentials in the current namespace.",
            _kubernetes(address, username, key),
        ),
    )


def _python(address: str, username: str, key: str) -> str:
    return (
        "import os\n"
        f'os.environ["MLFLOW_TRACKING_URI"] = {json.dumps(address)}\n'
        f'os.environ["MLFLOW_TRACKING_USERNAME"] = {json.dumps(username)}\n'
        f'os.environ["MLFLOW_TRACKING_PASSWORD"] = {json.dumps(key)}\n'
        "\n"
        "import mlflow\n"
        "print(mlflow.search_experiments(max_results=5))\n"
    )


def _shell(address: str, username: str, key: str) -> str:
    return (
        f"export MLFLOW_TRACKING_URI={_quoted(address)}\n"
        f"export MLFLOW_TRACKING_USERNAME={_quoted(username)}\n"
        f"export MLFLOW_TRACKING_PASSWORD={_quoted(key)}\n"
    )


def _file(address: str, username: str, key: str) -> str:
    """SECURITY: the file is made readable by its owner alone before anything is in it."""
    return (
        "mkdir -p ~/.mlflow\n"
        "touch ~/.mlflow/credentials\n"
        "chmod 600 ~/.mlflow/credentials\n"
        "cat > ~/.mlflow/credentials <<'END'\n"
        "[mlflow]\n"
        f"mlflow_tracking_username = {_for_configparser(username)}\n"
        f"mlflow_tracking_password = {_for_configparser(key)}\n"
        "END\n"
        f"export MLFLOW_TRACKING_URI={_quoted(address)}\n"
    )


def _kubernetes(address: str, username: str, key: str) -> str:
    return (
        "kubectl create secret generic mlflow-credentials \\\n"
        f"  --from-literal=MLFLOW_TRACKING_URI={_quoted(address)} \\\n"
        f"  --from-literal=MLFLOW_TRACKING_USERNAME={_quoted(username)} \\\n"
        f"  --from-literal=MLFLOW_TRACKING_PASSWORD={_quoted(key)} \\\n"
        "  --dry-run=client -o yaml | kubectl apply -f -\n"
    )


def _quoted(text: str) -> str:
    """In single quotes always: what is to be replaced by hand later is easier to see."""
    quoted = shlex.quote(text)
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def _for_configparser(text: str) -> str:
    """MLflow's client reads the file with interpolation, where `%` begins something."""
    return text.replace("%", "%%")
