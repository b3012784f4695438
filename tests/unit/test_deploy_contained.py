"""The composition of `deploy` gives away as little as it can, and the checkout takes in no key."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml  # type: ignore[import-untyped]

from deploy_files import DEPLOY, compose, rules
from edgewright._version import __version__
from support import ROOT, left_out

SERVICES = compose()["services"]
PINNED = r"[\w./-]+:v?\d+\.\d+(\.\d+)?[\w.-]*@sha256:[0-9a-f]{64}"
ADDED = {
    "postgres": {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"},
    "nginx": {"CHOWN", "NET_BIND_SERVICE", "SETGID", "SETUID"},
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_writes_nothing_else_and_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("cap_add", ())) == ADDED.get(name, set())
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert "healthcheck" in service or service.get("profiles") == ["command"]
    if "build" not in service:
        assert re.fullmatch(PINNED, service["image"])


def test_the_image_of_the_server_is_named_by_the_version() -> None:
    assert SERVICES["server-1"]["image"] == f"edgewright-fleet:{__version__}"


IMAGES = ("Dockerfile", "Dockerfile.device", "Dockerfile.studio")


def test_images_begin_with_one_pinned_image() -> None:
    first = {line for name in IMAGES for line in re.findall(r"^FROM (.+)$", (DEPLOY / name).read_text(), re.MULTILINE)}
    assert len(first) == 1
    assert re.fullmatch(PINNED, first.pop())


def test_grafana_has_a_password_and_every_secret_lies_outside_of_the_checkout() -> None:
    named = SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert named.removeprefix("/run/secrets/") in SERVICES["grafana"]["secrets"]
    text = (DEPLOY / "compose.yaml").read_text()
    assert not re.search(r"\./(fleet|secrets)\b", text)
    for secret in compose()["secrets"].values():
        assert secret["file"].startswith("${FLEET_DIR:?")


def test_git_and_the_image_take_in_no_key() -> None:
    document = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    script = document.partition("<!-- composed: begin -->")[2].partition("```\n")[0]
    keys = ["deploy/ca.key", "ca.key", "deploy/tls.csr", "deploy/token.txt"]
    private = ("secrets/tls.key", "secrets/postgres.password", "secrets/grafana.password", "fleet/keys/offline/a.json")
    keys += [f"{prefix}{name}" for prefix in ("", "deploy/") for name in private]
    assert 'cd "$FLEET_DIR"' in script
    done = subprocess.run(
        ["git", "-C", str(ROOT), "check-ignore", "--no-index", *keys], capture_output=True, text=True, check=False
    )
    if done.returncode == 128:
        left_out("this is no checkout")
    assert set(done.stdout.split()) == set(keys)
    listed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] not in ("#", "")]
    lines = "".join((DEPLOY / name).read_text() for name in IMAGES)
    copied = re.findall(r"^COPY (.+) \S+$", lines, re.MULTILINE)
    assert listed[0] == "*"
    assert {line[1:] for line in listed if line.startswith("!")} == {name for names in copied for name in names.split()}


def test_alertmanager_takes_the_example_and_knows_the_alerts() -> None:
    settings = yaml.safe_load((DEPLOY / "alertmanager.yml").read_text())
    receivers = {one["name"] for one in settings["receivers"]}
    assert {settings["route"]["receiver"], *(one["receiver"] for one in settings["route"]["routes"])} == receivers
    known = {name for name, rule in rules() if "alert" in rule}
    for one in settings["inhibit_rules"]:
        for matcher in one["source_matchers"] + one["target_matchers"]:
            assert set(re.findall(r"Fleet\w+", matcher)) <= known
    program = shutil.which("amtool")
    if program is None:
        left_out("amtool is not installed here")
    done = subprocess.run(
        [program or "", "check-config", str(DEPLOY / "alertmanager.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for severity, receiver in (("critical", "on-call"), ("warning", "team")):
        words = ["config", "routes", "test", f"--config.file={DEPLOY / 'alertmanager.yml'}", f"severity={severity}"]
        routed = subprocess.run([program or "", *words], capture_output=True, text=True, check=False)
        assert routed.stdout.strip() == receiver, routed.stderr
