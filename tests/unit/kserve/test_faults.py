"""Whatever goes wrong on the way: the right exit status, a sentence, and nothing half-written under its final name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlflow_oidc_auth.kserve import download, server
from mlflow_oidc_auth.kserve.failures import Status
from mlflow_oidc_auth.kserve.main import run
from mlflow_oidc_auth.kserve.staging import MANIFEST, STAGING
from tests.unit.kserve.faulty import ARTIFACTS, DOWNLOAD_URI, ROOT, Faulty

SRC = "mlflow://models/m/1"
BIG = os.urandom(3 * 1024 * 1024)
FILES = {"MLmodel": b"flavors: {}", "data/model.pkl": BIG, "data/empty": b""}
SECRET = "the-secret-of-the-robot"
MAIN = "from mlflow_oidc_auth.kserve.main import main; main()"


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again soon."""
    monkeypatch.setattr(download, "PAUSE", 0.01)
    monkeypatch.setattr(server, "PAUSE", 0.01)


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """Where the model goes."""
    return tmp_path / "models"


class Fetched:
    """One run of the command."""

    def __init__(self, faulty: Faulty, dest: Path, capsys: pytest.CaptureFixture[str], source: str = SRC) -> None:
        with faulty.served() as address:
            self.status = run([source, str(dest)], environment(address, dest))
        self.told = capsys.readouterr().err
        self.last = self.told.strip().splitlines()[-1]
        self.message = (dest.parent / "termination").read_text()


def environment(address: str, dest: Path) -> dict[str, str]:
    """What the pod has."""
    message = dest.parent / "termination"
    message.touch()
    return {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_USERNAME": "robot",
        "MLFLOW_TRACKING_PASSWORD": SECRET,
        "TERMINATION_MESSAGE_PATH": str(message),
    }


def visible(dest: Path) -> dict[str, bytes]:
    """What whoever serves would see, without what is ours."""
    found = (path for path in dest.rglob("*") if path.is_file())
    names = {str(path.relative_to(dest)): path for path in found}
    return {name: path.read_bytes() for name, path in names.items() if name.split("/")[0] not in (MANIFEST, STAGING)}


def leads_to(fetched: Fetched, status: Status, dest: Path) -> None:
    """It failed so, said so, and left nothing that could be served."""
    assert fetched.status == status, fetched.told
    assert fetched.message == fetched.last
    assert SECRET not in fetched.told
    assert visible(dest) == {}
    assert not (dest / MANIFEST).exists()


