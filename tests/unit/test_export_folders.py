"""Several exports into one folder: each knows its files, and `force` removes exactly what earlier exports wrote."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.core.errors import InputError, InvalidNameError, OutputError
from edgewright.export.write import LIST, Written, write_files
from foreign import MODELS

FIRST = {"a.c": b"1", "a_stream.c": b"2", "src/deep/a.h": b"3"}
SECOND = {"a.c": b"4", "b.c": b"5"}


def content(folder: Path) -> dict[str, bytes]:
    """Return bytes by name of all files but the list."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LIST)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_files_of_an_earlier_export_go_and_those_of_people_stay(tmp_path: Path) -> None:
    write_files(tmp_path, FIRST)
    (tmp_path / "main.c").write_bytes(b"mine")
    written = write_files(tmp_path, SECOND, force=True)
    assert written.removed == (tmp_path / "a_stream.c", tmp_path / "src" / "deep" / "a.h")
    assert content(tmp_path) == {**SECOND, "main.c": b"mine"}
    assert not (tmp_path / "src").exists()
    assert write_files(tmp_path, {"a.c": b"4"}, force=True).removed == (tmp_path / "b.c",)
    assert content(tmp_path) == {"a.c": b"4", "main.c": b"mine"}


def test_a_file_that_somebody_changed_stays_and_is_named(tmp_path: Path) -> None:
    write_files(tmp_path, FIRST)
    (tmp_path / "a_stream.c").write_bytes(b"edited")
    written = write_files(tmp_path, SECOND, force=True)
    assert (written.removed, written.changed) == ((tmp_path / "src/deep/a.h",), (tmp_path / "a_stream.c",))
    assert content(tmp_path) == {**SECOND, "a_stream.c": b"edited"}
    assert write_files(tmp_path, SECOND, force=True) == Written({tmp_path / n: d for n, d in SECOND.items()})


def test_exports_without_force_stand_beside_each_other_and_all_are_known(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.c": b"1"})
    write_files(tmp_path, {"b.c": b"2"})
    assert content(tmp_path) == {"a.c": b"1", "b.c": b"2"}
    assert len(write_files(tmp_path, {"c.c": b"3"}, force=True).removed) == 2


def test_a_folder_without_a_list_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.c").write_bytes(b"by an older version, or somebody's own")
    assert write_files(tmp_path, {"a.c": b"1"}, force=True).removed == ()
    assert (tmp_path / "old.c").exists()


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", ".hidden", "a/../../b"])
def test_a_list_cannot_name_files_elsewhere(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    write_files(out, FIRST)
    (out / LIST).write_text(f'{{"format":2,"exports":{{"":{{"{name}":""}}}}}}')
    with pytest.raises(InvalidNameError, match=r"a plain name .*Delete that file"):
        write_files(out, SECOND, force=True)
    assert content(out) == FIRST


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format":1,"exports":{}}', '{"format":2,"exports":{},"more":1}'])
def test_a_list_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    write_files(tmp_path, FIRST)
    (tmp_path / LIST).write_text(text)
    with pytest.raises(InputError, match=LIST):
        write_files(tmp_path, SECOND, force=True)
    assert content(tmp_path) == FIRST


def test_links_and_folders_in_place_of_old_files_stay(tmp_path: Path) -> None:
    out, mine = tmp_path / "out", tmp_path / "mine"
    write_files(out, FIRST)
    mine.write_bytes(b"2")
    (out / "a_stream.c").unlink()
    (out / "a_stream.c").symlink_to(mine)
    (out / "src/deep/a.h").unlink()
    (out / "src/deep/a.h").mkdir()
    assert write_files(out, SECOND, force=True).removed == ()
    assert mine.exists() and (out / "a_stream.c").is_symlink() and (out / "src/deep/a.h").is_dir()


@pytest.mark.parametrize("failing", range(1, 4))
def test_an_export_that_fails_leaves_the_earlier_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    write_files(tmp_path, FIRST)
    flush, calls = os.fsync, []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == failing:
            raise OSError(28, "No space left on device")
        flush(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            write_files(tmp_path, SECOND, force=True)
    assert content(tmp_path) == FIRST
    assert len(write_files(tmp_path, SECOND, force=True).removed) == 2


def test_the_command_says_what_it_removed(tmp_path: Path, cli: Cli) -> None:
    model, out = MODELS / "torch-dense-script.onnx", tmp_path / "out"
    for name in ("first", "second"):
        cli("export", model, "--to", "c99", "--name", name, "--out", out)
    write_files(out, {"second_old.c": b"1"}, "c99 second")
    text = cli("export", model, "--to", "c99", "--name", "second", "--out", out, "--force")
    assert f"removed {out / 'second_old.c'}, written" in text
    assert {path.name.split(".")[0].split("_")[0] for path in out.iterdir() if path.name != LIST} == {"first", "second"}


def test_force_leaves_the_files_of_other_exports(tmp_path: Path) -> None:
    write_files(tmp_path, {"one.c": b"1", "shared.h": b"s", "one_stream.c": b"2"}, "c99 one")
    write_files(tmp_path, {"two.c": b"3", "shared.h": b"s", "two_stream.c": b"4"}, "c99 two")
    written = write_files(tmp_path, {"two.c": b"5"}, "c99 two", force=True)
    assert written.removed == (tmp_path / "two_stream.c",)
    assert content(tmp_path) == {"one.c": b"1", "shared.h": b"s", "one_stream.c": b"2", "two.c": b"5"}
    write_files(tmp_path, {"two.c": b"5", "shared.h": b"t"}, "c99 two", force=True)
    written = write_files(tmp_path, {"one.c": b"1"}, "c99 one", force=True)
    assert (written.removed, written.changed) == ((tmp_path / "one_stream.c",), ())
    assert write_files(tmp_path, {"two.c": b"5"}, "c99 two", force=True).removed == (tmp_path / "shared.h",)
