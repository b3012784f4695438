"""Enrols a device: creates its key, pins the root that the token names, and receives an id."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from edgewright.core.errors import InputError, OutputError
from edgewright.core.files import os_errors, write_atomic
from edgewright.core.records.fleet import Acknowledged, Allowed, Enrolled, Enrolment, Intent, Plan, Release, Report
from edgewright.device.store import file_operations
from edgewright.fleet.device.ports import ClockJump, Control, Pace, Reporter, RetiredError
from edgewright.fleet.device.state_database import KEY_COPY, KEY_FILE, State
from edgewright.fleet.device.trust.pinned_root import pin
from edgewright.fleet.protocol.api_records import Diagnosis, Problem
from edgewright.fleet.protocol.layout import (
    API_PATH,
    METADATA_PATH,
    Chance,
    Clock,
    NotTaken,
    Seen,
    Transport,
    Trust,
    Unreachable,
)
from edgewright.fleet.protocol.transport import Token, public_text, retry_after, sign

# ruff: noqa: D102 - a port's methods are described where it is declared


_FIRST, _SLOWEST = 5.0, 600.0


class EnrolledPorts(msgspec.Struct, frozen=True):
    """The ports of an enrolled device."""

    trust: Trust
    control: Control
    reporter: Reporter


class EnrollmentPorts:
    """Trust, control plane and reporter of a device that may still be enrolling; retries until it succeeds.

    Args:
        join: enrols the device, or returns its ports if it is already enrolled.
        clock, chance: ports of the device.

    Meanwhile the device runs the package that it has.
    """

    def __init__(self, join: Callable[[], EnrolledPorts], clock: Clock, chance: Chance) -> None:
        self._join, self._clock = join, clock
        self._pace, self._clock_jump = Pace(chance, _FIRST, _SLOWEST), ClockJump(clock)
        self._joined: EnrolledPorts | None = None
        self._why = "not enrolled yet"

    def attempt(self) -> bool:
        """Enrol if an attempt is due; return whether the device is enrolled.

        Raises:
            InputError: the fleet refused: wrong token, or another fleet.
        """
        now = self._clock.monotonic()
        if self._clock_jump():
            self._pace.answered(now)
        if self._joined is None and now >= self._pace.due:
            try:
                self._joined = self._join()
            except Unreachable as error:
                self._why = f"not enrolled yet: {error}"
                self._pace.bad(now, error.wait)
            except OutputError as error:  # what the device runs does not end because of a damaged file or a full disk
                self._why = f"does not follow its fleet: {error}"
                self._pace.bad(now)
        return self._joined is not None

    @property
    def due(self) -> float:
        """Monotonic seconds of the next attempt."""
        return self._pace.due

    def refresh(self) -> Seen:
        return self._here().trust.refresh()

    def latest(self) -> Seen:
        """Return the held state of the fleet; empty before the enrolment."""
        if self._joined is None:
            return Seen(standings=None, fresh=False, signed=0.0, versions={}, changed=False)
        return self._joined.trust.latest()

    def plan(self, name: str, sha256: str) -> tuple[Plan, bytes]:
        return self._here().trust.plan(name, sha256)

    def check(self, release: Release) -> None:
        self._here().trust.check(release)

    def path(self, release: Release) -> str:
        return self._here().trust.path(release)

    def intent(self, intent: Intent) -> Allowed:
        return self._here().control.intent(intent)

    def report(self, report: Report) -> Acknowledged:
        return self._here().control.report(report)

    def send(self, facts: Report, urgent: bool = False, contact: bool = False) -> float:
        """Send a report if one is due; return seconds until the next call, a few while not enrolled."""
        return _FIRST if self._joined is None else self._joined.reporter.send(facts, urgent, contact)

    def _here(self) -> EnrolledPorts:
        if self._joined is None:
            raise Unreachable(self._why)
        return self._joined


_KEY = "the key of this device, an Ed25519 key in PEM"
_FEW_BITS = 64
TRUST_FOLDER = "trust"
_LARGEST_ROOT = 512_000


def device_key(store: Path) -> Ed25519PrivateKey:
    """Return the device's key, creating it if necessary; only the owner can read the file and its second copy.

    The copy has a checksum: it replaces a key with flipped bits, which may look like another valid key. A whole key
    that differs in more than a few bits was made later, by an Edgewright without copies.

    Raises:
        OutputError: both copies are damaged, or a file cannot be written.
    """
    path, copy = store / KEY_FILE, store / KEY_COPY
    if not path.exists() and not copy.exists():
        generated = Ed25519PrivateKey.generate()
        write_atomic(path, generated.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=0o600)
    kept = file_operations.read_checked(copy)
    with os_errors(OutputError, _KEY, path):
        data = path.read_bytes() if path.exists() else b""
        key, reason = _parsed(data)
        if kept is not None and (key is None or 0 < _bits_between(kept, data) <= _FEW_BITS):
            key, reason = _parsed(kept)
            write_atomic(path, kept, mode=0o600)
        elif key is not None and kept != data:
            file_operations.replace_checked(copy, data)
    if key is None:
        do = "Remove both files and enrol the device again with a new token: the fleet then sees a new device"
        raise OutputError(_KEY, f"{reason[:100]}, and no whole copy", str(path), do)
    return key


def _parsed(data: bytes) -> tuple[Ed25519PrivateKey | None, str]:
    """Return a key in PEM, or None and what is wrong."""
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, InternalError, UnsupportedAlgorithm) as error:
        return None, str(error)
    return (key, "") if isinstance(key, Ed25519PrivateKey) else (None, type(key).__name__)


def _bits_between(left: bytes, other: bytes) -> int:
    """Return the number of bits in which two texts differ."""
    length = max(len(left), len(other))
    first, second = (int.from_bytes(text.ljust(length, b"\0"), "big") for text in (left, other))
    return (first ^ second).bit_count()


def enrol(
    store: Path, state: State, transport: Transport, token: Token, *, name: str = "", profile: str = "", version: str
) -> Enrolled:
    """Enrol the device in a fleet. After an interruption, call it again with the same token.

    Args:
        store: folder of the device's store.
        state: state that stores the id.
        transport: transport to the fleet.
        token: one-time token.
        name: name of the device for people; empty for the host name.
        profile: hardware profile; empty for the machine type.
        version: version of Edgewright on the device.

    Raises:
        Unreachable: no answer.
        InputError: the fleet refused, or it is not the fleet that the token names.
        OutputError: the storage failed.
    """
    key = device_key(store)
    path = f"{METADATA_PATH}/{token.root}.root.json"
    with transport.exchange("GET", path, {}) as answer:
        if answer.status != 200:
            raise Unreachable(f"{path}: status {answer.status}")
        root = answer.whole(_LARGEST_ROOT)
    pin(store / TRUST_FOLDER, root, token.sha256, token.releases)
    answered = HttpControl(transport, key).enrol(
        Enrolment(
            token=token.secret, key=public_text(key), name=_plain(name or socket.gethostname()),
            profile=_plain(profile or os.uname().machine), product=token.product, version=version,
        )
    )  # fmt: skip
    state.enrol(answered)
    return answered


def _plain(text: str) -> str:
    """Return a name valid on the wire: letters, digits and `_.:-`, at most 64."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "_.:-") else "-" for c in text)[:64]
    return kept if kept[:1].isalnum() else f"d{kept}"[:64]


