"""The wheel, and environments that hold it with one lock and nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def build_wheel(folder: Path) -> Path:
    """The wheel, as a release would ship it."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def installed_alone(folder: Path, wheel: Path, lock: str) -> Path:
    """An environment with one lock and the wheel, and nothing else; its folder of programs."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install = [str(Path(sys.executable).parent / "uv"), "pip", "install", "-q", "--python", str(python)]
    subprocess.run([*install, "--require-hashes", "-r", str(ROOT / lock)], check=True, timeout=280)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    return python.parent
