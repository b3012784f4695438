"""A phone at the waist, recording after recording: Python, compiled C and a microcontroller decide alike."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import HAPT

from c99_examples import WARNINGS, call, need
from c99_stages import need_compiler
from edgewright.compression.int8 import quantise
from edgewright.core import engines
from edgewright.core.prediction.executor import Decider
from edgewright.core.records.config import WindowConfig
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Graph
from edgewright.core.records.package import WindowSpec
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.export._extension.build import can_build
from edgewright.export._extension.model import build_model
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import FLAGS, compile_c99, load_c99
from edgewright.export.c99_stream.stream import write_stream_c99
from edgewright.export.contract import Stream
from edgewright.export.emulator import Entry, missing_tools, run_on_device
from edgewright.graph.extract import integer_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import Context
from edgewright.models.network import NetworkClassifier
from edgewright.pipeline.fitting import graph_of, next_context
from edgewright.pipeline.plan import build, parts
from stream_example import CStream, Floats, StreamDecision, in_python
from support import left_out, shared_data

# People whom the shipped pipeline trains on.
RECORDINGS = ("exp01_user01", "exp05_user03", "exp09_user05")
WINDOW = WindowSpec(samples=128, step=64, rate=50.0)
SPEC = DecisionSpec(
    smoothing=3,
    debounce=2,
    threshold=0.4,
    thresholds={"walking downstairs": 0.35},
    alarms=("walking downstairs", "laying"),
    refractory=20.0,
)
# Rows that the link lost: before row 6,000 so many as make the next window begin within a step.
GAPS = {6000: 23, 6001: 0, 11000: 5000}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Provide the folder of a few recordings."""
    whole, few = shared_data("har-hapt"), tmp_path_factory.mktemp("hapt")
    for path in whole.iterdir():
        if not path.name.startswith("exp") or path.name.startswith(RECORDINGS):
            (few / path.name).symlink_to(path)
    return few


@pytest.fixture(scope="module")
def network(recordings: Path) -> tuple[Graph, Floats]:
    """Provide the int8 form of the shipped pipeline, trained a little; rows of all recordings, one after the other."""
    data = load_data({"kind": "hapt", "path": str(recordings)}, seed=0)
    samples = cut(data, WindowConfig(samples=WINDOW.samples, step=WINDOW.step, within="label"))
    known = samples.y != ""
    X, y = samples.X[known], samples.y[known]
    tables = tomllib.loads(Path(HAPT).read_text("utf-8"))["stages"]
    names = tuple(column.name for column in data.columns)
    context = Context(shape=X.shape[1:], names=names, units=("",) * 6, rate=WINDOW.rate, task="classification", seed=7)
    value, steps = X, []
    for part in parts(tables, "hapt"):
        estimator = build(part, context)
        value = estimator.fit(value, y).transform(value)
        context = next_context(context, estimator, value.shape[1:])
        steps.append((part.name, estimator))
    steps.append(("model", NetworkClassifier(({"kind": "dense", "units": 32},), epochs=6, batch=64).fit(value, y)))
    graph = quantise(graph_of(steps, X.shape[1:], "hapt"), X[::2])
    return graph, np.concatenate([recording.values for recording in data.recordings])


def files_of(graph: Graph) -> dict[str, str]:
    there = Stream(WINDOW, graph.labels, SPEC)
    written = write_c99(graph, CodeOptions("hapt"), integer_network(graph))
    return {**written, **write_stream_c99(there, (6, 128), len(graph.labels), name="hapt")}


def ulp_distances(decisions: list[StreamDecision], wanted: list[StreamDecision]) -> Floats:
    """How far confidences of other bits are apart; all else must be the same."""
    assert [decision[:3] for decision in decisions] == [decision[:3] for decision in wanted]
    a, b = (np.array([decision[3] for decision in side], np.uint32) for side in (decisions, wanted))
    return np.asarray(np.abs(a.view(np.float32) - b.view(np.float32))[a != b], np.float32)


@pytest.fixture(scope="module")
def decided(network: tuple[Graph, Floats], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[StreamDecision]]:
    """Provide what is told with each engine of Python, which knows nothing of the compiler that it is held against."""
    graph, rows = network
    model = to_onnx(graph)
    decisions = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in ("numpy", *(("extension",) if can_build() else ())):
            if name == "extension":
                build_model(model)
            run = engines.choose(name).load(model)
            decisions[name], _ = python(graph, rows, lambda x, run=run: run(x)["probabilities"])
    return decisions


