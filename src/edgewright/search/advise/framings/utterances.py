"""Sentences with intents: most frequent label, word counts and the int8 student on a held-out fifth of the data."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB

from edgewright.language.utterances import read
from edgewright.pipeline.cost.duration_estimate import Ahead, Progress
from edgewright.schema.advice import Existing, Frame
from edgewright.schema.errors import InputError
from edgewright.schema.language import OUT_OF_SCOPE, Utterance
from edgewright.search.advise.contract import AdviceRequest, Framing, FramingResult, capabilities
from edgewright.search.advise.framings.documents import SEARCH
from edgewright.search.advise.inspection import Inspection
from edgewright.search.curves.language_learners import IntentLearner

_FILES = {".toml", ".json"}
_SIZE = 64_000
# Published for all-MiniLM-L6-v2: 22.7 million parameters, one byte each; from memory, not verified.
_ENCODER = 22.7e6
_FEWEST = 30


@dataclass(frozen=True)
class _LabelledText:
    """Utterances, their source in words, the file for `language train`, and commands to run before it."""

    utterances: tuple[Utterance, ...]
    source: str
    ready: str
    first: tuple[str, ...] = ()


def _fits(seen: Inspection, request: AdviceRequest) -> bool:
    if seen.location is None or request.kind:
        return False
    if seen.header:
        numbers = [
            n for n in seen.header if n not in seen.words and n not in (request.target, request.group, request.time, "")
        ]
        sentences = [name for name in seen.sentences if name not in (request.target, request.time)]
        return bool(sentences) and (not numbers or request.task == "intent")
    if not seen.endings or not set(seen.endings) <= _FILES | {"", ".md"} or not set(seen.endings) & _FILES:
        return False
    try:
        return bool(read(seen.location).utterances)
    except InputError:
        return False


def _advise(seen: Inspection, request: AdviceRequest, progress: Progress, ahead: Ahead) -> FramingResult:
    corpus = _read(seen, request)
    if corpus is None:
        return _unlabelled(seen)
    inside = [utterance for utterance in corpus.utterances if utterance.intent != OUT_OF_SCOPE]
    counts = Counter(utterance.intent for utterance in inside)
    if len(counts) < 2:
        raise InputError("at least two different intents", str(len(counts)), request.data, "Label at least two intents")
    if len(inside) < _FEWEST:
        raise InputError(f"at least {_FEWEST} utterances", str(len(inside)), request.data, "Add utterances")
    with progress("Intents", 3) as advance:
        learner = IntentLearner(seen.location.stem if seen.location else "text", inside, size=_SIZE, seed=request.seed)
        maximum = max(counts.values()) / len(inside)
        advance(1)
        words = _bayes(inside, request.seed)
        advance(1)
        student = 1.0 - learner.judge(1.0, 0)
        advance(1)
    sure = 1.96 * float(np.sqrt(max(1e-9, student * (1 - student)) / (0.2 * len(inside))))
    gain = student - words
    is_better = gain > sure
    train = (*corpus.first, f"edgewright language train {corpus.ready} --out text.language --size 64kB",
             'edgewright language parse "..." --model text.language',
             "edgewright export text.language --to c99 --out firmware")  # fmt: skip
    choice = "an intent student of at most 64 kB"
    text = "word counts (naive Bayes) are not significantly worse, but only the student exports C99 with test vectors"
    return FramingResult(
        name=seen.location.stem if seen.location else "text",
        target=request.target,
        frame=Frame(
            task="intent",
            why=(f"{corpus.source}: {len(inside):,} sentences with {len(counts)} labels, so each label is an intent",
                 f"labels have {min(counts.values())} to {max(counts.values())} sentences"),
            capabilities=capabilities(),
            commands=train,
        ),
        columns=("sentence",),
        usual_rows=50.0,
        bytes_row=float(np.mean([len(utterance.text.encode()) for utterance in inside])),
        changes_how="every sentence has its own answer",
        existing=(Existing(name="labels from descriptions", purpose="an encoder and a description of each label, "
                           "without examples; with labelled ones the student is smaller",
                           command='edgewright language zero-shot "..." --labels labels.toml --encoder DIR'),),
        choice=choice,
        choice_why=f"accuracy {student:.3f} on a held-out fifth of each label, {gain:+.3f} over word counts"
        + ("" if is_better else f" (within ±{sure:.3f}: {text})"),
        measured=(("most frequent label", f"accuracy {maximum:.3f}"),
                  ("word counts, naive Bayes", f"accuracy {words:.3f}"),
                  ("student, int8, at most 64 kB", f"accuracy {student:.3f} ± {sure:.3f}")),
        curve_note=f"not measured: measure it with edgewright curve {corpus.ready} --utterances",
        costs=(("flash", "at most 64 kB for the student's tables (--size)"), ("labels", f"{len(inside):,} sentences")),
        commands=(*train, f"edgewright curve {corpus.ready} --utterances"),
        notes=("the file names no speakers, so sentences of one speaker can be in both parts; they are split one "
               "by one",),
    )  # fmt: skip


def _read(seen: Inspection, request: AdviceRequest) -> _LabelledText | None:
    """Read the utterances; return None where a table has sentences but no labels."""
    assert seen.location is not None  # noqa: S101 - `_fits` ensures it
    location = shlex.quote(str(seen.location))
    if not seen.header:
        return _LabelledText(read(seen.location).utterances, f"{seen.location.name} holds utterances", location)
    names = {name.lower(): name for name in seen.header}
    target = request.target or names.get("intent", "")
    if not target:
        return None
    if target not in seen.header:
        raise InputError(
            f"one of the columns {', '.join(seen.header)}", repr(target), request.data, "Set it with --target"
        )
    column = names.get("text") or max((n for n in seen.sentences if n != target), key=lambda n: seen.words[n])
    pairs = zip(seen.columns[column].tolist(), seen.columns[target].tolist(), strict=True)
    utterances = tuple(Utterance(text=text, intent=label) for text, label in pairs if text and label)
    if {"text", "intent"} <= set(names):
        return _LabelledText(utterances, f"columns {column!r} and {target!r}", location)
    message = (
        f"name the columns {shlex.quote(column)} and {shlex.quote(target)} 'text' and 'intent', as text-intent.csv"
    )
    return _LabelledText(utterances, f"columns {column!r} and {target!r}", "text-intent.csv", (f"# {message}",))


def _bayes(utterances: list[Utterance], seed: int) -> float:
    """Return the accuracy of naive Bayes on word counts, on a held-out fifth of the sentences."""
    rng = np.random.default_rng(seed)
    texts = HashingVectorizer(n_features=2**12, alternate_sign=False).transform([item.text for item in utterances])
    labels = np.array([item.intent for item in utterances])
    held_out = rng.permutation(len(labels)) < len(labels) // 5
    model = MultinomialNB(alpha=0.1).fit(texts[~held_out], labels[~held_out])
    return float(model.score(texts[held_out], labels[held_out]))


def _unlabelled(seen: Inspection) -> FramingResult:
    """Return the advice for unlabelled sentences; a table of questions and answers leads to retrieval."""
    assert seen.location is not None  # noqa: S101 - `_fits` ensures it
    if {"question", "answer"} <= {name.strip().lower() for name in seen.header}:
        return _questions(seen)
    location = shlex.quote(str(seen.location))
    commands = ('edgewright language zero-shot "..." --labels labels.toml --encoder DIR', "edgewright label --help",
                f"edgewright advise {location} --target COLUMN")  # fmt: skip
    return FramingResult(
        name=seen.location.stem,
        target="",
        frame=Frame(
            task="intent",
            why=(f"sentences in {', '.join(seen.sentences)}, and no label was named with --target",),
            capabilities=capabilities(zero_shot="without labelled sentences, only descriptions of labels remain"),
            commands=commands,
        ),
        columns=("sentence",),
        bytes_row=60.0,
        usual_rows=50.0,
        least_bytes=_ENCODER,
        least_why="an encoder of sentences",
        measured=(("all options", "not measured: nothing is labelled"),),
        choice="labels from descriptions, then a student",
        choice_why="measuring needs labels; start with a few dozen sentences per label",
        curve_note="not measured: there are no labels",
        commands=commands,
    )


def _questions(seen: Inspection) -> FramingResult:
    """Return the advice for questions with answers, which can test a search in documents."""
    assert seen.location is not None  # noqa: S101 - `_fits` ensures it
    commands = ("edgewright language index manual.pdf --out manual.index",
                'edgewright language ask "..." --index manual.index')  # fmt: skip
    return FramingResult(
        name=seen.location.stem,
        target="",
        frame=Frame(
            task="retrieval",
            why=(
                f"columns of questions and answers, {len(next(iter(seen.columns.values()))):,} rows: answers come from "
                "documents and are not recurring classes",
            ),
            capabilities=capabilities(retrieval="the answer and its location must be found in the documents"),
            commands=commands,
        ),
        measured=(("full text search", "not measured: this needs the documents that contain the answers"),),
        choice_why="it is the simplest option that can answer; test it with these questions",
        commands=commands,
        **SEARCH,
    )


FRAMING = Framing(rank=30, tasks=("intent", "retrieval"), fits=_fits, advise=_advise)
