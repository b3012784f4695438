"""What the online keys may sign: a stage of an offline-signed plan, no sooner than it says, and never back.

The rules hold whoever asks. They rest on what the offline keys signed, on the signer's own clock, and on a record of
its own that is durable before a signature is given away: for one version of a role there is never a second content.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from securesystemslib.signer import Signer

from edgewright.core.files import write_atomic
from edgewright.fleet.protocol.layout import INDEX, ONLINE, RELEASES, ROOT, TARGETS, plan_target
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.protocol.plans.validation import check
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.online import check_role_file, sign_online
from edgewright.fleet.server.signer.record import Record, alone, read_record, timekeys
from edgewright.fleet.server.signer.rules import allowed
from edgewright.schema.errors import InputError
from edgewright.schema.fleet_plan import Plan, Standing, Standings

A_MINUTE = 60
"""Signatures that are given in a minute; a rollout needs one a transition, and the timestamp two a day."""
Signers = Callable[[dict[str, bytes]], Mapping[str, Signer]]
"""Metadata by role to signers by role."""


class SigningRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the control plane wants signed.

    Attributes:
        standings: of all rollouts, newest first.
        held: metadata that is published, by role.
        role_files: new metadata of offline roles, by role; roots of several versions one after the other in `roots`.
        plans: bytes of plans, by id; of those that the signer has not seen.
        above: versions that were given away already, by role.
        recall: nothing is signed; what was signed last is told.
    """

    standings: tuple[Standing, ...]
    held: dict[str, bytes]
    role_files: dict[str, bytes] = {}
    roots: tuple[bytes, ...] = ()
    plans: dict[str, bytes] = {}
    above: dict[str, int] = {}
    recall: bool = False


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed.

    Attributes:
        roles: metadata of rollouts, snapshot and timestamp.
        index: bytes of the target `rollouts/index.json`.
        known: each rollout as it was signed last, for who asked for that alone.
    """

    roles: dict[str, bytes]
    index: bytes
    known: tuple[Standing, ...] = ()


class Signing(Protocol):
    """Whoever holds the online keys."""

    def sign(self, asked: SigningRequest) -> Given:
        """Signs.

        Raises:
            InputError: it is refused.
            OutputError: the signer is not there, or its record cannot be written.
        """


class LocalSigner:
    """The signer in this process: `signing_process` puts it into one of its own.

    Args:
        record: file of its memory; made where it is not there.
        signers: online keys by role, from metadata by role: a rotation brings others.
        now: seconds since 1970, the signer's own clock.
        root: of the fleet, trusted where the record holds none yet.
        a_minute: signatures.
        begun: what it remembers where there is no record: with what is published, which its own keys signed, a lost
            record takes no abort back and strands no rollout.
    """

    def __init__(
        self, record: Path, signers: Signers, now: Callable[[], float], root: bytes, a_minute: int = A_MINUTE,
        begun: Callable[[], Record] = Record,
    ) -> None:  # fmt: skip
        self._path, self._signers, self._now, self._a_minute = record, signers, now, a_minute
        self._root = root
        self._times: list[float] = []
        self._begun = begun
        read_record(record, begun)  # a damaged one is told now

    def sign(self, asked: SigningRequest) -> Given:
        """As `Signing.sign`."""
        if asked.recall:
            with alone(self._path):
                known = read_record(self._path, self._begun).known
            return Given(roles={}, index=b"", known=tuple(one.standing for one in known.values()))
        now = self._now()
        self._slow(now)
        with alone(self._path):
            return self._sign(asked, now)

    def _sign(self, asked: SigningRequest, now: float) -> Given:
        before = read_record(self._path, self._begun)
        if not before.root:
            before = msgspec.structs.replace(before, root=self._root)
        root, offline = _offline(before.root, asked)
        signing = timekeys(root)
        # As devices do it: a time that was signed with keys that no longer count is forgotten.
        if signing == before.timekeys and now < before.issued:
            behind = lasting(before.issued - now)
            do = "Set the clock; where the last signature was ahead: edgewright fleet key rotate timestamp"
            raise InputError("a clock that does not go back", f"one {behind} behind the last signature", "signer", do)
        fresh = _fresh(before, {**offline, ROOT: root})
        plans = {s.plan: _plan(s, before, asked.plans, offline, now) for s in asked.standings}
        known = allowed(asked.standings, plans, before.known, now)
        index = msgspec.json.encode(Standings(issued=now, rollouts=asked.standings))
        above = {role: max(before.versions.get(role, 0), asked.above.get(role, 0)) for role in ONLINE}
        held = {**asked.held, ROOT: root}
        files = {role: data for role, data in asked.role_files.items() if role != ROOT}
        roles = dict(sign_online(held, {INDEX: index}, self._signers({**held, **files}), now, files, above=above))
        versions = {role: metadata.version(roles, role) for role in roles}
        digests = {role: metadata.sha256(data) for role, data in roles.items()}
        after = Record(
            root=root, versions={**before.versions, **fresh[0], **versions}, issued=now, timekeys=signing, known=known,
            digests={**before.digests, **fresh[1], **digests},
        )  # fmt: skip
        write_atomic(self._path, msgspec.json.encode(after))  # durable before anybody can have the signature
        self._path.chmod(0o600)
        return Given(roles=roles, index=index)

    def _slow(self, now: float) -> None:
        self._times = [at for at in self._times if now - 60.0 < at <= now]
        if len(self._times) >= self._a_minute:
            raise InputError(f"at most {self._a_minute} signatures a minute", "one more", "signer", "Ask again later")
        self._times.append(now)


def _offline(root: bytes, asked: SigningRequest) -> tuple[bytes, dict[str, bytes]]:
    """The newest root, and metadata of the offline roles that it leads to, verified.

    Raises:
        InputError: not signed by the keys that the root the signer trusts leads to.
    """
    for data in asked.roots:
        if metadata.read(data, ROOT).signed.version <= metadata.read(root, ROOT).signed.version:
            continue
        check_role_file({ROOT: root}, ROOT, {ROOT: data})
        root = data
    together = {**asked.held, **asked.role_files, ROOT: root}
    offline = {role: data for role, data in together.items() if role not in ONLINE}
    for role in (TARGETS, *sorted(role for role in offline if role not in (ROOT, TARGETS))):
        if role in offline:
            metadata.verify(offline, role, offline[role])
    return root, offline


def _fresh(before: Record, offline: Mapping[str, bytes]) -> tuple[dict[str, int], dict[str, str]]:
    """Versions and digests of offline roles, which never fall and never change their content.

    Raises:
        InputError: one does.
    """
    versions = {role: metadata.version(offline, role) for role in offline}
    digests = {role: metadata.sha256(data) for role, data in offline.items()}
    for role, version in versions.items():
        last = before.versions.get(role, 0)
        if version < last or (version == last and digests[role] != before.digests.get(role)):
            raise InputError(f"a version of {role} above {last}", f"{version} with another content", "signer")
    return versions, digests


def _plan(
    standing: Standing, before: Record, plans: Mapping[str, bytes], offline: Mapping[str, bytes], now: float
) -> Plan:
    """The plan of a standing: as it was verified before, or verified now.

    Raises:
        InputError: the offline keys did not sign it, or no longer, or not with these bytes.
    """
    where = f"plan {standing.plan}"
    known = before.known.get(standing.plan)
    if known is not None and known.standing.sha256 == standing.sha256:
        return known.plan
    data = plans.get(standing.plan, b"")
    digest = metadata.sha256(data)
    if known is not None or digest != standing.sha256:
        raise InputError("the bytes of the plan that the standing names", f"others ({digest[:16]}...)", where)
    path = plan_target(standing.plan)
    for role in sorted(role for role in offline if role not in (ROOT, TARGETS)):
        signed = metadata.read(offline[role], role).signed
        found = getattr(signed, "targets", {}).get(path)
        if found is None:
            continue
        if found.hashes.get("sha256") != digest or found.length != len(data):
            raise InputError("the plan that was signed offline", "other bytes", where)
        if signed.expires.timestamp() <= now:
            raise InputError(f"metadata of {RELEASES} that holds", f"some that expired on {signed.expires}", where)
        plan = _decoded(data, where)
        if plan.id != standing.plan or plan.release.product != standing.product:
            raise InputError(f"a plan {standing.plan!r} for {standing.product!r}", f"{plan.id!r}", where)
        check(plan)
        return plan
    raise InputError("a plan that the offline keys signed", "one that they did not", where)


def _decoded(data: bytes, where: str) -> Plan:
    try:
        return msgspec.json.decode(data, type=Plan)
    except msgspec.DecodeError as error:
        raise InputError("a plan", str(error), where) from None