@pytest.mark.slow
@pytest.mark.needs_data
@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_same_events_at_the_same_rows(
    compiler: str, network: tuple[Graph, Floats], decided: dict[str, list[StreamDecision]], tmp_path: Path
) -> None:
    need(compiler)
    graph, rows = network
    files = files_of(graph)
    library = compile_c99(files, tmp_path, flags=(*WARNINGS, "-O2", "-ffp-contract=off"), compiler=compiler, taps=False)
    decisions, _ = CStream(library, "hapt", 6).run(rows, GAPS)
    assert len(decisions) > 20
    assert {alarm for _, _, alarm, _ in decisions} == {True, False}
    # The model of the same C by itself, cut and decided by Python: every bit.
    alone = load_c99(files, tmp_path / "alone", flags=FLAGS, compiler=compiler)
    wanted, _ = python(graph, rows, lambda x: alone.predict(x).outputs["probabilities"])
    assert not len(ulp_distances(decisions, wanted))
    # Engines of Python work out the features and the last softmax in another order: the last digits are counted.
    for name, wanted in decided.items():
        others = ulp_distances(decisions, wanted)
        text = f"{len(others)} of other bits, by {others.max(initial=0):.1e} at most"
        print(f"{compiler}, {name}: {len(rows)} rows, {len(decisions)} decisions, {text}")
        # A digit of the softmax; more only where the last digit moves a feature across a step of its grid.
        assert (others > 1e-6).sum() <= 2


def python(graph: Graph, rows: Floats, answer: Any) -> tuple[list[StreamDecision], list[Floats]]:  # noqa: ANN401
    return in_python(rows, GAPS, WINDOW, Decider(SPEC, graph.labels), answer, 50.0)


@pytest.mark.slow
@pytest.mark.needs_data
def test_a_microcontroller_decides_at_the_same_rows(network: tuple[Graph, Floats], tmp_path: Path) -> None:
    if missing_tools():
        left_out(f"{', '.join(missing_tools())} of gcc-arm-none-eabi and qemu-system-arm")
    need_compiler()
    graph, rows = network
    files, few = files_of(graph), np.ascontiguousarray(rows[5000:8000])
    lost = {1000: 23}
    library = compile_c99(files, tmp_path, flags=("-std=c99", "-O2", "-ffp-contract=off"), taps=False)
    wanted, _ = CStream(library, "hapt", 6).run(few, lost)
    assert len(wanted) > 2
    # The whole stretch is one call: rows in, events out.
    call_of = _ON_DEVICE.format(rows=len(few), most=_MAX_DECISIONS)
    run = run_on_device(
        files,
        Entry("hapt_stream.h", call_of, few.nbytes, 4 + 20 * _MAX_DECISIONS),
        "cortex-m4",
        few[None],
        optimise="-O2",
    )
    words = run.outputs[0].view(np.int32)
    events = words[1:].reshape(_MAX_DECISIONS, 5)[: words[0]]
    decisions = [
        (int(row), int(label), bool(kind == 2), int(np.uint32(p))) for kind, label, p, row, _ in events.tolist()
    ]
    others = ulp_distances(decisions, wanted)
    text = f"{len(others)} of other bits, by {others.max(initial=0):.1e} at most"
    print(f"cortex-m4: {len(few)} rows, {len(decisions)} decisions, {text}; stack {run.stack}")
    assert (others > 1e-6).sum() <= 1
    reported = [re.search(r"Memory: (\d+) bytes", files[name]) for name in ("hapt.h", "hapt_stream.h")]
    # 96 bytes of newlib's errno, which zig's library lacks; both ends at multiples of 8.
    errno_bytes = 0 if run.tools.startswith("zig") else 96
    assert abs(run.ram - sum(int(measured[1]) for measured in reported if measured) - errno_bytes) <= 16


_MAX_DECISIONS = 64
_ON_DEVICE = """\
const float *rows = in; int *count = out; hapt_event *events = (hapt_event *)(count + 1);
*count = 0; static hapt_stream_context context; hapt_init(&context);
for (int i = 0; i < {rows}; ++i) {{
    if (i == 1000) {{ hapt_gap(&context, 23u); }}
    if (hapt_push(&context, rows + 6 * i, events + *count) && *count < {most} - 1) {{ ++*count; }}
}}"""


@pytest.mark.slow
@pytest.mark.needs_data
def test_address_sanitizer_finds_nothing_in_a_recording(network: tuple[Graph, Floats], tmp_path: Path) -> None:
    need("gcc")
    graph, rows = network
    few = rows[3000:8000]
    few.tofile(tmp_path / "rows.bin")
    for name, text in files_of(graph).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "main.c").write_text(_MAIN)
    checks = ("-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all")
    flags = ("-std=c99", "-O1", "-ffp-contract=off", *checks)
    call(tmp_path, "gcc", *flags, "main.c", "hapt.c", "hapt_stream.c", "-lm", "-o", "run")
    lines = call(tmp_path, str(tmp_path / "run")).split()
    library = compile_c99(files_of(graph), tmp_path / "plain", flags=FLAGS, taps=False)
    there = CStream(library, "hapt", 6)
    wanted, _ = there.run(few, {2000: 11})
    assert [int(row) for row in lines] == [decision[0] for decision in wanted]


_MAIN = """\
#include <stdio.h>
#include "hapt_stream.h"
int main(void) {
    static hapt_stream_context context;
    float row[HAPT_CHANNELS];
    hapt_event event;
    FILE *file = fopen("rows.bin", "rb");
    hapt_init(&context);
    for (int i = 0; file && fread(row, sizeof row, 1, file) == 1; ++i) {
        if (i == 2000) {
            hapt_gap(&context, 11u);
        }
        if (hapt_push(&context, row, &event)) {
            printf("%u\\n", (unsigned)event.row);
        }
    }
    return file ? fclose(file) : 1;
}
"""
