"""Error bars from past misses: conformal, never narrower than what was observed, and a damaged file is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgewright.profiles.misses import ASSUMED, Miss, bar, index_of, own, own_file, remember, shipped


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def miss(off: float, kind: str = "new-core", subject: str = "") -> Miss:
    return Miss(kind=kind, quantity="flash", estimated=1000.0, measured=1000.0 * (1 + off), subject=subject)


def test_a_kind_without_a_past_is_assumed() -> None:
    error_bar = bar("new-core", "flash")
    assert error_bar.width == ASSUMED
    assert error_bar.source == "assumed: no past flash of a new-core is known"


def test_few_misses_do_not_narrow_the_bar() -> None:
    assert bar("new-core", "flash", [miss(0.01)] * 8).width == ASSUMED
    assert bar("new-core", "flash", [miss(0.01), miss(-0.8)]).width == pytest.approx(0.8)


def test_the_conformal_quantile() -> None:
    """Up to 63 misses the largest: 1 - .9^64 - 64 * .1 * .9^63 is the first of its kind above .99."""
    error_bar = bar("new-core", "flash", [miss(n / 100) for n in range(1, 20)])
    assert error_bar.width == pytest.approx(0.19)
    assert error_bar.source == "19 past estimates of a new-core"
    assert bar("new-core", "flash", [miss(0.1)] * 9).width == pytest.approx(0.1)
    assert (index_of(21), index_of(63), index_of(64), index_of(100)) == (21, 63, 63, 97)


def test_it_covers_nine_of_ten_in_99_of_100_pasts() -> None:
    rng = np.random.default_rng(0)
    shares = [float(np.sort(rng.random(64))[index_of(64) - 1]) for _ in range(2000)]
    assert np.mean(np.asarray(shares) >= 0.9) >= 0.98


# Half-widths of bars of flash and of instructions on a Cortex-M4, then on the three cores with fewer fitted programs.
# Networks on cores with two multipliers are judged by fits without their family.
WIDEST = {
    "network": ((0.25, 0.35), (0.39, 0.50)),
    "network of windows": ((0.21, 0.18), (0.18, 0.14)),
    "network for two multipliers": ((0.31, 0.18), (0.23, 0.36)),
    "float convolution": ((0.19, 0.37), (0.44, 0.86)),
    "smaller program": ((0.30, 0.23), (0.24, 0.41)),
    "detector": ((0.28, 0.42), (0.41, 0.47)),
}


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m0plus"])
@pytest.mark.parametrize("sort", WIDEST)
def test_what_comes_with_edgewright_is_within_what_is_promised(sort: str, core: str) -> None:
    if sort in ("network for two multipliers", "network of windows") and core == "cortex-m0plus":
        assert bar(f"{core} {sort}", "flash").source.startswith("assumed")
        return
    first, others = WIDEST[sort]
    for quantity, widest in zip(("flash", "instructions"), first if core == "cortex-m4" else others, strict=True):
        error_bar = bar(f"{core} {sort}", quantity)
        assert error_bar.source.endswith(f"past estimates of a {core} {sort}")
        assert error_bar.width <= widest
    promised = [m.relative for m in shipped() if (m.kind, m.quantity) == (f"{core} {sort}", "instructions")]
    assert np.median(promised) <= (0.15 if core == "cortex-m4" else 0.17)


# Half-widths of bars of flash and of instructions, and the median miss of instructions.
IN_LANES = {
    "network": (0.34, 0.31, 0.10),
    "network for vectors": (0.15, 0.26, 0.11),
    "float convolution": (0.39, 0.19, 0.06),
    "smaller program": (0.34, 0.57, 0.14),
    "detector": (0.28, 0.43, 0.08),
}


@pytest.mark.parametrize("sort", IN_LANES)
def test_vectors_of_risc_v_have_a_past_of_their_own(sort: str) -> None:
    *widest, median = IN_LANES[sort]
    for quantity, width in zip(("flash", "instructions"), widest, strict=True):
        error_bar = bar(f"riscv32v {sort}", quantity)
        assert error_bar.source.endswith(f"past estimates of a riscv32v {sort}")
        assert error_bar.width <= width
    past = [m.relative for m in shipped() if (m.kind, m.quantity) == (f"riscv32v {sort}", "instructions")]
    assert np.median(past) <= median


def test_ones_own_misses_are_kept_and_bounded() -> None:
    assert own() == ((), "")
    assert remember([miss(0.3, subject="a")]) == ""
    remember([miss(0.1, subject="a"), miss(0.2, subject="b")])
    assert [m.measured for m in own()[0]] == pytest.approx([1100.0, 1200.0])
    remember([miss(0.1) for _ in range(500)])
    assert len(own()[0]) == 400


@pytest.mark.parametrize("data", [b"\x00\xff", b'{"misses": 3}', b'{"version": 99, "misses": []}', b"[]"])
def test_a_damaged_file_is_left_out_with_a_word(data: bytes) -> None:
    own_file().parent.mkdir(parents=True)
    own_file().write_bytes(data)
    kept, text = own()
    assert kept == ()
    assert "are ignored" in text
    assert "are ignored" in remember([miss(0.1)])
    assert len(own()[0]) == 1


def test_a_folder_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert "could not be kept" in remember([miss(0.1)])
