"""Signs with the online keys: only stages of offline-signed plans, not before their time, and never backwards.

The rules apply to every client. They depend on the offline signatures, the signer's own clock, and its own record,
which is durable before a signature is returned: a version of a role never has two different contents.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
from securesystemslib.signer import Signer

from edgewright.core.errors import ClockBehindError, OutputError, RolloutStateError, SignatureError
from edgewright.core.files import PRIVATE, open_private, os_errors, write_atomic
from edgewright.core.records.fleet import Plan, Standing, Standings
from edgewright.fleet.protocol.layout import (
    INDEX,
    LONGEST,
    ONLINE,
    RELEASES,
    ROOT,
    TARGETS,
    TIMESTAMP,
    lock_within,
    plan_target,
)
from edgewright.fleet.protocol.plans.decision import TRANSITIONS, earliest, lasting
from edgewright.fleet.protocol.plans.options import check
from edgewright.fleet.repository import metadata
from edgewright.fleet.repository.acceptance import check_role_file, sign_online
from edgewright.fleet.server.restore import Published

REMEMBERED = LONGEST[ROOT]
"""Seconds after its plan's expiry for which a finished and superseded rollout can still be aborted."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The last signed standing of a rollout, and its plan."""

    standing: Standing
    plan: Plan


def allowed(
    standings: tuple[Standing, ...], plans: Mapping[str, Plan], before: Mapping[str, Known], now: float
) -> dict[str, Known]:
    """Check that all standings are valid successors of the recorded ones, and return the new record.

    Args:
        standings: standings to sign.
        plans: their verified plans, by id.
        before: last signed standings and plans, by plan id.
        now: seconds since 1970 by the signer's own clock.

    Raises:
        InputError: a standing is not a valid successor.
    """
    if len(plans) != len(standings):
        raise RolloutStateError("one standing for each rollout", "two for one", "signer")
    for name, known in before.items():
        if name not in plans and known.standing.state != "finished":
            raise RolloutStateError(f"a standing of rollout {name}, which is {known.standing.state}", "none", "signer")
    record = {s.plan: Known(standing=s, plan=plans[s.plan]) for s in standings}
    for standing in standings:
        last = before.get(standing.plan)
        if last is None or last.standing != standing:
            _may(standing, plans[standing.plan], last.standing if last else None, now)
    # Forget a finished and superseded rollout when its plan has been expired for long enough.
    over = {n for n, k in before.items() if k.standing.state == "finished" and now > k.plan.expires + REMEMBERED}
    return {name: known for name, known in {**before, **record}.items() if name in record or name not in over}


def _may(standing: Standing, plan: Plan, last: Standing | None, now: float) -> None:
    """Check that a standing is a valid successor of the last one."""
    where = f"rollout {standing.plan}"
    stages = len(plan.stages)
    if standing.stage >= stages:
        raise RolloutStateError(f"a stage of the plan, up to {stages}", str(standing.stage + 1), where)
    if last is None and standing.state != "running":
        raise RolloutStateError("a rollout that begins by running", standing.state, where)
    state = last.state if last else "running"
    following = (state, *TRANSITIONS[state])
    if standing.state not in following:
        raise RolloutStateError(f"one of {', '.join(following)} after {state}", standing.state, where)
    if standing.revert and (standing.state != "aborted" or plan.revert is None):
        raise RolloutStateError("a rollback only for an aborted rollout with a rollback release", standing.state, where)
    if last is not None and last.revert and not standing.revert:
        raise RolloutStateError("a permanent rollback", "a withdrawn one", where)
    stage = last.stage if last else 0
    if standing.state in ("running", "finished"):
        _may_go_on(standing, plan, last, now)
    elif standing.stage != stage:
        raise RolloutStateError(f"stage {stage + 1}, where it stands", str(standing.stage + 1), where)


def _may_go_on(standing: Standing, plan: Plan, last: Standing | None, now: float) -> None:
    """Check the order and the time of a stage."""
    where = f"rollout {standing.plan}"
    stage, begun = (last.stage, last.entered) if last else (0, now)
    if standing.state == "running" and now >= plan.expires:
        raise RolloutStateError("a valid plan", f"one that expired {lasting(now - plan.expires)} ago", where)
    if not stage <= standing.stage <= stage + (0 if last is None else 1):
        raise RolloutStateError(f"stage {stage + 1}, or the one after it", str(standing.stage + 1), where)
    if standing.stage > stage:
        due = max(begun + plan.stages[stage].dwell, plan.starts + earliest(plan, standing.stage))
        if now < due:
            got = f"{lasting(due - now)} too early"
            raise RolloutStateError(f"stage {standing.stage + 1} after the dwell of the one before it", got, where)
    moved = last is None or standing.stage > stage
    if moved and abs(standing.entered - now) > 300.0:
        raise RolloutStateError(
            "a stage that is entered now", f"one {lasting(abs(standing.entered - now))} away", where
        )
    if not moved and standing.entered < begun:
        raise RolloutStateError("the moment at which the stage began", "an earlier one", where)


