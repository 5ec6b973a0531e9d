"""`next` is one of our own addresses in every browser's reading, or the start page."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from mlflow_oidc_auth.web.addresses import own_address, safe_next

HOST = "http://mlflow.example.test"
pieces = st.sampled_from(
    [
        "/",
        "//",
        "\\",
        ".",
        "..",
        "%2e",
        "%2E%2e",
        "mlflow",
        "evil.example.test",
        "http:",
        "@",
        "?",
        "#",
        "\t",
        "\n",
        " ",
    ]
)


def _as_a_browser_reads_it(address: str) -> str:
    """WHATWG URL: tabs and line breaks vanish, a backslash is a slash, `%2e` is a dot."""
    for gone in "\t\n\r":
        address = address.replace(gone, "")
    address = address.strip("".join(map(chr, range(33))))
    path, mark, rest = address.partition("?")
    path = path.replace("\\", "/").replace("%2e", ".").replace("%2E", ".")
    if path.startswith("//"):
        path = "//" + path.lstrip("/")  # however many slashes: a host comes next
    return urljoin(f"{HOST}/mlflow/login", path + mark + rest)


@given(
    st.lists(pieces, max_size=8).map("".join).map(lambda tail: f"/{tail}") | st.text(max_size=30),
    st.sampled_from(["", "/mlflow"]),
)
@example("///evil.example.test/", "")
@example("/mlflow/..", "/mlflow")
@example("/mlflow/x/../../evil", "/mlflow")
def test_what_is_let_through_stays_on_this_server_under_the_prefix(wanted: str, prefix: str) -> None:
    read = urlsplit(_as_a_browser_reads_it(safe_next(wanted, prefix)))
    assert f"{read.scheme}://{read.netloc}" == HOST
    assert read.path == prefix or read.path.startswith(f"{prefix}/")


def test_full_addresses_of_ours_have_one_slash_between_their_parts() -> None:
    assert own_address("http://h/", "", "/callback") == "http://h/callback"
    assert own_address("http://h", "/mlflow", "/callback") == "http://h/mlflow/callback"
