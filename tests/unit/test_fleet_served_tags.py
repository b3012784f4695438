"""Web servers make the tag of a file from its seconds and its size: no two timestamps may have the same."""

from __future__ import annotations

from pathlib import Path

from edgewright.fleet.repository.static_export import export
from rollout_example import NOW, Example


def tag(path: Path) -> str:
    """ETag as nginx makes it."""
    held = path.stat()
    return f'"{int(held.st_mtime):x}-{held.st_size:x}"'


def test_two_timestamps_of_one_second_have_two_tags(tmp_path: Path) -> None:
    example = Example(tmp_path / "e", NOW)
    found: dict[str, bytes] = {}
    out = tmp_path / "www"
    exported: dict[str, bytes] = {}
    try:
        example.started()
        for number in range(6):
            (example.rollouts.resume if number % 2 else example.rollouts.pause)("first", "ada", f"{number}")
            path = example.fleet.metadata / "timestamp.json"
            assert found.setdefault(tag(path), path.read_bytes()) == path.read_bytes()
            export(example.fleet, out, NOW)
            copied = out / "metadata" / "timestamp.json"
            assert exported.setdefault(tag(copied), copied.read_bytes()) == copied.read_bytes()
    finally:
        example.close()
    assert len(set(found.values())) == len(found) == len(exported) == 6
