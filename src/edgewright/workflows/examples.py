"""Examples: listing and copying them, and running one against its targets.

An example is a folder with a script of its name. The script's docstring is the title, its constant `DATA` names the
folders of the public sets that it reads, and `run_example` runs it.
"""

from __future__ import annotations

import argparse
import ast
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

import edgewright
from edgewright.core.errors import CheckFailedError, ExistingFileError, RunError, UnknownNameError
from edgewright.core.files import data_folder, write_atomic
from edgewright.workflows.proof.workflow import ROWS, prove_place

FIGURES_FILE = "figures.json"


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bound for a figure.

    Attributes:
        minimum, maximum: bounds of the figure; at least one of them.
        source: who asks for it, or who published it.
    """

    minimum: float | None = None
    maximum: float | None = None
    source: str

    def is_reached(self, value: float) -> bool:
        """Return whether a value is within the bounds."""
        low = self.minimum is None or value >= self.minimum
        return low and (self.maximum is None or value <= self.maximum)


@dataclass(frozen=True)
class Example:
    """An example that comes with Edgewright: name, folder and title, and the folders of public sets that it reads."""

    name: str
    folder: Path
    title: str
    data: tuple[str, ...]


def list_examples() -> tuple[Example, ...]:
    """Return the examples that come with Edgewright, from the installed package or the checkout."""
    package = Path(edgewright.__file__).parent
    installed = package / "examples"
    root = installed if installed.is_dir() else package.parents[1] / "examples"
    return tuple(_read(path) for path in sorted(root.glob("*/*.py")) if path.stem == path.parent.name)


def _read(path: Path) -> Example:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    title = (ast.get_docstring(tree) or "").partition("\n")[0]
    data: tuple[str, ...] = ()
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "DATA":
            data = tuple(ast.literal_eval(node.value))
    return Example(path.stem, path.parent, title, data)


def copy_example(name: str, folder: Path) -> Path:
    """Copy an example into a new folder and return the path of its script.

    Raises:
        UnknownNameError: there is no such example.
        InputError: the folder exists.
    """
    examples = {example.name: example for example in list_examples()}
    if name not in examples:
        raise UnknownNameError("example", name, examples, "edgewright examples copy")
    if folder.exists():
        raise ExistingFileError("a new folder", "one that exists", str(folder), "Choose another name")
    shutil.copytree(examples[name].folder, folder, ignore=shutil.ignore_patterns("__pycache__", "runs"))
    return folder / f"{name}.py"


def set_path(folder: str, data: Path | None) -> str:
    """Return the path of a public set in a folder of sets.

    Args:
        folder: name of the set's folder.
        data: folder of sets; None for $EDGEWRIGHT_DATA, else ~/.local/share/edgewright/data.

    Raises:
        InputError: the folder does not hold the set.
    """
    path = (data_folder("data") if data is None else data) / folder
    if not path.exists():
        raise RunError(f"the public set {folder}", "nothing there", str(path), "Download it as the README describes")
    return str(path)


def check_proof(path: Path, *, device: str = "", rows: int = ROWS) -> dict[str, float]:
    """Prove a run folder or a file, and return the number of compared pairs of forms as `proof_pairs`.

    Args:
        path: run folder, or a file that `edgewright prove` accepts.
        device: profile of a processor that is emulated as one more form; empty for none.
        rows: most samples.

    Raises:
        CheckFailedError: nothing was compared, or forms differ.
    """
    proof = prove_place(str(path), rows=rows, device=device)
    pairs = sum(len(part.pairs) for part in (proof, *proof.parts))
    if proof.disagrees or not pairs:
        raise CheckFailedError(f"the proof of {path} failed")
    return {"proof_pairs": pairs}


def run_example(
    main: Callable[[Path | None, Path], Mapping[str, float]], targets: Mapping[str, Target], description: str = ""
) -> None:
    """Parse the command line of an example, run it, and compare its figures with its targets.

    Prints a table, and writes figures and targets to `figures.json` in the output folder.

    Args:
        main: takes the folder of public sets, or None for the default, and the output folder; returns figures by name.
        targets: by name of a figure.
        description: of the script, for `--help`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="Folder of public sets (default: ~/.local/share/edgewright/data)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("runs"), help="Output folder (default: runs)")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    figures = {name: float(value) for name, value in main(given.data, given.out).items()}
    record = {"figures": figures, "targets": dict(targets)}
    write_atomic(given.out / FIGURES_FILE, msgspec.json.format(msgspec.json.encode(record)))
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:<{width}}  {value:<10.4g}  {_verdict(targets.get(name), value)}".rstrip())


def _verdict(target: Target | None, value: float) -> str:
    if target is None:
        return ""
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", target.minimum), ("at most", target.maximum))
        if bound is not None
    ]
    return f"{'reached' if target.is_reached(value) else 'missed'}: {' and '.join(bounds)}"
