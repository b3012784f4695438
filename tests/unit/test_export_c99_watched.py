"""A package with detectors in C: one stream of rows gives decisions and anomalies, the same as Python gives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from c99_examples import WARNINGS, call, need, sizes_of
from c99_streams import COMPILERS, Rows, built, output_of, threshold_of
from edgewright.cli.main import run
from edgewright.core.input.recordings import Windower, cut
from edgewright.core.package import write_package
from edgewright.core.prediction.executor import Decider, compile_graph
from edgewright.core.records.data import Column
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.package import WindowSpec
from edgewright.export.contract import read_subject
from edgewright.export.targets.c99 import TARGET
from edgewright.monitor.detector_stream import (
    IN_PACKAGE,
    DetectorFile,
    Watch,
    detector_bytes,
    parse_detector,
    window_features,
)
from edgewright.monitor.detectors import kind as detector
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.workflows.detection.fit import learn
from edgewright.workflows.detection.rows import Stretch
from runtime_example import LABELS, classifier, parts, regressor, window_parts

RATE, LOST = 50.0, 50
KEPT: dict[str, list[tuple[str, str, dict[str, Any], tuple[str, ...], WindowSpec | None]]] = {
    # Windows of the model itself, whose memory they share; then of another size; then rows, in an order of their own.
    "level": [
        ("a-shape", "pca", {"mean": 2}, ("x", "y"), WindowSpec(samples=8, step=4, rate=RATE)),
        ("b-own", "robust", {}, ("x", "y"), WindowSpec(samples=6, step=9, rate=RATE)),
        ("c_day", "own_past", {"warm_up": 20}, ("y",), None),
        ("d_near", "k_means", {}, ("y", "x"), None),
        ("e_net", "autoencoder", {"epochs": 8}, ("x", "y"), WindowSpec(samples=8, step=2, rate=RATE)),
    ],
    "activity": [
        ("r", "robust", {"season": 3600.0, "bins": 4}, ("c2", "c0"), None),
        ("w", "k_means", {}, tuple(f"c{i}" for i in range(10)), WindowSpec(samples=5, step=2, rate=RATE)),
    ],
}
# Windows that end at other rows than the model's, which has copies of a first row before it.
KEPT["filled"] = KEPT["level"]
WINDOWED = ("level", "filled")
StreamLine = tuple[int, int, int, int]
"""Kind, row with lost ones counted, detector, channel of the package."""


@cache
def stream(channels: int) -> Rows:
    """Noise with spikes, holes, rows without any number, and rows that were lost twice."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(900, channels)).astype(np.float32)
    for start in range(450, 900, 37):
        values[start : start + 3, rng.integers(channels)] += 9.0
    values[rng.uniform(size=values.shape) < 0.02] = np.nan
    values[500::90] = np.nan
    gap = np.zeros(900, np.bool_)
    gap[[520, 731]] = True
    time = 1.7e9 + (np.arange(900) + LOST * np.cumsum(gap)) / RATE
    return Rows(values, np.asarray(time, np.float64), gap)


def fitted(
    kind: str, settings: dict[str, Any], columns: Sequence[str], window: WindowSpec | None, rows: Rows
) -> tuple[DetectorSpec, dict[str, Any]]:
    """On the first rows, with a threshold that no score comes near."""
    seen = rows.values
    config = msgspec.convert(settings, detector(kind).config)
    if window is not None:
        features = window_features(cut(seen[:400], window.samples, window.step)[0])
        learnt = learn(kind, config, (Stretch("", features, np.arange(float(len(features)))),))
    else:
        learnt = learn(kind, config, (Stretch("", seen[:400], rows.time[:400]),))
    spec = DetectorSpec(
        kind=kind,
        config=settings,
        columns=tuple(Column(name=name) for name in columns),
        window=window,
        rate=RATE,
        threshold=Threshold(value=1.0, by="given"),
        refractory=7,
    )
    scores = np.array([one.score for one in Watch(DetectorFile(spec, learnt)).push(seen, rows.time)])
    limit = Threshold(value=threshold_of(scores), by="given")
    return msgspec.structs.replace(spec, threshold=limit), learnt


