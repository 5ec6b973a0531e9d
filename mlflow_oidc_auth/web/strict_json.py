"""JSON as one reader would read it, and text that every database stores: for our own API and for MLflow's.

SECURITY: what could be read two ways is refused, never guessed: of two equal keys one parser takes the first,
another the last.
"""

from __future__ import annotations

import json
from typing import Any

from mlflow_oidc_auth.errors import BadRequest


def parse(text: str | bytes, **kwargs: Any) -> Any:
    """The value of a JSON text.

    Args:
        kwargs: of `json.loads`, for a framework that hands some on.

    Raises:
        BadRequest: it is no JSON, is nested too deeply, or repeats a key.
    """
    try:
        return json.loads(text, object_pairs_hook=_no_repeats, **kwargs)
    except RecursionError:
        raise BadRequest("The JSON in this request is nested too deeply.") from None
    except ValueError:
        raise BadRequest("The body of this request is not valid JSON.") from None


def storable(text: str) -> bool:
    """Whether every database stores this text: no NUL, no half of a character pair."""
    return "\0" not in text and text.encode(errors="ignore").decode() == text


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise BadRequest(f"The JSON in this request has the key {twice[:100]!r} twice; send it once.")
    return found
