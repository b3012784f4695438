"""What the online keys may sign: a stage of an offline-signed plan, no sooner than it says, and never back.

The rules hold whoever asks. They rest on what the offline keys signed, on the signer's own clock, and on a record of
its own that is durable before a signature is given away: for one version of a role there is never a second content.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
from securesystemslib.signer import Signer

from edgewright.core.files import os_errors, write_atomic
from edgewright.fleet.protocol.file_lock import lock_within
from edgewright.fleet.protocol.layout import INDEX, ONLINE, RELEASES, ROOT, TARGETS, TIMESTAMP, plan_target
from edgewright.fleet.protocol.plans.formatting import lasting
from edgewright.fleet.protocol.plans.validation import check
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.online import check_role_file, sign_online
from edgewright.fleet.server.publishing.restore import Published
from edgewright.fleet.server.signer.rules import Known, allowed
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_plan import Plan, Standing, Standings

_OTHERS = 20.0
"""Seconds for which one waits for another signer's record: less than who asks waits."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the signer remembers.

    Attributes:
        root: newest that it trusts; empty before the first.
        versions: highest given away, by role; offline roles as well.
        digests: SHA-256 of the content of that version.
        issued: latest signed time; `timekeys` that signed it.
        known: by plan.
    """

    format: int = 1
    root: bytes = b""
    versions: dict[str, int] = {}
    digests: dict[str, str] = {}
    issued: float = 0.0
    timekeys: str = ""
    known: dict[str, Known] = {}


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """One signer at a time: two with one record would give a version away twice.

    Raises:
        OutputError: the folder cannot be written, or another signer keeps the record for too long.
    """
    with os_errors(OutputError, "to open the signer's record", path):
        handle = path.with_suffix(".lock").open("a")
    with handle:
        if not lock_within(handle, _OTHERS):
            got, do = "one that another signer keeps", "Kill that process: it hangs"
            raise OutputError("the signer's record for itself", got, str(path), do)
        yield


def begun_from(found: Published) -> Record:
    """Return what a signer remembers that signed what is published, and nothing else."""
    plans = {name: msgspec.json.decode(body, type=Plan) for name, body in found.plans.items()}
    return Record(
        root=found.roots[-1],
        versions={role: metadata.version(found.held, role) for role in found.held},
        digests={role: metadata.sha256(data) for role, data in found.held.items()},
        issued=msgspec.json.decode(found.index, type=Standings).issued if found.index else 0.0,
        timekeys=timekeys(found.roots[-1]),
        known={one.plan: Known(standing=one, plan=plans[one.plan]) for one in found.standings},
    )


def timekeys(root: bytes) -> str:
    """Return ids of the keys that sign the timestamp."""
    return ",".join(sorted(metadata.read(root, ROOT).signed.roles[TIMESTAMP].keyids))


def read_record(path: Path, begun: Callable[[], Record]) -> Record:
    """Return the record of a file; `begun` where there is none.

    Raises:
        InputError: it is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return begun()
    try:
        return msgspec.json.decode(content, type=Record)
    except msgspec.DecodeError as error:
        # Without its memory it could sign a second content for a version: better it signs nothing.
        do = "Restore it, or remove it and rotate the online keys: edgewright fleet key rotate"
        raise InputError("the signer's record", str(error), str(path), do) from None


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
        recall: nothing is signed; what was signed last is told.
    """

    standings: tuple[Standing, ...]
    held: dict[str, bytes]
    role_files: dict[str, bytes] = {}
    roots: tuple[bytes, ...] = ()
    plans: dict[str, bytes] = {}
    recall: bool = False


class SignedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What was signed.

    Attributes:
        roles: metadata of rollouts, snapshot and timestamp.
        index: bytes of the target `rollouts/index.json`.
        known: each rollout as it was signed last, for who asked for that alone.
    """

    roles: dict[str, bytes]
    index: bytes
    known: tuple[Standing, ...] = ()


