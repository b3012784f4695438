"""Who may use the studio: tokens, sessions, roles, and requests of other users of the machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from cli_runner import Cli
from edgewright.core.errors import StudioUserError
from edgewright.fleet.protocol.api_records import AuditPage
from edgewright.studio.access import AUDIT_LOG, StudioAccess, owner_access, shared_access
from edgewright.studio.authentication import (
    ROLES,
    SESSION_S,
    Owner,
    Role,
    Sessions,
    UsersFile,
    add_user,
    read_users,
    remove_user,
    token_files,
    token_folder,
)
from edgewright.studio.pages import pages
from edgewright.studio.server import studio_app
from studio_example import HERE, PORT, Client, owner_session, record
from watched_fleet import PLAN, asked_of, watched

COOKIE = f"edgewright-studio-{PORT}"
SHARED = f"https://studio.example:{PORT}"


@pytest.fixture
def access() -> StudioAccess:
    return owner_access()


@pytest.fixture
def stranger(tmp_path: Path, access: StudioAccess) -> Client:
    record(tmp_path / "runs", "activity")
    return Client(studio_app(tmp_path / "runs", PORT, access))


def token_of(access: StudioAccess) -> str:
    assert access.owner is not None
    return access.owner.token


def addresses() -> list[tuple[str, str]]:
    """Return method and path of every route of the studio, with something for each parameter."""
    routes = [route for page in pages() for route in page.routes]
    return [
        (method, re.sub(r"\{[a-z]+(:\w+)?\}", "1", route.path))
        for route in routes
        for method in sorted(route.methods or ())
    ]


def test_no_page_answers_without_a_token(stranger: Client) -> None:
    for method, path in [*addresses(), ("GET", "/static/studio.js"), ("GET", "/nothing"), ("HEAD", "/")]:
        answer = stranger.request(method, path)
        assert answer.status_code == 401, path
        assert "activity" not in answer.text
        assert "set-cookie" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("token", ["", "x", "é", "%00", "A" * 43, "A" * 5000, "%ff%fe"])
def test_a_wrong_token_opens_nothing(stranger: Client, token: str) -> None:
    for answer in (
        stranger.get(f"/?token={token}"),
        stranger.get("/", headers={"authorization": f"Bearer {token}".encode()}),
        stranger.get("/", headers={"cookie": f"{COOKIE}={token}".encode()}),
        stranger.post("/sign-in", data={"token": token}),
    ):
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers


def test_the_address_opens_a_session_and_leaves_no_token_behind(stranger: Client, access: StudioAccess) -> None:
    token = token_of(access)
    answer = stranger.get(f"/page/activity?x=1&token={token}", headers={"origin": ""})
    assert answer.status_code == 200
    assert token not in answer.text
    assert 'content="0;url=/page/activity?x=1"' in answer.text
    assert answer.headers["referrer-policy"] == "no-referrer"
    name, _, rest = answer.headers["set-cookie"].partition("=")
    session, *flags = rest.split("; ")
    assert (name, set(flags)) == (COOKIE, {"Path=/", "HttpOnly", "SameSite=Strict"})
    assert token not in session
    assert stranger.get("/", headers={"cookie": f"a=b; {COOKIE}={session}"}).status_code == 200


def test_the_form_opens_a_session_only_from_the_studio_itself(stranger: Client, access: StudioAccess) -> None:
    form = {"token": token_of(access), "to": "/data"}
    answer = stranger.post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/data")
    assert answer.headers["set-cookie"].startswith(COOKIE)
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
        answer = stranger.post("/sign-in", data=form, headers={"origin": origin})
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("to", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nx: y", "/\t/e"])
def test_sign_in_leads_to_pages_of_the_studio_only(stranger: Client, access: StudioAccess, to: str) -> None:
    answer = stranger.post("/sign-in", data={"token": token_of(access), "to": to})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_session_of_an_earlier_studio_is_over(tmp_path: Path) -> None:
    earlier = owner_session(owner_access())
    answer = Client(studio_app(tmp_path, PORT, owner_access()), earlier).get("/")
    assert answer.status_code == 401


def test_programs_use_the_token_in_a_header(stranger: Client, access: StudioAccess) -> None:
    headers = {"authorization": f"Bearer {token_of(access)}"}
    assert stranger.get("/", headers=headers).status_code == 200
    del stranger.headers["origin"]
    assert stranger.post("/cancel", data={}, headers=headers).status_code not in (401, 403)
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:8797"):
        assert stranger.post("/cancel", data={}, headers={**headers, "origin": origin}).status_code == 403


def test_a_header_counts_alone(stranger: Client, access: StudioAccess) -> None:
    """A page of another site must not get around the Origin check with a header and the browser's cookie."""
    del stranger.headers["origin"]
    cookie = f"{COOKIE}={owner_session(access)}"
    for value in ("Bearer x", "Basic x", "", f"Basic {token_of(access)}"):
        headers = {"authorization": value, "cookie": cookie}
        assert stranger.post("/cancel", data={}, headers=headers).status_code == 401
    assert stranger.post("/cancel", data={}, headers={"cookie": cookie}).status_code == 403


