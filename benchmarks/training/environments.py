"""An environment for each peer, beside the repository's own, made when it is absent."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.table import ROOT, python

PEERS = {"scikit-learn": ("sklearn", ["scikit-learn"]), "Keras": ("keras", ["keras", "jax"])}
_VERSIONS = "import importlib.metadata as m, json, sys;print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"


def interpreter(peer: str) -> str:
    """Return the Python of a peer of the training."""
    return environment(*PEERS[peer])


def environment(short: str, packages: list[str]) -> str:
    """Return the Python of the environment `.venv-bench-SHORT`, which is made with pip on first use.

    Raises:
        SystemExit: it cannot be installed; says how to try again.
    """
    folder = ROOT / f".venv-bench-{short}"
    interpreter = folder / "bin" / "python"
    if not (folder / "ready").is_file():
        print(f"installing {' '.join(packages)} into {folder.name}", file=sys.stderr)
        try:
            subprocess.run([python(), "-m", "venv", str(folder)], check=True)
            subprocess.run([str(interpreter), "-m", "pip", "install", "--quiet", *packages], check=True)
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"{packages[0]} could not be installed ({error}); remove {folder} and try again") from None
        (folder / "ready").write_text("installed\n")
    return str(interpreter)


def versions(command: str, packages: list[str]) -> dict[str, str]:
    """Return versions of packages in an environment."""
    done = subprocess.run([command, "-c", _VERSIONS, *packages], check=True, capture_output=True, text=True)
    document: dict[str, str] = json.loads(done.stdout)
    return document


def script(name: str) -> str:
    """Path of a script that fits, to be run by any of the interpreters."""
    return str(Path(__file__).with_name(f"fit_{name}.py"))
