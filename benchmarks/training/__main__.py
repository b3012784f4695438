"""`python -m benchmarks.training`: the same 20 epochs in three tools, interleaved, as tables in Markdown."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.table import ONE_THREAD, ROOT, markdown, median, python, verdict
from benchmarks.training.environments import PEERS, interpreter, script, versions

REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
# The same limits on threads for every tool, Keras on JAX included.
THREADS = {
    **ONE_THREAD,
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    "PJRT_NPROC": "1",
    "JAX_PLATFORMS": "cpu",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
TOOLS = ("edgewright", "sklearn", "keras")
# Beside them: Edgewright in a second process, and Keras fitting one model again instead of a new one.
CACHED, AGAIN = "edgewright cached", "keras again"


@dataclass
class Case:
    """A network and the most its training may cost, as a share of each peer's processor time."""

    name: str
    sizes: list[int]
    of_sklearn: float
    of_keras: float
    rows: int = 8000
    first: dict[str, list[float]] = field(default_factory=dict)
    warm: dict[str, list[float]] = field(default_factory=dict)
    loss: dict[str, float] = field(default_factory=dict)

    @property
    def ratios(self) -> tuple[float, float]:
        """Warm processor seconds against scikit-learn's and Keras', medians."""
        own = median(self.warm["edgewright"])
        return own / median(self.warm["sklearn"]), own / median(self.warm["keras"])

    @property
    def within(self) -> bool:
        """Whether both limits hold."""
        return self.ratios[0] <= self.of_sklearn and self.ratios[1] <= self.of_keras


def cases() -> list[Case]:
    """Return the networks of the three lesson pipelines; the second also at its lesson's 1,000 rows."""
    return [
        Case("10-64-64-3", [10, 64, 64, 3], 1 / 4, 1 / 10),
        Case("5-32-32-1", [5, 32, 32, 1], 1 / 4, 1 / 10),
        Case("5-32-32-1, 1,000 rows", [5, 32, 32, 1], 1 / 4, 1 / 10, rows=1000),
        Case("230-2x50-1", [230, 50, 50, 1], 1 / 1.5, 1 / 3),
        Case("230-5x200-1", [230, *[200] * 5, 1], 1.0, 1.0),
    ]


def main() -> int:
    """Print the tables; 1 when a limit does not hold."""
    pythons = {"edgewright": python(), **{short: interpreter(peer) for peer, (short, _) in PEERS.items()}}
    chosen = cases()
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(REPEATS):
            for case in chosen:
                # Interleaved, so that a slow moment of the machine meets all of them. A new cache each time: the
                # first process of Edgewright compiles, the second finds its programs on disk.
                cache = {"XDG_CACHE_HOME": f"{folder}/{repeat}-{case.name.replace(' ', '')}"}
                for tool in (*TOOLS, CACHED, AGAIN):
                    one_process(case, tool, pythons[short(tool)], cache)
                print(f"round {repeat + 1} of {REPEATS}: {case.name}", file=sys.stderr)
    print(report(chosen, pythons))
    return 0 if all(case.within for case in chosen) else 1


def one_process(case: Case, tool: str, interpreter_path: str, cache: dict[str, str]) -> None:
    """Run one tool on one case in a process of its own and add its figures to the case."""
    warm = 2 if max(case.sizes[1:]) > 100 else 5
    message = json.dumps({"sizes": case.sizes, "rows": case.rows, "warm": warm, "again": tool == AGAIN})
    environment = {**os.environ, **THREADS, **cache}
    command = [interpreter_path, script(short(tool)), message]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
    document = json.loads(done.stdout.splitlines()[-1])
    case.first.setdefault(tool, []).append(document["first"])
    case.warm.setdefault(tool, []).extend(document["warm"])
    case.loss[tool] = document["loss"]


def short(tool: str) -> str:
    """Return the tool without what is special about this process of it."""
    return tool.split(maxsplit=1)[0]


def report(chosen: Sequence[Case], pythons: dict[str, str]) -> str:
    """Both tables, with the command and the versions that made them."""
    warm = [
        [
            case.name,
            f"{1 / case.ratios[0]:.1f}x",
            f"{1 / case.of_sklearn:.3g}x",
            f"{1 / case.ratios[1]:.1f}x",
            f"{1 / case.of_keras:.3g}x",
            verdict(case.within),
            *(spread(case.warm[tool]) for tool in (*TOOLS, AGAIN)),
        ]
        for case in chosen
    ]
    first = [
        [case.name, *(spread(case.first[tool]) for tool in ("edgewright", CACHED, "sklearn", "keras"))]
        for case in chosen
    ]
    loss = [[case.name, *(f"{case.loss[tool]:.3f}" for tool in TOOLS)] for case in chosen]
    known = {
        **versions(pythons["edgewright"], ["edgewright", "jax", "optax"]),
        **versions(pythons["sklearn"], ["scikit-learn"]),
        **versions(pythons["keras"], ["keras"]),
    }
    tools = ["Edgewright", "scikit-learn", "Keras on JAX"]
    return "\n".join(
        [
            "Processor seconds of 20 epochs, batch 64, Adam, 8,000 rows, one thread: median (lowest to highest).",
            "",
            "Warm, after a first fit in the same process. Every fit is of a new model; in the last column Keras fits",
            "one compiled model again with its weights set back:",
            "",
            markdown(
                [
                    "network",
                    "scikit-learn / ours",
                    "at least",
                    "Keras / ours",
                    "at least",
                    "",
                    *tools,
                    "Keras, same model",
                ],
                warm,
            ),
            "",
            "First fit of a process, imports left out, compilation included:",
            "",
            markdown(["network", "Edgewright", "Edgewright, programs cached on disk", *tools[1:]], first),
            "",
            "Loss on the training rows in the last epoch (the same work):",
            "",
            markdown(["network", *tools], loss),
            "",
            f"`python -m benchmarks.training` with {', '.join(f'{n} {v}' for n, v in known.items())}, "
            f"Python {platform.python_version()}, {platform.machine()}, {REPEATS} processes each.",
        ]
    )


def spread(values: Sequence[float]) -> str:
    """Median with the lowest and the highest."""
    return f"{median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    sys.exit(main())
