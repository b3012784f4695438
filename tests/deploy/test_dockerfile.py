"""The Dockerfile of `deploy`, step by step without an engine: what it installs serves a fleet, without any rights."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from containers import Container, Host, Mount, Started, may_contain
from deploy_files import DEPLOY, compose
from fleet_servers import until
from support import ROOT, left_out

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def steps() -> list[tuple[str, str]]:
    """Instructions and their words."""
    text = re.sub(r"\\\n", " ", "\n".join(line for line in _lines() if not line.startswith("#")))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def _lines() -> list[str]:
    return (DEPLOY / "Dockerfile").read_text().splitlines()


def built(place: Path) -> dict[str, str]:
    """Run the steps; an environment of this machine's Python stands for that of the image. The other words."""
    subprocess.run([sys.executable, "-m", "venv", str(place / "venv")], check=True, timeout=300)
    (place / "venv" / "bin" / "useradd").write_text('#!/bin/sh\necho "$@" >"$USERADD"\n')
    (place / "venv" / "bin" / "useradd").chmod(0o755)
    path = f"{place / 'venv' / 'bin'}:{os.environ['PATH']}"
    settings = {**os.environ, "PATH": path, "USERADD": str(place / "useradd"), "PYTHONPATH": ""}
    last: dict[str, str] = {}
    for what, words in steps():
        if what == "COPY":
            *sources, target = words.split()
            assert target.startswith("/source/")
            for source in sources:
                copied = place / target[1:]
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, copied, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    copied.mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, copied)
        elif what == "RUN":
            script = words.replace("/source", str(place / "source"))
            done = subprocess.run(
                ["sh", "-ec", script], cwd=place, env=settings, capture_output=True, text=True, timeout=900, check=False
            )
            if "No matching distribution" in done.stderr and "Retrying" in done.stderr:
                left_out("no packages can be fetched here")
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            last[what] = words
    return last


def _plain(line: str) -> str:
    """Name and version as indexes compare them."""
    name, _, version = line.partition("==")
    return f"{re.sub('[-_.]+', '-', name).lower()}=={version}"


def test_what_the_dockerfile_installs_serves_a_fleet_as_a_user_without_rights(tmp_path: Path) -> None:
    may_contain()
    last = built(tmp_path)
    assert last["FROM"].startswith("python:3.11")
    entry = json.loads(last["ENTRYPOINT"])
    made = shlex.split((tmp_path / "useradd").read_text())
    user = compose()["services"]["server-1"]["user"]
    assert (made[-1], made[made.index("--uid") + 1]) == (last["USER"], user.partition(":")[0])
    held = subprocess.run([str(tmp_path / "venv/bin/pip"), "freeze"], capture_output=True, text=True, check=True).stdout
    locked = {line.split()[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1].isalpha()}
    assert {_plain(line) for line in held.splitlines() if "==" in line} <= {_plain(line) for line in locked}
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    os.chown(fleet, 10001, 10001)
    host, number = Host(), 0

    def begun(*words: str) -> Container:
        nonlocal number
        number += 1
        path = tmp_path / f"run-{number}"
        path.mkdir()
        (path / "hosts").write_text("127.0.0.1 localhost\n")
        mounts = [Mount(tmp_path / "venv", str(tmp_path / "venv"), True), Mount(tmp_path / "source", "/source", True)]
        what = Started(
            name="image", address=f"172.30.87.{number + 10}", command=[*entry, *words], hosts=path / "hosts",
            log=path / "log", user=user, account=last["USER"], mounts=[*mounts, Mount(fleet, "/fleet")],
            settings={"PATH": f"{tmp_path / 'venv' / 'bin'}:/usr/bin:/bin", "PYTHONPATH": ""},
        )  # fmt: skip
        return Container(host, what, path)

    try:
        for words in (("fleet", "--help"), ("fleet", "init", "/fleet/mine", "--product", "pump")):
            once = begun(*words)
            assert once.process.wait(120) == 0, once.said()
        serving = begun("fleet", "serve", "/fleet/mine", "--host=0.0.0.0", "--port=8798", "--behind-proxy")
        try:
            until(lambda: '"serving"' in serving.said() or not serving.alive(), serving.said)
            completed = serving.ask(*entry, "fleet", "token", "new", "--fleet", "/fleet/mine")
            assert completed.returncode == 0, completed.stderr
            assert "ew1." in completed.stdout
            assert serving.ask("id", "-u").stdout.strip() == "10001"
            assert serving.ask("sh", "-c", "touch /source/src/x").returncode != 0
            assert serving.ask("python", "-c", "import jax").returncode != 0, "the image holds what trains"
            assert serving.stop() == 0, serving.said()
        finally:
            serving.kill()
    finally:
        host.close()
