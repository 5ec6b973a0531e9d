"""`~/.mlflow/credentials`: where MLflow's client looks for e-mail and key (`mlflow.utils.credentials`).

SECURITY: the file is readable by its owner alone from its first byte, and is replaced whole or not at all. A key is
passed around as a :class:`PlainKey`, and what is raised here is raised after what caused it was handled: no traceback
that shows local variables shows the key.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import tempfile
from pathlib import Path
from typing import NoReturn

from mlflow.environment_variables import MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_USERNAME
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_STATE

SHOWN = "~/.mlflow/credentials"
_SECTION = "mlflow"
_USERNAME, _PASSWORD = MLFLOW_TRACKING_USERNAME.name.lower(), MLFLOW_TRACKING_PASSWORD.name.lower()


class PlainKey:
    """An access key in plain; it shows itself to nobody but who calls :meth:`reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    def reveal(self) -> str:
        """The key itself."""
        return self._text

    def __repr__(self) -> str:
        return "PlainKey()"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a plain key is not to be pickled: whatever holds the pickle would hold the key")


def save(username: str, key: PlainKey) -> None:
    """Put e-mail and key into the file. What else it holds stays, but for comments.

    Where it is a link, what the link leads to is replaced.

    Raises:
        MlflowException: it cannot be read or written; it is as it was.
    """
    why = _saved(username, key)
    if why:
        raise MlflowException(
            f"The key is right, but {SHOWN} {why}. Mend that, or set {MLFLOW_TRACKING_USERNAME.name} and "
            f"{MLFLOW_TRACKING_PASSWORD.name} instead.",
            error_code=INVALID_STATE,
        )


def _saved(username: str, key: PlainKey) -> str:
    """Why it was not saved; empty if it was."""
    try:
        path = Path(SHOWN).expanduser()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path = path.resolve()
        if path.exists() and not path.is_file():
            return "is not a file"
        _replace(path, _with(_read(path), username, key))
    except (configparser.Error, UnicodeDecodeError):
        return "is not an INI file that MLflow can read"
    except (OSError, RuntimeError, UnicodeEncodeError) as error:
        return f"cannot be written ({getattr(error, 'strerror', None) or type(error).__name__})"
    return ""


def _read(path: Path) -> configparser.RawConfigParser:
    """What the file holds, each value as it is spelled there."""
    config = configparser.RawConfigParser()
    config.optionxform = str  # type: ignore[assignment,method-assign]
    config.read(path)
    return config


def _with(config: configparser.RawConfigParser, username: str, key: PlainKey) -> configparser.RawConfigParser:
    """The same with this login. MLflow reads names of options in any case."""
    if not config.has_section(_SECTION):
        config.add_section(_SECTION)
    for option in config.options(_SECTION):
        if option.lower() in (_USERNAME, _PASSWORD):
            config.remove_option(_SECTION, option)
    config.set(_SECTION, _USERNAME, _spelled(username))
    config.set(_SECTION, _PASSWORD, _spelled(key.reveal()))
    return config


def _spelled(value: str) -> str:
    """MLflow reads the file with interpolation, where `%` begins something."""
    return value.replace("%", "%%")


def _replace(path: Path, config: configparser.RawConfigParser) -> None:
    """WIRE: written in the encoding of the locale, in which MLflow reads it."""
    handle, name = tempfile.mkstemp(prefix=".credentials-", dir=path.parent)  # mode 600
    try:
        with os.fdopen(handle, "w") as file:
            config.write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