_LARGEST = 1 << 18
_LONG = 3600.0
_RETIRED = 410
_REFUSED = frozenset({401, 403, 404, 409, _RETIRED})
_NOT_TAKEN = frozenset({400, 413, 422})
"""Statuses for an invalid request: too large, or not as the API description requires."""
_OFTEN = frozenset({408, 425, 429, 503})
"""Statuses of a temporary refusal; on an overloaded server a body can time out (408) without a fault of the device."""
NEW = "new"
"""Key id of a request that contains its public key in the body."""
A = TypeVar("A")


class HttpControl:
    """Calls the control plane over HTTP (`fleet.device.ports.Control`).

    Args:
        transport: transport to the control plane.
        key: private key of this device.
        device: id of this device; empty before enrolment.
    """

    def __init__(self, transport: Transport, key: Ed25519PrivateKey, device: str = "") -> None:
        self._transport, self._key, self._device = transport, key, device

    def enrol(self, request: Enrolment) -> Enrolled:
        """Enrol the device."""
        answer = self._ask("enroll", request, Enrolled, NEW)
        self._device = answer.device
        return answer

    def intent(self, intent: Intent) -> Allowed:
        """Send an intent."""
        return self._ask("intent", intent, Allowed, self._device)

    def report(self, report: Report) -> Acknowledged:
        """Send a report."""
        return self._ask("report", report, Acknowledged, self._device)

    def diagnosis(self, diagnosis: Diagnosis) -> None:
        """Send what an operator asked for."""
        self._ask("diagnosis", diagnosis, dict, self._device)

    def _ask(self, endpoint: str, record: object, kind: type[A], name: str) -> A:
        path, body = f"{API_PATH}/{endpoint}", msgspec.json.encode(record)
        headers = {"Content-Type": "application/json", **sign("POST", path, body, self._key, name)}
        with self._transport.exchange("POST", path, headers, body) as answer:
            content = answer.whole(_LARGEST)
        # After the exchange: a refused device keeps its connection for the next attempt.
        if answer.status == 200:
            try:
                return msgspec.json.decode(content, type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Unreachable(f"{path}: an invalid answer: {error}", _LONG) from None
        try:
            problem = msgspec.json.decode(content, type=Problem)
        except (msgspec.DecodeError, UnicodeDecodeError):  # not a response of a control plane
            problem = Problem(
                status=answer.status, expected="an answer of a control plane", got=f"status {answer.status}"
            )
        if answer.status in _REFUSED:
            refusal = RetiredError if answer.status == _RETIRED else InputError
            raise refusal(problem.expected, problem.got, problem.where or path, problem.do)
        # The server would refuse the same request again, so wait for an hour instead of some seconds.
        text = ", ".join(word for word in (problem.expected, problem.got) if word)
        if answer.status in _NOT_TAKEN:
            raise NotTaken(f"{path}: expected {text}"[:300], _LONG)
        raise Unreachable(
            f"{path}: expected {text}"[:300],
            retry_after(answer) if answer.status in _OFTEN or answer.status >= 500 else _LONG,
        )
