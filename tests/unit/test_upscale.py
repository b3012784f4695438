"""Upscaling of signals and pictures: the graph, its forms, its file, its commands, and wrong input on purpose."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from cli_runner import Cli
from edgewright.core.archive import pack, unpack
from edgewright.core.errors import GraphError, RestorationError
from edgewright.core.input.riff import wav_bytes
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column, DataSet, Recording
from edgewright.export.c99_host.host import load_c99
from edgewright.export.contract import Subject, find_target
from edgewright.graph.restoration import SPEC, UpscalerFile, read_as, write_restorer
from edgewright.models.restoration import (
    LUMINANCE,
    Learnt,
    UpscalerConfig,
    Upscaling,
    by_part,
    side_by_side,
    upscaler_graph,
)
from edgewright.workflows.restoration.evaluation import check_upscaler_fits, psnr
from edgewright.workflows.restoration.upscaler import UpscalerRequest, cubic, linear, lowered, originals, train_upscaler
from upscaler_example import SIZES, random_upscaler

KINDS = [
    pytest.param({"channels": 3}, id="three signals"),
    pytest.param({"channels": 3, "together": True}, id="three signals at once"),
    pytest.param({"channels": 1, "factor": 4}, id="four times a signal"),
    pytest.param({"channels": 3, "picture": True}, id="colours"),
    pytest.param({"channels": 1, "picture": True, "factor": 4}, id="four times a grey picture"),
]


def _values(upscaler: UpscalerFile, seed: int = 1, size: int = 21) -> np.ndarray:
    axes = upscaler.test_in.ndim - 2
    shape = (len(upscaler.spec.columns), *(size, size + 2)[:axes])
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_give_what_the_whole_gives(kind: dict[str, Any]) -> None:
    """A value beyond the halo changes nothing, so where a window begins does not matter."""
    upscaler = random_upscaler(**kind)
    spec, values = upscaler.spec, _values(upscaler)
    whole = upscaler.start().whole(values)
    assert whole.shape == (len(values), *(spec.factor * size for size in values.shape[1:]))
    cut = 5
    part = upscaler.start().whole(values[..., cut:])
    inside = spec.factor * spec.halo
    np.testing.assert_allclose(part[..., inside:], whole[..., spec.factor * cut + inside :], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_c_gives_the_picture_of_python(kind: dict[str, Any], tmp_path: Path) -> None:
    upscaler = random_upscaler(**kind)
    graph = read_onnx(upscaler.int8_model)
    files = find_target("c99").files(Subject("tiny", graph, "litert"))
    texts = {name: data.decode() for name, data in files.items() if name in ("tiny.c", "tiny.h")}
    code = load_c99(texts, tmp_path, taps=False)
    x = np.random.default_rng(2).standard_normal((5, *graph.inputs[0].shape)).astype(np.float32)
    given = code.predict(x).outputs["prediction"].reshape(upscaler.start().windows(x).shape)
    np.testing.assert_allclose(given, upscaler.start().windows(x), atol=1e-5)


@pytest.mark.parametrize(("factors", "together"), [((1, 4), 1), ((2, 2), 1), ((1, 2), 2)])
def test_graph_is_the_function_that_was_trained(factors: tuple[int, int], together: int) -> None:
    config, rng = UpscalerConfig(**SIZES), np.random.default_rng(0)
    layers = Upscaling(config, factors, channels=together)
    parameters = layers.initialise(rng)
    for own in parameters:
        own["bias"] += rng.normal(0, 0.2, own["bias"].shape).astype(np.float32)
    channels, rows = (2, 1) if factors[0] == 1 else (3, config.taps)
    planes = 2 if factors[0] == 1 else 1
    taps = np.zeros((factors[0] * factors[1], rows, config.taps), np.float32)
    learnt = Learnt(parameters, taps, np.full(planes, 0.5), np.full(planes, 2.0))
    graph = upscaler_graph(config, factors, learnt, channels, "g")
    x = rng.standard_normal((3, *graph.inputs[0].shape)).astype(np.float32)
    scaled = compile_graph(graph, (graph.boundary,))(x)[graph.boundary]
    if together > 1:
        places = np.asarray(layers(parameters, scaled[:, :, 0])).reshape(3, factors[1], channels, -1)
        expected = 2.0 * side_by_side(places, factors)
    elif factors[0] == 1:
        answers = [np.asarray(layers(parameters, scaled[:, :, plane])) for plane in range(2)]
        expected = np.stack([2.0 * side_by_side(part[:, :, None], factors)[:, 0] for part in answers], axis=1)
    else:
        expected = 2.0 * side_by_side(np.asarray(layers(parameters, scaled)), factors)[:, None].repeat(3, axis=1)
    np.testing.assert_allclose(compile_graph(graph)(x)["prediction"], expected, atol=1e-4)


def test_places_are_taken_apart_and_put_together_again() -> None:
    values = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 4, 6)
    parts = by_part(values, (2, 2))
    assert parts.shape == (2, 4, 2, 3)
    np.testing.assert_array_equal(
        parts[0, :, 0, 0], [values[0, 0, 0], values[0, 0, 1], values[0, 1, 0], values[0, 1, 1]]
    )
    np.testing.assert_array_equal(side_by_side(parts, (2, 2)), values)


def test_a_line_is_interpolated_exactly_and_psnr_counts_the_luminance() -> None:
    line = np.linspace(0, 15, 64, dtype=np.float32)[None]
    low = lowered(line, (1, 4))
    np.testing.assert_allclose(low[0, 0], line[0, :4].mean())
    np.testing.assert_allclose(cubic(low, (1, 4)), line, atol=1e-4)
    np.testing.assert_allclose(linear(low, (1, 4))[:, 8:-8], line[:, 8:-8], atol=1e-4)
    picture = np.full((3, 8, 8), 100.0, np.float32)
    red = picture.copy()
    red[0] += 10.0
    assert psnr(picture, red, (2, 2)) == pytest.approx(20 * np.log10(255 / (10 * LUMINANCE[0])), abs=1e-3)
    assert psnr(line, line + 0.15, (1, 4)) == pytest.approx(40.0, abs=1e-3)


def test_file_is_read_again_and_refuses_another_answer(tmp_path: Path) -> None:
    path, upscaler = tmp_path / "tiny.upscaler", random_upscaler()
    assert write_restorer(path, upscaler) == len(upscaler.packed())
    np.testing.assert_array_equal(read_as(UpscalerFile, path).test_out, upscaler.test_out)
    other = random_upscaler(seed=1)
    files = unpack(upscaler.packed(), "file")
    path.write_bytes(pack({**files, "model.int8.onnx": other.int8_model}))
    with pytest.raises(GraphError):
        read_as(UpscalerFile, path)
    path.write_bytes(pack({**files, SPEC: files[SPEC].replace(b'"halo": 4', b'"halo": 3')}))
    with pytest.raises(GraphError):
        read_as(UpscalerFile, path)
    earlier = files.pop(SPEC).replace(b'"version": 2', b'"version": 1').replace(b'"task": "upscale",', b"")
    path.write_bytes(pack({**files, "upscaler.json": earlier}))
    np.testing.assert_array_equal(read_as(UpscalerFile, path).test_out, upscaler.test_out)
    with pytest.raises(GraphError):
        upscaler.start().whole(np.zeros((2, 9), np.float32))


def _motions(people: int = 5, samples: int = 1200) -> DataSet:
    """Tones of several people at 50 samples a second, with overtones that a line between means misses."""
    rng, time = np.random.default_rng(0), np.arange(samples) / 50
    recordings = []
    for person in range(people):
        tones = [np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) for f in rng.uniform(4, 11, 2)]
        values = np.stack(tones, axis=1).astype(np.float32)
        recordings.append(Recording(name=f"r{person}", values=values, groups=np.full(samples, f"p{person}")))
    columns = tuple(Column(name=name) for name in ("x", "y"))
    return DataSet(name="motions", columns=columns, recordings=tuple(recordings), rate=50.0)


@pytest.mark.slow
def test_training_is_better_than_interpolation_on_people_left_out(tmp_path: Path) -> None:
    from edgewright.workflows.restoration.evaluation import score_upscaler

    data = _motions()
    config = UpscalerConfig(**{**SIZES, "filters": 8, "taps": 9, "window": 32})
    request = UpscalerRequest(config=config, windows=600, epochs=6, hold_out=("p4",))
    trained = train_upscaler(data, request)
    again = train_upscaler(data, request)
    assert trained.file.packed() == again.file.packed()
    assert trained.file.spec.learnt.held_out == ("p4",)
    rows = {row.method: row for row in score_upscaler(trained.file, data).rows}
    assert rows["cubic"].over is not None and rows["cubic"].over.value > 3.0
    assert abs(rows["int8"].psnr.value - rows["float"].psnr.value) < 1.0
    path = tmp_path / "m.upscaler"
    write_restorer(path, trained.file)
    read_as(UpscalerFile, path)


def test_pictures_are_cut_to_whole_multiples_and_refused_where_they_are_too_small() -> None:
    pictures = np.zeros((2, 3, 9, 11), np.float32)
    data = DataSet(
        name="p", columns=tuple(Column(name=c) for c in "rgb"), recordings=(Recording(name="p", values=pictures),)
    )
    items, held_by, _, factors = originals(data, 4)
    assert (items[0].values.shape, held_by, factors) == ((3, 8, 8), "recording", (4, 4))
    small = DataSet(name="p", columns=data.columns, recordings=(Recording(name="p", values=pictures[..., :3, :3]),))
    with pytest.raises(RestorationError):
        originals(small, 4)


def _signals(channels: int, still: float | None = None) -> DataSet:
    """Four people with steps of their own; the last one does not move where `still` is given."""
    rng = np.random.default_rng(0)
    walks = [np.cumsum(rng.normal(size=(200, channels)), axis=0).astype(np.float32) for _ in range(4)]
    if still is not None:
        walks[-1][:-1] = still
    parts = tuple(Recording(name=f"w{i}", values=walk) for i, walk in enumerate(walks))
    return DataSet(name="w", rate=50.0, recordings=parts,
                   columns=tuple(Column(name=f"c{i}") for i in range(channels)))  # fmt: skip


def test_a_signal_that_stands_still_is_left_out() -> None:
    # The last value moves, and is cut off: 199 samples are no whole number of pairs.
    data = _signals(1, still=0.1)
    whole = [Recording(name=r.name, values=r.values[1:]) for r in data.recordings]
    assert len(originals(msgspec.structs.replace(data, recordings=tuple(whole)), 2)[0]) == 3
    still = [Recording(name=r.name, values=r.values[:198]) for r in data.recordings]
    assert len(originals(msgspec.structs.replace(data, recordings=tuple(still)), 2)[0]) == 3


@pytest.mark.slow
def test_a_channel_that_no_window_was_cut_from_has_a_scale() -> None:
    config = UpscalerConfig(filters=2, blocks=0, first=3, kernel=1, taps=3, window=8)
    trained = train_upscaler(_signals(40), UpscalerRequest(config=config, windows=16, epochs=1))
    given = trained.file.start().whole(_signals(40).recordings[0].values.T)
    assert given.shape == (40, 400) and np.isfinite(given).all()


def test_windows_that_memory_does_not_hold_are_refused() -> None:
    large = UpscalerConfig(filters=2, blocks=0, first=3, kernel=1, taps=3, window=4096)
    with pytest.raises(RestorationError):
        train_upscaler(_signals(1), UpscalerRequest(config=large, windows=200_000))


def test_commands_write_signals_and_pictures_and_refuse_the_other_kind(tmp_path: Path, cli: Cli) -> None:
    signal, picture = tmp_path / "s.upscaler", tmp_path / "p.upscaler"
    write_restorer(signal, random_upscaler(2))
    write_restorer(picture, random_upscaler(3, picture=True))
    (tmp_path / "slow.csv").write_text("t,c1,c0\n" + "".join(f"{i},{i % 3},{i % 5}\n" for i in range(30)))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    cli("restore", "run", signal, "--csv", tmp_path / "slow.csv", "--out", tmp_path / "fast.csv")
    lines = (tmp_path / "fast.csv").read_text().splitlines()
    assert lines[0] == "c0,c1" and len(lines) == 61
    printed = cli("restore", "run", picture, "--picture", tmp_path / "a.png", "--out", tmp_path / "b.png")
    assert "60 x 40 from 30 x 20" in printed
    with Image.open(tmp_path / "b.png") as given:
        assert given.size == (60, 40)
    wrong = "restore", "run", signal, "--out", tmp_path / "c.png"
    assert "an option for signals" in cli(*wrong, "--picture", tmp_path / "a.png", code=2)
    assert "one of --wav FILE" in cli(*wrong, code=2)
    Image.new("1", (5000, 4001)).save(tmp_path / "large.png")
    large = "restore", "run", picture, "--picture", tmp_path / "large.png", "--out", tmp_path / "d.png"
    assert "at most 20,000,000 pixels" in cli(*large, code=2)
    folder = "restore", "run", signal, "--csv", tmp_path, "--out", tmp_path / "c.csv"
    assert "got a folder" in cli(*folder, code=2)
    cli("export", picture, "--to", "c99", "--out", tmp_path / "c")
    assert "tiny_predict" in (tmp_path / "c" / "tiny.h").read_text()
    assert cli.json("prove", signal)["passed"]


def test_run_reports_missing_values_and_clipped_sound(tmp_path: Path, cli: Cli) -> None:
    signal, sound = tmp_path / "s.upscaler", tmp_path / "w.upscaler"
    write_restorer(signal, random_upscaler(2))
    write_restorer(sound, random_upscaler(1, gain=2.0))
    rows = [[f"{i % 3}", f"{i % 5}"] for i in range(30)]
    rows[15][1] = ""
    (tmp_path / "slow.csv").write_text("c0,c1\n" + "".join(",".join(row) + "\n" for row in rows))
    record = cli.json("restore", "run", signal, "--csv", tmp_path / "slow.csv", "--out", tmp_path / "fast.csv")
    given = [line.split(",") for line in (tmp_path / "fast.csv").read_text().splitlines()[1:]]
    empty = sum(cell == "" for row in given for cell in row)
    assert 0 < empty < len(given) and all(row[0] for row in given)
    assert f"1 missing values leave {empty} of 120 cells empty" in record["notes"][0]
    loud = np.where(np.arange(400) // 10 % 2, 1.0, -1.0)[:, None].astype(np.float32)
    (tmp_path / "loud.wav").write_bytes(wav_bytes(loud, 50))
    upscaled = read_as(UpscalerFile, sound).start().whole(loud.T)
    beyond = int((np.abs(upscaled) > 1).sum())
    record = cli.json("restore", "run", sound, "--wav", tmp_path / "loud.wav", "--out", tmp_path / "fast.wav")
    assert beyond > 0 and record["notes"] == [f"{beyond:,} samples above full scale are clipped"]


def test_run_refuses_a_name_of_another_kind_of_file(tmp_path: Path, cli: Cli) -> None:
    write_restorer(tmp_path / "p.upscaler", random_upscaler(3, picture=True))
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    run = "restore", "run", tmp_path / "p.upscaler", "--picture", tmp_path / "a.png"
    assert "FILE.png with --picture, got x.jpg" in " ".join(cli(*run, "--out", tmp_path / "x.jpg", code=2).split())
    assert not (tmp_path / "x.jpg").exists()
    cli(*run, "--out", tmp_path / "x.PNG")


def test_other_channels_of_the_same_number_are_refused() -> None:
    data = _signals(3)
    spec = random_upscaler(3).spec
    spec = msgspec.structs.replace(spec, rate=25.0)
    check_upscaler_fits(spec, data)
    turned = msgspec.structs.replace(data, columns=data.columns[::-1])
    with pytest.raises(RestorationError):
        check_upscaler_fits(spec, turned)


def _echoes(people: int = 4, samples: int = 1600) -> DataSet:
    """Two channels of noise, the second of which is the first one sample later: together they show what means hide."""
    rng, recordings = np.random.default_rng(0), []
    for person in range(people):
        noise = rng.standard_normal(samples + 1).astype(np.float32)
        values = np.stack([noise[1:], noise[:-1]], axis=1)
        recordings.append(Recording(name=f"r{person}", values=values, groups=np.full(samples, f"p{person}")))
    columns = tuple(Column(name=name) for name in ("x", "y"))
    return DataSet(name="echoes", columns=columns, recordings=tuple(recordings), rate=50.0)


@pytest.mark.slow
def test_channels_are_seen_at_once_where_that_is_better_on_validation_people() -> None:
    config = UpscalerConfig(**{**SIZES, "filters": 8, "window": 32})
    epochs: list[int] = []
    request = UpscalerRequest(config=config, windows=256, epochs=6)
    for data in (_echoes(), _motions(4, 400)):
        note = train_upscaler(data, request, lambda row: epochs.append(row.epoch)).notes[-1]
        alone, together = (float(number) for number in re.findall(r"(\d+\.\d{3}) with", note))
        assert ("sees all channels at once" in note) == (together < alone)
        assert data.name != "echoes" or together < alone
    assert len(epochs) == 24
