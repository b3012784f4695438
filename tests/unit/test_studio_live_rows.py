"""Rows of a file that grows: whole lines from a byte on, of CSV files of the studio's folder only."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgewright.core.package import write_package
from runtime_example import window_parts
from studio_example import client, record


def test_whole_lines_are_given_once(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    file = root / "live.csv"
    file.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n3,")
    studio = client(root)
    first = studio.get("/live-rows/live.csv").json()
    assert first == {"text": "a,b\n1,2\n", "next": 11}
    assert studio.get("/live-rows/live.csv?from=11").json() == {"text": "", "next": 11}
    file.write_bytes(file.read_bytes() + b"4\n")
    assert studio.get("/live-rows/live.csv?from=11").json() == {"text": "3,4\n", "next": 15}
    assert "became shorter" in studio.get("/live-rows/live.csv?from=16").json()["problem"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("other.txt", 400), ("folder.csv", 400), ("live.csv?from=-1", 400), ("live.csv?from=x", 400),
        ("%2e%2e/secret.csv", 404), (".hidden.csv", 404), ("link.csv", 404), ("none.csv", 404),
    ],
)  # fmt: skip
def test_nothing_else_is_given(tmp_path: Path, address: str, status: int) -> None:
    root = tmp_path / "runs"
    (root / "folder.csv").mkdir(parents=True)
    (tmp_path / "secret.csv").write_text("secret\n")
    (root / "link.csv").symlink_to(tmp_path / "secret.csv")
    for name in ("other.txt", ".hidden.csv", "live.csv"):
        (root / name).write_text("secret\n")
    answer = client(root).get(f"/live-rows/{address}")
    assert (answer.status_code, "secret\n" in answer.text) == (status, False)


def test_pieces_of_a_stream_are_not_filled(tmp_path: Path) -> None:
    manifest, files = window_parts()
    assert manifest.window is not None
    manifest = msgspec.structs.replace(manifest, window=msgspec.structs.replace(manifest.window, fill_start=True))
    record(tmp_path, "level")
    write_package(tmp_path / "level" / "level.edge", manifest, files)
    studio = client(tmp_path)
    assert "does not support window.fill_start" in studio.get("/live-test/level").text
    answer = studio.post("/live-test/level", data={"rows": "x,y\n1,2\n"})
    assert (answer.status_code, "window.fill_start" in answer.json()["problem"]) == (400, True)
