"""A small corpus for tests: sections of a manual that repeat their sentences in other orders."""

from __future__ import annotations

import random
from pathlib import Path

SENTENCES = [
    "Press the power button to turn on the television.", "Select the menu and press the home button.",
    "The remote control needs two batteries.", "Connect the cable to the television before you turn it on.",
    "Do not use water to clean the screen.", "The warranty lasts two years from the date of purchase.",
    "Select the network and enter the password.", "Press and hold the button for three seconds.",
]  # fmt: skip


def write_texts(folder: Path, sections: int = 24) -> Path:
    """Return a folder with a document of so many sections."""
    rng = random.Random(0)  # noqa: S311 - the same texts each time
    lines = []
    for number in range(sections):
        lines += [f"# Section {number}", "", " ".join(rng.choices(SENTENCES, k=6)), ""]
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "manual.md").write_text("\n".join(lines))
    return folder
