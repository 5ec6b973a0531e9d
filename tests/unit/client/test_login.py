"""`login()`: what it asks, what it says, and that a login that does not hold leaves no trace."""

from __future__ import annotations

import builtins
import getpass
import logging
import os
import pty
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds, read_mlflow_creds
from mlflow.utils.rest_utils import http_request

from mlflow_oidc_auth.client import login
from tests.unit.client.answering import CURRENT_USER, Answering, certificate

ALICE = "alice@example.test"
KEY = "mlfpat_000000000000_secret_000000"
WRONG = "mlfpat_000000000000_wrong_000000"
NO_ADDRESSES = {
    "no scheme": ("mlflow.example.test", "begins with https://"),
    "another scheme": ("sqlite:///mlflow.db", "begins with https://"),
    "no host": ("https:///mlflow", "begins with https://"),
    "nothing": ("", "begins with https://"),
    "a line break": ("https://mlflow.example.test/\nmlflow", "begins with https://"),
    "a backslash": ("https://mlflow.example.test\\.elsewhere.test", "begins with https://"),
    "no port": ("https://mlflow.example.test:port", "begins with https://"),
    "a broken address": ("https://[::1", "begins with https://"),
    "the key": (WRONG, "begins with https://"),
    "user and password": (f"https://alice:{WRONG}@mlflow.example.test", "Leave user and password out"),
    "a query": (f"https://mlflow.example.test/mlflow?key={WRONG}", "Leave out of the address"),
    "a page of MLflow": ("https://mlflow.example.test/mlflow/#/experiments", "Leave out of the address"),
}


@pytest.fixture
def answering() -> Answering:
    """It takes alice's key."""
    return Answering((ALICE, KEY))


