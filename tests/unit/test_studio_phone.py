"""Pages of the studio for a phone: who may open them, what they keep, and what they refuse in a line."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path

import msgspec
import numpy as np
import pytest
from starlette.testclient import TestClient

from cli_runner import Cli
from edgewright.cli.main import run
from edgewright.core.errors import AddressError, CertificateError
from edgewright.studio.phone import certificate
from edgewright.studio.phone.certificate import LIFETIME_S, Access, own_certificate
from edgewright.studio.phone.server import add_part, phone_app

AT, PORT = "192.168.7.5", 8798
BASE = f"https://{AT}:{PORT}"
GOOD = {
    "label": "walking", "person": "Ann", "session": "2026-11-22 10:00:00", "rate": 50.0,
    "columns": ["acc_x", "acc_y"], "rows": [[0.1, None], [0.25, 1.0]],
}  # fmt: skip


NAME = "0123456789abcdef" * 2
PARTS = f"/recordings/{NAME}"
WHOLE = f"{PARTS}?end=keep"


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def access() -> Access:
    """Return a token nobody used."""
    return Access(_Clock())


def _client(folder: Path, access: Access, **options: int) -> TestClient:
    return TestClient(phone_app(folder, access, AT, PORT, **options), base_url=BASE)


def _opened(folder: Path, access: Access, **options: int) -> TestClient:
    client = _client(folder, access, **options)
    assert client.get(f"/?token={access.token}").status_code == 200
    client.headers["origin"] = BASE
    return client


def test_the_code_opens_the_pages_once(tmp_path: Path, access: Access) -> None:
    first, second = _opened(tmp_path, access), _client(tmp_path, access)
    assert "Record on this phone" in first.get("/").text
    cookie = first.cookies.jar.__iter__().__next__()
    assert cookie.secure
    assert cookie.has_nonstandard_attr("HttpOnly")
    answer = second.get(f"/?token={access.token}")
    assert answer.status_code == 403
    assert "was used already" in answer.text


@pytest.mark.parametrize("path", ["/", "/static/phone.js", "/app/x/index.html", WHOLE, "/?token=", "/?token=wrong"])
def test_nobody_passes_without_the_code(path: str, tmp_path: Path, access: Access) -> None:
    client = _client(tmp_path, access)
    answer = client.post(path, json=GOOD) if path == WHOLE else client.get(path)
    assert answer.status_code == 403
    assert access.token not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert list(tmp_path.iterdir()) == []


def test_an_old_code_opens_nothing(tmp_path: Path) -> None:
    clock = _Clock()
    access = Access(clock)
    clock.now = LIFETIME_S + 1
    answer = _client(tmp_path, access).get(f"/?token={access.token}")
    assert answer.status_code == 403
    assert "too old" in answer.text


def test_other_hosts_and_other_pages_are_refused(tmp_path: Path, access: Access) -> None:
    client = _opened(tmp_path, access)
    assert client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert client.post(WHOLE, json=GOOD, headers={"origin": "https://evil.example"}).status_code == 403
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "path", ["/runs", "/data", "/start", "/static/../app.py", "/app/../secret/index.html", "/static/app.py"]
)
def test_nothing_else_of_the_studio_is_reached(path: str, tmp_path: Path, access: Access) -> None:
    assert _opened(tmp_path, access).get(path).status_code == 404


def test_a_recording_is_a_file_that_check_reads(tmp_path: Path, access: Access, cli: Cli) -> None:
    client = _opened(tmp_path, access)
    takes = (("walking", "Ann"), ("sitting", "Ann"), ("walking", "Bo"), ("sitting", "Bo"), ("sitting", "Bo"))
    for number, (label, person) in enumerate(takes):
        rows = [[(i + number) / 10 % 3, 1.0 if label == "walking" else 0.0] for i in range(200)]
        body = {**GOOD, "label": label, "person": person, "rows": rows}
        answer = client.post(f"/recordings/{number:032x}?end=keep", json=body)
        assert answer.status_code == 200, answer.text
    folder = tmp_path / "data" / "phone"
    assert len(list(folder.iterdir())) == 5
    assert "200 rows in data/phone/sitting-Bo-2026-11-22-10-00-00-2.csv" in answer.text
    lines = (folder / "walking-Ann-2026-11-22-10-00-00.csv").read_text().splitlines()
    assert lines[0] == "session,person,time,acc_x,acc_y,label"
    assert lines[2] == "2026-11-22 10:00:00,Ann,0.020000,0.1,1,walking"
    assert '<option value="sitting">' in client.get("/").text
    roles = ("--target", "label", "--group", "person", "--session", "session", "--time", "time")
    assert "walking" in cli("check", folder, *roles)
    assert "acc_y" in cli.out


@pytest.mark.slow
def test_recordings_are_trained_on_without_hand_work(tmp_path: Path, access: Access, cli: Cli) -> None:
    client, rng = _opened(tmp_path, access), np.random.default_rng(3)

    def record(label: str, person: str, session: str) -> None:
        swing = {"still": 0.0, "waving": 2.5, "shaking": 6.0}[label] * rng.uniform(0.9, 1.1)
        tilt = np.array([0.0, 1.0, 0.0]) + rng.normal(0, 0.2, 3)
        instants = np.arange(400)[:, None] / 50.0
        waves = np.sin(2 * np.pi * swing * instants + rng.uniform(0, 6, 3)) if swing else 0.0
        rows = tilt / np.linalg.norm(tilt) + waves + rng.normal(0, 0.05, (400, 3))
        about = {"label": label, "person": person, "session": session, "columns": ["acc_x", "acc_y", "acc_z"]}
        name = f"{len(list(tmp_path.glob('data/phone/*'))):032x}"
        body = {**GOOD, **about, "rows": rows.tolist()}
        assert client.post(f"/recordings/{name}?end=keep", json=body).status_code == 200

    for minute, person in enumerate(("Ann", "Bo", "Cy", "Di")):
        for second, label in enumerate(("still", "waving", "shaking")):
            record(label, person, f"2026-11-22 10:0{minute}:0{second}")
    pipeline, runs = tmp_path / "first", tmp_path / "runs"
    pipeline.mkdir()
    cli("init", tmp_path / "data" / "phone", "--yes", "--out", pipeline)
    text = (pipeline / "pipeline.toml").read_text()
    named = {key: f'data.{key} = "{column}"' in text for key, column in (
        ("target", "label"), ("group", "person"), ("session", "session"), ("time", "time"),
    )}  # fmt: skip
    assert all(named.values()), named
    assert 'split.by = "group"' in text
    # Names of files say nothing that the columns do not: a recording of another day and label form is read, too.
    record("waving", "Ann-Lu", "2026-12-01 23:59:59")
    evaluation = cli.json("run", pipeline / "pipeline.toml", "--out", runs)["evaluation"]
    assert evaluation["split_by"] == "group"
    assert evaluation["accuracy"]["value"] > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": " "}, "a label"), ({"label": "=1+1"}, "begins with a letter"), ({"person": ""}, "a person"),
        ({"rate": 0}, "rows a second"), ({"columns": ["label", "b"]}, "names of columns"), ({"rows": []}, "rows"),
        ({"rows": [[1.0]]}, "row 1"),
        ({"rows": [["a", 1.0]]}, "a whole recording"), ({"label": 1}, "a whole recording"),
        ({"columns": ["../x", "y"]}, "names of columns"),
    ],
)  # fmt: skip
def test_what_is_no_recording_is_one_line_and_keeps_nothing(
    change: dict[str, object], message: str, tmp_path: Path, access: Access
) -> None:
    answer = _opened(tmp_path, access).post(WHOLE, content=json.dumps({**GOOD, **change}))
    assert answer.status_code == 400
    assert message in answer.text
    assert "\n" not in answer.text
    assert list(tmp_path.iterdir()) == []


def test_parts_are_one_recording(tmp_path: Path, access: Access) -> None:
    client = _opened(tmp_path, access)
    rows = [[float(i), None] for i in range(130)]
    # The answer to the second part was lost: it comes again, and is longer by then.
    for begin, end in ((0, 50), (50, 90), (50, 120)):
        answer = client.post(PARTS, json={**GOOD, "rows": rows[begin:end], "at": begin})
        assert (answer.status_code, answer.text) == (200, "")
    assert not (tmp_path / "data").exists()
    assert "walking, Ann: 2.4 s are recorded and not kept yet" in client.get("/").text
    answer = client.post(WHOLE, json={**GOOD, "rows": rows[120:], "at": 120})
    assert answer.text == "130 rows in data/phone/walking-Ann-2026-11-22-10-00-00.csv"
    (kept,) = (tmp_path / "data" / "phone").iterdir()
    assert [float(line.split(",")[3]) for line in kept.read_text().splitlines()[1:]] == [float(i) for i in range(130)]
    assert "not kept yet" not in client.get("/").text
    assert client.post(f"/recordings/{'f' * 32}?end=keep").status_code == 400


@pytest.mark.parametrize("begun", [0, 1])
def test_a_recording_whose_answer_was_lost_is_kept_once(begun: int, tmp_path: Path, access: Access) -> None:
    client = _opened(tmp_path, access)
    for _ in range(begun):
        assert client.post(PARTS, json=GOOD).status_code == 200
    last = {**GOOD, "at": 2 * begun}
    first, again, late = client.post(WHOLE, json=last), client.post(WHOLE, json=last), client.post(WHOLE)
    assert (
        first.text
        == again.text
        == late.text
        == (f"{2 + 2 * begun} rows in data/phone/walking-Ann-2026-11-22-10-00-00.csv")
    )
    # What a page sends when it is left may come behind the end.
    assert client.post(PARTS, json=GOOD).status_code == 200
    assert "not kept yet" not in client.get("/").text
    # A studio that ended before it deleted the parts leaves them.
    add_part(tmp_path, PARTS.rpartition("/")[2], msgspec.json.encode(GOOD))
    assert "not kept yet" in client.get("/").text
    assert client.post(WHOLE).text == first.text
    assert "not kept yet" not in client.get("/").text
    assert len(list((tmp_path / "data" / "phone").iterdir())) == 1


def test_a_recording_that_was_left_is_kept_or_deleted(tmp_path: Path, access: Access) -> None:
    client = _opened(tmp_path, access)
    for end, answered in (("keep", "2 rows in"), ("delete", "")):
        parts = f"{PARTS[:-4]}{end[:4].encode().hex()[:4]}"
        assert client.post(parts, json=GOOD).status_code == 200
        answer = client.post(f"{parts}?end={end}")
        assert answer.status_code == 200
        assert answer.text.startswith(answered)
    assert len(list((tmp_path / "data" / "phone").iterdir())) == 1
    assert "not kept yet" not in client.get("/").text


def test_a_part_that_is_missing_is_said_and_the_others_stay(tmp_path: Path, access: Access) -> None:
    client = _opened(tmp_path, access)
    for begin in (0, 7):
        assert client.post(PARTS, json={**GOOD, "at": begin}).status_code == 200
    answer = client.post(WHOLE)
    assert (answer.status_code, "got a gap" in answer.text) == (400, True)
    assert "not kept yet" in client.get("/").text
    assert client.post(WHOLE, json={**GOOD, "rows": [[0.1, None]] * 6, "at": 2}).text.startswith("9 rows in")


@pytest.mark.parametrize("path", ["/recordings", "/recordings/x", f"{PARTS}?end=burn", "/recordings/..%2f..%2fx"])
def test_another_name_is_no_recording(path: str, tmp_path: Path, access: Access) -> None:
    assert _opened(tmp_path, access).post(path, json=GOOD).status_code == 404


def test_so_many_recordings_are_begun_and_no_more(tmp_path: Path, access: Access) -> None:
    client = _opened(tmp_path, access)
    answers = [client.post(f"/recordings/{number:032x}", json=GOOD).status_code for number in range(21)]
    assert answers == [200] * 20 + [400]


def test_half_an_upload_and_a_huge_one_keep_nothing(tmp_path: Path, access: Access) -> None:
    client = _opened(tmp_path, access, largest=10_000)
    half = client.post(WHOLE, content=json.dumps(GOOD)[:60])
    assert (half.status_code, "\n" in half.text) == (400, False)
    assert client.post(WHOLE, content=b" " * 20_000).status_code == 413
    assert list(tmp_path.iterdir()) == []


def test_the_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "phone"
    first = own_certificate(["192.168.7.5"], folder)
    assert first.key.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(first.certificate, first.key)
    assert own_certificate(["192.168.7.5"], folder).fingerprint == first.fingerprint
    assert own_certificate(["192.168.7.5", "10.0.0.2"], folder).fingerprint != first.fingerprint
    first.key.chmod(0o644)
    with pytest.raises(CertificateError):
        own_certificate(["192.168.7.5"], folder)
    first.key.chmod(0o600)
    first.certificate.write_text("nothing")
    with pytest.raises(CertificateError):
        own_certificate(["192.168.7.5"], folder)


def test_no_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate, "local_addresses", list)
    with pytest.raises(AddressError):
        certificate.phone_address("")


@pytest.mark.parametrize("address", ["198.51.100.9", "phone", "255.255.255.255", "::1"])
def test_an_address_of_another_machine_is_one_line(address: str) -> None:
    with pytest.raises(AddressError):
        certificate.phone_address(address)


def test_a_taken_port_and_options_without_phone_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        words = ["studio", str(tmp_path / "runs"), "--port", "0", "--no-open", "--phone-address", "127.0.0.1"]
        assert run([*words, "--phone", "--phone-port", port]) == 2
        assert "which another program uses" in capsys.readouterr().err
    assert run(words) == 2
    assert "Add --phone" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
