"""What the ladder finds on public data: a threshold for a room, rules for a machine, a network for a phone."""

from __future__ import annotations

import pytest

from edgewright.schema.config import WindowConfig
from edgewright.schema.race import LadderRecord, RungRecord, rung_of
from edgewright.schema.trace_flow import encode_record
from edgewright.search.ladder.measurement import Ladder
from edgewright.search.ladder.setup import problem_and_config
from ladder_problems import silent
from support import shared_data

pytestmark = [pytest.mark.needs_data, pytest.mark.slow]
AFTERWARDS = ("TWF", "HDF", "PWF", "OSF", "RNF")


def _rung(record: LadderRecord, name: str) -> RungRecord:
    rung = rung_of(record, name)
    assert rung is not None
    return rung


def test_a_room_needs_a_threshold_on_light() -> None:
    file = shared_data("occupancy") / "datatraining.txt"
    problem, config, _ = problem_and_config(str(file), {"target": "Occupancy", "time": "date"})
    rungs = ("majority", "threshold", "rules", "state_machine", "linear", "forest", "small_network")
    record = Ladder(problem, config, silent, patience=0, rungs=rungs).climb()
    assert (record.kept, record.chosen) == ("day", "threshold")
    threshold = _rung(record, "threshold")
    assert threshold.says.startswith("Light >= 36")
    assert threshold.footprint is not None
    assert threshold.footprint.flash.high < 2_000
    for rung in record.rungs[2:]:
        assert rung.gain is not None
        assert rung.gain.low <= 0 < rung.gain.high or rung.gain.high <= 0
    assert len(encode_record(record)) > 1_000


def test_a_machine_needs_rules_of_products_more_than_boosting() -> None:
    ignore = ["UDI", "Product ID", "Type", *AFTERWARDS]
    file = str(shared_data("ai4i2020") / "ai4i2020.csv")
    problem, config, _ = problem_and_config(file, {"target": "Machine failure", "ignore": ignore}, by="row")
    rungs = ("majority", "threshold", "rules", "boosting")
    record = Ladder(problem, config, silent, rungs=rungs).climb()
    assert (record.metric, record.chosen) == ("average-precision", "rules")
    assert "Torque [Nm] x Rotational speed [rpm]" in _rung(record, "rules").says
    boosting = _rung(record, "boosting")
    assert boosting.against == "rules"
    assert boosting.gain is not None
    assert boosting.gain.high < 0
    assert not record.notes


@pytest.mark.heavy
def test_a_phone_needs_a_network_on_features() -> None:
    test_people = ("26", "27", "28", "29", "30")
    problem, config, _ = problem_and_config(
        str(shared_data("har-hapt")), {"kind": "hapt"}, window=WindowConfig(samples=128, step=64), held_out=test_people
    )
    rungs = ("majority", "threshold", "linear", "tree", "small_network")
    record = Ladder(problem, config, silent, rungs=rungs).climb()
    assert (record.kept, record.units, record.left_out, record.chosen) == ("group", 16, test_people, "small_network")
    network = _rung(record, "small_network")
    assert network.against == "linear"
    assert network.gain is not None
    assert network.gain.low > 0
    assert network.gain.value > 0.04