@pytest.fixture
def address(answering: Answering) -> Iterator[str]:
    """Where it is served."""
    with answering.served() as address:
        yield address


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Somebody types these answers and then the key; gives what they were asked."""

    def type_(*answers: str, key: str = KEY) -> list[str]:
        asked: list[str] = []
        rest = iter(answers)
        monkeypatch.setattr(builtins, "input", lambda prompt: asked.append(prompt) or next(rest))
        monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or key)
        return asked

    return type_


class Refused:
    """A login that is refused: the sentence. Nothing was written, nothing set, and nothing shows the key."""

    def __init__(
        self,
        file: Path,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        self._file, self._capfd, self._caplog = file, capfd, caplog
        self.seconds = 0.0

    def __call__(self, address: str, username: str = ALICE, key: str = KEY) -> str:
        before = mlflow.get_tracking_uri()
        start = time.monotonic()
        with self._caplog.at_level(logging.DEBUG), pytest.raises(MlflowException) as refused:
            login(tracking_uri=address, username=username, access_key=key)
        self.seconds = time.monotonic() - start
        assert not self._file.parent.exists()
        assert mlflow.get_tracking_uri() == before
        told = self._capfd.readouterr()
        for text in (refused.value.message, *chain(refused.value), told.out, told.err, self._caplog.text):
            assert key not in text
        return refused.value.message


def chain(error: BaseException | None) -> Iterator[str]:
    """What tools that show local variables would show of an error, and of what it came from."""
    while error is not None:
        yield repr(error)
        yield from frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def frames(traceback: TracebackType | None) -> Iterator[str]:
    """The local variables of each frame, those of the tests left out."""
    while traceback is not None:
        if "tests" not in Path(traceback.tb_frame.f_code.co_filename).parts:
            yield repr(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next


@pytest.fixture
def refused(file: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Refused:
    """Try a login that has to be refused."""
    return Refused(file, capfd, caplog)


def test_what_was_typed_is_tried_and_kept(
    address: str, answering: Answering, typed: Callable[..., list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = typed(f" {address}/ ", f"{ALICE} ", key=f"{KEY}\n")
    login()
    assert [prompt.split(",")[0].split(":")[0] for prompt in asked] == [
        "Address of MLflow",
        "E-mail",
        "Access key (not shown)",
    ]
    assert [path for path, _ in answering.asked] == [CURRENT_USER]
    assert tuple(read_mlflow_creds()) == (ALICE, KEY)
    assert mlflow.get_tracking_uri() == address
    told = capsys.readouterr().out
    assert told == (
        f"You are {ALICE} at {address}. Your access key is kept in ~/.mlflow/credentials; other sessions need one "
        f"line: export MLFLOW_TRACKING_URI={address}\n"
    )


def test_the_address_of_the_environment_is_offered(
    address: str, typed: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    asked = typed("", ALICE)
    login()
    assert asked[0] == f"Address of MLflow [{address}]: "
    assert mlflow.get_tracking_uri() == address


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "https://alice:secret@example.test"], ids=["file", "password"])
def test_what_is_no_address_of_a_server_is_not_offered(
    address: str, typed: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    asked = typed(address, ALICE)
    login()
    assert uri not in asked[0]


def test_what_is_given_is_not_asked(address: str, typed: Callable[..., list[str]]) -> None:
    asked = typed()
    login(tracking_uri=address, username=ALICE, access_key=KEY)
    assert asked == []
    assert tuple(read_mlflow_creds()) == (ALICE, KEY)


def test_an_email_in_other_letters_is_the_same(address: str, answering: Answering) -> None:
    answering.known_as = ALICE.upper()
    login(tracking_uri=address, username=ALICE, access_key=KEY)
    assert tuple(read_mlflow_creds()) == (ALICE, KEY)


def test_where_nobody_can_answer_it_says_how_to_do_without(
    monkeypatch: pytest.MonkeyPatch, file: Path, address: str
) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    monkeypatch.setattr(builtins, "input", nobody)
    with pytest.raises(MlflowException, match=r"login\(tracking_uri=..., username=..., access_key=...\)"):
        login(tracking_uri=address, access_key=KEY)
    assert not file.parent.exists()


def test_a_terminal_does_not_show_the_key(address: str, home: Path) -> None:
    shown = in_a_terminal("from mlflow_oidc_auth.client import login; login()", home, [address, ALICE, KEY])
    assert f"You are {ALICE}" in shown
    assert ALICE in shown.split("You are")[0]
    assert KEY not in shown
    assert KEY in (home / ".mlflow" / "credentials").read_text()


def in_a_terminal(code: str, home: Path, answers: list[str]) -> str:
    """What a terminal shows: each answer is typed once the prompt for it is there."""
    ours, theirs = pty.openpty()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb", "NO_PROXY": "*"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
    )
    os.close(theirs)
    shown, waiting, end = b"", [answer.encode() + b"\n" for answer in answers], time.monotonic() + 120
    try:
        while time.monotonic() < end and (piece := _piece(ours)) is not None:
            shown += piece
            if waiting and shown.endswith(b": "):
                os.write(ours, waiting.pop(0))
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)
    return shown.decode()


def _piece(terminal: int) -> bytes | None:
    """What comes next, perhaps nothing yet; `None` when the program has ended."""
    if not select.select([terminal], [], [], 0.2)[0]:
        return b""
    try:
        return os.read(terminal, 4096) or None
    except OSError:
        return None


def test_a_wrong_key_leaves_no_trace_and_leads_to_the_page_that_makes_one(address: str, refused: Refused) -> None:
    sentence = refused(address, key=WRONG)
    assert f"make a new one at {address}/permissions" in sentence
    assert "disabled" in sentence


def test_a_wrong_key_leaves_the_login_before(address: str, file: Path) -> None:
    login(tracking_uri=address, username=ALICE, access_key=KEY)
    before = file.read_bytes()
    with pytest.raises(MlflowException):
        login(tracking_uri=address, username=ALICE, access_key=WRONG)
    assert file.read_bytes() == before


def test_a_key_of_somebody_else_is_not_kept(address: str, answering: Answering, refused: Refused) -> None:
    answering.known_as = "bob@example.test"
    assert "another account" in refused(address)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "Ask who runs it"),
        (404, "no MLflow server with logins"),
        (418, "no MLflow server with logins"),
        (429, "Try again in a minute"),
        (500, "Try again in a minute"),
        (503, "Try again in a minute"),
    ],
)
def test_what_is_no_success_is_told_at_once_and_in_words(
    address: str, answering: Answering, refused: Refused, status: int, words: str
) -> None:
    answering.status = status
    assert words in refused(address)
    assert len(answering.asked) == 1


@pytest.mark.parametrize("page", [b"<html>Welcome</html>", b"{}", b'{"user": null}'], ids=["page", "empty", "null"])
def test_what_is_no_mlflow_is_told_so(address: str, answering: Answering, refused: Refused, page: bytes) -> None:
    answering.page = page
    assert "no MLflow server with logins" in refused(address)


def test_a_prefix_that_was_forgotten_is_told_so(address: str, refused: Refused) -> None:
    assert "with its prefix" in refused(address.removesuffix("/mlflow"))


def test_a_redirect_is_told_and_the_key_does_not_follow_it(
    address: str, answering: Answering, refused: Refused
) -> None:
    there = Answering((ALICE, KEY))
    with there.served() as elsewhere:
        answering.location = f"{elsewhere.replace('://', '://u:p@')}/api?{KEY}"
        sentence = refused(address)
    assert f"leads elsewhere, to {elsewhere.removesuffix('/mlflow')}; your access key was not sent there" in sentence
    assert there.asked == []


def test_a_redirect_to_a_page_is_told(address: str, answering: Answering, refused: Refused) -> None:
    answering.location = "/login"
    assert "leads elsewhere; your" in refused(address)


def test_a_server_that_is_down_is_told_within_seconds(refused: Refused) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "does not answer" in refused(f"http://127.0.0.1:{port}")
    assert refused.seconds < 5


def test_a_name_that_nobody_has_is_told_within_seconds(refused: Refused) -> None:
    assert "does not answer" in refused("https://mlflow.invalid")
    assert refused.seconds < 10


def test_a_server_that_never_answers_is_told_within_seconds(
    address: str, answering: Answering, refused: Refused
) -> None:
    answering.silent = True
    assert "does not answer" in refused(address)
    assert refused.seconds < 10


@pytest.fixture
def pem(tmp_path: Path, answering: Answering) -> Path:
    """The server speaks TLS, with this certificate."""
    answering.certificate = certificate(tmp_path)
    return answering.certificate


@pytest.mark.usefixtures("pem")
def test_a_certificate_that_is_not_trusted_is_told(answering: Answering, refused: Refused) -> None:
    with answering.served() as address:
        assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in refused(address)
    assert answering.asked == []


def test_a_ca_that_mlflow_was_told_of_is_trusted(
    answering: Answering, pem: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(pem))
    with answering.served() as address:
        login(tracking_uri=address, username=ALICE, access_key=KEY)
    assert tuple(read_mlflow_creds()) == (ALICE, KEY)


@pytest.mark.usefixtures("pem")
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_no_certificate_is_looked_at_where_mlflow_was_told_so(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    with answering.served() as address:
        login(tracking_uri=address, username=ALICE, access_key=KEY)
    assert tuple(read_mlflow_creds()) == (ALICE, KEY)


def test_settings_of_tls_that_cannot_be_are_told(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/no/such/file")
    assert "See whether the files exist" in refused("https://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    assert "only one of these" in refused("https://127.0.0.1:1")


@pytest.mark.parametrize(("address", "words"), NO_ADDRESSES.values(), ids=NO_ADDRESSES)
def test_what_is_no_address_is_told_and_not_repeated(refused: Refused, address: str, words: str) -> None:
    sentence = refused(address)
    assert words in sentence
    assert not address or address not in sentence


@pytest.mark.parametrize(
    ("username", "key"),
    [("", KEY), (ALICE, " "), (f"{ALICE}\n[another]", KEY), (ALICE, f"{WRONG}\n[another]")],
    ids=["no e-mail", "no key", "two lines of e-mail", "two lines of key"],
)
def test_what_is_not_one_line_is_refused_before_anything_is_sent(
    address: str, answering: Answering, file: Path, username: str, key: str
) -> None:
    with pytest.raises(MlflowException, match="one line each"):
        login(tracking_uri=address, username=username, access_key=key)
    assert not file.parent.exists()
    assert answering.asked == []


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("http://mlflow.invalid", True),
        ("http://localhost.invalid", True),
        ("https://mlflow.invalid", False),
        ("http://localhost:1", False),
        ("http://127.0.0.2:1", False),
        ("http://[::1]:1", False),
    ],
)
def test_that_a_key_travels_in_the_clear_is_told_before_it_is_asked_for(
    typed: Callable[..., list[str]], capsys: pytest.CaptureFixture[str], address: str, warned: bool
) -> None:
    typed(address)  # and no e-mail
    with pytest.raises(StopIteration):
        login()
    assert ("whoever is on the way can read your access key" in capsys.readouterr().out) is warned


def test_a_login_in_netrc_which_mlflow_would_send_instead_is_told(
    address: str, answering: Answering, home: Path, refused: Refused
) -> None:
    netrc = home / ".netrc"
    netrc.write_text(f"machine 127.0.0.1 login {ALICE} password {KEY}\n")
    netrc.chmod(0o600)
    assert "netrc" in refused(address, key=WRONG)
    assert answering.asked == []


@pytest.mark.parametrize(
    ("variables", "words", "sent"),
    [
        (
            {"MLFLOW_TRACKING_PASSWORD": "b"},
            "takes MLFLOW_TRACKING_PASSWORD of the environment",
            "alice:b",
        ),
        (
            {"MLFLOW_TRACKING_USERNAME": "a", "MLFLOW_TRACKING_PASSWORD": "b"},
            "takes MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD of the environment",
            "a:b",
        ),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "MLFLOW_TRACKING_TOKEN is not used any more", f"alice:{KEY}"),
        ({"MLFLOW_TRACKING_USERNAME": ""}, "", f"alice:{KEY}"),
    ],
    ids=["key", "both", "token", "empty"],
)
def test_what_mlflow_takes_before_the_file_and_what_not_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    words: str,
    sent: str,
) -> None:
    """As MLflow's own client does it afterwards."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    answering = Answering(("alice", KEY))
    with answering.served() as address:
        login(tracking_uri=address, username="alice", access_key=KEY)
        told = capsys.readouterr().out.splitlines()
        answering.login = tuple(sent.split(":"))  # type: ignore[assignment]
        creds = get_default_host_creds(address)
        assert http_request(creds, "/api/2.0/mlflow/users/current", "GET").status_code == 200
    assert told[1:] == [] if not words else words in told[1]
