"""A device enrols, tells and commands."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
from benchmarks.faults.fleet_device import Device, plan

from edgewright.cli.commands.device._fleet import under_the_agent
from edgewright.cli.main import run
from edgewright.core.errors import AddressError, EnrollmentTokenMissingError, InputError, OutputError, StoreDamagedError
from edgewright.core.records.device import Event
from edgewright.core.records.fleet import Enrolled, Enrolment, Intent, TrialLimits, Vitals
from edgewright.device.agent.process_status import Latency, VitalsReporter
from edgewright.device.agent.settings import read_settings
from edgewright.device.agent.systemd import Supervisor
from edgewright.fleet.device.enrollment import TRUST_FOLDER, HttpControl, device_key, enrol
from edgewright.fleet.device.runner import RunnerOptions, follow
from edgewright.fleet.device.state_database import KEY_FILE, LOCK_FILE, State, locked
from edgewright.fleet.device.trust.pinned_root import pinned_root
from edgewright.fleet.protocol.layout import Answer, Refused, Unreachable
from edgewright.fleet.protocol.transport import Token, TransportPackages, public_bytes, read_token, verify
from signed_fleet import Served, SignedFleet
from store_example import opened


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
    with pytest.raises(EnrollmentTokenMissingError):
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
        with pytest.raises(AddressError):
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


def test_status_tells_of_the_trial_and_of_what_failed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    opened(tmp_path).close()
    device = Device(tmp_path)
    device.follow(plan(1, trial=TrialLimits(seconds=1000.0, crashes=0)), 10.0)
    device.process.crash()
    device.run(10.0)
    device.follow(plan(2, trial=TrialLimits(seconds=1000.0)), 100.0)
    assert run(["device", "status", "--store", str(tmp_path)]) == 0
    out = capfd.readouterr().out
    assert "fleet: pump, release 2 in slot b, floor 0, trial" in out
    assert "of 1000 s with rows, 0 of 2 crashes, 0 of 10 cut off" in out
    assert "failed here: release 1" in out
    assert "not reported yet: release 1 reverted (crash: exited 1 times, 0 allowed)" in out
    assert run(["device", "status", "--store", str(tmp_path), "--json"]) == 0
    record = json.loads(capfd.readouterr().out)["fleet"]
    assert (record["active"], record["counter"], record["burned"], record["phase"]) == ("b", 2, [1], "trial")


def test_another_root_is_trusted_and_floors_stay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    device = Device(tmp_path / "store")
    device.follow(plan(1), 300.0)
    device.state.close()
    root = tmp_path / "root.json"
    root.write_bytes(SignedFleet().files["/metadata/1.root.json"])
    command = ["device", "trust-root", str(root), "--store", str(tmp_path / "store")]
    assert run(command) == 0
    assert "root 1 is trusted, SHA-256" in capfd.readouterr().out
    assert run([*command, "--stick"]) == 0
    for name in ("trust", "trust-stick"):
        assert (tmp_path / "store" / name / "pinned.root.json").read_bytes() == root.read_bytes()
    device.start()
    assert device.state.device_state.floor == 1
    root.write_text("{}")
    assert run(command) == 2
    assert "a root signed by its own keys" in capfd.readouterr().err
    assert run(["device", "trust-root", str(root), "--store", str(tmp_path / "none")]) == 2
    with locked(tmp_path / "store"):
        assert run(command) == 2
    assert "in use" in capfd.readouterr().err


def test_a_store_has_one_agent(tmp_path: Path) -> None:
    options = RunnerOptions(url="http://127.0.0.1:9", token="", store=tmp_path, package=None, arguments=())
    with locked(tmp_path), pytest.raises(StoreDamagedError, match="in use"):
        follow(options, lambda: True, print, print)
    assert (tmp_path / LOCK_FILE).exists()


def test_under_the_agent_no_older_package_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = read_settings(None)
    assert under_the_agent(plain) is plain
    monkeypatch.setenv("EDGEWRIGHT_DOOR", "/run/door")
    changed = under_the_agent(plain)
    assert plain.settings.agent.keep_old
    assert not changed.settings.agent.keep_old
    assert [way.kind for way in changed.ways] == ["agent"]


def test_vitals_are_said_over_the_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(str(tmp_path / "n"))
        pulse = VitalsReporter(Supervisor(str(tmp_path / "n"), ""), (), every=2.0)
        latency = Latency()
        latency.add(0.01, 100)
        pulse.events(
            [Event(kind="alarm", label="x"), Event(kind="drift", label="level"), Event(kind="drift", label="level")]
        )
        notifications.setblocking(False)
        records = []
        before = time.process_time()
        for second in range(1, 30):
            pulse.beat(float(second), second < 10, second, latency)
            sum(range(200_000 if second == 5 else 0))
            with suppress(BlockingIOError):
                records.append(notifications.recv(65536))
        # Nobody listens any more: nothing waits for that.
        for second in range(30, 131):
            pulse.beat(float(second), False, second, latency)
    assert 14 <= len(records) <= 16
    assert records[-1].startswith(b"X_VITALS=")
    document = msgspec.json.decode(records[-1].removeprefix(b"X_VITALS="), type=Vitals)
    assert (document.windows, document.alarms, document.drifting) == (29, 1, ("level",))
    assert document.latency == pytest.approx((0.01, 0.01), rel=0.15)
    # Rows came for nine seconds, and ten more without one still count.
    assert 15.0 <= document.seconds <= 20.0
    assert np.isfinite(document.memory)
    assert 0.0 < document.processor <= time.process_time() - before


def test_where_nobody_asks_nothing_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEWRIGHT_VITALS", raising=False)
    pulse = VitalsReporter(Supervisor("", ""), ())
    pulse.events([Event(kind="alarm", label="x")])
    pulse.beat(1.0, True, 1, Latency())
    assert not pulse._kinds