def test_other_hosts_are_refused_also_with_the_token(stranger: Client, access: StudioAccess) -> None:
    answer = stranger.get(f"/?token={token_of(access)}", headers={"host": f"evil.example:{PORT}"})
    assert answer.status_code == 421
    assert "set-cookie" not in answer.headers


def test_secrets_are_compared_as_hashes_and_sessions_are_bounded() -> None:
    owner = Owner("ada")
    sessions = Sessions(owner)
    first = sessions.open_session(owner.token)
    for _ in range(1000):
        sessions.open_session(owner.token)
    assert sessions.user_of_session(first) is None
    assert owner.token.encode() not in b"".join(sessions._sessions) + b"".join(sessions._tokens)


def shared(tmp_path: Path, role: Role, fleet: Path | None = None) -> tuple[Client, Path, str]:
    """Return a user's browser of a shared studio, its folder, and the user's token."""
    users = tmp_path / "users.json"
    token = add_user(users, "ada", role)
    (tmp_path / "runs").mkdir(exist_ok=True)
    access = shared_access(users)
    browser = Client(studio_app(tmp_path / "runs", PORT, access, fleet=fleet))
    browser.headers = {
        "origin": SHARED, "host": SHARED.partition("//")[2],
        "cookie": f"__Host-{COOKIE}={access.sessions.open_session(token)}",
    }  # fmt: skip
    return browser, tmp_path / "runs", token


NEEDS: tuple[tuple[Role, str], ...] = (
    ("label", "/label"), ("train", "/start"), ("train", "/cancel"),
    ("train", "/new"), ("train", "/export/activity"),
    ("release", "/fleet/rollout/winter/abort"),
)  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_it_includes_and_nothing_else(tmp_path: Path, role: Role) -> None:
    browser, runs, _ = shared(tmp_path, role)
    assert browser.get("/").status_code == 200
    for needed, path in NEEDS:
        refused = browser.post(path, data={}).status_code == 403
        assert refused == (ROLES.index(role) < ROLES.index(needed)), path
    entries = [json.loads(line) for line in (runs / AUDIT_LOG).read_text().splitlines()]
    assert [entry["path"] for entry in entries] == [path for _, path in NEEDS]
    assert {(entry["user"], entry["role"]) for entry in entries} == {("ada", role)}
    assert (runs / AUDIT_LOG).stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_the_audit_log_of_a_fleet_names_the_user(tmp_path: Path) -> None:
    with watched(tmp_path / "fleet") as example:
        browser, _, _ = shared(tmp_path, "release", example.folder)
        form = {"fleet": str(example.folder), "why": "a test"}
        assert browser.post(f"/fleet/rollout/{PLAN}/pause", data=form).status_code == 303
        row = asked_of(example.folder, AuditPage, "GET", "/v1/fleet/audit?limit=1").rows[0]
        assert row.who == "studio:ada"


def test_every_form_names_a_role() -> None:
    assert {page.role for page in pages() if any(len(answers) > 1 for answers in page.answers.values())} == set(ROLES)


def test_a_removed_user_is_out_at_once(tmp_path: Path) -> None:
    browser, _, token = shared(tmp_path, "release")
    header = {"authorization": f"Bearer {token}"}
    assert (browser.get("/").status_code, browser.get("/", headers=header).status_code) == (200, 200)
    remove_user(tmp_path / "users.json", "ada")
    assert (browser.get("/").status_code, browser.get("/", headers=header).status_code) == (401, 401)
    add_user(tmp_path / "users.json", "ada", "view")
    assert (browser.get("/").status_code, browser.get("/", headers=header).status_code) == (401, 401)


