"""Bodies are bounded, and replayed as they came."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import pytest
from starlette.datastructures import Headers
from starlette.types import Message, Receive

from mlflow_oidc_auth.bridge.bodies import has_body, is_json, replaying, whole
from mlflow_oidc_auth.errors import BadRequest, TooLarge


def channel(chunks: Iterable[bytes], *, cut: bool = False) -> Receive:
    """A client that sends `chunks`, and goes away before the last if `cut`."""
    parts = list(chunks)
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": place < len(parts) - 1} for place, part in enumerate(parts)
    ]
    if cut:
        messages[-1] = {"type": "http.disconnect"}

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


def read(receive: Receive, largest: int = 10) -> bytes:
    return anyio.run(whole, receive, largest)


def test_a_body_of_several_parts_is_whole() -> None:
    assert read(channel([b"abc", b"", b"defg"])) == b"abcdefg"


def test_a_body_may_be_as_large_as_the_bound_and_no_larger() -> None:
    assert read(channel([b"12345", b"67890"])) == b"1234567890"
    with pytest.raises(TooLarge):
        read(channel([b"12345", b"678901"]))


def test_a_body_that_is_too_large_is_not_read_to_its_end() -> None:
    client = channel([b"12345678901", *[b"x"] * 5])
    with pytest.raises(TooLarge):
        read(client)
    assert anyio.run(client)["type"] == "http.request"


def test_a_client_that_goes_away_sent_no_body() -> None:
    with pytest.raises(BadRequest):
        read(channel([b"abc", b"def"], cut=True))


def test_what_was_read_is_replayed_once_and_then_the_client_speaks() -> None:
    async def all_of_it() -> list[Message]:
        receive = replaying(b"abc", channel([]))
        return [await receive(), await receive()]

    first, second = anyio.run(all_of_it)
    assert first == {"type": "http.request", "body": b"abc", "more_body": False}
    assert second == {"type": "http.disconnect"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, False, id="nothing said"),
        pytest.param({"content-length": "0"}, False, id="none"),
        pytest.param({"content-length": "7"}, True, id="a length"),
        pytest.param({"transfer-encoding": "chunked"}, True, id="in chunks"),
    ],
)
def test_headers_tell_whether_a_body_follows(headers: dict[str, str], expected: bool) -> None:
    assert has_body(Headers(headers)) is expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/x+json", True),
        ("text/plain", False),
    ],
)
def test_json_is_known_by_its_type(content_type: str, expected: bool) -> None:
    assert is_json(Headers({"content-type": content_type})) is expected


def test_a_body_without_a_type_counts_as_json() -> None:
    assert is_json(Headers({}))
