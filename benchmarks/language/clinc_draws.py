"""Few sentences of people: draws of 2 to 8 intents with 4 to 10 sentences of CLINC150, as a user might begin.

Intents are of the five domains that did not choose how few sentences are taught; 30 other training sentences of each
judge. Sentences out of scope, of the five other domains, and of other intents of the same five are to be refused, 100
of each.
"""

from __future__ import annotations

import json
from collections import defaultdict

import numpy as np

from benchmarks.language.blind import Trains, head_of, student_of
from benchmarks.language.row import DATA, Row, encoder_directory, left_out
from edgewright.language.embedding import load
from edgewright.language.embedding.contract import Remembering
from edgewright.schema.language import Utterance
from edgewright.training.metrics import wilson

DRAWS, TESTED, REFUSED = 15, 30, 100
TASK = "15 draws of CLINC150, right as answered / refused: out of scope, other domains, other intents"
Labelled = list[tuple[str, str]]


def draws() -> list[tuple[list[Utterance], Labelled, list[list[str]]]]:
    """Return sentences to train on, those that judge with their intents, and three kinds to refuse, of each draw."""
    folder = DATA / "clinc150"
    parts = json.loads((folder / "data_full.json").read_bytes())
    domains = json.loads((folder / "domains.json").read_bytes())
    texts = defaultdict[str, list[str]](list)
    for text, intent in parts["train"]:
        texts[intent].append(text)
    own, away = (sorted(i for name in [*sorted(domains)][k::2] for i in domains[name]) for k in (1, 0))
    outside = [text for text, _ in parts["oos_train"]][:REFUSED]
    cases = []
    for number in range(DRAWS):
        random = np.random.default_rng([0, number])
        count, sentences = int(random.integers(2, 9)), int(random.integers(4, 11))
        intents = [own[k] for k in random.choice(len(own), count, replace=False)]
        given, tested = list[Utterance](), Labelled()
        for intent in intents:
            order = [texts[intent][k] for k in random.permutation(len(texts[intent]))]
            given += [Utterance(text=text, intent=intent) for text in order[:sentences]]
            tested += [(text, intent) for text in order[sentences : sentences + TESTED]]
        others = [[text for intent in some for text in texts[intent]] for some in (away, sorted({*own} - {*intents}))]
        foreign = [[some[k] for k in random.choice(len(some), REFUSED, replace=False)] for some in others]
        cases.append((given, tested, [outside, *foreign]))
    return cases


def rows() -> list[Row]:
    """Return the student alone, taught by an encoder where that pays, and the head of a gateway."""
    rows_made = [row("int8 student", lambda given: student_of(given, None))]
    path = encoder_directory()
    if path is None:
        return [*rows_made, left_out(TASK, "with MiniLM", "no encoder; EDGEWRIGHT_ENCODER names one")]
    encoder = Remembering(load(path))
    return [
        *rows_made,
        row("int8 student, taught by MiniLM where that pays", lambda given: student_of(given, encoder)),
        row("head on MiniLM (gateway)", lambda given: head_of(given, encoder)),
    ]


def row(model: str, trains: Trains) -> Row:
    """Return shares of all draws."""
    right, lost, taught = list[bool](), 0, 0
    refused: list[list[bool]] = [[], [], []]
    for given, tested, foreign in draws():
        trained, form = trains(given)
        taught += trained.note.endswith("the taught model is kept")
        for text, intent in tested:
            logits = form.logits(text)
            best = int(logits.argmax())
            known = trained.intents[best] == intent
            right.append(known and bool(logits[best] >= form.limits[best]))
            lost += known and not right[-1]
        for answers, texts in zip(refused, foreign, strict=True):
            answers += [bool(np.all(form.logits(text) < form.limits)) for text in texts]
    share = wilson(sum(right), len(right))
    reached = (
        f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f}) of {len(right)} / "
        f"{', '.join(f'{100 * np.mean(answers):.1f}' for answers in refused)} %; "
        f"{100 * lost / (sum(right) + lost):.1f} % of right answers refused; taught in {taught} draws"
    )
    return Row(TASK, model, reached, "64 kB")
