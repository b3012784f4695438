"""WISDM's people as devices: agents as processes, of which some attack and some are killed in the middle of a round."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgewright.core.adaptation.factory import Factory, State
from edgewright.core.adaptation.predictor import AdaptedPredictor
from edgewright.core.adaptation.slots import Files, Slots
from edgewright.core.federation.layer import parse_layer
from edgewright.core.package import read_package
from edgewright.data.load import load_data
from edgewright.data.samples import cut
from edgewright.device.agent.learned import learned_folder
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.data import Samples
from edgewright.schema.federation import FederationSeen, FederationSettings
from edgewright.workflows.adaptation.federation import FederationPlan, labels_of, learned, people_of
from edgewright.workflows.adaptation.local_fleet import Examples
from federation_agents import AgentFleet, Recorder, leaks
from fleet_servers import until
from support import shared_data

pytestmark = [pytest.mark.slow, pytest.mark.heavy, pytest.mark.needs_data]
DEVICES, ROUNDS, FITTED = 20, 3, 5
# 10 % of the devices attack, each in its way, and 20 % are killed.
ATTACKING, DYING = {0: "attacks", 1: "garbage"}, (2, 3, 4, 5)
MOST_BYTES = 20_000
WORD, VALUE = b"CANARY-8231", 7.734191
# Of the windows of a person: all are kept, so the last one, with the canary, is.
EACH, MAX_WINDOWS = 3, 46


class People:
    """A package that five of the training people made, twenty others as devices, and five who are judged."""

    def __init__(self, folder: Path) -> None:
        config, data = read_config("watch"), str(shared_data("har-wisdm-watch"))
        self.samples: Samples = cut(load_data({"kind": "wisdm_watch"}, seed=config.seed, path=data), config.window)
        everybody = sorted(set(np.asarray(self.samples.groups).tolist()))
        # The people who evaluate the pipeline take no part.
        train = [one for one in everybody if one not in config.split.test_groups]
        fitted, self.devices = train[:FITTED], train[FITTED : FITTED + DEVICES]
        self.test_people = train[FITTED + DEVICES :]
        others = json.dumps([one for one in everybody if one not in fitted])
        changes = ("adapt.layer=output", "refit=false", f"split.test_groups={others}")
        self.run = run_pipeline(read_config("watch", changes), data=data, out=folder / "runs").folder
        self.package = self.run / "watch.edge"
        self.seen = people_of(read_package(self.package), self.samples)

    def learn(self, person: str, store: Path) -> State:
        """Let a device learn from its person's windows, of which the last has the canary, and keep it in its store."""
        predictor = AdaptedPredictor(read_package(self.package))
        rows = np.flatnonzero(np.asarray(self.samples.groups) == person)[::EACH][:MAX_WINDOWS]
        X = np.array(self.samples.X[rows], np.float32)
        X[-1, :, 50:60] = VALUE
        predictor.learn(X, np.asarray(self.samples.y)[rows].tolist())
        state, factory = predictor.state, predictor.factory
        assert isinstance(state, State)
        assert isinstance(factory, Factory)
        assert state.kept == len(rows)
        Slots[State](Files(learned_folder(store, "watch")), factory).save(state)
        return state

    def accuracy(self, layer: Any) -> float:  # noqa: ANN401 - a layer
        """Return the mean over the people who are judged."""
        right = labels_of(self.seen, layer) == self.seen.truth
        return float(np.mean([right[self.seen.names == one].mean() for one in self.test_people]))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return People(tmp_path_factory.mktemp("people"))


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[AgentFleet]:
    agent_fleet = AgentFleet(tmp_path, DEVICES)
    try:
        yield agent_fleet
    finally:
        agent_fleet.close()


def secrets_of(state: State) -> list[bytes]:
    """Return what of the raw window must not appear: text and bits of its values, and what the last layer received."""
    hidden = state.pool[state.kept - 1].astype(np.uint8)
    assert len(set(hidden.tolist())) > 3
    return [WORD, f"{VALUE:.5f}".encode(), struct.pack("<2f", VALUE, VALUE), hidden.tobytes(), (hidden ^ 128).tobytes()]


