"""What a fleet would learn together without giving its data away: people as devices, judged on other people."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold

from edgewright.core.adaptation.factory import Factory, Numbers, State
from edgewright.core.adaptation.learner import Learner
from edgewright.core.adaptation.predictor import FORM, factory_of, hidden_of
from edgewright.core.federation.layer import Layer, check_factory, factory_layer
from edgewright.core.federation.member import FEWEST
from edgewright.core.federation.messages import Begin
from edgewright.core.federation.rounds import epsilon_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.package import Package
from edgewright.data.samples import part_of
from edgewright.fleet.simulator.learning import Learning, Person
from edgewright.pipeline.package.learned_package import write_learned
from edgewright.pipeline.package.packaging import count_seen
from edgewright.schema.data import Samples
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.federation import FederatedFigure, FederationSettings, FederationSimulation, RoundOutcome
from edgewright.training.metrics import SHARE, mean_interval
from edgewright.workflows.adaptation.local_fleet import (
    ATTACKS,
    Examples,
    Faults,
    LocalFleet,
    check_attack,
    kept_examples,
    kept_state,
)
from edgewright.workflows.adaptation.simulation import unseen_samples
from edgewright.workflows.scoring.rows import ScoreRequest

_JUDGED_SHARE, _FOLDS = 0.25, 5
_STRENGTHS = (0.01, 0.1, 1.0, 10.0)
_BYTE = 64.0  # hidden bytes are divided by it, so that strengths of the penalty are of the usual size


@dataclass(frozen=True)
class FederationPlan:
    """What is simulated.

    Attributes:
        settings: of the learning.
        faults: what goes wrong.
        evaluated: people who are evaluated; a quarter of all, by chance, when empty.
        delta: for epsilon.
        seed: of the people who are evaluated, and of the faults.
    """

    settings: FederationSettings
    faults: Faults = field(default_factory=Faults)
    evaluated: Sequence[str] = ()
    delta: float = 1e-5
    seed: int = 0


@dataclass(frozen=True)
class People:
    """Samples of people as the last layer of a package receives them.

    Attributes:
        factory: of the package.
        hidden: less the zero point, shape (n, width).
        given: what the factory's layer answers, shape (n,).
        truth: right classes, shape (n,).
        names: of the person of each sample, shape (n,).
        notes: who was left out.
    """

    factory: Factory
    hidden: Numbers
    given: Numbers
    truth: Numbers
    names: NDArray[np.str_]
    notes: list[str] = field(default_factory=list)


def federate(
    path: Path, request: ScoreRequest, plan: FederationPlan, on_round: Callable[[RoundOutcome], None] | None = None
) -> FederationSimulation:
    """Let people learn together in rounds and judge what they learned on other people.

    Args:
        path: run folder or package with a table `[adapt]`.
        request: what is read; without data, the test part of the run's own split.
        plan: what is simulated.
        on_round: is told what became of each round.

    Raises:
        InputError: a package that does not learn, or too few people.
        UnknownNameError: a person or an attack that does not exist.
    """
    check_attack(plan.faults.attack)
    with unseen_samples(path, request) as (package, samples, name):
        people = people_of(package, samples)
    evaluated = _evaluated(people, plan, name)
    devices = {
        person: kept_of(people, person) for person in np.unique(people.names).tolist() if person not in evaluated
    }
    if len(devices) < FEWEST:
        raise InputError(f"{FEWEST} or more people as devices", str(len(devices)), name, "; ".join(people.notes))
    epsilon = None
    if plan.settings.noise:
        epsilon = epsilon_of(plan.settings.noise, plan.settings.rounds, plan.delta)
    layer, rounds, fleet = learned(people.factory, devices, plan, on_round)
    central = central_labels(devices, people)
    figures = (
        figure("factory", people, people.given, evaluated),
        figure("central", people, central, evaluated),
        figure("federated", people, labels_of(people, layer), evaluated),
    )
    return FederationSimulation(
        name=package.manifest.name, data=name, settings=plan.settings, devices=len(devices),
        examples=sum(len(person.labels) for person in devices.values()), test_people=tuple(evaluated),
        dropouts=plan.faults.dropouts, poisoners=plan.faults.poisoners, attack=plan.faults.attack, figures=figures,
        rounds=tuple(rounds), bytes_up=max(fleet.bytes_up), bytes_down=max(fleet.bytes_down), epsilon=epsilon,
        delta=None if epsilon is None else plan.delta, notes=tuple(people.notes),
    )  # fmt: skip


def people_of(package: Package, samples: Samples) -> People:
    """Return the people whom a package was not fitted on.

    Raises:
        InputError: a package that does not learn by gradient steps, or nobody.
    """
    factory, labels = factory_of(package), np.asarray(package.manifest.labels)
    check_factory(factory, f"package {package.manifest.name}")
    graph, chunks, fitted = read_onnx(package.model(FORM)), list[tuple[Any, ...]](), 0
    assert samples.groups is not None  # noqa: S101 - `unseen_samples` refuses it
    for person in np.unique(samples.groups).tolist():
        mine = part_of(samples, np.flatnonzero(samples.groups == person))
        X = np.ascontiguousarray(mine.X[:], np.float32)
        if count_seen(X, package.manifest.fit)[0]:
            fitted += 1
            continue
        hidden, outputs = hidden_of(graph, X)
        truth = np.searchsorted(labels, np.asarray(mine.y).astype(str))
        chunks.append((hidden, outputs.argmax(axis=1), truth, np.full(len(truth), str(person))))
    notes = [f"{fitted} people whom the model was fitted on are left out"] if fitted else []
    if not chunks:
        raise InputError("people whom the model was not fitted on", "none", "data", "; ".join(notes))
    hidden, given, known, names = (np.concatenate([chunk[part] for chunk in chunks]) for part in range(4))
    return People(factory, hidden, given, known, names, notes)


def learned(
    factory: Factory, devices: dict[str, Examples], plan: FederationPlan,
    on_round: Callable[[RoundOutcome], None] | None = None,
) -> tuple[Layer, list[RoundOutcome], LocalFleet]:  # fmt: skip
    """Return what devices learn in all rounds, what became of each, and the fleet with its traffic."""
    fleet = LocalFleet(factory, devices, plan.settings, plan.faults, np.random.default_rng(plan.seed))
    layer, outcomes = factory_layer(factory), []
    for number in range(1, plan.settings.rounds + 1):
        layer, outcome = fleet.round(layer, number)
        outcomes.append(outcome)
        if on_round is not None:
            on_round(outcome)
    return layer, outcomes, fleet


def central_labels(devices: dict[str, Examples], people: People) -> Numbers:
    """Return the answers of the same layer, fitted on all examples of all devices together.

    The strength of the penalty is chosen by leaving out devices.
    """
    hidden = np.concatenate([device.hidden for device in devices.values()]) / _BYTE
    labels = np.concatenate([device.labels for device in devices.values()])
    owners = np.repeat(np.arange(len(devices)), [len(device.labels) for device in devices.values()])
    search = GridSearchCV(
        LogisticRegression(max_iter=1000), {"C": _STRENGTHS}, cv=GroupKFold(min(_FOLDS, len(devices)))
    ).fit(hidden, labels, groups=owners)
    predicted: Numbers = search.predict(people.hidden / _BYTE)
    return predicted


def labels_of(people: People, layer: Layer) -> Numbers:
    """Return the answers of a layer, shape (n,)."""
    learner = Learner(people.factory)
    learner.state.weights, learner.state.bias = layer.weights, layer.bias
    labels: Numbers = learner.outputs(people.hidden).argmax(axis=1)
    return labels


def figure(layer: str, people: People, answers: Numbers, evaluated: Sequence[str]) -> FederatedFigure:
    """Return the accuracy of some answers over the people who are evaluated."""
    right = answers == people.truth
    shares = np.array([right[people.names == person].mean() for person in evaluated])
    interval = mean_interval(shares, "person", SHARE)
    return FederatedFigure(layer=layer, accuracy=interval, worst=float(shares.min()))


def _evaluated(people: People, plan: FederationPlan, name: str) -> list[str]:
    known = np.unique(people.names).tolist()
    for person in plan.evaluated:
        if person not in known:
            raise UnknownNameError("person", person, known, f"{name}, --judge")
    if plan.evaluated:
        return sorted(set(plan.evaluated))
    count = max(2, round(_JUDGED_SHARE * len(known)))
    chosen = np.random.default_rng(plan.seed).choice(known, min(count, len(known)), replace=False)
    return sorted(chosen.tolist())


def kept_of(people: People, name: str) -> Examples:
    """Return the examples that a person's device keeps."""
    rows = np.flatnonzero(people.names == name)
    return kept_examples(people.factory, people.hidden[rows], people.given[rows], people.truth[rows])


