"""The Dockerfiles of `deploy`, step by step without an engine: what they install does its work, without any rights."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from containers import Container, Host, Mount, Started, may_contain
from deploy_files import DEPLOY, compose
from fleet_servers import until
from small_pipeline import run_small, write_rows, write_toml
from support import ROOT, left_out

pytestmark = [pytest.mark.slow, pytest.mark.heavy]


def steps(name: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their words."""
    lines = (DEPLOY / name).read_text().splitlines()
    text = re.sub(r"\\\n", " ", "\n".join(line for line in lines if not line.startswith("#")))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def built(folder: Path, name: str) -> dict[str, str]:
    """Run the steps; an environment of this machine's Python stands for that of the image. Return the other words."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=300)
    (folder / "venv" / "bin" / "useradd").write_text('#!/bin/sh\necho "$@" >"$USERADD"\n')
    (folder / "venv" / "bin" / "useradd").chmod(0o755)
    path = f"{folder / 'venv' / 'bin'}:{os.environ['PATH']}"
    settings = {**os.environ, "PATH": path, "USERADD": str(folder / "useradd"), "PYTHONPATH": ""}
    last: dict[str, str] = {}
    for instruction, words in steps(name):
        if instruction == "COPY":
            *sources, target = words.split()
            assert target.startswith("/source/")
            for source in sources:
                copied = folder / target[1:]
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, copied, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    copied.mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, copied)
        elif instruction == "RUN":
            script = words.replace("/source", str(folder / "source"))
            done = subprocess.run(
                ["sh", "-ec", script],
                cwd=folder,
                env=settings,
                capture_output=True,
                text=True,
                timeout=900,
                check=False,
            )
            if "No matching distribution" in done.stderr and "Retrying" in done.stderr:
                left_out("no packages can be fetched here")
            assert done.returncode == 0, done.stdout + done.stderr
        else:
            last[instruction] = words
    return last


def _plain(line: str) -> str:
    """Name and version as indexes compare them."""
    name, _, version = line.partition("==")
    return f"{re.sub('[-_.]+', '-', name).lower()}=={version}"


class Image:
    """What a Dockerfile installs, and containers of it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.number, self.host = folder, 0, Host()
        self.words = built(folder, name)
        self.entry = json.loads(self.words["ENTRYPOINT"])
        arguments = shlex.split((folder / "useradd").read_text())
        self.account, uid = arguments[-1], arguments[arguments.index("--uid") + 1]
        self.user = f"{uid}:{uid}"
        assert self.words["FROM"].startswith("python:3.11")
        assert self.account == self.words["USER"]

    def begin(self, *words: str, mounts: Sequence[Mount] = ()) -> Container:
        """Start a container of it with some words after its entry point."""
        self.number += 1
        path = self.folder / f"run-{self.number}"
        path.mkdir()
        (path / "hosts").write_text("127.0.0.1 localhost\n")
        venv = self.folder / "venv"
        own = [Mount(venv, str(venv), True), Mount(self.folder / "source", "/source", True)]
        started = Started(
            name="image", address=f"172.30.87.{self.number + 10}", command=[*self.entry, *words], hosts=path / "hosts",
            log=path / "log", user=self.user, account=self.account, mounts=[*own, *mounts],
            settings={"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "PYTHONPATH": ""},
        )  # fmt: skip
        return Container(self.host, started, path)

    def owned(self, name: str) -> Path:
        """Return a folder that belongs to its user."""
        path = self.folder / name
        path.mkdir()
        os.chown(path, 10001, 10001)
        return path


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Callable[[str], Image]]:
    may_contain()
    images: list[Image] = []

    def build(name: str) -> Image:
        images.append(Image(tmp_path, name))
        return images[-1]

    yield build
    for built_image in images:
        built_image.host.close()


@contextmanager
def running(container: Container, word: str) -> Iterator[Container]:
    """Provide a container that has said a word; it is stopped, and ends with 0."""
    try:
        until(lambda: word in container.said() or not container.alive(), container.said)
        yield container
        assert container.stop() == 0, container.said()
    finally:
        container.kill()


def test_the_image_of_the_server_serves_a_fleet_as_a_user_without_rights(
    image: Callable[[str], Image], tmp_path: Path
) -> None:
    server = image("Dockerfile")
    assert server.user == compose()["services"]["server-1"]["user"]
    frozen = subprocess.run(
        [str(tmp_path / "venv/bin/pip"), "freeze"], capture_output=True, text=True, check=True
    ).stdout
    locked = {line.split()[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if line[:1].isalpha()}
    assert {_plain(line) for line in frozen.splitlines() if "==" in line} <= {_plain(line) for line in locked}
    mounts = [Mount(server.owned("fleet"), "/fleet")]
    for words in (("fleet", "--help"), ("fleet", "init", "/fleet/mine", "--product", "pump")):
        once = server.begin(*words, mounts=mounts)
        assert once.process.wait(120) == 0, once.said()
    serve = ("fleet", "serve", "/fleet/mine", "--host=0.0.0.0", "--port=8798", "--behind-proxy")
    with running(server.begin(*serve, mounts=mounts), '"serving"') as serving:
        completed = serving.ask(*server.entry, "fleet", "token", "new", "--fleet", "/fleet/mine")
        assert completed.returncode == 0, completed.stderr
        assert "ew1." in completed.stdout
        assert serving.ask("id", "-u").stdout.strip() == "10001"
        assert serving.ask("sh", "-c", "touch /source/src/x").returncode != 0
        assert serving.ask("python", "-c", "import jax").returncode != 0, "the image holds what trains"


def test_the_image_of_a_device_answers_and_keeps_its_store(image: Callable[[str], Image], tmp_path: Path) -> None:
    device = image("Dockerfile.device")
    toml = write_toml(tmp_path / "small.toml", write_rows(tmp_path / "rows.csv"))
    package = run_small(toml, tmp_path / "runs").package
    assert package is not None
    shutil.copy(package, tmp_path / "small.edge")
    files = [Mount(tmp_path / name, f"/{name}", True) for name in ("small.edge", "rows.csv")]
    mounts = [*files, Mount(device.owned("store"), "/store")]
    run = ("run", "/small.edge", "--source", "replay:/rows.csv", "--store", "/store", "--json")
    once = device.begin(*run, mounts=mounts)
    assert once.process.wait(120) == 0, once.said()
    assert '"kind":"decision"' in once.said()
    status = device.begin("status", "--store", "/store", mounts=mounts)
    assert status.process.wait(60) == 0, status.said()
    assert "events" in status.said()


def test_the_image_of_the_studio_shows_its_pages(image: Callable[[str], Image]) -> None:
    studio = image("Dockerfile.studio")
    container = studio.begin("/runs", "--port", "8797", mounts=[Mount(studio.owned("runs"), "/runs")])
    with running(container, "studio of /runs at http") as serving:
        token = serving.said().partition("?token=")[2].split()[0]
        code = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:8797/?token={token}').status)"
        page = serving.ask("python", "-c", code)
        assert page.stdout.strip() == "200", page.stderr
