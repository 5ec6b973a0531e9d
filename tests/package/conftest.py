"""The wheel, built once, and installed where nothing of the checkout can be seen."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.alone import build_wheel


class Installed:
    """A virtual environment with the wheel in it; everything else it borrows from the environment of the tests."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        venv.create(folder, with_pip=False)
        paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
        self.packages = Path(paths["purelib"])
        # A line in a .pth file adds a folder, but does not read that folder's own .pth files: the checkout, which is
        # installed there as an editable project, stays out of sight.
        (self.packages / "borrowed.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
        uv = Path(sys.executable).parent / "uv"
        install = [str(uv), "pip", "install", "-q", "--python", str(self.program("python")), "--no-deps", "--offline"]
        subprocess.run([*install, str(wheel)], check=True)

    def program(self, name: str) -> Path:
        """A program that the environment offers."""
        return self.folder / "bin" / name

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs far from the checkout."""
        command = [str(self.program(program)), *arguments]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120, env={"PATH": "/usr/bin"}
        )


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as a release would ship it."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed elsewhere."""
    return Installed(tmp_path_factory.mktemp("installed") / "venv", wheel)