def learning_of(
    path: Path, request: ScoreRequest, settings: FederationSettings, mislabelled: float = 0.0, poisoners: float = 0.0,
    attack: str = "flip",
) -> Learning:  # fmt: skip
    """Return what the devices of a simulated fleet learn.

    Args:
        path: run folder or package with a table `[adapt]`.
        request: what is read; without data, the test part of the run's own split.
        settings: of the learning.
        mislabelled: share of the devices whose owner labels everything as one class.
        poisoners: share of the devices that attack.
        attack: a name of `ATTACKS`.

    Raises:
        InputError: a package that does not learn, or too few people whom it was not fitted on.
        UnknownNameError: an attack that does not exist.
    """
    check_attack(attack)
    with unseen_samples(path, request) as (package, samples, name):
        people = people_of(package, samples)
    devices = []
    for person in np.unique(people.names).tolist():
        rows = np.flatnonzero(people.names == person)
        hidden, truth = people.hidden[rows], people.truth[rows]
        devices.append(Person(kept_state(people.factory, hidden, people.given[rows], truth), hidden, truth))
    if len(devices) < FEWEST:
        raise InputError(f"{FEWEST} or more people", str(len(devices)), name, "; ".join(people.notes))
    factory, rng = people.factory, np.random.default_rng(0)

    def sent(state: State, begin: Begin) -> Numbers:
        examples = Examples(state.pool[: state.kept], state.owners[: state.kept] & 127)
        return ATTACKS[attack](factory, begin, examples, rng)

    return Learning(factory, settings, devices, partial(_package, package), mislabelled, poisoners, sent)


def _package(package: Package, layer: Layer) -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgewright-learned-") as room:
        path = Path(room) / "learned.edge"
        write_learned(package, layer, path, {"federation": "simulated"})
        return path.read_bytes()
