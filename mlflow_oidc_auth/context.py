"""The one context variable: who is asking, and what rows that shows.

SECURITY: the row filter (`bridge/row_filter.py`) reads this at the moment a statement runs.

- :class:`Filtered`: rows are limited to what the identity may read.
- :class:`Decided`: the gate judged every resource this request names; rows are not limited, since
  a filtered write would say 200 and do nothing.
- :class:`System`: the server itself, with a reason; rows are not limited.
- absent: no rows at all. A thread that lost its context must not see anything.

Threads started with a copied context (AnyIO, `asyncio.to_thread`) carry the view; others see nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any

from mlflow_oidc_auth.vocabulary import Identity


@dataclass(frozen=True, slots=True)
class Filtered:
    """Only rows this identity may read. `memory` holds what the filter read once for this request."""

    identity: Identity
    address: str = ""  # the client's, as TRUSTED_PROXIES lets us know it
    memory: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Decided:
    """Every resource the request names was judged; the rest of the request runs unfiltered."""

    identity: Identity
    address: str = ""


@dataclass(frozen=True, slots=True)
class System:
    """The server's own work, unfiltered; `why` says which."""

    why: str


View = Filtered | Decided | System

_view: ContextVar[View | None] = ContextVar("mlflow_oidc_auth_view", default=None)


def view() -> View | None:
    """What the running code may see; `None` means nothing."""
    return _view.get()


def identity() -> Identity | None:
    """Who is asking, if a person or service account is."""
    current = _view.get()
    return None if current is None or isinstance(current, System) else current.identity


def enter(new: View | None) -> Token[View | None]:
    """Set the view; hand the token to :func:`leave`."""
    return _view.set(new)


def leave(token: Token[View | None]) -> None:
    """Restore the view that was there before :func:`enter`."""
    _view.reset(token)


@contextmanager
def viewing(new: View | None) -> Iterator[None]:
    """Run a block under a view."""
    token = enter(new)
    try:
        yield
    finally:
        leave(token)
