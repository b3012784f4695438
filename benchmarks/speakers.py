"""Spoken digits by speakers who were left out: `docs/examples/digits.toml`, once without each of the six.

Of a setting it says how it does on speakers who are new to the network. espeak-ng says the synthetic words first.

    python -m benchmarks.speakers [--data FOLDER] [--set KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from scipy import stats

from benchmarks.table import ROOT, markdown
from edgewright.cli.commands.synth import speech as speak
from edgewright.pipeline.config import read_config
from edgewright.pipeline.run import run_pipeline

DATA = Path(os.environ.get("EDGEWRIGHT_SHARED", ROOT.parent / "shared")) / "data" / "fsdd"
DIGITS = tuple("0123456789")
VOICES = ("--speakers", "500", "--copies", "1", "--rate", "8000", "--recorded")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


def main() -> int:
    """Print the accuracy on each speaker, float and int8, the mean with its interval over speakers, and the bytes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="Folder of the set.")
    parser.add_argument("--set", dest="changes", action="append", default=[], help="KEY=VALUE, as of `edgewright run`.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder) / "prompts"
        speak.main([*DIGITS, *VOICES, "--out", str(prompts)], standalone_mode=False)
        _leave_out(given.data, (f"training.synthetic={str(prompts)!r}", *given.changes))
    return 0


def _leave_out(data: Path, given: tuple[str, ...]) -> None:
    """Print what the network makes of each speaker when the others train it."""
    forms: dict[str, list[float]] = {}
    sizes: list[int] = []
    for name in SPEAKERS:
        changes = ("refit=false", f'split.test_groups=["{name}"]', "compression.max_drop=1", *given)
        with tempfile.TemporaryDirectory() as out:
            config = read_config(str(ROOT / "docs" / "examples" / "digits.toml"), changes)
            record = run_pipeline(config, data=str(data), out=out).trace.compression
        if record is None:
            raise SystemExit(f"no int8 form without {name}")
        for form in record.variants:
            if form.accuracy is not None:
                forms.setdefault(form.name, []).append(form.accuracy.value)
        sizes.append(next(form.weight_bytes for form in record.variants if form.name == "int8"))
        print(name, *(f"{form} {rates[-1]:.3f}" for form, rates in forms.items()), flush=True)
    rows = [[form, *(f"{rate:.3f}" for rate in rates), _span(rates)] for form, rates in forms.items()]
    print(markdown(("form", *SPEAKERS, "mean (95 % CI over six speakers)"), rows))
    print(f"weights of the int8 network: {max(sizes):,} bytes")


def _span(rates: list[float]) -> str:
    """Mean with Student's interval: six speakers are few, and it is wide."""
    mean = float(np.mean(rates))
    half = float(stats.t.ppf(0.975, len(rates) - 1) * np.std(rates, ddof=1) / np.sqrt(len(rates)))
    return f"{mean:.3f} ({mean - half:.3f} to {min(1.0, mean + half):.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
