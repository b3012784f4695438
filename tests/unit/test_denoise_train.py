"""Training, running, scoring and proving a denoiser through its commands, with wrong input on purpose."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from denoiser_example import RATE, random_denoiser, voices
from edgewright.cli.commands import export as export_module
from edgewright.cli.commands import prove as prove_module
from edgewright.cli.folder import FolderOfCommands
from edgewright.core.errors import EdgewrightError, InputError, UnknownNameError
from edgewright.core.input.riff import read_wav, wav_bytes
from edgewright.data.load import guess, load_data
from edgewright.graph.restoration import DenoiserFile, read_as, write_restorer
from edgewright.workflows.restoration.denoiser import NoiseSource, windows
from edgewright.workflows.restoration.evaluation import score_denoiser, segmental_snr, si_sdr, snr
from edgewright.workflows.restoration.training import Clean

SMALL = ["--set", "hop=4", "--set", "first=8", "--set", "filters=6", "--set", "blocks=2", "--windows", "24"]


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(
        FolderOfCommands("edgewright.cli.commands.restore"), [str(a) for a in arguments], catch_exceptions=True
    )
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, object]]:
    """Provide the folder of voices, the denoiser trained on it, and what the command told."""
    folder = tmp_path_factory.mktemp("denoise")
    clean = voices(folder / "voices")
    out = folder / "v.denoiser"
    text = invoke("denoise", clean, "--noise", "white", "--noise", "hum", "--snr", "0:10", "--epochs", "2", *SMALL,
                  "--out", out, "--json")  # fmt: skip
    return clean, out, json.loads(text)


@pytest.mark.slow
def test_same_seed_same_file_and_nobody_on_two_sides(trained: tuple[Path, Path, dict[str, object]]) -> None:
    clean, out, record = trained
    again = out.parent / "again" / out.name
    again.parent.mkdir()
    noise = ["--noise", "white", "--noise", "hum", "--snr", "0:10"]
    invoke("denoise", clean, *noise, "--epochs", "2", *SMALL, "--out", again)
    assert again.read_bytes() == out.read_bytes()
    spec = read_as(DenoiserFile, out)
    learnt = spec.spec.learnt
    sides = [set(side) for side in (learnt.trained, learnt.validated, learnt.held_out)]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides)) == 6
    assert [row["epoch"] for row in record["history"]] == [1, 2]  # type: ignore[attr-defined]
    with pytest.raises(EdgewrightError, match="new file"):
        invoke("denoise", clean, "--noise", "white", *SMALL, "--out", out)


@pytest.mark.slow
def test_score_leaves_out_who_trained_and_names_what_is_worse(trained: tuple[Path, Path, dict[str, object]]) -> None:
    clean, out, _ = trained
    score = json.loads(invoke("score", out, clean, "--noise", "white", "--json"))
    held_out = read_as(DenoiserFile, out).spec.learnt.held_out
    assert (score["recordings"], score["groups"]) == (len(held_out), len(held_out))
    rows = {(row["noise"], row["method"]): row for row in score["rows"]}
    assert rows["white", "identity"]["snr"]["value"] == 0.0
    assert {method for _, method in rows} == {"int8", "float", "identity", "moving average", "Savitzky-Golay",
                                              "spectral Wiener"}  # fmt: skip
    over = rows["white", "spectral Wiener"]["over"]
    ours, theirs = rows["white", "int8"]["snr"]["value"], rows["white", "spectral Wiener"]["snr"]["value"]
    assert over["value"] == pytest.approx(ours - theirs)
    assert any("spectral Wiener" in line for line in score["loses"]) == (over["high"] < 0)


@pytest.mark.slow
def test_score_refuses_people_and_noise_that_it_could_not_keep_apart(
    trained: tuple[Path, Path, dict[str, object]],
) -> None:
    clean, out, _ = trained
    data = load_data(guess(str(clean)), seed=0, where="test")
    denoiser = read_as(DenoiserFile, out)
    grouped = msgspec.structs.replace(denoiser.spec.learnt, held_by="group")
    spec = msgspec.structs.replace(denoiser.spec, learnt=grouped)
    with pytest.raises(InputError, match="the person or machine of each recording, as in the training"):
        score_denoiser(replace(denoiser, spec=spec), data)
    fan = msgspec.structs.replace(denoiser.spec.learnt.noise, kinds=("white", "fan"))
    spec = msgspec.structs.replace(denoiser.spec, learnt=msgspec.structs.replace(denoiser.spec.learnt, noise=fan))
    with pytest.raises(InputError, match="recorded noise fan of the training"):
        score_denoiser(replace(denoiser, spec=spec), data)


@pytest.mark.slow
def test_runs_on_sound_and_on_a_table_with_the_base_install(
    trained: tuple[Path, Path, dict[str, object]], tmp_path: Path
) -> None:
    _, out, _ = trained
    x = np.random.default_rng(0).standard_normal((1000, 1)).astype(np.float32) * 0.1
    (tmp_path / "in.wav").write_bytes(wav_bytes(x, RATE))
    invoke("run", out, "--wav", tmp_path / "in.wav", "--out", tmp_path / "out.wav")
    sound = read_wav((tmp_path / "out.wav").read_bytes(), "out.wav")
    noisy = read_wav((tmp_path / "in.wav").read_bytes(), "in.wav")
    expected = read_as(DenoiserFile, out).start().whole(noisy.values)
    np.testing.assert_allclose(sound.values, expected, atol=1 / 32768)
    table = "t,sound,note\n" + "".join(f"{i},{v:.6f},n{i}\n" for i, v in enumerate(x[:, 0])).replace("0.100000", "")
    (tmp_path / "in.csv").write_text(table)
    script = (
        "import sys\nfrom edgewright.cli.commands.restore import run\n"
        f"run(['{out}', '--csv', '{tmp_path}/in.csv', '--out', '{tmp_path}/out.csv'], standalone_mode=False)\n"
        "bad = [m for m in ('jax', 'sklearn', 'scipy', 'onnx', 'polars', 'optax') if m in sys.modules]\n"
        "assert not bad, bad\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "t,sound,note"
    assert (lines[8].split(",")[0], lines[8].split(",")[2], len(lines)) == ("7", "n7", 1001)


@pytest.mark.slow
def test_every_form_tells_the_same_noise(tmp_path: Path) -> None:
    path = tmp_path / "tiny.denoiser"
    write_restorer(path, random_denoiser(channels=2))
    done = CliRunner().invoke(prove_module.command, [str(path), "--json"])
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["passed"]
    exact = {(p["first"], p["second"]) for p in record["pairs"] if p["verdict"] == "bit-exact"}
    names = [form["name"] for form in record["forms"]]
    for stream in (name for name in names if "stream" in name):
        assert ("integer reference", stream) in exact
        assert ("int8 .tflite in LiteRT reference", stream) in exact or not any("LiteRT" in name for name in names)


def test_export_writes_stream_and_window_forms(tmp_path: Path) -> None:
    path = tmp_path / "tiny.denoiser"
    write_restorer(path, random_denoiser())
    for target, files in (("c99", {"tiny.c", "tiny.h"}), ("onnx", {"tiny.onnx"}),
                          ("tflite", {"tiny.tflite", "tiny.network.tflite"})):  # fmt: skip
        done = CliRunner().invoke(
            export_module.command, [str(path), "--to", target, "--out", str(tmp_path / target), "--json"]
        )
        assert done.exit_code == 0, done.output
        assert {Path(file["path"]).name for file in json.loads(done.output)["files"]} == files
    done = CliRunner().invoke(export_module.command, [str(path), "--to", "extension", "--out", str(tmp_path / "x")])
    assert isinstance(done.exception, EdgewrightError)


def _wrong(clean: Path, out: Path, *arguments: str) -> EdgewrightError:
    with pytest.raises(EdgewrightError) as refusal:
        invoke("denoise", clean, *SMALL, *arguments, "--out", out)
    assert not out.exists()
    return refusal.value


def test_wrong_input_is_refused_by_name(tmp_path: Path) -> None:
    clean, out = voices(tmp_path / "voices", people=4), tmp_path / "x.denoiser"
    noise = tmp_path / "noise.wav"
    noise.write_bytes(wav_bytes(np.random.default_rng(0).standard_normal((9000, 1)) * 0.1, 8000))
    assert "8000 Hz" in str(_wrong(clean, out, "--noise", str(noise)))
    noise.write_bytes(wav_bytes(np.zeros((9000, 1)), RATE))
    assert "silence" in str(_wrong(clean, out, "--noise", str(noise)))
    noise.write_bytes(wav_bytes(np.ones((12, 1)), RATE))
    assert "12" in str(_wrong(clean, out, "--noise", str(noise)))
    assert isinstance(_wrong(clean, out, "--noise", "pinkish"), UnknownNameError)
    assert "--snr" in str(_wrong(clean, out, "--noise", "white", "--snr", "20:0"))
    assert "--snr" in str(_wrong(clean, out, "--noise", "white", "--snr", "loud"))
    assert "--hold-out" in str(_wrong(clean, out, "--noise", "white", "--hold-out", "nobody"))
    assert "depends on" in str(_wrong(clean, out, "--noise", "white", "--set", "kernel=16", "--set", "blocks=10"))
    one = tmp_path / "one"
    one.mkdir()
    (one / "a.wav").write_bytes((clean / "person0.wav").read_bytes())
    assert "at least three recordings" in str(_wrong(one, out, "--noise", "white"))
    (one / "a.wav").write_bytes(wav_bytes(np.zeros((4000, 1)), RATE))
    assert "silence" in str(_wrong(one, out, "--noise", "white"))
    table = tmp_path / "gap.csv"
    table.write_text("t,x\n" + "".join(f"{i / 50},{'' if i == 9 else i % 7}\n" for i in range(500)))
    with pytest.raises(EdgewrightError, match="missing value"):
        invoke("denoise", table, "--time", "t", "--noise", "white", *SMALL, "--out", out)
    table.write_text(table.read_text().replace("t,", "label,t,", 1).replace("\n", "\nwalk,").removesuffix("walk,"))
    with pytest.raises(EdgewrightError, match="missing value"):  # the column of text is left out
        invoke("denoise", table, "--time", "t", "--noise", "white", *SMALL, "--out", out)


def test_sound_that_does_not_fit_the_denoiser_is_refused(tmp_path: Path) -> None:
    path, wav = tmp_path / "tiny.denoiser", tmp_path / "in.wav"
    write_restorer(path, random_denoiser())
    for values, rate, text in ((np.zeros((50, 2)), RATE, "1 channels"), (np.zeros((50, 1)), 8000, "8000 Hz")):
        wav.write_bytes(wav_bytes(values, rate))
        with pytest.raises(EdgewrightError, match=text):
            invoke("run", path, "--wav", wav, "--out", tmp_path / "out.wav")
    # Shorter than what an answer depends on, silent, and clipped sound goes through.
    for values in (np.zeros((3, 1)), np.ones((7, 1))):
        wav.write_bytes(wav_bytes(values, RATE))
        invoke("run", path, "--wav", wav, "--out", tmp_path / "out.wav", "--force")
        assert len(read_wav((tmp_path / "out.wav").read_bytes(), "out.wav").values) == len(values)
    with pytest.raises(EdgewrightError, match="--wav FILE, --csv FILE"):
        invoke("run", path, "--out", tmp_path / "y.wav")


def test_measures_by_hand() -> None:
    clean = np.sin(np.arange(4000) / 9)[None].astype(np.float32)
    error = np.cos(np.arange(4000) / 9)[None].astype(np.float32) * 0.1
    assert snr(clean, clean + error) == pytest.approx(20.0, abs=0.05)
    assert snr(clean, 2 * clean) == pytest.approx(0.0, abs=0.05)
    assert si_sdr(clean, 2 * (clean + error)) == pytest.approx(20.0, abs=0.05)
    assert segmental_snr(clean, clean + error, 8000.0) == pytest.approx(20.0, abs=0.2)
    assert segmental_snr(clean, clean, 8000.0) == 35.0


def test_a_mixture_gives_at_most_six_windows_and_a_short_recording_ends_in_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw, shapes = NoiseSource.draw, list[tuple[int, ...]]()

    def counted(self: NoiseSource, shape: tuple[int, ...], *others: Any, **more: Any) -> Any:  # noqa: ANN401
        shapes.append(shape)
        return draw(self, shape, *others, **more)

    monkeypatch.setattr(NoiseSource, "draw", counted)

    def cut(values: NDArray[np.float64], count: int) -> tuple[Any, Any]:
        clean = Clean("a", "a", values[None].astype(np.float32))
        return windows(
            (clean,), (NoiseSource("white"),), rate=8000.0, samples=40, count=count, snr=(0.0, 0.0),
            mean=np.ones(1), gain=(6.0, 6.0), rng=np.random.default_rng(0),
        )  # fmt: skip

    clean, noise = cut(np.full(4000, 2.0), 43)
    assert clean.shape == noise.shape == (43, 1, 40)
    assert len(shapes) == 8
    np.testing.assert_allclose(clean, 10**0.3, rtol=1e-6)
    for part in cut(np.linspace(2.0, 3.0, 30), 1):
        assert part[..., :30].all() and not part[..., 30:].any()
