"""What the documents say is so: their commands, files, settings, addresses and words exist."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mlflow_oidc_auth import vocabulary
from mlflow_oidc_auth.operations.ours import OURS
from mlflow_oidc_auth.settings import parse_settings
from mlflow_oidc_auth.settings.table import TABLE
from mlflow_oidc_auth.settings.upstream import UPSTREAM
from mlflow_oidc_auth.vocabulary import Level
from tests.login.site import PREFIX

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mlflow_oidc_auth"
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_make_help_lists_every_target() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(phony.split()) == TARGETS
    assert {line.split()[1] for line in told.splitlines() if line.startswith("make ")} == TARGETS


def test_make_alone_is_make_help() -> None:
    alone, told = (subprocess.run(["make", *more], cwd=ROOT, capture_output=True).stdout for more in ([], ["help"]))
    assert alone == told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_command_exists(page: Path) -> None:
    """In code: `make test` in running text, or a line of a block."""
    text = page.read_text()
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert named <= TARGETS


def test_the_readme_names_two_commands_and_ci_runs_the_second() -> None:
    assert "\nmake demo " in README
    assert "\nmake test " in README
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert [line for line in lines if "make" in line and not line.startswith("#")] == ["CI=true make test"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not urlsplit(target).scheme:
            assert (page.parent / target).exists(), target


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text()
    for page in folder.glob("0*.md"):
        title = page.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{title}]({page.name})" in index


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:[\w.]+/)*[\w.]+\.py|(?:\w+/)+)`", text)
    assert len(named) > 20
    missing = [name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()]
    assert missing == []


def test_the_architecture_has_a_place_for_every_part() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text().split("## The house")[1]
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    for part in parts - {"__init__"}:
        assert re.search(rf"`{part}(\.py|/)", text), part


def test_every_setting_that_is_written_down_exists() -> None:
    known = {*TABLE, *(setting.name for setting in UPSTREAM)}
    for page in PAGES:
        for name in re.findall(r"\b((?:OIDC|SESSION_COOKIE|MAX_LOGIN|MAX_TOKEN|TRUSTED)_[A-Z_]+)\b", page.read_text()):
            assert name.removesuffix("_FILE") in known, f"{page.name}: {name}"


def test_the_settings_of_the_readme_start_a_server(tmp_path: Path) -> None:
    exported = dict(re.findall(r"^export ([A-Z_]+)='?([^'\n#]+?)'?(?: +#.*)?$", README, re.MULTILINE))
    environment = {name: value for name, value in exported.items() if not name.startswith("MLFLOW_")}
    for name in [name for name in environment if name.endswith("_FILE")]:
        secret = tmp_path / name
        secret.write_text("a secret that is long enough for everybody\n")
        environment[name] = str(secret)
    settings = parse_settings(environment)
    assert settings.remarks == ()
    assert settings.oidc_group_name == ("prokube users",)


def test_the_addresses_for_keycloak_are_ours() -> None:
    paths = {entry.path for entry in OURS}
    named = re.findall(rf"`https://mlflow\.example\.com{PREFIX}(/[a-z-]+)`", README)
    assert set(named) == {"/callback", "/backchannel-logout"}
    assert set(named) <= paths
    assert {path.removeprefix(PREFIX) for path in re.findall(rf"`({PREFIX}/health/\w+)`", README)} <= paths


def test_the_readme_names_the_levels_and_the_version() -> None:
    for level in Level:
        assert f"`{level.name}`" in README
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"mlflow_oidc_auth-{version}-py3-none-any.whl" in README


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_the_words_of_the_code_are_in_the_glossary() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    words = re.findall(r"^(\w+) {2,}", vocabulary.__doc__ or "", re.MULTILINE)
    assert len(words) >= 5
    for word in [*words, "operation", "requirement", "grant"]:
        assert f"\n| {word} |" in glossary, word