_OTHERS = 20.0
"""Timeout in seconds for another signer's lock on the record; shorter than the client's timeout."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The signer's durable record.

    Attributes:
        root: newest trusted root; empty before the first.
        versions: highest issued versions by role, including offline roles.
        digests: SHA-256 of the content of these versions, by role.
        issued: latest signed time, seconds since 1970.
        timekeys: ids of the timestamp keys that signed it.
        known: last signed standings and plans, by plan id.
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
    """Lock the record for one signer: two signers with one record could issue a version twice.

    Raises:
        OutputError: the folder cannot be written, or another signer holds the lock for too long.
    """
    with os_errors(OutputError, "to open the signer's record", path):
        handle = open_private(path.with_suffix(".lock"), "a")
    with handle:
        if not lock_within(handle, _OTHERS):
            got, do = "locked by another signer", "Kill that process: it hangs"
            raise OutputError("the lock on the signer's record", got, str(path), do)
        yield


def begun_from(state: Published) -> Record:
    """Return the record of a signer that has signed exactly the published state."""
    plans = {name: msgspec.json.decode(body, type=Plan) for name, body in state.plans.items()}
    return Record(
        root=state.roots[-1],
        versions={role: metadata.version(state.role_files, role) for role in state.role_files},
        digests={role: metadata.sha256(data) for role, data in state.role_files.items()},
        issued=msgspec.json.decode(state.index, type=Standings).issued if state.index else 0.0,
        timekeys=timekeys(state.roots[-1]),
        known={standing.plan: Known(standing=standing, plan=plans[standing.plan]) for standing in state.standings},
    )


def timekeys(root: bytes) -> str:
    """Return the ids of the timestamp keys in a root."""
    return ",".join(sorted(metadata.read(root, ROOT).signed.roles[TIMESTAMP].keyids))


def read_record(path: Path, begun: Callable[[], Record]) -> Record:
    """Read the record; without a file, return the result of `begun`.

    Raises:
        InputError: the record is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return begun()
    try:
        return msgspec.json.decode(content, type=Record)
    except msgspec.DecodeError as error:
        # Without its record the signer could sign a second content for a version, so it refuses to sign.
        do = "Restore it, or remove it and rotate the online keys: edgewright fleet key rotate"
        raise RolloutStateError("the signer's record", str(error), str(path), do) from None


A_MINUTE = 60
"""Largest number of signatures per minute; a rollout needs one per transition, and the timestamp two per day."""
Signers = Callable[[dict[str, bytes]], Mapping[str, Signer]]
"""Returns signers by role from metadata by role."""


class SigningRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request of the control plane.

    Attributes:
        standings: standings of all rollouts, newest first.
        published_files: published metadata by role.
        role_files: new metadata of offline roles, by role.
        roots: all roots in the order of their versions.
        plans: bytes of plans by id, needed for plans that the signer has not seen.
        recall: whether to return the last signed standings instead of signing.
    """

    standings: tuple[Standing, ...]
    published_files: dict[str, bytes] = msgspec.field(name="held")
    role_files: dict[str, bytes] = {}
    roots: tuple[bytes, ...] = ()
    plans: dict[str, bytes] = {}
    recall: bool = False


class SignedFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a request.

    Attributes:
        roles: metadata of rollouts, snapshot and timestamp.
        index: bytes of the target `rollouts/index.json`.
        known: last signed standing of each rollout, in the answer to `recall`.
    """

    roles: dict[str, bytes]
    index: bytes
    known: tuple[Standing, ...] = ()


Signing = Callable[[SigningRequest], SignedFiles]
"""Signs with the online keys. It raises InputError for a refusal, and OutputError if the signer is unavailable or its
record cannot be written."""


