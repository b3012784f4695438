"""Work over 20 seconds of a processor says so before it begins, once, and beside the output."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from edgewright.cli.listeners import Quiet, Shown, Working
from edgewright.cli.main import run
from edgewright.language.forecasting.pool import fit_pool
from edgewright.models.architecture import architecture
from edgewright.pipeline import cost as estimates
from edgewright.pipeline import run as running
from edgewright.pipeline import scaling
from edgewright.pipeline.config import read_config
from edgewright.pipeline.cost import LONG_S, reading_s, tell_ahead, told_by_first, training_s
from edgewright.pipeline.learning import learn
from edgewright.pipeline.plan import resolve
from edgewright.pipeline.run import run_pipeline
from edgewright.pipeline.run_folder.journal import Listener
from edgewright.pipeline.scaling import scaling_s
from edgewright.workflows.compression.subject import Wanted, read_pruning
from edgewright.workflows.compression.workflow import compress
from edgewright.workflows.tuning.selection import Cost
from edgewright.workflows.tuning.workflow import TuningRequest as TuneAsked
from edgewright.workflows.tuning.workflow import tune
from small_pipeline import rows, write_rows, write_toml


class EstimateListener(Listener):
    """Keeps what is told ahead, and ends a training once it is."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def ahead(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def cancelled(self) -> bool:
        return bool(self.sentences)


def test_short_work_says_nothing_and_long_work_how_long() -> None:
    listener = EstimateListener()
    tell_ahead(listener.ahead, "Training", LONG_S)
    assert listener.sentences == []
    tell_ahead(listener.ahead, "Training", 273.4)
    assert listener.sentences == ["Training takes up to about 4 min 30 s of CPU time (estimated; press Ctrl-C to stop)"]