Signing = Callable[[SigningRequest], SignedFiles]
"""Whoever holds the online keys. It raises InputError where it refuses, and OutputError where the signer is not there
or its record cannot be written."""


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

    def sign(self, request: SigningRequest) -> SignedFiles:
        """Check and sign a step."""
        if request.recall:
            with alone(self._path):
                known = read_record(self._path, self._begun).known
            return SignedFiles(roles={}, index=b"", known=tuple(one.standing for one in known.values()))
        now = self._now()
        self._slow(now)
        with alone(self._path):
            return self._sign(request, now)

    def _sign(self, request: SigningRequest, now: float) -> SignedFiles:
        before = read_record(self._path, self._begun)
        if not before.root:
            before = msgspec.structs.replace(before, root=self._root)
        root, offline = _offline(before.root, request)
        signing = timekeys(root)
        # As devices do it: a time that was signed with keys that no longer count is forgotten.
        if signing == before.timekeys and now < before.issued:
            behind = lasting(before.issued - now)
            do = "Set the clock; if the last signature was ahead: edgewright fleet key rotate timestamp"
            raise InputError("a clock that does not go back", f"one {behind} behind the last signature", "signer", do)
        fresh = _fresh(before, {**offline, ROOT: root})
        plans = {s.plan: _plan(s, before, request.plans, offline, now) for s in request.standings}
        known = allowed(request.standings, plans, before.known, now)
        index = msgspec.json.encode(Standings(issued=now, rollouts=request.standings))
        above = {role: before.versions.get(role, 0) for role in ONLINE}
        held = {**request.held, ROOT: root}
        files = {role: data for role, data in request.role_files.items() if role != ROOT}
        roles = dict(sign_online(held, {INDEX: index}, self._signers({**held, **files}), now, files, above=above))
        versions = {role: metadata.version(roles, role) for role in roles}
        digests = {role: metadata.sha256(data) for role, data in roles.items()}
        after = Record(
            root=root, versions={**before.versions, **fresh[0], **versions}, issued=now, timekeys=signing, known=known,
            digests={**before.digests, **fresh[1], **digests},
        )  # fmt: skip
        write_atomic(self._path, msgspec.json.encode(after))  # durable before anybody can have the signature
        self._path.chmod(0o600)
        return SignedFiles(roles=roles, index=index)

    def _slow(self, now: float) -> None:
        self._times = [at for at in self._times if now - 60.0 < at <= now]
        if len(self._times) >= self._a_minute:
            raise InputError(f"at most {self._a_minute} signatures a minute", "one more", "signer", "Ask again later")
        self._times.append(now)


def _offline(root: bytes, request: SigningRequest) -> tuple[bytes, dict[str, bytes]]:
    """Return the newest root and the metadata of the offline roles that it leads to; InputError where not signed."""
    for data in request.roots:
        if metadata.read(data, ROOT).signed.version <= metadata.read(root, ROOT).signed.version:
            continue
        check_role_file({ROOT: root}, ROOT, {ROOT: data})
        root = data
    together = {**request.held, **request.role_files, ROOT: root}
    offline = {role: data for role, data in together.items() if role not in ONLINE}
    for role in (TARGETS, *sorted(role for role in offline if role not in (ROOT, TARGETS))):
        if role in offline:
            metadata.verify(offline, role, offline[role])
    return root, offline


def _fresh(before: Record, offline: Mapping[str, bytes]) -> tuple[dict[str, int], dict[str, str]]:
    """Return versions and digests of offline roles; InputError where one falls or changes its content."""
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
    """Return the plan of a standing, verified before or now; InputError where the offline keys did not sign it so."""
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
        try:
            plan = msgspec.json.decode(data, type=Plan)
        except msgspec.DecodeError as error:
            raise InputError("a plan", str(error), where) from None
        if plan.id != standing.plan or plan.release.product != standing.product:
            raise InputError(f"a plan {standing.plan!r} for {standing.product!r}", f"{plan.id!r}", where)
        check(plan)
        return plan
    raise InputError("a plan that the offline keys signed", "one that they did not", where)
