"""`mlflow://` addresses: read strictly, into what they ask for. Pure.

    mlflow://models/<name>/<version>        the version with this number
    mlflow://models/<name>/latest           the version with the highest number
    mlflow://models/<name>/<stage>          the newest version in staging, production or archived, in any case
    mlflow://models/<name>/@<alias>         the version that has this alias
    mlflow://models/<name>/<word>           any other word is an alias
    mlflow://models/m-<32 hex digits>       a logged model, by its id
    mlflow://runs/<run id>/artifacts/<path> a file or folder of a run; MLflow 3's logged models by their name
    mlflow://runs/<run id>/<path>           the same

After a model, a path leads to a file or folder inside it.

What could be read two ways, and how it is read:

- `latest`, a stage and a number are never an alias here; `@production` reaches an alias that is called so.
- `m-` and 32 hexadecimal digits are always a logged model, also where a registered model has that name.
- The first `artifacts` after a run is the one of the form above; a folder of that name is `artifacts/artifacts`.

Names and paths are percent-decoded once. SECURITY: what leads out of the place it names, or means different things to
different readers (`..`, `.`, an empty part, NUL, a backslash, a query, a fragment, user info, a port), is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote_to_bytes

from mlflow_oidc_auth.kserve.failures import Failure, Status

SCHEME = "mlflow://"
FORMS = "mlflow://models/<name>/<version, latest, stage or @alias> or mlflow://runs/<run id>/artifacts/<path>"

_LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}")
_RUN = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z_-]{0,255}")
_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")
_LONGEST = 4096


class Stage(Enum):
    """MLflow's stages of versions: deprecated, and still there."""

    STAGING = "Staging"
    PRODUCTION = "Production"
    ARCHIVED = "Archived"


@dataclass(frozen=True, slots=True)
class Latest:
    """The version with the highest number, in whatever stage."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version by its number."""

    number: int


@dataclass(frozen=True, slots=True)
class Alias:
    """The version that an alias points to."""

    alias: str


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version of a registered model; `path` leads inside it."""

    name: str
    which: Latest | Version | Stage | Alias
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model by its id; `path` leads inside it."""

    model_id: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunArtifacts:
    """A file or folder among a run's artifacts, or one of its logged models by name; all of them without a path."""

    run_id: str
    path: tuple[str, ...] = ()


Wanted = RegisteredModel | LoggedModel | RunArtifacts


def parse(text: str) -> Wanted:
    """What an address asks for.

    Raises:
        Failure: it is no such address (`Status.USAGE`); the sentence says what is wrong with it.
    """
    if not text.startswith(SCHEME):
        raise _wrong(text, f"it must begin with {SCHEME}")
    kind, *parts = _parts(text)
    match kind, parts:
        case "models", [name, *path] if _LOGGED_MODEL.fullmatch(name):
            return LoggedModel(name, tuple(path))
        case "models", [name, which, *path]:
            return RegisteredModel(_name(text, name), _which(text, which), tuple(path))
        case "models", [name]:
            raise _wrong(text, f"say which version: {SCHEME}models/{name}/latest, a number, or @alias")
        case "runs", [run_id, "artifacts", *path] | [run_id, *path]:
            if not _RUN.fullmatch(run_id):
                raise _wrong(text, "its run id holds what no run id holds")
            return RunArtifacts(run_id, tuple(path))
    raise _wrong(text, f"choose {FORMS}")


def _parts(text: str) -> list[str]:
    """The parts between slashes, decoded; a slash at the end is nothing."""
    if len(text) > _LONGEST:
        raise Failure(Status.USAGE, f"The address is longer than {_LONGEST} characters.")
    rest = text.removeprefix(SCHEME)
    for sign, what in (("?", "a query"), ("#", "a fragment"), ("\\", "a backslash")):
        if sign in rest:
            raise _wrong(text, f"it holds {what}; where the sign is part of a name, write %{ord(sign):02X}")
    if _ESCAPE.search(rest):
        raise _wrong(text, "a % in it is not followed by two hexadecimal digits; write %25 for the sign itself")
    host = rest.partition("/")[0]
    if "@" in host or ":" in host:
        raise _wrong(text, "it holds user info or a port; credentials and the server come from the environment")
    return [_decoded(text, part) for part in rest.removesuffix("/").split("/")]


def _decoded(text: str, part: str) -> str:
    try:
        decoded = unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise _wrong(text, "what its % signs stand for is no UTF-8 text") from None
    if not is_plain(decoded):
        raise _wrong(text, "a part of it is empty, '.' or '..', or holds a slash, a backslash or a control character")
    return decoded


def is_plain(part: str) -> bool:
    """Whether this is one part of a path.

    SECURITY: to every reader it is a name beside others, and none that leads up, down or elsewhere.
    """
    return part not in ("", ".", "..") and not any(sign in part for sign in "/\\") and part.isprintable()


def _name(text: str, name: str) -> str:
    if ":" in name:
        raise _wrong(text, "the name of a registered model holds no ':'")
    return name


def _which(text: str, word: str) -> Latest | Version | Stage | Alias:
    if word.isascii() and word.isdigit():
        if len(word) > 9 or int(word) == 0:
            raise _wrong(text, f"there is no version {word[:20]}")
        return Version(int(word))
    if word.lower() == "latest":
        return Latest()
    for stage in Stage:
        if word.lower() == stage.value.lower():
            return stage
    alias = word.removeprefix("@")
    if not alias:
        raise _wrong(text, "the alias after @ is missing")
    return Alias(alias)


def _wrong(text: str, why: str) -> Failure:
    return Failure(Status.USAGE, f"{shown(text)} is no address of a model: {why}.")


def shown(text: str) -> str:
    """Text that somebody sent, short enough and safe for a log; what may be a password before an @ is left out."""
    printable = "".join(char if char.isprintable() else "?" for char in text[:300])
    return re.sub(r"//[^/@]*@", "//***@", printable)