@cache
def package(name: str, extra: bool = False) -> tuple[dict[str, bytes], Any, dict[str, bytes]]:
    """Manifest, files of the model, and files of its detectors."""
    decision = DecisionSpec(smoothing=2, alarms=("running",))
    manifest, files = window_parts() if name in WINDOWED else parts(decision=decision)
    if name == "filled":
        assert manifest.window is not None
        manifest = msgspec.structs.replace(manifest, window=msgspec.structs.replace(manifest.window, fill_start=True))
    manifest = msgspec.structs.replace(manifest, name=name)
    names = [column.name for column in manifest.columns]
    rows = stream(len(names))
    detector_files: dict[str, bytes] = {}
    for text, kind, settings, columns, window in KEPT[name]:
        own = Rows(rows.values[:, [names.index(column) for column in columns]], rows.time, rows.gap)
        detector_files[text] = detector_bytes(*fitted(kind, settings, columns, window, own))
    if extra:
        spec, learnt = fitted("robust", {"season": 60.0}, ("x", "y"), None, rows)
        detector_files["odd"] = detector_bytes(spec, {**learnt, "season": 60.0000001})
        detector_files["else"] = detector_bytes(
            msgspec.structs.replace(spec, columns=(Column(name="x"), Column(name="z"))), learnt
        )
        detector_files["newer"] = detector_bytes(msgspec.structs.replace(spec, version=99), learnt)
    return {IN_PACKAGE.format(name=name): data for name, data in detector_files.items()}, manifest, files


def put(name: str, folder: Path, extra: bool = False) -> Path:
    detectors, manifest, files = package(name, extra)
    write_package(folder / f"{name}.edge", manifest, {**files, **detectors})
    return folder / f"{name}.edge"


def in_python(name: str) -> tuple[list[StreamLine], list[float]]:
    """All events, and the scores of the anomalies."""
    detectors, manifest, _ = package(name)
    names = [column.name for column in manifest.columns]
    rows, records, scores = stream(len(names)), [], []
    watches = [Watch(parse_detector(data, "")) for _, data in sorted(detectors.items())]
    own = [[names.index(column.name) for column in watch.spec.columns] for watch in watches]
    window, decider = manifest.window, Decider(manifest.decision, manifest.labels) if manifest.labels else None
    run_model = compile_graph(regressor() if name in WINDOWED else classifier())
    windower, lost = None, 0
    for position, (row, time) in enumerate(zip(rows.values, rows.time, strict=True)):
        if rows.gap[position] or not position:
            lost += LOST if rows.gap[position] else 0
            windower = None
            if window:
                windower = Windower(window.samples, window.step, len(names), fill_start=window.fill_start)
            if decider is not None:
                decider.gap()
        for sample in windower.push(row) if windower else [row]:
            answer = run_model(sample[None])
            if decider is None:
                records.append((1, position + lost, -1, -1))
                continue
            decision = decider.push(np.asarray(answer["probabilities"][0], np.float32), time)
            if decision is not None:
                records.append((2 if decision.alarm else 1, position + lost, -1, -1))
        for number, watch in enumerate(watches):
            for one in watch.push(row[None, own[number]], np.array([time])):
                if one.alarm:
                    records.append((3, position + lost, number, own[number][one.channel]))
                    scores.append(one.score)
    return records, scores


@pytest.mark.slow
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", KEPT)
def test_one_stream_gives_decisions_and_anomalies_as_in_python(name: str, compiler: str, tmp_path: Path) -> None:
    need(compiler)
    files = {file: text.decode() for file, text in TARGET.files(read_subject(put(name, tmp_path))).items()}
    program = built(files, _MAIN.replace("$$", name.upper()).replace("$", name), compiler, tmp_path / "c")
    kind = np.dtype([("told", "<i4", (4,)), ("numbers", "<f4", (2,))])
    rows = stream(2 if name in WINDOWED else 10)
    given = np.frombuffer(output_of(program, rows.records()), kind)
    wanted, scores = in_python(name)
    assert [tuple(one) for one in given["told"].tolist()] == wanted
    odd = given[given["told"][:, 0] == 3]
    np.testing.assert_allclose(odd["numbers"][:, 0], scores, rtol=1e-4)
    limits = [parse_detector(data, "").spec.threshold.value for _, data in sorted(package(name)[0].items())]
    np.testing.assert_allclose(odd["numbers"][:, 1], np.array(limits)[odd["told"][:, 2]], rtol=1e-6)
    assert (odd["numbers"][:, 0] >= odd["numbers"][:, 1]).all()
    assert {int(number) for number in odd["told"][:, 2]} == set(range(len(KEPT[name]))), "each has told some"


