"""A fleet's signed files in memory, with every key in hand, so that tests can also sign what they should not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Key,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from edgewright.core.records.fleet import Plan, Release, Stage, Standing, Standings
from edgewright.fleet.protocol.layout import DAY, INDEX, LONGEST, Answer, Unreachable, plan_target

ROLES = ("root", "targets", "releases", "rollouts", "snapshot", "timestamp")
START = 1_800_000_000.0


class SignedFleet:
    """Roles, their keys and versions, and what is published: `files` by path below the address."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self.keys: dict[str, list[CryptoSigner]] = {role: [CryptoSigner.generate_ed25519()] for role in ROLES}
        self.version = dict.fromkeys(ROLES, 0)
        self.targets: dict[str, dict[str, TargetFile]] = {"releases": {}, "rollouts": {}}
        self.files: dict[str, bytes] = {}
        self.held: dict[str, bytes] = {}
        self.snapshot_meta: dict[str, MetaFile] = {}
        self.sign_root()
        self.sign_targets()
        self.sign_role("releases")
        self.standings()

    def expires(self, role: str) -> datetime:
        """As late as may be."""
        return datetime.fromtimestamp(int(self.now + LONGEST[role] - 600.0), UTC)

    def sign(self, signed: Signed, role: str, others: Sequence[CryptoSigner] = ()) -> bytes:
        """Return bytes signed by the keys of a role."""
        metadata: Metadata[Any] = Metadata(signed)
        for signer in {id(one): one for one in (*self.keys[role], *others)}.values():
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def sign_root(self, others: Sequence[CryptoSigner] = ()) -> bytes:
        """Return the next root, signed by its own keys and `others`, those before."""
        self.version["root"] += 1
        root = Root(self.version["root"], None, self.expires("root"), consistent_snapshot=True)
        for role in ("root", "targets", "snapshot", "timestamp"):
            for signer in self.keys[role]:
                root.add_key(signer.public_key, role)
        self.held["root"] = self.sign(root, "root", others)
        self.files[f"/metadata/{self.version['root']}.root.json"] = self.held["root"]
        return self.held["root"]

    def sign_targets(self) -> None:
        """Sign the next targets, which delegate."""
        self.version["targets"] += 1
        roles: dict[str, DelegatedRole] = {}
        keys: dict[str, Key] = {}
        for role, patterns in (("releases", ["packages/*", "plans/*"]), ("rollouts", ["rollouts/*"])):
            key_pairs = self.keys[role]
            roles[role] = DelegatedRole(role, [k.public_key.keyid for k in key_pairs], 1, True, patterns)
            keys.update({k.public_key.keyid: k.public_key for k in key_pairs})
        signed = Targets(self.version["targets"], None, self.expires("targets"), {}, Delegations(keys, roles))
        self.put("targets", self.sign(signed, "targets"))

    def sign_role(self, role: str) -> None:
        """Sign the next metadata of 'releases' or 'rollouts'."""
        self.version[role] += 1
        signed = Targets(self.version[role], None, self.expires(role), dict(self.targets[role]))
        self.put(role, self.sign(signed, role))

    def put(self, role: str, data: bytes) -> None:
        """Bytes of a role that the snapshot names."""
        self.held[role] = data
        self.files[f"/metadata/{self.version[role]}.{role}.json"] = data
        self.snapshot_meta[f"{role}.json"] = MetaFile(self.version[role])

    def seal(self) -> None:
        """Sign the next snapshot and timestamp."""
        self.version["snapshot"] += 1
        snapshot = Snapshot(self.version["snapshot"], None, self.expires("snapshot"), dict(self.snapshot_meta))
        data = self.sign(snapshot, "snapshot")
        self.files[f"/metadata/{self.version['snapshot']}.snapshot.json"] = data
        self.version["timestamp"] += 1
        timestamp = Timestamp(
            self.version["timestamp"], None, self.expires("timestamp"), MetaFile(self.version["snapshot"])
        )
        self.files["/metadata/timestamp.json"] = self.sign(timestamp, "timestamp")

    def add(self, role: str, path: str, data: bytes) -> str:
        """Return a target and its bytes; gives their hash."""
        target = TargetFile.from_data(path, data, ["sha256"])
        self.targets[role][path] = target
        sha256 = hashlib.sha256(data).hexdigest()
        folder, _, name = path.rpartition("/")
        self.files[f"/targets/{folder}/{sha256}.{name}"] = data
        return sha256

    def standings(self, *listed: Standing, issued: float | None = None) -> None:
        """Signs where rollouts stand, and seals."""
        word = Standings(issued=self.now if issued is None else issued, rollouts=listed)
        self.add("rollouts", INDEX, msgspec.json.encode(word))
        self.sign_role("rollouts")
        self.seal()

    def release(self, package: bytes, counter: int = 1, product: str = "pump") -> Release:
        """Return signs a package."""
        target = f"packages/{product}-{counter}.edge"
        sha256 = self.add("releases", target, package)
        self.sign_role("releases")
        self.seal()
        return Release(product=product, counter=counter, target=target, sha256=sha256, length=len(package))

    def plan(self, release: Release, name: str = "plan-1", **changes: Any) -> tuple[Plan, str]:  # noqa: ANN401
        """Return signs a plan that gives a release to everybody at once, ungated, unless `changes` say otherwise."""
        given: dict[str, Any] = {
            "id": name, "release": release, "salt": "5a" * 32, "starts": self.now, "expires": self.now + 30 * DAY,
            "enrolled": self.now, "stages": (Stage(name="all", percent=100.0, gated=False),),
        }  # fmt: skip
        plan = Plan(**(given | changes))
        sha256 = self.add("releases", plan_target(name), msgspec.json.encode(plan))
        self.sign_role("releases")
        self.seal()
        return plan, sha256


class Served:
    """A transport to a `SignedFleet`; `asked` lists the paths, `cut` breaks the network."""

    def __init__(self, fleet: SignedFleet) -> None:
        self.fleet, self.asked, self.cut = fleet, list[str](), False

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        """One GET."""
        self.asked.append(path)
        if self.cut:
            raise Unreachable("the network is cut")
        data = self.fleet.files.get(path)
        if data is None:
            yield Answer(status=404, headers={}, body=iter(()))
            return
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        if headers.get("If-None-Match") == etag:
            yield Answer(status=304, headers={"etag": etag}, body=iter(()))
            return
        start = int(headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        status = 206 if "Range" in headers else 200
        parts = (data[at : at + 4096] for at in range(start, len(data), 4096))
        yield Answer(status=status, headers={"etag": etag}, body=iter(parts))


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = START) -> None:
        self.now, self.up = now, 0.0

    def wall(self) -> float:
        """Return seconds since 1970."""
        return self.now

    def monotonic(self) -> float:
        """Return seconds up."""
        return self.up
