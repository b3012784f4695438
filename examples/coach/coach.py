"""Coach: which sounds of a sentence did a learner mispronounce?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgewright.workflows.examples import Target, run_example, set_path
from espeak import RATE, read_sound, sound_files
from evaluation import score_coach
from network import CoachFile, write_coach
from phones import changed_prompt
from proof import prove
from reading import Reader
from takes import Take, read_corpus
from training import CoachRequest, train_coach

DATA = ("speechocean762",)
TARGETS = {
    "phone": Target(
        minimum=0.90, source="need: of a wrong and a right phone, nine times in ten the wrong one is worse"
    ),
    "confusable": Target(minimum=0.85, source="need: the same of phones that learners confuse"),
    "word": Target(minimum=0.86, source="need: a word with one wrong phone stands out, six times in seven"),
    "other_word": Target(minimum=0.95, source="need: another word is never praised, but for one in twenty"),
    "recall": Target(minimum=0.50, source="need: every second mistake is reported while one right phone in twenty is"),
    "network": Target(maximum=75_000, source="need: with the sound of a lesson in 128 kB of a small microcontroller"),
    "verdict_s": Target(maximum=0.15, source="need: an answer within 150 ms seems immediate"),
}
# A microphone delivers 50 ms of sound at a time.
PIECE = RATE // 20


def practice(coach: CoachFile, takes: list[Take], sounds: dict[str, Path]) -> dict[str, float]:
    """Read a sentence of each unheard speaker, with a changed prompt, to the streaming coach."""
    wrong, reported, delays = list[bool](), list[bool](), list[float]()
    for number, take in enumerate(takes):
        change = changed_prompt(take.pronunciations, None, np.random.default_rng([0, 31, number]))
        reader, sound = Reader(coach, take.words, change.pronunciations), read_sound(sounds[take.name])
        verdicts = [
            verdict for start in range(0, len(sound), PIECE) for verdict in reader.push(sound[start : start + PIECE])
        ]
        verdicts += reader.finish()
        # A sentence that sounds like another one has no verdicts.
        if len(verdicts) == len(take.words):
            changed = {word for word, _ in change.changed}
            wrong += [word in changed for word in range(len(verdicts))]
            reported += [not verdict.right for verdict in verdicts]
            delays += [verdict.known_s - verdict.end_s for verdict in verdicts]
    mistakes, flagged = np.array(wrong), np.array(reported)
    return {
        "practice_words": len(wrong),
        "practice_found": flagged[mistakes].mean(),
        "practice_false": flagged[~mistakes].mean(),
        "practice_delay_s": np.median(delays),
    }


def main(data: Path | None, out: Path) -> dict[str, float]:
    """Train the phone network, evaluate it by speakers it has never heard, prove it, and let them practise."""
    folder = Path(set_path("speechocean762", data))
    corpus = read_corpus(folder, 1)
    request = CoachRequest(name="coach", sentences=1200, epochs=(6, 12, 3), hold_out=0.3, seed=0)
    trained = train_coach(corpus, request, lambda _: None)
    score, file = score_coach(trained.file, trained.judges, corpus.lexicon, 0), out / "coach.coach"
    write_coach(file, trained.file)
    return {
        **{name: getattr(score, name).value for name in ("phone", "confusable", "word", "other_word", "recall")},
        "false_alarms": score.false_alarms.value,
        "named": score.named.value,
        "network": score.network_bytes,
        "verdict_s": score.verdict_ms / 1000,
        "speakers": score.speakers,
        "proof_pairs": prove(file),
        **practice(trained.file, list(trained.judges), sound_files(folder)),
    }


if __name__ == "__main__":
    run_example(main, TARGETS, __doc__)