def test_tables_take_time_by_their_bytes(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(79_000_000)
    (tmp_path / "b.wav").write_bytes(bytes(1_000_000))
    assert reading_s(str(tmp_path)) == reading_s(str(tmp_path / "a.csv")) == pytest.approx(12.6, rel=0.01)
    assert reading_s(str(tmp_path / "b.wav")) == reading_s("https://example.org/a.csv") == 0.0


def test_scalability_is_estimated_near_what_it_took() -> None:
    """21 CPU seconds were measured for the whole run."""
    config = read_config("scalability", ())
    assert config.scaling is not None
    assert 21 / 2 < scaling_s(resolve(config), config.scaling, (230,)) < 21 * 3


CONVOLUTIONS = (
    {"kind": "conv1d", "filters": 32, "kernel": 5, "stride": 2},
    {"kind": "depthwise_separable", "filters": 48, "kernel": 3},
    {"kind": "global_average_pool"},
)
PICTURES = (
    {"kind": "conv2d", "filters": 16, "kernel": 3, "stride": 2},
    {"kind": "inverted_residual", "filters": 24, "stride": 2, "expand": 2},
    {"kind": "global_average_pool"},
)


@pytest.mark.parametrize(
    ("layers", "shape", "samples", "epoch_s"),
    [
        (({"kind": "dense", "units": 64},) * 2, (5,), 6_917, 0.012),
        (({"kind": "dense", "units": 64},) * 2, (6,), 11_149, 0.018),
        (CONVOLUTIONS, (6, 128), 2_479, 0.231),
        (CONVOLUTIONS, (3, 100), 3_552, 0.199),
        (CONVOLUTIONS, (40, 48), 364, 0.113),
        (({"kind": "gru", "units": 24},), (6, 128), 2_479, 1.0),
        (PICTURES, (3, 32, 32), 320, 0.315),
    ],
    ids=["occupancy", "ett", "hapt", "wisdm_watch", "fsdd", "hapt by a GRU", "pictures of mlperf_tiny"],
)
def test_an_epoch_is_estimated_within_a_factor_of_two(
    layers: tuple[dict[str, object], ...], shape: tuple[int, ...], samples: int, epoch_s: float
) -> None:
    """CPU seconds of epochs were measured on public sets."""
    network = architecture(layers, shape, 6)
    estimated_s = training_s(network, 101 * samples, 64) - training_s(network, samples, 64)
    assert epoch_s / 2 < estimated_s / 100 < epoch_s * 2


def test_growing_sizes_are_told_before_the_first_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = EstimateListener()

    def begins(*given: object) -> None:
        assert len(listener.sentences) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(scaling, "scale", begins)
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(read_config("scalability", ("data.rows=400",)), out=tmp_path, listener=listener)
    assert listener.sentences[0].startswith("Training at growing sizes takes up to about ")


@pytest.mark.slow
def test_a_long_training_is_told_and_a_short_one_is_not(tmp_path: Path) -> None:
    for epochs, reported in ((1, 0), (100_000, 1)):
        listener = EstimateListener()
        changes = ("data.rows=400", f"training.epochs={epochs}", "training.schedule=constant", "training.patience=0")
        run_pipeline(read_config("activity", changes), out=tmp_path, listener=listener)
        assert len(listener.sentences) == reported


@pytest.fixture
def all_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of any length is long."""
    monkeypatch.setattr("edgewright.pipeline.cost.LONG_S", 0.0)
    monkeypatch.setattr("edgewright.pipeline.cost._MEASURED_S", 0.0)


class Named(Listener):
    """Keeps what work is told of."""

    def __init__(self) -> None:
        self.work: list[str] = []

    def ahead(self, sentence: str) -> None:
        self.work.append(sentence.split(" takes up to about ", maxsplit=1)[0])


@pytest.mark.slow
@pytest.mark.usefixtures("all_long")
def test_training_refitting_compressing_and_tuning_are_told(tmp_path: Path) -> None:
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    listener = Named()
    folder = run_pipeline(read_config(str(toml), ("refit=true",)), out=tmp_path / "runs", listener=listener).folder
    assert listener.work == ["Training", "Refitting on all samples"]
    listener = Named()
    wanted = Wanted(qat=True, prune=(read_pruning("structured:0.5"),))
    compress(folder, wanted, out=tmp_path / "smaller", listener=listener)
    assert listener.work == ["Training 3 networks"]
    listener = Named()
    others = str(write_rows(tmp_path / "others.csv", rows(count=60)))
    tune(folder, TuneAsked(Cost(1.0, 1.0), alarms=("on",)), data=others, target="label", listener=listener)
    assert listener.work[:2] == ["Answering recordings", "Trying decisions"]


@pytest.mark.slow
@pytest.mark.usefixtures("all_long")
def test_a_pool_of_series_is_told_once() -> None:
    rng, listener = np.random.default_rng(0), Named()
    series = [np.sin(np.arange(300) * 2 * np.pi / 24 + k) + 0.1 * rng.normal(size=300) for k in range(6)]
    fit_pool(series, (24,), 24, ahead=listener.ahead)
    assert listener.work == ["Learning from 6 series"]


@pytest.mark.slow
@pytest.mark.usefixtures("all_long")
@pytest.mark.parametrize(
    ("arguments", "work"),
    [
        (("detect", "fit", "rows.csv", "--out", "rows.detector"), "Comparing 8 detectors"),
        (
            ("label", "suggest", "texts.csv", "--text", "text", "--out", "t.labelling"),
            "Comparing the words of 40 texts",
        ),
    ],
)
def test_a_command_says_it_on_standard_error_and_with_json_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...],
    work: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).normal(size=(1_900, 1))
    write_rows(Path("rows.csv"), [[f"{value:.3f}"] for (value,) in values], header="a")
    write_rows(Path("texts.csv"), [[f"switch lamp {n} on in room {n % 7}"] for n in range(40)], header="text")
    assert run([*arguments]) == 0
    assert capsys.readouterr().err.startswith(f"{work} takes up to about ")
    Path(arguments[arguments.index("--out") + 1]).unlink()
    assert run([*arguments, "--json"]) == 0
    assert "takes up to" not in capsys.readouterr().err


def test_the_line_is_on_standard_error_and_with_json_there_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    Quiet().ahead("long")
    assert capsys.readouterr() == ("", "")
    for listener in (Working(Console()), Shown(Console())):
        listener.ahead("long")
        assert capsys.readouterr() == ("", "long\n")


def test_a_part_that_also_compiles_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 50.0, 53.0))
    monkeypatch.setattr("edgewright.pipeline.cost.time.process_time", lambda: next(clock))
    listener = EstimateListener()
    step = told_by_first(lambda _: None, listener.ahead, "Training", 10, skipped=1)
    for _ in range(3):
        step(1)
    assert listener.sentences == ["Training takes up to about 30 s of CPU time (estimated; press Ctrl-C to stop)"]


def test_the_first_of_like_parts_says_what_all_take(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 3.0, 99.0))
    monkeypatch.setattr("edgewright.pipeline.cost.time.process_time", lambda: next(clock))
    listener, moved = EstimateListener(), list[int]()
    step = told_by_first(moved.append, listener.ahead, "The curve", 40)
    step(1)
    step(1)
    assert listener.sentences == ["The curve takes up to about 2 min of CPU time (estimated; press Ctrl-C to stop)"]
    assert moved == [1, 1]


def test_parts_are_measured_until_they_say_something_and_a_limit_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit_s, text in ((900.0, "15 min"), (600.0, "10 min")):
        clock = iter((0.0, 30.0, 30.2, 31.5, 99.0))
        monkeypatch.setattr("edgewright.pipeline.cost.time.process_time", partial(next, clock))
        listener = EstimateListener()
        step = told_by_first(lambda _: None, listener.ahead, "Training", 1_200, skipped=1, limit_s=limit_s)
        for _ in range(4):
            step(1)
        assert listener.sentences == [
            f"Training takes up to about {text} of CPU time (estimated; press Ctrl-C to stop)"
        ]


@pytest.mark.usefixtures("all_long")
def test_leaving_each_group_out_is_told_in_cpu_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def waits(*given: Any) -> Any:  # noqa: ANN401 - as of `learn`
        time.sleep(0.5)
        return learn(*given)

    seconds_of: dict[str, float] = {}
    monkeypatch.setattr(estimates, "tell_ahead", lambda ahead, work, seconds: seconds_of.update({work: seconds}))
    monkeypatch.setattr(running, "learn", waits)
    people = [[*row, f"p{number % 6}"] for number, row in enumerate(rows())]
    data = write_rows(tmp_path / "rows.csv", people, header="a,b,label,who")
    toml = write_toml(tmp_path / "small.toml", data, '[split]\nby = "group"\nleave_one_out_s = 60.0\n')
    changes = ('data.group="who"', "model.layers=[]", 'model.kind="tree"')
    run_pipeline(read_config(str(toml), changes), out=tmp_path / "runs")
    # Six waits are three seconds, of which the processor knows nothing.
    assert seconds_of["Leaving each group out once"] < 2.5


def test_more_looks_and_wider_layers_take_longer() -> None:
    small, large = (architecture([{"kind": "dense", "units": units}], (20,), 3) for units in (8, 800))
    assert training_s(small, 1e6, 64) < training_s(large, 1e6, 64) < training_s(large, 2e6, 64)
