"""Wake word: does somebody say the word that wakes the device?"""

from __future__ import annotations

import json
from pathlib import Path

import edgewright as ew
from edgewright.data.set_files import register_sources
from edgewright.pipeline.run import RunResult
from edgewright.workflows.examples import Target, check_proof, run_example, set_path
from edgewright.workflows.tuning.selection import Cost, alarm_figures
from edgewright.workflows.tuning.workflow import TuningRequest, evaluate_alarms, tune
from recordings import READERS, VALIDATION, WORD, choose_takes, people, voices, write_copies, write_recordings

DATA = ("fsdd", "speechocean762")
_OFF = "need: a device that wakes more than once an hour by itself is switched off"
TARGETS = {
    "missed": Target(maximum=0.10, source="need: a wearer repeats a word once in ten at most"),
    "false_alarms": Target(maximum=1.0, source=_OFF),
    "takes_missed": Target(maximum=0.03, source="need: for a minute of recording, a word in thirty is repeated"),
    "takes_false_alarms": Target(maximum=1.0, source=_OFF),
    "takes_flash": Target(
        maximum=35_000, source="need: next to a microphone's driver in the 64 kB of a small microcontroller"
    ),
}
HERE = Path(__file__).parent


def alarms(run: RunResult, out: Path, groups: tuple[str, ...]) -> dict[str, float]:
    """Tune the alarm on the validation people, and apply it to the streams of the test people."""
    request = TuningRequest(Cost(false_alarm=20.0, miss=1.0), alarms=(WORD,))
    decision = tune(run.folder, request, out=out / f"{run.folder.name}-tuned").record.decision
    tallies = evaluate_alarms(run.folder, decision, groups)
    return alarm_figures([tally for group in tallies.values() for tally in group])


def main(data: Path | None, out: Path) -> dict[str, float]:
    """Train on synthetic voices alone, then with copies of three takes of each person."""
    readers = Path(set_path("speechocean762", data))
    spoken = voices((HERE / "others.txt").read_text(encoding="utf-8").split("\n")[:-1])
    takes, recorded = choose_takes(people(set_path("fsdd", data), readers))
    training = {sound.group for sound in spoken} | {READERS[0]}
    test = tuple(sorted({sound.group for sound in recorded} - training - {*VALIDATION}))
    write_recordings(out / "recordings", [*spoken, *recorded], training)
    write_copies(out / "takes", takes)
    split = (f"split.validation_groups={json.dumps(VALIDATION)}", f"split.test_groups={json.dumps(test)}")
    figures = dict[str, float]()
    for prefix, changes in (("", ()), ("takes_", ("name=takes", f"training.synthetic={out / 'takes'}"))):
        pipeline = ew.Pipeline.from_toml(
            HERE / "pipeline.toml", data=str(out / "recordings"), changes=(*split, *changes)
        )  # fmt: skip
        run = pipeline.run(out=out / "runs", force=True)
        mine = {**alarms(run, out, test), "flash": run.figures["flash"]}
        figures |= {f"{prefix}{name}": value for name, value in mine.items()}
    return {**figures, **check_proof(out / "runs" / "wake-word", device="cortex-m4", rows=300)}


if __name__ == "__main__":
    register_sources(HERE / "digits.py")
    run_example(main, TARGETS, __doc__)
