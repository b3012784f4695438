"""What lies in the folder of a fleet beside its signed metadata: settings, and changes that wait."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from edgewright.schema.fleet_api import Role
from edgewright.schema.fleet_plan import Id, Release

FOLDER_VERSION = 1
CHANGE_VERSION = 1


Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
]  # fmt: skip
"""Signatures with a public key; never 'none', and never one whose key the server would share with the issuer."""


class OidcSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[oidc]` of `fleet.toml`: operators whom an identity provider names.

    Attributes:
        issuer: its address, exactly as tokens name it (`iss`); its description is below it.
        audience: that tokens must be for (`aud`).
        roles: of operators, by a value of the claim.
        claim: that holds one value or a list; dots lead into objects, such as 'realm_access.roles'.
        name: claim that names the operator in the audit log; `sub` where a token lacks it.
        algorithms: of signatures that are accepted.
        leeway: seconds by which clocks may differ.
        ca_file: certificates that are trusted for the issuer instead of the system's; empty for the system's.
    """

    issuer: Annotated[str, msgspec.Meta(min_length=8, max_length=500)]
    audience: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    roles: Annotated[dict[str, Role], msgspec.Meta(min_length=1)]
    claim: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] = "roles"
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] = "preferred_username"
    algorithms: Annotated[tuple[Algorithm, ...], msgspec.Meta(min_length=1)] = ("RS256", "ES256")
    leeway: Annotated[float, msgspec.Meta(ge=0.0, le=600.0)] = 60.0
    ca_file: str = ""


class FleetSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`fleet.toml`.

    Attributes:
        format: of the folder; a newer one is refused.
        name: for people.
        products: lines of packages; a device follows one.
        address: under which devices reach the fleet; empty where nobody said.
        stick: a repository that travels on a USB stick; its online roles are signed for longer.
        signers: URI by key id for keys that do not lie in the folder `keys`, as securesystemslib takes them.
        oidc: identity provider of the operators; None for none.
    """

    format: int = FOLDER_VERSION
    name: Annotated[str, msgspec.Meta(max_length=100)]
    products: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=1000)]
    address: str = ""
    stick: bool = False
    signers: dict[str, str] = msgspec.field(default_factory=dict)
    oidc: OidcSettings | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New metadata of offline roles, signed by some or all of the keys that it needs; also a file.

    Attributes:
        format: of the file.
        about: one line for people.
        roles: metadata by role, as text. Roles in one change are published together.
        targets: paths with the hash in front of bytes that must be there before the metadata is.
        base: metadata that it builds upon, by role, so that a person can sign on a machine that has nothing else.
    """

    format: int = CHANGE_VERSION
    about: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    roles: dict[str, str]
    targets: tuple[str, ...] = ()
    base: dict[str, str] = msgspec.field(default_factory=dict)


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change.

    Attributes:
        about: what it does.
        state: 'published', 'waiting' for the control plane, or 'prepared' for others to sign.
        file: where a prepared change lies.
        lacking: signatures that it still needs, for people.
    """

    about: str
    state: Literal["published", "waiting", "prepared"]
    file: str = ""
    lacking: tuple[str, ...] = ()


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A release among the signed targets.

    Attributes:
        release: as plans name it.
        revert: a dormant way back: the bytes of an older release under a higher number.
        of: counter of the release whose bytes these are; its own where `revert` is false.
        notes: what the person who published it wrote.
    """

    release: Release
    revert: bool = False
    of: int = 0
    notes: str = ""


class KeyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was made.

    Attributes:
        role: that it signs.
        key: its id.
        file: where the private half lies.
        offline: it is meant to leave this machine.
        encrypted: a passphrase protects it.
    """

    role: str
    key: str
    file: str
    offline: bool
    encrypted: bool


class RoleKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Who may sign a role.

    Attributes:
        role: its name.
        threshold: signatures that it needs.
        keys: ids of its keys.
        version, expires: of its metadata; 0 and empty where there is none. `expires` in ISO 8601, UTC.
    """

    role: str
    threshold: int
    keys: tuple[str, ...]
    version: int = 0
    expires: str = ""


class Ceremony(msgspec.Struct, frozen=True, kw_only=True):
    """What `fleet init` made.

    Attributes:
        folder: of the fleet.
        root: SHA-256 of the root's bytes, which devices are told at enrolment.
        roles: with thresholds.
        keys: every key file.
        steps: what a person does next, in order.
        warnings: what is not safe yet.
        stick: it is the repository for sticks of a fleet.
    """

    folder: str
    root: str
    roles: tuple[RoleKeys, ...]
    keys: tuple[KeyMade, ...] = msgspec.field(name="made")
    steps: tuple[str, ...]
    warnings: tuple[str, ...]
    stick: bool = False


class StolenKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was reported as stolen.

    Attributes:
        key: its id. `role`: that it signed.
        keys: ids of all keys that are revoked with it.
        at: when it was reported first, seconds since 1970.
    """

    key: str
    role: str
    keys: tuple[str, ...]
    at: float


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout that a stolen online key may have steered.

    Attributes:
        plan, product, counter: the rollout and its release.
        state: of the rollout now.
        revertible: whether its plan can call devices back. `reverted`: whether it does.
        count: devices that were allowed to activate the release, between `first` and `last` (seconds since 1970).
        devices: names of the first of them.
    """

    plan: str
    product: str
    counter: int
    state: str
    revertible: bool
    reverted: bool
    count: int
    first: float | None
    last: float | None
    devices: tuple[str, ...]


class StolenResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What the control plane did about a stolen key.

    Attributes:
        rollouts: those that the key may have steered.
        tokens: number of enrolment tokens that are cancelled.
        troubles: what could not be done now.
    """

    rollouts: tuple[Exposure, ...] = ()
    tokens: int = 0
    troubles: tuple[str, ...] = ()