def test_everything_arrives_and_a_second_run_asks_nothing(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = Faulty(FILES)
    assert Fetched(faulty, dest, capsys).status == Status.DONE
    assert visible(dest) == FILES
    assert not (dest / STAGING).exists()
    asked = faulty.asked.total()
    again = Fetched(faulty, dest, capsys)
    assert (again.status, faulty.asked.total()) == (Status.DONE, asked)
    assert "already" in again.last


@pytest.mark.parametrize("busy", [[503, 503], [429], [500, 502, 504]], ids=str)
def test_a_server_that_is_busy_is_asked_again(dest: Path, capsys: pytest.CaptureFixture[str], busy: list[int]) -> None:
    assert Fetched(Faulty(FILES, refuse=list(busy)), dest, capsys).status == Status.DONE
    assert visible(dest) == FILES


def test_a_server_that_stays_busy_is_given_up(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = Faulty(FILES, refuse=[503] * 100)
    leads_to(Fetched(faulty, dest, capsys), Status.NETWORK, dest)
    assert faulty.asked[DOWNLOAD_URI] == server.TRIES


def test_a_file_that_breaks_off_goes_on_where_it_was(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = Faulty({"model.pkl": BIG}, break_at=1_000_000, breaks=2)
    assert Fetched(faulty, dest, capsys).status == Status.DONE
    assert visible(dest) == {"model.pkl": BIG}
    first, *later = faulty.ranges_asked
    assert first == ""
    assert len(later) == 2
    assert all(asked.startswith("bytes=") and asked != "bytes=0-" for asked in later)


@pytest.mark.parametrize("how", ["without ranges", "with other content", "with a weak tag"])
def test_a_file_that_cannot_go_on_begins_again(dest: Path, capsys: pytest.CaptureFixture[str], how: str) -> None:
    tags = {"with other content": ['"one"', '"two"'], "with a weak tag": ['W/"one"']}.get(how, ['"one"'])
    faulty = Faulty({"model.pkl": BIG}, break_at=1_000_000, breaks=1, ranges=how != "without ranges", tags=tags)
    assert Fetched(faulty, dest, capsys).status == Status.DONE
    assert visible(dest) == {"model.pkl": BIG}


def test_a_file_that_always_breaks_off_is_given_up(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = Faulty({"model.pkl": BIG}, break_at=10, breaks=1000)
    leads_to(Fetched(faulty, dest, capsys), Status.NETWORK, dest)
    assert faulty.asked[f"{ARTIFACTS}/{ROOT}/model.pkl"] == server.TRIES


@pytest.mark.parametrize("size", [1, len(BIG) + 1])
def test_a_size_that_is_a_lie_is_found_out(dest: Path, capsys: pytest.CaptureFixture[str], size: int) -> None:
    fetched = Fetched(Faulty(FILES, sizes={"data/model.pkl": size}), dest, capsys)
    leads_to(fetched, Status.INTEGRITY, dest)
    assert "data/model.pkl" in fetched.last


STRANGE = {
    "up": {"path": "../x", "is_dir": False, "file_size": 1},
    "two up": {"path": "..", "is_dir": True},
    "here": {"path": ".", "is_dir": True},
    "from the root": {"path": "/etc/passwd", "is_dir": False, "file_size": 1},
    "a backslash": {"path": "a\\b", "is_dir": False, "file_size": 1},
    "nothing": {"path": "", "is_dir": False, "file_size": 1},
    "NUL": {"path": "a\0b", "is_dir": False, "file_size": 1},
    "a number": {"path": 7, "is_dir": False, "file_size": 1},
    "no name": {"is_dir": False},
    "no object": "MLmodel",
    "twice": {"path": "MLmodel", "is_dir": False, "file_size": 1},
    "a negative size": {"path": "x", "is_dir": False, "file_size": -1},
    "our manifest": {"path": MANIFEST, "is_dir": False, "file_size": 1},
    "our staging": {"path": STAGING, "is_dir": True},
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_listing_with_a_name_that_is_none_stops_everything(
    dest: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    faulty = Faulty(FILES, listed=[STRANGE[what]])
    if what == "our staging":
        faulty.files = FILES | {f"{STAGING}/x": b"x"}
        faulty.listed = []
    leads_to(Fetched(faulty, dest, capsys), Status.INTEGRITY, dest)
    assert not any(path.startswith(f"{ARTIFACTS}/") for path in faulty.asked)


@pytest.mark.parametrize(
    "uri",
    ["s3://bucket/x", "file:///etc", "/etc", "http://127.0.0.1:1/x", "mlflow-artifacts://other/x", "dbfs:/x", ""],
)
def test_only_this_servers_artifacts_are_fetched(dest: Path, capsys: pytest.CaptureFixture[str], uri: str) -> None:
    faulty = Faulty(FILES, uri=uri)
    leads_to(Fetched(faulty, dest, capsys), Status.CONFIGURATION, dest)
    assert set(faulty.asked) == {DOWNLOAD_URI}


@pytest.mark.parametrize("uri", ["mlflow-artifacts:/7/../8", "mlflow-artifacts:/7/%2e%2e/8", "mlflow-artifacts:/"])
def test_a_place_that_leads_out_is_none(dest: Path, capsys: pytest.CaptureFixture[str], uri: str) -> None:
    leads_to(Fetched(Faulty(FILES, uri=uri), dest, capsys), Status.INTEGRITY, dest)


def test_a_redirect_is_not_followed(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = Faulty(FILES)
    with elsewhere.served() as other:
        leads_to(Fetched(Faulty(FILES, redirect=f"{other}/login"), dest, capsys), Status.CONFIGURATION, dest)
    assert not elsewhere.asked


def test_a_key_that_is_revoked_half_way_ends_it_and_a_new_one_goes_on(
    dest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = {f"part-{number}": os.urandom(1000) for number in range(40)}
    faulty = Faulty(many, revoke_after=20)
    fetched = Fetched(faulty, dest, capsys)
    leads_to(fetched, Status.UNAUTHENTICATED, dest)
    assert "access key" in fetched.last
    before = {path for path in faulty.asked if path.startswith(f"{ARTIFACTS}/")}
    faulty.revoke_after = -1
    faulty.asked.clear()
    assert Fetched(faulty, dest, capsys).status == Status.DONE
    assert visible(dest) == many
    assert len({path for path in faulty.asked if path.startswith(f"{ARTIFACTS}/")}) < len(many)
    assert before


def test_nobody_there_is_the_network(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([SRC, str(dest)], environment("http://127.0.0.1:9", dest)) == Status.NETWORK
    assert SECRET not in capsys.readouterr().err


def test_what_is_there_already_and_not_ours_is_left_alone(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dest.mkdir()
    (dest / "MLmodel").write_text("mine")
    fetched = Fetched(Faulty(FILES), dest, capsys)
    assert fetched.status == Status.CONFIGURATION
    assert visible(dest) == {"MLmodel": b"mine"}


def test_another_model_at_the_same_place_is_refused(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Fetched(Faulty(FILES), dest, capsys).status == Status.DONE
    fetched = Fetched(Faulty({"MLmodel": b"other"}), dest, capsys, "mlflow://models/m/2")
    assert fetched.status == Status.CONFIGURATION
    assert visible(dest) == FILES


def test_a_link_at_the_destination_leads_nowhere(dest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = dest.parent / "outside"
    outside.mkdir()
    dest.mkdir()
    (dest / "data").symlink_to(outside)
    assert Fetched(Faulty(FILES), dest, capsys).status == Status.CONFIGURATION
    assert list(outside.iterdir()) == []


def staged(dest: Path) -> int:
    """How many files have begun to grow."""
    return sum(len(files) for _, _, files in os.walk(dest / STAGING / "files"))


def started(address: str, dest: Path) -> subprocess.Popen[bytes]:
    """The command as a process."""
    command = [sys.executable, "-c", MAIN, SRC, str(dest)]
    return subprocess.Popen(command, env={**os.environ, **environment(address, dest)}, stderr=subprocess.PIPE)


@pytest.fixture
def slow() -> Iterator[tuple[Faulty, str]]:
    """A model that takes a while: many files."""
    faulty = Faulty({f"data/part-{number}": os.urandom(200_000) for number in range(300)})
    with faulty.served() as address:
        yield faulty, address


def test_killed_at_any_moment_nothing_is_half_there_and_the_next_run_goes_on(
    slow: tuple[Faulty, str], dest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty, address = slow
    for files in (1, 60, 150, 250):
        process = started(address, dest)
        until = time.monotonic() + 60
        while staged(dest) < files and process.poll() is None:
            assert time.monotonic() < until
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert visible(dest) == {}
    assert staged(dest) >= 250
    assert run([SRC, str(dest)], environment(address, dest)) == Status.DONE
    capsys.readouterr()
    assert visible(dest) == faulty.files
    assert not (dest / STAGING).exists()


def test_stopped_between_two_moves_the_next_run_moves_the_rest(
    dest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[str] = []
    rename = Path.rename

    def stop_at_the_second(self: Path, target: Path) -> Path:
        if target.parent == dest and self.name in ("MLmodel", "data"):
            if moved:
                raise KeyboardInterrupt
            moved.append(self.name)
        return rename(self, target)

    faulty = Faulty(FILES)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            Fetched(faulty, dest, capsys)
    assert len(visible(dest)) in (1, 2)
    assert not (dest / MANIFEST).exists()
    faulty.asked.clear()
    assert Fetched(faulty, dest, capsys).status == Status.DONE
    assert visible(dest) == FILES
    assert not faulty.asked


def test_two_at_once_do_not_meet(slow: tuple[Faulty, str], dest: Path) -> None:
    _, address = slow
    both = [started(address, dest) for _ in range(2)]
    ended = sorted(process.wait(60) for process in both)
    for process in both:
        process.communicate()
    assert ended in ([Status.DONE, Status.CONFIGURATION], [Status.DONE, Status.DONE])


@pytest.mark.skipif(os.geteuid() != 0, reason="PROMISE UNTESTED: a full disk (needs root to mount one)")
@pytest.mark.parametrize("listed", [True, False], ids=["sizes known", "sizes unknown"])
def test_a_full_disk_has_a_status_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str], listed: bool) -> None:
    dest = tmp_path / "small"
    dest.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(dest)], check=False)
    if mounted.returncode:
        pytest.skip("PROMISE UNTESTED: a full disk (no file system can be mounted here)")
    try:
        faulty = Faulty({"model.pkl": BIG})
        if not listed:
            faulty.sizes = {}
            faulty._listing = lambda folder: [{"path": "model.pkl", "is_dir": False}]  # type: ignore[method-assign]
        fetched = Fetched(faulty, dest, capsys)
        leads_to(fetched, Status.DISK_FULL, dest)
    finally:
        subprocess.run(["umount", str(dest)], check=True)


USAGES = {
    "nothing": [],
    "no destination": [SRC],
    "one too many": [SRC, "/x", SRC],
    "no address": ["s3://bucket", "/x"],
}


@pytest.mark.parametrize("what", USAGES)
def test_wrong_arguments_are_usage(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(USAGES[what], environment("http://127.0.0.1:9", tmp_path / "x")) == Status.USAGE
    assert capsys.readouterr().err.strip()


def test_several_pairs_are_fetched_in_turn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Faulty(FILES).served() as address:
        pairs = [SRC, str(tmp_path / "a"), f"{SRC}/data", str(tmp_path / "b")]
        assert run(pairs, environment(address, tmp_path / "x")) == Status.DONE
    capsys.readouterr()
    assert visible(tmp_path / "a") == FILES
    assert visible(tmp_path / "b") == {"model.pkl": BIG, "empty": b""}
