"""A fleet in the composition of `deploy`, begun and used by the very commands of docs/operations.md."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from compose_project import Project
from containers import GATEWAY, may_contain
from fleet_servers import until
from support import ROOT, left_out

NAME = "fleet.example"
_BLOCK = re.compile(r"<!-- composed: (\w+) -->\n```sh\n(.*?)```", re.DOTALL)
# `docker` of the document is this test: words go to one pipe, the exit code comes from another.
_SHELL = """
sudo() { "$@"; }
docker() { local code; printf '%s\\0' "$@" >&3; echo >&3; IFS= read -r code <&4; cat "$ANSWER"; [ "$code" = 0 ]; }
"""


def blocks() -> dict[str, str]:
    """Return what the document says to type, by name."""
    return dict(_BLOCK.findall((ROOT / "docs" / "operations.md").read_text(encoding="utf-8")))


class Composed:
    """A composition that runs.

    Args:
        place: empty, for its files; `place/deploy` is a copy of the repository's, `place/data` has fleet and keys.
    """

    def __init__(self, root: Path) -> None:
        self.place, self.deploy, self.media = root, root / "deploy", root / "media"
        self.data = root / "data"
        shutil.copytree(ROOT / "deploy", self.deploy)
        self.project: Project | None = None
        self.said = ""

    @property
    def engine(self) -> Project:
        """What stands for the container engine; made when it is first asked for."""
        if self.project is None:
            self.project = Project(self.deploy, {"FLEET_HOST": NAME, "FLEET_DIR": str(self.data)})
        return self.project

    def type(self, name: str, names: dict[str, str] | None = None) -> str:
        """Return types a block of the document into a shell that ends at the first failure; what all of it said.

        Args:
            name: of the block.
            names: words of the document -> of this test.
        """
        script = blocks()[name]
        for message, meant in (names or {}).items():
            assert message in script, message
            script = script.replace(message, meant)
        file_path = self.place if name == "begin" else self.data
        requested, answered, answer = os.pipe(), os.pipe(), self.place / "answer"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with tempfile.TemporaryFile("w+") as output:
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"exec 3>&{requested[1]} 4<&{answered[0]}\n{_SHELL}{script}"],
                cwd=file_path,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(requested[1], answered[0]),
                env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src"), "ANSWER": str(answer)},
            )
            os.close(requested[1])
            os.close(answered[0])
            with open(requested[0], encoding="utf-8") as questions, open(answered[1], "w", encoding="utf-8") as answers:  # noqa: PTH123 - numbers
                for line in questions:
                    code, text = self._docker(line.rstrip("\n").split("\0")[:-1])
                    answer.write_text(text)
                    answers.write(f"{code}\n")
                    answers.flush()
            code = shell.wait(120)
            output.seek(0)
            text = output.read()
        assert code == 0, text
        return text

    def _docker(self, words: Sequence[str]) -> tuple[int, str]:
        """`docker compose up -d | run --rm | exec -T`, which are all that the document needs."""
        compose, verb, *rest = words
        assert compose == "compose"
        more: list[tuple[str, str]] = []
        while rest and rest[0].startswith("-"):
            option = rest.pop(0)
            assert option in ("-d", "--rm", "-T", "-v"), option
            if option == "-v":
                source, target, *_ = rest.pop(0).split(":")
                more.append((source, target))
        if verb == "up":
            self.engine.up(*rest)
            return 0, ""
        if verb == "run":
            return self.engine.run(rest[0], *rest[1:], more=more)
        assert verb == "exec", verb
        done = self.engine.running[rest[0]].ask(*rest[1:])
        return done.returncode, done.stdout + done.stderr

    def ask(self, *command: str, service: str = "server-1") -> str:
        """Return a command in a container that runs, and what it said; it succeeds."""
        done = self.engine.running[service].ask(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def outside(self, *command: str, **settings: Any) -> subprocess.Popen[str]:  # noqa: ANN401 - of Popen
        """Return a process on the machine that the composition runs on, which finds it by its name as devices do."""
        hosts = self.place / "outside.hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{GATEWAY} {NAME}\n")
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}", "COLUMNS": "200"}
        return subprocess.Popen(
            self.engine.host.within(hosts, *command), text=True, env=environment,
            **{"stdin": subprocess.DEVNULL, **settings},
        )  # fmt: skip

    @contextmanager
    def web(self) -> Iterator[httpx.Client]:
        """Provide a client of nginx at its published port; its certificate is checked for the name."""
        address = self.engine.reach("nginx", 443)
        trusted = ssl.create_default_context(cafile=str(self.data / "secrets" / "ca.pem"))

        def named(request: httpx.Request) -> None:
            request.extensions["sni_hostname"] = NAME

        with httpx.Client(
            base_url=f"https://{address}", verify=trusted, trust_env=False, timeout=60, event_hooks={"request": [named]}
        ) as client:
            yield client

    def close(self) -> None:
        """End everything."""
        if self.project is not None:
            self.project.close()


@contextmanager
def composed(folder: Path) -> Iterator[Composed]:
    """Provide a composition that was begun as the document says; left out where that cannot be."""
    may_contain()
    for program in ("nginx", "prometheus", "openssl", "psql"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            left_out(f"{program} is not installed here")
    composed_fleet = Composed(folder)
    try:
        composed_fleet.said = composed_fleet.type("begin", {'"$HOME/edgewright"': str(composed_fleet.data)})
        composed_fleet.engine.publish()
        keys = composed_fleet.data / "fleet" / "keys" / "offline"
        shutil.copytree(keys, composed_fleet.media)  # onto a stick, mounted for the user of the servers
        shutil.rmtree(keys)
        for one in (composed_fleet.media, *composed_fleet.media.iterdir()):
            os.chown(one, 10001, 10001)
        until(
            lambda: ready(composed_fleet),
            lambda: {name: composed_fleet.engine.log(name) for name in composed_fleet.engine.running},
        )
        yield composed_fleet
    finally:
        composed_fleet.close()


def ready(composed_fleet: Composed) -> bool:
    """Return whether both servers say that they are."""
    script = "import sys, urllib.request as r; sys.exit(r.urlopen('http://127.0.0.1:8798/readyz').status != 200)"
    return all(
        not composed_fleet.engine.running[name].ask("python", "-c", script).returncode
        for name in ("server-1", "server-2")
    )
