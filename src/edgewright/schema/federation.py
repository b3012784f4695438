"""Learning across a fleet: what an operator sets, and what became of each round."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgewright.schema.adapt import AdaptSpec
from edgewright.schema.fleet_api import OperatorRequest
from edgewright.schema.fleet_report import Text
from edgewright.schema.trace import Interval


class FederationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a fleet learns.

    Attributes:
        rounds: of learning.
        group: devices whose changes are added up before anybody sees them; a few groups have one more.
        passes: of a device over its own examples in a round.
        clip: length with which a device's direction counts, as a share of the norm of the factory's layer.
        noise: deviation of the noise in a group's sum, as a multiple of the norm of a device's signs; 0 for none.
        at_once: devices with which a round begins at once; 0 to wait for `join_s` in any case.
        join_s: how long a round waits for devices; answer_s: how long a step of a round waits for a device.
    """

    rounds: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    group: Annotated[int, msgspec.Meta(ge=3, le=64)] = 5
    passes: Annotated[int, msgspec.Meta(ge=1, le=50)] = 2
    clip: Annotated[float, msgspec.Meta(gt=0.0, le=4.0)] = 0.1
    noise: Annotated[float, msgspec.Meta(ge=0.0, le=1000.0)] = 0.0
    at_once: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    join_s: Annotated[float, msgspec.Meta(gt=0.0, le=604_800.0)] = 600.0
    answer_s: Annotated[float, msgspec.Meta(gt=0.0, le=86_400.0)] = 120.0


class RoundOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one round.

    Attributes:
        number: from 1.
        devices: members of its groups; `counted` of them are in a sum that was used.
        groups: sums that were used; `failed` had too few members at the end, `beyond` numbers that honest members
            cannot have.
        refused: messages that did not count, by reason.
        moved: norm of the fleet's step, as a share of the norm of the factory's layer.
        suspicion: of devices in sums beyond, by id, as `core.federation.suspicion`; of the latest round only.
    """

    number: int
    devices: int
    counted: int
    groups: int
    failed: int = 0
    beyond: int = 0
    refused: dict[str, int] = {}
    moved: float = 0.0
    suspicion: dict[str, int] = {}


class FederatedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """Share of right answers of one layer, as the mean over people who were judged, with its interval.

    Attributes:
        layer: what it was learned from, such as 'factory'.
        accuracy: over people.
        worst: of one person.
    """

    layer: str
    accuracy: Interval
    worst: float


class FederationSimulation(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet would learn together, before deployment.

    Attributes:
        name: name of the package; `data` is what was read.
        settings: of the learning.
        devices: people who took part; `examples` of them in all.
        test_people: people who are neither among the devices nor among those that the model was fitted on.
        dropouts, poisoners: shares of the devices; `attack` is what poisoners do.
        figures: of the factory's layer, of a fit on all examples together, and of what the fleet learned.
        rounds: what became of each.
        bytes_up, bytes_down: of one device in one round, the largest.
        epsilon, delta: of one device against who sees the sums; None without noise.
        notes: what to know about the figures.
    """

    name: str
    data: str
    settings: FederationSettings
    devices: int
    examples: int
    test_people: tuple[str, ...] = msgspec.field(name="judged")
    dropouts: float
    poisoners: float
    attack: str
    figures: tuple[FederatedFigure, ...]
    rounds: tuple[RoundOutcome, ...]
    bytes_up: int
    bytes_down: int
    epsilon: float | None = None
    delta: float | None = None
    notes: tuple[str, ...] = ()


class FactoryFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The learned layer of a package: what its manifest says of it, and its files by name."""

    adapt: AdaptSpec
    files: dict[str, bytes]


class StartFederation(OperatorRequest, frozen=True, kw_only=True):
    """Devices of a product that run this package begin to learn together; an empty product is the fleet's only one."""

    product: Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9][a-z0-9-]{0,62})?$")] = ""
    factory: FactoryFiles
    settings: FederationSettings = FederationSettings()


class StopFederation(OperatorRequest, frozen=True, kw_only=True):
    """The present round is given up; what earlier ones learned stays."""

    reason: Text = ""


class FederationSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the learning stands.

    Attributes:
        id: random; `identity` is that of the factory layer.
        state: running, done or stopped.
        round: present one, from 1; `joining` while it waits for devices, of which `joined` came.
        rounds: what became of those that are over.
        layer: after the last of them, as `core.federation.layer.layer_bytes`; empty in lists.
    """

    id: str
    product: str
    identity: int
    state: Literal["running", "done", "stopped"]
    settings: FederationSettings
    round: int
    joining: bool
    joined: int
    rounds: tuple[RoundOutcome, ...]
    opened_at: float
    opened_by: str
    why: str = ""
    layer: bytes = b""


class FederationsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The latest, newest first."""

    federations: tuple[FederationSeen, ...]