_MAIN = """\
#include "$_stream.h"
#include <stdio.h>
#include <string.h>
static void tell(const $_event *event) {
    const int32_t told[4] = {event->kind, (int32_t)event->row, event->detector, event->channel};
    const float numbers[2] = {event->score, event->threshold};
    fwrite(told, 4, 4, stdout);
    fwrite(numbers, 4, 2, stdout);
}
int main(void) {
    char record[12 + 4 * $$_CHANNELS];
    static $_stream_context context;
    $_init(&context);
    while (fread(record, sizeof record, 1, stdin) == 1) {
        int64_t time;
        int32_t gap;
        float row[$$_CHANNELS];
        $_event event;
        memcpy(&time, record, 8);
        memcpy(&gap, record + 8, 4);
        memcpy(row, record + 12, sizeof row);
        if (gap) {
            $_gap(&context, 50u);
        }
        $_time(&context, time);
        for (int more = $_push(&context, row, &event); more; more = $_next(&context, &event)) {
            tell(&event);
        }
    }
    return 0;
}
"""


@pytest.mark.slow
def test_what_c_cannot_say_is_named_and_the_rest_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file_path, out = put("level", tmp_path, extra=True), tmp_path / "c"
    assert run(["export", str(file_path), "--to", "c99", "--out", str(out), "--json"]) == 0
    record = msgspec.json.decode(capsys.readouterr().out)
    assert "anomalies by a-shape, b-own, c_day, d_near, e_net" in record["note"]
    header = (out / "level_stream.h").read_text()
    for name, why in (("odd", "whole microseconds"), ("else", "z"), ("newer", "newer")):
        assert re.search(f"C cannot say it: detector {name}: .*{why}", record["note"]), name
        assert re.search(rf"Not in this code: detector {name}: .*{why}", header), name
    assert "#define LEVEL_DETECTORS 5" in header
    assert "Detector 0, a-shape: pca over x, y, windows of 8 rows" in header
    names = {path.name for path in out.iterdir()}
    assert {"level_a_shape_detect.c", "level_b_own_detect.h", "level_e_net_net.c", "level_stream.c"} <= names
    assert not any("odd" in name or "else" in name for name in names)
    # Shared windows are not held twice.
    assert "    float window[" not in (out / "level_a_shape_detect.h").read_text()
    assert "    float window[12];" in (out / "level_b_own_detect.h").read_text()


@pytest.mark.slow
def test_another_target_says_that_detectors_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = put("level", tmp_path)
    assert run(["export", str(path), "--to", "onnx", "--out", str(tmp_path / "o"), "--json"]) == 0
    assert "skipped: detector a-shape" in msgspec.json.decode(capsys.readouterr().out)["note"]


def test_memory_of_the_stream_is_what_its_header_says(tmp_path: Path) -> None:
    need("gcc", "nm")
    files = TARGET.files(read_subject(put("activity", tmp_path)))
    for name, text in files.items():
        (tmp_path / name).write_bytes(text)
    call(tmp_path, "gcc", *WARNINGS, "-O1", "-c", "activity_stream.c")
    parts_of = [f"activity{part}_context" for part in ("_stream", "", "_r_detect", "_w_detect")]
    whole, *others = sizes_of(tmp_path, "activity_stream.h", *parts_of)
    sizes = [line.split() for line in call(tmp_path, "nm", "-S", "activity_stream.o").splitlines()]
    said_of = re.search(r"Memory: (\d+) bytes of RAM besides", files["activity_stream.h"].decode())
    assert said_of is not None
    assert whole - sum(others) == int(said_of[1])
    assert not [w for w in sizes if len(w) == 4 and w[2] in "bBdD"]
    needed = {w[-1] for w in sizes if w[-2] == "U"}
    own = {"activity_predict", *(f"activity_{d}_detect{x}" for d in "rw" for x in ("", "_init", "_time", "_gap"))}
    assert needed <= {"memset", "memmove"} | own
    assert LABELS[2].encode() in files["activity_stream.h"]


@pytest.mark.slow
def test_a_package_of_whole_recordings_gives_its_detectors_alone(tmp_path: Path) -> None:
    detectors, _, _ = package("level")
    columns = (Column(name="x"), Column(name="y"))
    there = parts(regressor(), task="regression", columns=columns, shape=(2, 8), labels=())
    write_package(tmp_path / "w.edge", there[0], {**there[1], **detectors})
    subject = read_subject(tmp_path / "w.edge")
    files = TARGET.files(subject)
    assert "activity_stream.h" not in files
    assert (
        b"int activity_a_shape_detect(activity_a_shape_detect_context *context, const float row["
        in files["activity_a_shape_detect.h"]
    )
    assert "activity_c_day_detect of activity_c_day_detect.h takes rows and reports anomalies" in TARGET.note(subject)
