"""Who may ask the studio, who may change something, and what lies outside its folder."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from studio_example import HERE, PORT, Client, client, record


@pytest.fixture
def studio(tmp_path: Path) -> Client:
    record(tmp_path / "runs", "activity")
    return client(tmp_path / "runs")


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}"])
def test_its_own_names_are_answered(studio: Client, host: str) -> None:
    assert studio.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", f"127.0.0.1.evil.example:{PORT}", "",
     f"127.0.0.1:{PORT}@evil.example", f"[::1]:{PORT}", f"0.0.0.0:{PORT}"],
)  # fmt: skip
def test_other_hosts_are_refused(studio: Client, host: str) -> None:
    answer = studio.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "activity" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": HERE, "sec-fetch-site": "cross-site"},
        {"origin": HERE, "sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("address", ["/start", "/cancel", "/bring", "/predict/activity", "/export/activity"])
def test_changes_from_elsewhere_are_refused(studio: Client, address: str, headers: dict[str, str]) -> None:
    assert studio.post(address, headers=headers, data={}).status_code == 403


def test_a_change_without_origin_is_refused(studio: Client) -> None:
    del studio.headers["origin"]
    assert studio.post("/start", data={}).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading_and_posting(studio: Client, method: str) -> None:
    assert studio.request(method, "/").status_code == 405


def test_a_change_is_no_address_to_read(studio: Client) -> None:
    for address in ("/cancel", "/bring"):
        assert studio.get(address).status_code == 405


@pytest.mark.parametrize(
    "address", ["/", "/start", "/page/activity", "/nothing", "/static/studio.js", "/look/page.css"]
)
def test_every_answer_says_what_a_browser_may_do(studio: Client, address: str) -> None:
    headers = studio.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "eval" not in policy
    assert "media-src 'self';" in policy
    assert policy.count("data:") == 1
    assert "blob:" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if address.startswith(("/static", "/look")) else "no-store")


OUTSIDE = (
    "../secret", "..%2fsecret", "%2e%2e/secret", "%2e%2e%2fsecret", "activity/../../secret", "%2fetc/passwd",
    "activity/..%2f..%2fsecret", "/etc/passwd", "..%5csecret", "activity%00", ".hidden", ".edgewright/journals", "link",
    "%ff", "a/b/c", "activity/", "", "outside-record", "%252e%252e/secret",
)  # fmt: skip


@pytest.mark.parametrize("page", ["page", "learn", "quiz", "predict", "export"])
def test_nothing_outside_the_folder_is_served(tmp_path: Path, page: str) -> None:
    runs = tmp_path / "runs"
    record(runs, "activity")
    record(tmp_path, "secret", title="a secret title")
    record(runs, ".hidden", title="a secret title")
    (runs / "link").symlink_to(tmp_path / "secret")
    (runs / "outside-record").mkdir()
    (runs / "outside-record" / "trace.json").symlink_to(tmp_path / "secret" / "trace.json")
    studio = client(runs)
    for location in OUTSIDE:
        answer = studio.get(f"/{page}/{location}")
        assert answer.status_code == 404, location
        assert "secret title" not in answer.text
    assert "secret title" not in studio.get("/").text


@pytest.mark.parametrize("path", ["..%2fapp.py", "../app.py", "%2e%2e/guard.py", "studio.js/../../app.py"])
def test_static_files_are_those_of_the_package(studio: Client, path: str) -> None:
    answer = studio.get(f"/static/{path}")
    assert answer.status_code == 404
    assert "import" not in answer.text


def test_large_forms_are_refused(tmp_path: Path) -> None:
    record(tmp_path / "runs", "activity")
    studio = client(tmp_path / "runs", largest=100_000)
    file = {"file": ("big.csv", b"x" * 200_000)}
    assert studio.post("/predict/activity", data={"ask": "file"}, files=file).status_code == 413

    async def pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        for _ in range(30):
            yield b"x" * 10_000

    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert studio.post("/predict/activity", content=pieces(), headers=kind).status_code == 413


@pytest.mark.parametrize(
    ("path", "tab"),
    [
        ("/", "/"), ("/page/activity", "/"), ("/export/activity", "/"), ("/label", "/label"),
        ("/labels/at/folder", "/label"), ("/data", "/data"), ("/new", "/new"),
    ],
)  # fmt: skip
def test_every_page_marks_its_tab(tmp_path: Path, path: str, tab: str) -> None:
    record(tmp_path, "activity")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").write_text("x,y\n1,2\n3,4\n")
    (places,) = re.findall(r'<span class="places">.*?</span>', client(tmp_path).get(path).text, re.DOTALL)
    assert re.findall(r'href="([^"]+)" aria-current="page"', places) == [tab]
