"""Two slots of weights on a board: what gets in, what does not, and power cuts at every operation of the flash."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from board_example import KEY, PUBLIC, Board, build, train
from c99_stages import need_compiler
from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import CheckFailedError, InputError
from edgewright.core.package import read_package
from edgewright.device.boards.weights import HEADER, parse_weights, weights_for
from edgewright.export.contract import read_subject
from edgewright.export.slots import read_layout, slot_code, slot_files, weights_body
from edgewright.fleet.protocol.keys import make_key

pytestmark = pytest.mark.slow
OK, ORDER, DAMAGED, FORMAT, LAYOUT, OLDER, SIGNATURE, ANSWERS, TRIAL, NONE = 0, 1, 5, 6, 7, 8, 9, 10, 11, 12
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Board:
    need_compiler()
    folder = tmp_path_factory.mktemp("board")
    return build(folder, train(folder))


def codes(board: Board, flash: Path, *words: str) -> tuple[list[int], list[int]]:
    """Codes of power-on and of each word; and counter, trial and label at last."""
    before, _, after = board.told(flash, *words).partition("|")
    return [int(code) for code in before.split()], [int(number) for number in after.split()]


def signed(body: bytes | bytearray) -> bytes:
    return bytes(body) + KEY.sign(bytes(body))


def test_what_is_newer_signed_and_right_is_swapped_in(board: Board, tmp_path: Path) -> None:
    one, two = (board.file(f"{name}.bin", board.weights(name, n)) for n, name in ((1, "one"), (2, "two")))
    flash = tmp_path / "flash"
    assert codes(board, flash)[1] == [0, 0, -1]
    reported, after = codes(board, flash, one)
    assert reported == [NONE, OK]
    assert after[:2] == [1, 4]
    assert after[2] >= 0
    assert codes(board, flash, two)[0] == [OK, TRIAL]
    assert codes(board, flash, "confirm", two, "confirm", "start")[0] == [OK] * 5
    assert codes(board, flash)[1][:2] == [2, 0]
    # Older, the same again, and older ones after a start: never.
    assert codes(board, flash, one, two, "start", one)[0] == [OK, OLDER, OLDER, OK, OLDER]
    # The way back is a higher number.
    back = board.file("back.bin", board.weights("one", 3))
    reported, after = codes(board, flash, back, "confirm")
    assert reported == [OK, OK, OK]
    assert after[:2] == [3, 0]


def test_a_trial_that_nobody_confirms_ends_where_it_began_and_is_never_repeated(board: Board, tmp_path: Path) -> None:
    one, two = (board.file(f"{name}.bin", board.weights(name, n)) for n, name in ((1, "one"), (2, "two")))
    flash = tmp_path / "flash"
    codes(board, flash, one, "confirm")
    assert codes(board, flash, two)[1][:2] == [2, 4]
    assert [codes(board, flash)[1][:2] for _ in range(4)] == [[2, 3], [2, 2], [2, 1], [1, 0]]
    assert codes(board, flash, two)[0] == [OK, OLDER]
    three = board.file("three.bin", board.weights("two", 3))
    assert codes(board, flash, three, "revert", three)[0] == [OK, OK, OK, OLDER]
    assert codes(board, flash)[1][:2] == [1, 0]


def test_a_power_cut_at_every_flash_operation_leaves_the_old_or_the_new_weights(board: Board, tmp_path: Path) -> None:
    one, two = (board.file(f"{name}.bin", board.weights(name, n)) for n, name in ((1, "one"), (2, "two")))
    text = board.told(tmp_path / "flash", "cuts", one, two)
    operations, states = int(text.split()[0]), int(text.split()[2])
    # Each operation torn in five ways, and each of those cut again at the first two operations behind it, or not.
    assert operations >= 15
    assert states == operations * 5 * 3


def test_no_bit_of_weights_can_be_flipped(board: Board, tmp_path: Path) -> None:
    flash = tmp_path / "flash"
    one, two = (board.file(f"{name}.bin", board.weights(name, n)) for n, name in ((1, "one"), (2, "two")))
    codes(board, flash, one, "confirm")
    refused = int(board.told(flash, "flips", two, "29").split()[-2].lstrip("0"))
    assert refused >= 2 * 8 * Path(two).stat().st_size // 29
    assert codes(board, flash)[1][:2] == [1, 0]


def test_each_refusal_has_a_code_of_its_own(board: Board, tmp_path: Path) -> None:
    flash, good = tmp_path / "flash", board.weights("two", 5)
    codes(board, flash, board.file("one.bin", board.weights("one", 1)), "confirm")
    body = bytearray(good[:-64])
    counts, newer, wrong = bytearray(body), bytearray(body), bytearray(body)
    counts[48:52] = (1 << 20).to_bytes(4, "little")
    newer[4] = 2
    answers = HEADER + board.layout.constants + 4 * 2 * struct.unpack_from("<I", body, 48)[0]
    wrong[answers : answers + 4] = struct.pack("<f", 5.0)
    nothing = bytearray(body)
    nothing[answers : answers + 4] = struct.pack("<f", float("nan"))
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    cases = {
        "cut.bin": (good[:-8], FORMAT), "tail.bin": (good + bytes(8), FORMAT), "newer.bin": (signed(newer), FORMAT),
        "counts.bin": (signed(counts), FORMAT), "noise.bin": (bytes(len(good)), FORMAT),
        "stolen.bin": (board.weights("two", 5, key=other), SIGNATURE), "none.bin": (bytes(body) + bytes(64), SIGNATURE),
        "moved.bin": (bytes(body) + board.weights("two", 6)[-64:], SIGNATURE),
        "wrong.bin": (signed(wrong), ANSWERS), "nan.bin": (signed(nothing), ANSWERS),
    }  # fmt: skip
    files = [board.file(name, bytes(data)) for name, (data, _) in cases.items()]
    reported, after = codes(board, flash, *files)
    assert dict(zip(cases, reported[1:], strict=True)) == {name: code for name, (_, code) in cases.items()}
    assert after[:2] == [1, 0]
    assert codes(board, flash, board.file("good.bin", good))[0] == [OK, OK]


def test_weights_of_another_architecture_are_refused_on_both_sides(board: Board, tmp_path: Path) -> None:
    wide = replace(read_subject(board.runs["wide"], form="int8"), name="net")
    package = read_package(board.runs["wide"] / "small.edge")
    with pytest.raises(CheckFailedError, match="Update the firmware with the boot loader"):
        weights_body(wide, package, board.layout, 2)
    own = read_layout(slot_files(wide, PUBLIC)["net_layout.json"], "layout")
    swapped = board.file("swapped.bin", signed(weights_body(wide, package, own, 2)))
    flash = tmp_path / "flash"
    codes(board, flash, board.file("one.bin", board.weights("one", 1)), "confirm")
    reported, after = codes(board, flash, swapped)
    assert reported == [OK, LAYOUT]
    assert after[:2] == [1, 0]


def test_the_layout_follows_the_code_and_not_its_numbers(board: Board) -> None:
    layouts = {
        (name, form): slot_code(replace(read_subject(board.runs[name], form=form), name="net")).layout
        for name in board.runs
        for form in ("int8", "float")
    }
    for form in ("int8", "float"):
        assert layouts["one", form] == layouts["two", form] != layouts["wide", form]
    assert layouts["one", "int8"] != layouts["one", "float"]
    subject = replace(read_subject(board.runs["one"], form="int8"), name="net")
    renamed = replace(subject, graph=msgspec.structs.replace(subject.graph, labels=("on", "off")))
    assert slot_code(renamed).layout != slot_code(subject).layout


def test_the_desk_signs_only_for_the_code_and_the_key_of_the_boards(
    board: Board, tmp_path: Path, cli: Cli, capsys: Capture
) -> None:
    make_key(tmp_path / "boards.key")
    make_key(tmp_path / "other.key")
    out, run_one = tmp_path / "fw", str(board.runs["one"])
    export = ["export", run_one, "--to", "c99", "--slots", str(tmp_path / "boards.pub"), "--out", str(out)]
    assert run([*export, "--json"]) == 0
    sign = ["--layout", str(out / "small_layout.json"), "--key", str(tmp_path / "boards.key")]
    file = tmp_path / "two.weights"
    assert run(["fleet", "weights", str(board.runs["two"]), *sign, "--counter", "2", "--out", str(file)]) == 0
    weights = parse_weights(file.read_bytes(), "file")
    assert (weights.name, weights.counter, weights.vectors) == ("small", 2, 8)
    capsys.readouterr()
    assert "--force" in cli("fleet", "weights", board.runs["two"], *sign, "--counter", "2", "--out", file, code=2)
    carrier, carried = str(board.runs["one"] / "small.edge"), tmp_path / "carried.edge"
    into = ["--counter", "3", "--into", carrier, "--out", str(carried)]
    assert run(["fleet", "weights", str(board.runs["two"]), *sign, *into]) == 0
    assert weights_for(read_package(carried), weights.layout) is not None
    capsys.readouterr()
    new = str(tmp_path / "new.weights")
    assert "Update the firmware" in cli(
        "fleet", "weights", board.runs["wide"], *sign, "--counter", "3", "--out", new, code=1
    )
    sign[-1] = str(tmp_path / "other.key")
    assert run(["fleet", "weights", str(board.runs["two"]), *sign, "--counter", "3", "--out", new]) == 2
    assert not Path(new).exists()
    assert run(["export", run_one, "--to", "onnx", "--slots", "x.pub", "--out", str(out)]) == 2
    with pytest.raises(InputError, match="Fetch the file again"):
        parse_weights(file.read_bytes()[:-1], "file")
