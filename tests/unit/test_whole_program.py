"""What a user pays is the whole program; what its network takes of it stands beside it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from benchmarks.estimate.subjects import fitted, windows

from edgewright.core.records.footprint import Program
from edgewright.core.records.network import Graph
from edgewright.core.records.trace import CompressionRecord, Interval, VariantRecord
from edgewright.export.contract import Subject
from edgewright.export.write import program_of
from edgewright.pipeline.config import read_config
from edgewright.pipeline.cost import as_integers
from edgewright.pipeline.package import budget
from edgewright.pipeline.plan import resolve
from edgewright.profiles.catalogue import load_profile
from edgewright.profiles.footprint import estimate, program_footprint

STAGES = [{"kind": "statistics"}, {"kind": "scale", "method": "standard"}]
UNITS = 16


def small() -> Graph:
    return as_integers(fitted(STAGES, [{"kind": "dense", "units": UNITS}], windows(64, 1), 1, True))


def test_the_tables_of_the_network_are_counted_apart() -> None:
    graph = small()
    network = Subject("model", graph).integers
    assert network is not None
    program = program_of(graph, network)
    features = int(np.prod(network.values[network.input].shape))
    weights = UNITS * features + len(graph.labels) * UNITS
    biases = 4 * (UNITS + len(graph.labels))
    # Multipliers and shifts of channels that do not share them are tables, too.
    assert weights + biases <= program.network <= weights + biases + 5 * (UNITS + len(graph.labels))
    # Each feature is scaled by two numbers of four bytes, which the network does not read.
    assert program.constants >= program.network + 8 * features


def program(network: int) -> Program:
    """Return counts that every core was fitted on, with so many bytes of the network's tables."""
    code, work = {"lines": 40.0, "helper lines": 20.0}, {"Add node": 1.0, "Add output": 20.0}
    return Program(name="small", constants=5_000, values=500, written=code, run=work, network=network)


def test_a_record_says_what_the_network_takes_of_the_whole_program() -> None:
    profile = load_profile("cortex-m4")
    record = estimate(profile, program_footprint(profile, program(3_000), form="int8"))
    assert any("the network's tables are 3.00 kB of the flash" in note for note in record.notes)
    for alone in (0, 5_000):
        record = estimate(profile, program_footprint(profile, program(alone), form="int8"))
        assert not any("network" in note for note in record.notes)


def test_forms_of_unknown_latency_stand_in_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = load_profile("cortex-m4")
    strange = msgspec.structs.replace(program(3_000), run={"unknown mac": 1.0}, written={"unknown": 1.0})
    record = estimate(profile, program_footprint(profile, strange, form="int8"))
    monkeypatch.setattr(budget, "budgets", lambda *_: record)
    interval = Interval(value=0.9, low=0.8, high=1.0, method="")
    variant = VariantRecord(
        name="float", accuracy=interval, flips=0, flips_by_class=(), weight_bytes=10, file_bytes=20,
        latency_p50_us=1.0, latency_p99_us=2.0, engine="numpy",
    )  # fmt: skip
    compression = CompressionRecord(variants=(variant,), max_drop=0.1, drop=0.0, within=True)
    estimated = budget.with_estimates(resolve(read_config("demo")), None, [None], compression)  # type: ignore[arg-type, list-item]
    assert estimated.variants[0].device_us is None
    assert estimated.variants[0].device_flash is not None
    assert estimated.variants[0].device_flash.value == 5_000
