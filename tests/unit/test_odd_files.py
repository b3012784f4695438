"""Files as people write them, made by a generator that knows what is true of them, and what `init --yes` reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from odd_files.judge import RIGHT, judge, odd_file
from odd_files.shape import SEEDS, SHAPES

# Fast: a file of each shape, in all languages; slow: the others.
FILES = [
    pytest.param(name, seed, marks=[] if seed == number % SEEDS else [pytest.mark.slow])
    for number, name in enumerate(SHAPES)
    for seed in range(SEEDS)
]


@pytest.mark.parametrize(("name", "seed"), FILES)
def test_a_file_is_read_as_it_was_made(name: str, seed: int, tmp_path: Path) -> None:
    outcome = judge(odd_file(name, seed, tmp_path))
    assert outcome.kind == RIGHT, f"{outcome.kind}: {outcome.why}"