def write_rows(path: Path, window: Any) -> None:  # noqa: ANN401 - an array
    """Write a window as a sensor's rows, with the canary in values and beside them."""
    values = np.array(window, float).T
    values[50:60] = VALUE
    lines = [f"{number / 20:.2f},{x:.6f},{y:.6f},{z:.6f},{WORD.decode()}" for number, (x, y, z) in enumerate(values)]
    path.write_text("time,x,y,z,owner\n" + "\n".join(lines) + "\n")


def test_people_learn_while_some_attack_and_some_are_killed(people: People, fleet: AgentFleet) -> None:
    proxy = Recorder(int(fleet.url.rpartition(":")[2]))
    fleet.url, states = proxy.address, list[State]()
    more = ("--rounds", str(ROUNDS), "--devices", str(DEVICES), "--join", "2m", "--patience", "6s")
    fleet.run("fleet", "federation", "start", str(people.run), "--fleet", "fleet", *more)
    for number, person in enumerate(people.devices):
        states.append(people.learn(person, fleet.folder / f"d{number}"))
        mine = np.flatnonzero(np.asarray(people.samples.groups) == person)
        write_rows(fleet.folder / f"rows{number}.csv", people.samples.X[int(mine[0])])
        misbehaves = "dies" if number in DYING else ATTACKING.get(number, "")
        # A long poll: what passes before and after the rounds does not count among them.
        source = f"csv:rows{number}.csv?begin=start"
        fleet.agent(people.package, source, "--federate", "--poll", "30", misbehaves=misbehaves)
    until(lambda: fleet.seen()["state"] == "done", lambda: (fleet.seen(), fleet.said_by(DEVICES - 1)))
    # Of a group that fails, nobody takes part to the end.
    for number in set(range(DEVICES)) - set(DYING):
        until(partial(fleet.says, number, "took part in"), partial(fleet.said_by, number))
    proxy.close()
    seen = msgspec.convert(fleet.seen(), FederationSeen)
    # Who is killed comes back for the next round; garbage makes its group's sum one that honest members cannot have.
    assert [(one.number, one.devices, one.refused) for one in seen.rounds] == [
        (number, DEVICES, {}) for number in range(1, ROUNDS + 1)
    ]
    for one in seen.rounds:
        assert one.groups + one.failed + one.beyond == DEVICES // 5
        assert 3 <= one.counted <= DEVICES - len(DYING)
        assert one.beyond + one.failed
    assert seen.rounds[-1].suspicion or not any(one.beyond for one in seen.rounds)
    for number in DYING:
        assert fleet.said_by(number).count("the process ended with -9") >= ROUNDS

    # No byte that passed, and none of the server's, has raw data; the search finds them where they are.
    secrets = [secrets_of(state) for state in states]
    every = sorted({secret for mine in secrets for secret in mine})
    kept = proxy.kept + [path.read_bytes() for path in (fleet.folder / "fleet").rglob("*") if path.is_file()]
    assert [leaks(data, every) for data in kept] == [[]] * len(kept)
    for number, own in enumerate(secrets):
        assert leaks((fleet.folder / f"rows{number}.csv").read_bytes(), own) == own[:2]
        assert leaks((learned_folder(fleet.folder / f"d{number}", "watch") / "adapt.0").read_bytes(), own)
    request = next(data for data in proxy.kept if data.startswith(b"POST /v1/federation"))
    assert leaks(request.replace(b'{"body":"', b'{"body":"' + base64.b64encode(b"xx" + secrets[0][3]) + b'"'), every)
    passed = proxy.learning_bytes()
    assert len(passed) == DEVICES
    assert max(passed.values()) <= ROUNDS * MOST_BYTES, passed

    # The benchmark measures what attackers cost; here each group that chance draws counts.
    factory = people.seen.factory
    examples = {
        f"d{number}": Examples(state.pool[: state.kept], state.owners[: state.kept] & 127)
        for number, state in enumerate(states)
    }
    honest = learned(factory, examples, FederationPlan(FederationSettings(rounds=ROUNDS)))[0]
    assert (parse_layer(seen.layer, factory).weights != factory.weights).any()
    assert people.accuracy(parse_layer(seen.layer, factory)) >= people.accuracy(honest) - 0.03