@pytest.mark.parametrize("content", [None, "", "{}", '{"users": [{}]}'])
def test_a_damaged_users_file_lets_nobody_in(tmp_path: Path, content: str | None) -> None:
    browser, _, _ = shared(tmp_path, "release")
    file = tmp_path / "users.json"
    if content is None:
        file.unlink()
    else:
        file.write_text(content)
    assert browser.get("/").status_code == 401


def test_a_users_file_that_others_may_write_lets_nobody_in(tmp_path: Path) -> None:
    browser, _, _ = shared(tmp_path, "release")
    (tmp_path / "users.json").chmod(0o620)
    assert browser.get("/").status_code == 401
    with pytest.raises(StudioUserError):
        UsersFile(tmp_path / "users.json")


def test_the_users_file_has_hashes_only(tmp_path: Path) -> None:
    _, _, token = shared(tmp_path, "train")
    file = tmp_path / "users.json"
    assert token.partition(".")[2] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [(user.name, user.role) for user in read_users(file).users] == [("ada", "train")]
    for name in ("ada", "", "Ada", "a.b", "a/b", "x" * 33):
        with pytest.raises(StudioUserError):
            add_user(file, name, "view")


def test_sessions_of_a_shared_studio_end(tmp_path: Path) -> None:
    now = [0.0]
    token = add_user(tmp_path / "users.json", "ada", "view")
    sessions = Sessions(UsersFile(tmp_path / "users.json"), SESSION_S, lambda: now[0])
    session = sessions.open_session(token)
    now[0] = SESSION_S - 1
    assert sessions.user_of_session(session) is not None
    now[0] = SESSION_S + 1
    assert sessions.user_of_session(session) is None


def test_a_shared_studio_refuses_pages_of_other_hosts(tmp_path: Path) -> None:
    browser, _, token = shared(tmp_path, "release")
    for origin in ("https://evil.example", SHARED.replace("https", "http"), "null"):
        assert browser.post("/cancel", data={}, headers={"origin": origin}).status_code == 403
    answer = browser.post("/sign-in", data={"token": token})
    assert answer.headers["set-cookie"].startswith(f"__Host-{COOKIE}=")
    assert "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "options",
    [["--host", "0.0.0.1"], ["--host", "::"], ["--users", "u.json"], ["--certificate", "c.pem", "--key", "k.pem"],
     ["--host", "0.0.0.1", "--users", "u.json"], ["--host", "0.0.0.1", "--certificate", "c.pem", "--key", "k.pem"]],
)  # fmt: skip
def test_others_reach_no_studio_without_tls_and_users(
    options: list[str], tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cli("studio", "runs", "--no-open", "--port", "0", *options, code=2)
    assert not (tmp_path / "runs").exists()


def test_token_files_are_private_and_go_with_the_studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with token_files(f"{HERE}/", "secret", tmp_path, PORT) as page:
        assert page is not None
        files = sorted(token_folder().iterdir())
        assert [file.name for file in files] == [f"{PORT}.html", f"{PORT}.json"]
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert token_folder().stat().st_mode & 0o777 == 0o700
        described = json.loads(files[1].read_text())
        assert (described["address"], described["token"]) == (f"{HERE}/", "secret")
        assert f"{HERE}/?token=secret" in page.read_text()
    assert list(token_folder().iterdir()) == []


def test_no_token_file_is_left_where_others_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    token_folder().mkdir(parents=True)
    token_folder().chmod(0o777)
    with token_files(f"{HERE}/", "secret", tmp_path, PORT) as page:
        assert page is None
        assert list(token_folder().iterdir()) == []


def test_users_are_managed_by_commands(tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "users.json"
    token = cli.json("studio-user", "add", "ada", "--role", "label", "--users", file)["token"]
    assert UsersFile(file).verify(token) is not None
    assert [(user["name"], user["role"]) for user in cli.json("studio-user", "list", "--users", file)] == [
        ("ada", "label")
    ]
    cli("studio-user", "remove", "ada", "--users", file)
    assert UsersFile(file).verify(token) is None
    cli("studio-user", "remove", "ada", "--users", file, code=2)
