"""What is advised on public data: a threshold for a room, rules for a machine, features for a phone."""

from __future__ import annotations

import pytest

from edgewright.schema.errors import InputError
from edgewright.schema.race import rung_of
from edgewright.search.advise.contract import AdviceRequest
from edgewright.search.advise.workflow import advise
from ladder_problems import silent
from support import shared_data

pytestmark = [pytest.mark.needs_data, pytest.mark.slow]


def test_a_room_is_advised_a_threshold_on_light() -> None:
    file = str(shared_data("occupancy") / "datatraining.txt")
    record = advise(AdviceRequest(data=file, target="Occupancy", time="date", curve=False), silent)
    assert (record.frame.task, record.choice, record.location) == ("classification", "threshold", "device")
    assert record.ladder is not None
    assert record.ladder.kept == "day"
    assert next(rung.says for rung in record.ladder.rungs if rung.title == "threshold").startswith("Light >= 36")
    assert record.existing[0].name == "public set occupancy"
    assert record.traffic.rows_day == pytest.approx(1440)
    assert record.traffic.told_day < 20


@pytest.mark.heavy
def test_a_machine_is_advised_rules_without_what_is_written_down_afterwards() -> None:
    file = str(shared_data("ai4i2020") / "ai4i2020.csv")
    record = advise(AdviceRequest(data=file, target="Machine failure", by="row", curve=False), silent)
    assert record.choice == "rule list"
    left = dict(record.frame.left_out)
    assert set(left) >= {"UDI", "Product ID", "TWF", "HDF", "PWF", "OSF"}
    assert "Type" not in left
    assert "gives the answer away" in left["HDF"]


@pytest.mark.heavy
def test_a_phone_is_advised_a_linear_model_on_features_of_people_never_seen() -> None:
    folder = str(shared_data("har-hapt"))
    record = advise(AdviceRequest(data=folder, device="nrf52840"), silent)
    assert record.choice == "linear on features"
    assert record.ladder is not None
    network = rung_of(record.ladder, "small_network")
    assert network is not None and network.gain is not None and network.gain.low < 0 < network.gain.high
    assert record.ladder.left_out == ("26", "27", "28", "29", "30")
    assert record.existing[1].command == f"edgewright run hapt --data {folder}"


@pytest.mark.heavy
def test_a_public_set_as_a_folder_may_have_its_target_named() -> None:
    folder = str(shared_data("occupancy"))
    record = advise(AdviceRequest(data=folder, target="Occupancy", time="date", curve=False), silent)
    assert (record.choice, record.target) == ("threshold", "occupancy")
    with pytest.raises(InputError, match="the target 'occupancy' of occupancy, got 'Light'"):
        advise(AdviceRequest(data=folder, target="Light", curve=False), silent)
