"""The credentials file: read by MLflow's own client, private, whole, and shared with what else is in it."""

from __future__ import annotations

import configparser
import os
import pickle
import socket
import stat
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import _get_credentials_path, read_mlflow_creds

from mlflow_oidc_auth.client import credentials_file
from mlflow_oidc_auth.client.credentials_file import PlainKey, save

ALICE = "alice@example.test"
KEY = "mlfpat_000000000000_secret_000000"
LOGINS = {
    "plain": (ALICE, KEY),
    "percent signs": ("100%(a)s@example.test", "%%50%(mlflow_tracking_username)s%"),
    "signs of the file's own": ("#a;b=c:d@example.test", "[mlflow] = # ; key"),
    "quotes": ("o'neil\"s@example.test", "'a\"b\\"),
    "letters of the world": ("zoë+テスト@example.test", "ключ"),
}


def mode(path: Path) -> int:
    """Who may do what with it."""
    return stat.S_IMODE(path.stat().st_mode)


def leftovers(file: Path) -> list[str]:
    """What else lies in its folder."""
    return [path.name for path in file.parent.iterdir() if path != file]


@pytest.mark.parametrize(("username", "key"), LOGINS.values(), ids=LOGINS)
def test_mlflow_reads_what_was_written(file: Path, username: str, key: str) -> None:
    assert str(file) == _get_credentials_path()
    save(username, PlainKey(key))
    assert tuple(read_mlflow_creds()) == (username, key)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
def test_only_the_owner_reads_it(file: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        save(ALICE, PlainKey(KEY))
    finally:
        os.umask(before)
    assert (mode(file.parent), mode(file)) == (0o700, 0o600)
    assert leftovers(file) == []


def test_it_is_private_before_anything_is_in_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    write = configparser.RawConfigParser.write

    def look(self: configparser.RawConfigParser, to: object, *rest: bool) -> None:
        seen.extend((path != file, mode(path), path.read_bytes()) for path in file.parent.iterdir())
        write(self, to, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(configparser.RawConfigParser, "write", look)
    save(ALICE, PlainKey(KEY))
    assert seen == [(True, 0o600, b"")]


def test_a_file_that_others_could_read_is_private_afterwards(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("[mlflow]\nmlflow_tracking_password = old\n")
    file.chmod(0o644)
    save(ALICE, PlainKey(KEY))
    assert mode(file) == 0o600


def test_what_else_it_holds_stays_as_it_is_spelled(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(
        "[DEFAULT]\nBase = %%a\n[mlflow]\nMLflow_Tracking_Username = old\nmlflow_tracking_password: old\n"
        "Other = 100%%\n[another]\nKey = %(Base)s/b\n  second line\nkey2 =\n"
    )
    save(ALICE, PlainKey(KEY))
    assert tuple(read_mlflow_creds()) == (ALICE, KEY)
    read = configparser.RawConfigParser()
    read.optionxform = str  # type: ignore[assignment,method-assign]
    read.read(file)
    assert {name: dict(read[name]) for name in read} == {
        "DEFAULT": {"Base": "%%a"},
        "mlflow": {
            "Base": "%%a",
            "Other": "100%%",
            "mlflow_tracking_username": ALICE,
            "mlflow_tracking_password": KEY,
        },
        "another": {"Base": "%%a", "Key": "%(Base)s/b\nsecond line", "key2": ""},
    }


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "secrets" / "mlflow.ini"
    real.parent.mkdir()
    real.write_text("[another]\na = b\n")
    file.parent.mkdir()
    file.symlink_to(real)
    save(ALICE, PlainKey(KEY))
    assert file.is_symlink()
    assert "[another]" in real.read_text()
    assert mode(real) == 0o600
    assert tuple(read_mlflow_creds()) == (ALICE, KEY)


def test_a_link_to_nothing_yet_leads_to_a_file_afterwards(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    file.symlink_to(tmp_path / "later.ini")
    save(ALICE, PlainKey(KEY))
    assert mode(tmp_path / "later.ini") == 0o600
    assert tuple(read_mlflow_creds()) == (ALICE, KEY)


@pytest.mark.parametrize(
    "content",
    ["no section\nmlflow_tracking_password = the old key\n", "[mlflow]\na = the old key\na = b\n", b"[mlflow]\n\xff\n"],
    ids=["no section", "one option twice", "no text"],
)
def test_a_file_that_mlflow_cannot_read_is_left_alone_and_not_repeated(file: Path, content: str | bytes) -> None:
    file.parent.mkdir()
    before = content if isinstance(content, bytes) else content.encode()
    file.write_bytes(before)
    with pytest.raises(MlflowException, match="not an INI file") as refused:
        save(ALICE, PlainKey(KEY))
    assert file.read_bytes() == before
    assert "old key" not in refused.value.message
    assert leftovers(file) == []


def test_a_folder_in_its_place_is_left_alone(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(MlflowException, match="is not a file"):
        save(ALICE, PlainKey(KEY))
    assert file.is_dir()


def test_a_link_to_what_is_no_file_is_left_alone(file: Path, tmp_path: Path) -> None:
    """As to a device: root could replace it for everybody."""
    file.parent.mkdir()
    there = tmp_path / "socket"
    file.symlink_to(there)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(there))
        with pytest.raises(MlflowException, match="is not a file"):
            save(ALICE, PlainKey(KEY))
        assert there.is_socket()


def test_a_link_to_itself_is_told(file: Path) -> None:
    file.parent.mkdir()
    file.symlink_to(file)
    with pytest.raises(MlflowException, match="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"):
        save(ALICE, PlainKey(KEY))
    assert file.is_symlink()


def test_when_writing_fails_the_old_file_stays_and_nothing_lies_beside_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(ALICE, PlainKey("the key before"))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(credentials_file.os, "fsync", full)
    with pytest.raises(MlflowException, match="No space left on device"):
        save(ALICE, PlainKey(KEY))
    assert tuple(read_mlflow_creds()) == (ALICE, "the key before")
    assert leftovers(file) == []


def test_without_a_home_it_says_so(home: Path) -> None:
    home.rmdir()
    with pytest.raises(MlflowException, match="cannot be written"):
        save(ALICE, PlainKey(KEY))


def test_a_key_shows_itself_to_nobody() -> None:
    key = PlainKey(f" {KEY}\n")
    assert key.reveal() == KEY
    assert KEY not in f"{key} {key!r} {[key]}"
    with pytest.raises(TypeError):
        pickle.dumps(key)