class LocalSigner:
    """A signer in this process; `signer.process` runs it in a separate process.

    Args:
        record: file of the record; created if necessary.
        signers: returns the online keys for the current metadata, which change after a rotation.
        now: returns seconds since 1970 by the signer's own clock.
        root: root of the fleet, trusted if the record contains none yet.
        a_minute: largest number of signatures per minute.
        begun: returns the record to start from if there is none. Built from the published state, it keeps aborts and
            active rollouts after the loss of the record.
    """

    def __init__(
        self, record: Path, signers: Signers, now: Callable[[], float], root: bytes, a_minute: int = A_MINUTE,
        begun: Callable[[], Record] = Record,
    ) -> None:  # fmt: skip
        self._path, self._signers, self._now, self._a_minute = record, signers, now, a_minute
        self._root = root
        self._times: list[float] = []
        self._begun = begun
        read_record(record, begun)  # fail early if it is damaged

    def sign(self, request: SigningRequest) -> SignedFiles:
        """Check and sign a step."""
        if request.recall:
            with alone(self._path):
                known = read_record(self._path, self._begun).known
            return SignedFiles(roles={}, index=b"", known=tuple(entry.standing for entry in known.values()))
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
        # Like devices, ignore a time that was signed with keys that are no longer valid.
        if signing == before.timekeys and now < before.issued:
            behind = lasting(before.issued - now)
            do = "Set the clock; if the last signature was ahead: edgewright fleet key rotate timestamp"
            raise ClockBehindError(
                "a clock that does not go back", f"one {behind} behind the last signature", "signer", do
            )
        fresh = _fresh(before, {**offline, ROOT: root})
        plans = {s.plan: _plan(s, before, request.plans, offline, now) for s in request.standings}
        known = allowed(request.standings, plans, before.known, now)
        index = msgspec.json.encode(Standings(issued=now, rollouts=request.standings))
        above = {role: before.versions.get(role, 0) for role in ONLINE}
        role_files = {**request.published_files, ROOT: root}
        files = {role: data for role, data in request.role_files.items() if role != ROOT}
        roles = dict(
            sign_online(role_files, {INDEX: index}, self._signers({**role_files, **files}), now, files, above=above)
        )
        versions = {role: metadata.version(roles, role) for role in roles}
        digests = {role: metadata.sha256(data) for role, data in roles.items()}
        after = Record(
            root=root, versions={**before.versions, **fresh[0], **versions}, issued=now, timekeys=signing, known=known,
            digests={**before.digests, **fresh[1], **digests},
        )  # fmt: skip
        # Durable before the signature is returned.
        write_atomic(self._path, msgspec.json.encode(after), PRIVATE)
        return SignedFiles(roles=roles, index=index)

    def _slow(self, now: float) -> None:
        self._times = [at for at in self._times if now - 60.0 < at <= now]
        if len(self._times) >= self._a_minute:
            raise SignatureError(
                f"at most {self._a_minute} signatures a minute", "one more", "signer", "Ask again later"
            )
        self._times.append(now)


def _offline(root: bytes, request: SigningRequest) -> tuple[bytes, dict[str, bytes]]:
    """Verify roots and offline roles; return the newest root and the metadata of the offline roles."""
    for data in request.roots:
        if metadata.read(data, ROOT).signed.version <= metadata.read(root, ROOT).signed.version:
            continue
        check_role_file({ROOT: root}, ROOT, {ROOT: data})
        root = data
    together = {**request.published_files, **request.role_files, ROOT: root}
    offline = {role: data for role, data in together.items() if role not in ONLINE}
    for role in (TARGETS, *sorted(role for role in offline if role not in (ROOT, TARGETS))):
        if role in offline:
            metadata.verify(offline, role, offline[role])
    return root, offline


def _fresh(before: Record, offline: Mapping[str, bytes]) -> tuple[dict[str, int], dict[str, str]]:
    """Return versions and digests of offline roles; InputError if a version decreases or changes its content."""
    versions = {role: metadata.version(offline, role) for role in offline}
    digests = {role: metadata.sha256(data) for role, data in offline.items()}
    for role, version in versions.items():
        last = before.versions.get(role, 0)
        if version < last or (version == last and digests[role] != before.digests.get(role)):
            raise RolloutStateError(f"a version of {role} above {last}", f"{version} with another content", "signer")
    return versions, digests


def _plan(
    standing: Standing, before: Record, plans: Mapping[str, bytes], offline: Mapping[str, bytes], now: float
) -> Plan:
    """Return the verified plan of a standing; InputError if the offline keys did not sign it."""
    where = f"plan {standing.plan}"
    known = before.known.get(standing.plan)
    if known is not None and known.standing.sha256 == standing.sha256:
        return known.plan
    data = plans.get(standing.plan, b"")
    digest = metadata.sha256(data)
    if known is not None or digest != standing.sha256:
        raise SignatureError("the bytes of the plan that the standing names", f"others ({digest[:16]}...)", where)
    path = plan_target(standing.plan)
    for role in sorted(role for role in offline if role not in (ROOT, TARGETS)):
        signed = metadata.read(offline[role], role).signed
        file = getattr(signed, "targets", {}).get(path)
        if file is None:
            continue
        if file.hashes.get("sha256") != digest or file.length != len(data):
            raise SignatureError("the plan that was signed offline", "other bytes", where)
        if signed.expires.timestamp() <= now:
            raise SignatureError(f"metadata of {RELEASES} that holds", f"some that expired on {signed.expires}", where)
        try:
            plan = msgspec.json.decode(data, type=Plan)
        except msgspec.DecodeError as error:
            raise RolloutStateError("a plan", str(error), where) from None
        if plan.id != standing.plan or plan.release.product != standing.product:
            raise RolloutStateError(f"a plan {standing.plan!r} for {standing.product!r}", f"{plan.id!r}", where)
        check(plan)
        return plan
    raise SignatureError("a plan signed by the offline keys", "an unsigned one", where)
