"""A board for tests: small models as code with slots, compiled for the host, and weights signed for it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgewright.core.package import read_package
from edgewright.export.c99_host.host import compiler_command
from edgewright.export.contract import read_subject
from edgewright.export.slots import Layout, read_layout, slot_files, weights_body
from small_pipeline import run_small, write_rows, write_toml

SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-pedantic", "-Werror")
STRICT = ("-std=c99", "-O1", *WARNINGS)
PAGE = 512
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


@dataclass(frozen=True)
class Board:
    """Where everything lies.

    Attributes:
        folder: of code, program and weights.
        layout: of the code.
        runs: run folders, by seed; all but 'wide' have the code's layout.
    """

    folder: Path
    layout: Layout
    runs: dict[str, Path]

    def weights(self, run: str, counter: int, *, key: Ed25519PrivateKey = KEY) -> bytes:
        """Signed weights of a run."""
        folder = self.runs[run]
        subject = replace(read_subject(folder, form=self.layout.form), name=self.layout.name)
        body = weights_body(subject, read_package(folder / "small.edge"), self.layout, counter)
        return body + key.sign(body)

    def file(self, name: str, data: bytes) -> str:
        """Return a file with these bytes."""
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def told(self, flash: Path, *words: str, sent: str = "") -> str:
        """Return what the program says."""
        done = subprocess.run(
            [str(self.folder / "board"), str(flash), *words], input=sent, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout, done.stderr[-2000:])
        return done.stdout


def train(folder: Path, *names: str) -> dict[str, Path]:
    """Two runs that differ in their weights, and one of another architecture; or those that are named."""
    toml = write_toml(folder / "small.toml", write_rows(folder / "rows.csv"))
    changes = {"one": ("seed=3",), "two": ("seed=4",), "wide": ("seed=3", "model.layers.0.units=12")}
    more = ("training.epochs=5", "compression.max_drop=0.5")
    return {
        name: run_small(toml, folder / name, *more, *own).folder
        for name, own in changes.items()
        if name in (names or changes)
    }


def build(folder: Path, runs: dict[str, Path], form: str = "int8") -> Board:
    """Code of the first run for the host, under sanitizers."""
    subject = replace(read_subject(runs["one"], form=form), name="net")
    files = slot_files(subject, PUBLIC)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    harness = Path(__file__).with_name("board_host.c")
    sources = sorted(name for name in files if name.endswith(".c"))
    command = [*compiler_command(), *STRICT, *SANITIZED, f"-DNET_PAGE={PAGE}u", "-I.", *sources, str(harness)]
    done = subprocess.run([*command, "-o", "board", "-lm"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:3000]
    return Board(folder, read_layout(files["net_layout.json"], "net_layout.json"), runs)


def text_of(part: str) -> str:
    """Return a file of the update as it is written for the name 'net'."""
    text = (resources.files("edgewright.export") / "board" / part).read_text("utf-8")
    return text.replace("@@", "NET").replace("@", "net")
