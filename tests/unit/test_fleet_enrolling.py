"""Joining a fleet: the key first, then the root that the token names, then the id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from edgewright.fleet.device.control_client import HttpControl
from edgewright.fleet.device.enrollment import TRUST_FOLDER, device_key, enrol
from edgewright.fleet.device.state_database import KEY_FILE, State
from edgewright.fleet.device.trust.pinned_root import pinned_root
from edgewright.fleet.protocol.ports import Answer, Refused, Unreachable
from edgewright.fleet.protocol.wire.signing import public_bytes, verify
from edgewright.fleet.protocol.wire.token import Token, read_token
from edgewright.fleet.protocol.wire.transport import TransportPackages
from edgewright.schema.errors import InputError, OutputError
from edgewright.schema.fleet_report import Enrolled, Enrolment, Intent
from signed_fleet import Served, SignedFleet


class Plane(Served):
    """Serves a fleet's files and takes devices in; `status` and `said` answer instead where they are set."""

    def __init__(self, fleet: SignedFleet) -> None:
        super().__init__(fleet)
        self.keys: dict[str, bytes] = {}
        self.status, self.said, self.headers = 200, b"", dict[str, str]()

    @contextmanager
    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
    ) -> Iterator[Answer]:
        if method == "GET":
            with super().exchange(method, path, headers, body, seconds=seconds) as answer:
                yield answer
            return
        if self.status != 200 or self.said:
            yield Answer(status=self.status, headers=self.headers, body=iter([self.said]))
            return
        if path == "/v1/enroll":
            enrolment = msgspec.json.decode(body, type=Enrolment)
            verify(method, path, headers, body, lambda _: public_bytes(enrolment.key))
            device = hashlib.sha256(enrolment.key.encode()).hexdigest()[:32]
            self.keys[device] = public_bytes(enrolment.key)
            given = Enrolled(device=device, tags=("site-4",), batch="b7", at=1.0, nonce="first")
            yield Answer(status=200, headers={}, body=iter([msgspec.json.encode(given)]))
            return
        verify(method, path, headers, body, self.keys.get)
        yield Answer(status=200, headers={}, body=iter([b'{"nonce":"second","go":true}']))


@pytest.fixture
def plane() -> Plane:
    return Plane(SignedFleet())


def token(plane: Plane, **changes: object) -> Token:
    root = plane.fleet.files["/metadata/1.root.json"]
    fresh = Token(secret="s" * 32, root=1, sha256=hashlib.sha256(root).hexdigest(), product="pump")
    return msgspec.structs.replace(fresh, **changes)


def test_a_device_joins_and_may_do_it_again_with_the_same_key(plane: Plane, tmp_path: Path) -> None:
    state = State.open(tmp_path)
    first = enrol(tmp_path, state, plane, token(plane), name="Pumpe 4/ü", profile="x86-64", version="1")
    assert state.link.device == first.device and state.link.nonce == "first" and state.link.tags == ("site-4",)
    assert pinned_root(tmp_path / TRUST_FOLDER) == plane.fleet.files["/metadata/1.root.json"]
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert enrol(tmp_path, state, plane, token(plane), version="1").device == first.device
    control = HttpControl(plane, device_key(tmp_path), first.device)
    assert control.intent(Intent(nonce="first", plan="p", counter=1, stage=0)).go


def test_whoever_stands_between_cannot_slip_in_a_root(plane: Plane, tmp_path: Path) -> None:
    wanted = token(plane)
    plane.fleet = SignedFleet()
    with pytest.raises(InputError, match="the root that the token names"):
        enrol(tmp_path, State.open(tmp_path), plane, wanted, version="1")
    assert plane.keys == {} and not (tmp_path / TRUST_FOLDER).exists()


def test_a_token_says_what_it_is(plane: Plane) -> None:
    enrollment = token(plane)
    assert read_token(f" {enrollment.text()}\n") == enrollment
    for text in (
        "",
        "ew1.short.1." + "a" * 64 + ".pump",
        enrollment.text()[:-5] + "PUMP!",
        enrollment.text().replace("ew1", "ew2"),
    ):
        with pytest.raises(InputError, match="an enrolment token"):
            read_token(text)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_spoiled_key_is_told_and_left(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(content)
    with pytest.raises(OutputError, match="an Ed25519 key"):
        device_key(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == content


@pytest.mark.parametrize(
    ("status", "headers", "kind", "wait"),
    [
        (429, {"retry-after": "17"}, Unreachable, 17.0), (503, {}, Unreachable, None), (500, {}, Unreachable, None),
        (422, {"retry-after": "1"}, Unreachable, 3600.0), (403, {}, InputError, None), (409, {}, InputError, None),
        (200, {}, Unreachable, 3600.0), (408, {}, Unreachable, None),
    ],
)  # fmt: skip
def test_what_the_control_plane_answers_is_waited_for_or_told(
    plane: Plane, tmp_path: Path, status: int, headers: dict[str, str], kind: type[Exception], wait: float | None
) -> None:
    plane.status, plane.headers, plane.said = (
        status,
        headers,
        b'{"status":%d,"expected":"a token","got":"because"}' % status,
    )
    control = HttpControl(plane, device_key(tmp_path), "ab" * 16)
    with pytest.raises(kind) as raised:
        control.intent(Intent(nonce="", plan="p", counter=1, stage=0))
    if isinstance(raised.value, Unreachable):
        assert raised.value.wait == wait
    if status != 200:
        assert "because" in str(raised.value)


def test_a_package_comes_from_where_it_broke_off(plane: Plane) -> None:
    data = bytes(range(256)) * 100
    release = plane.fleet.release(data)
    path = f"/targets/packages/{release.sha256}.pump-1.edge"
    packages = TransportPackages(plane)
    assert b"".join(packages.read(path, 0, len(data))) == data
    assert b"".join(packages.read(path, 5000, len(data))) == data[5000:]
    assert list(packages.read(path, len(data), len(data))) == []
    with pytest.raises(Refused, match="more than"):
        list(packages.read(path, 0, len(data) - 1))
    with pytest.raises(Unreachable, match="received"):
        list(packages.read(path, 0, len(data) + 1))
    with pytest.raises(Unreachable, match="404"):
        list(packages.read("/targets/none", 0, 5))


def test_a_server_that_knows_no_ranges_serves_too(plane: Plane) -> None:
    data = bytes(range(256)) * 100
    release = plane.fleet.release(data)

    class Plain(Plane):
        @contextmanager
        def exchange(
            self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, seconds: float = 30.0
        ) -> Iterator[Answer]:
            with super().exchange(method, path, {}, body, seconds=seconds) as answer:
                yield answer

    path = f"/targets/packages/{release.sha256}.pump-1.edge"
    assert b"".join(TransportPackages(Plain(plane.fleet)).read(path, 7001, len(data))) == data[7001:]
