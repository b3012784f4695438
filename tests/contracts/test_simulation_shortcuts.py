"""What a simulation leaves out has no effect: with and without its shortcuts the very same bytes come out."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.fleet.protocol.plans.gates import together
from edgewright.fleet.server.rollouts.scheduler import DirtyCheck
from edgewright.fleet.simulator.fleet import Settings
from edgewright.fleet.simulator.simulation import Simulation, simulate
from rollout_example import gates_of
from simulated_plan import plan


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "days", "also"),
    [
        ("liars", 0.15, (("lossy", 0.1),)),
        ("clones", 0.15, (("power-cuts", 0.01),)),
        pytest.param("none", 0.4, (), id="none, over all stages"),
        pytest.param("bad-model", 0.4, (("lossy", 0.1),), marks=pytest.mark.heavy),
        pytest.param("power-cuts", 0.4, (), marks=pytest.mark.heavy),
        pytest.param("grinders", 0.4, (("clock-corrected", 0.4),), marks=pytest.mark.heavy),
    ],
)
def test_shortcuts_change_nothing(fault: str, days: float, also: tuple[tuple[str, float | None], ...]) -> None:
    ends: list[list[object]] = []

    def records(shortcuts: bool) -> bytes:
        kept: list[Simulation] = []
        settings = Settings(devices=10, days=days, fault=fault, also=also, seed=3, plan=plan(), shortcuts=shortcuts)
        result = simulate(settings, kept.append)
        ends.append(
            [
                (d.device_state.counter, d.device_state.floors, d.device_state.burned, d.device_state.trial, d.off)
                for d in kept[0].fleet.devices
            ]
        )
        return msgspec.json.encode(result)

    assert records(True) == records(False)
    assert ends[0] == ends[1]


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["bad-model", "dead-silent"])
def test_gates_that_fail_are_never_glanced_over(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked in every round all the same: where the glance says no, the gates do not fail."""
    wanted, record = DirtyCheck.wanted, {True: 0, False: 0}

    def both(glance: DirtyCheck, connection, plan, row, now, listening, every):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        decided = wanted(glance, connection, plan, row, now, listening, every)
        verdicts = gates_of(connection, plan, row["started_at"], now, listening=listening, every=every)
        assert decided or together(verdicts) != "fail"
        record[decided] += 1
        return decided

    monkeypatch.setattr(DirtyCheck, "wanted", both)
    simulate(Settings(devices=16, days=0.15, fault=fault, plan=plan(classes=False)))  # they are asked in every round
    assert record[True]
    assert record[False]
