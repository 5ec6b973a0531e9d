"""What tests counted, for the closing notes: shown after the tests, and kept in `test-output/figures.txt`.

Each is written to the file at once, so that it does not matter which process counted it.
"""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).parents[1] / "test-output" / "figures.txt"


class Figures:
    """Where tests put what they counted."""

    def note(self, what: str, value: object) -> None:
        """Keep one figure."""
        FILE.parent.mkdir(exist_ok=True)
        with FILE.open("a") as file:
            file.write(f"{what}: {value}\n")


def forget() -> None:
    """Forget those of the last run."""
    FILE.unlink(missing_ok=True)


def lines() -> list[str]:
    """All of this run."""
    return FILE.read_text().splitlines() if FILE.is_file() else []
