"""What `fleet simulate --federate` needs of a package and its data: people, and the package that they learn."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from edgewright.core.adaptation.factory import Numbers, State
from edgewright.core.federation.layer import Layer
from edgewright.core.federation.member import FEWEST
from edgewright.core.federation.messages import Begin
from edgewright.core.package import Package
from edgewright.fleet.simulator.learning import Learning, Person
from edgewright.pipeline.learned_package import write_learned
from edgewright.schema.errors import InputError
from edgewright.schema.federation import FederationSettings
from edgewright.workflows.adaptation.federation import people_of
from edgewright.workflows.adaptation.local_fleet import ATTACKS, Examples, check_attack, kept_state
from edgewright.workflows.adaptation.simulation import unseen_samples
from edgewright.workflows.scoring.rows import ScoreRequest


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
    found = []
    for person in np.unique(people.names).tolist():
        rows = np.flatnonzero(people.names == person)
        hidden, truth = people.hidden[rows], people.truth[rows]
        found.append(Person(kept_state(people.factory, hidden, people.given[rows], truth), hidden, truth))
    if len(found) < FEWEST:
        raise InputError(f"{FEWEST} or more people", str(len(found)), name, "; ".join(people.notes))
    factory, rng = people.factory, np.random.default_rng(0)

    def sent(state: State, begin: Begin) -> Numbers:
        examples = Examples(state.pool[: state.kept], state.owners[: state.kept] & 127)
        return ATTACKS[attack](factory, begin, examples, rng)

    return Learning(factory, settings, found, partial(_package, package), mislabelled, poisoners, sent)


def _package(package: Package, layer: Layer) -> bytes:
    with tempfile.TemporaryDirectory(prefix="edgewright-learned-") as room:
        path = Path(room) / "learned.edge"
        write_learned(package, layer, path, {"federation": "simulated"})
        return path.read_bytes()
