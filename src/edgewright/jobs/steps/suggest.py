"""`suggest`: a model of text within a size, beside simpler ones, in bits per byte and in keystrokes saved."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.core.files import write_atomic
from edgewright.core.formatting import percent
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.language.intents.network import size_of
from edgewright.language.texts.corpus import read_corpus
from edgewright.language.texts.training import KINDS, JudgedModel, TextTraining, train_text
from edgewright.nlp.texts.model_file import write_text_model
from edgewright.nlp.texts.suggest import suggest
from edgewright.schema.job import Choice, JobFigure, StepRecord

TYPED = "judged.txt"
"""File of the text that judged a model, beside it."""


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that suggests words.

    Attributes:
        texts: file or folder of the data; all of it when empty.
        size: bytes of the model at most.
        models: that are tried; validation articles choose.
        steps: of the network's optimiser.
        words: that are typed to count keystrokes.
        examples: texts that the page completes.
        seed: of everything.
    """

    texts: str = ""
    size: str = "40kB"
    models: tuple[str, ...] = KINDS
    steps: Annotated[int, msgspec.Meta(ge=10)] = 1500
    words: Annotated[int, msgspec.Meta(ge=1)] = 150
    examples: tuple[str, ...] = ()
    seed: int = 0


def _suggest(config: Config, work: Work) -> StepRecord:
    (path,) = work.texts((config.texts,) if config.texts else ())
    with work.listener.doing("Reading texts"):
        articles = read_corpus(path)
    name = config.step_name
    how = TextTraining(size_of(config.size), config.models, config.steps, config.words, config.seed)
    with work.listener.doing(f"Training models of {config.size}"):
        trained = train_text(articles, how, name)
    folder = work.out / name
    folder.mkdir()
    length = write_text_model(folder / f"{name}.text", trained.spec, trained.arrays)
    write_atomic(folder / TYPED, trained.typed.encode("ascii"))
    chosen = trained.results[0]
    says = [f"Validation articles chose the {_words(chosen)} of {chosen.bytes:,} bytes; the file has {length:,}."]
    says += [_sentence(item) for item in trained.results]
    for text in config.examples:
        words = ", ".join(f"{item.word} ({item.chance:.0%})" for item in suggest(trained.model, text))
        says.append(f"“{text}” is completed by {words or 'no word'}.")
    figures = [JobFigure.of("bytes", "bytes of the model", float(chosen.bytes), "B")]
    for item in trained.results:
        key = item.name.replace(" ", "_") if item is not chosen else "chosen"
        if item.bits is not None:
            figures.append(JobFigure.of_interval(f"{key}_bits", f"bits per byte, {_words(item)}", item.bits, "bits"))
        if item.saved is not None:
            figures.append(JobFigure.of(f"{key}_saved", f"keystrokes saved, {_words(item)}", item.saved.share))
    return StepRecord(
        command=f"edgewright language train-text {config.texts or 'TEXTS'} --out {name}.text --size {config.size}",
        says=tuple(says),
        figures=tuple(figures),
        choice=Choice(
            question=f"Which model suggests words within {config.size}?",
            options=tuple(
                JobFigure.of_interval(item.name, f"{_words(item)} of {item.bytes:,} bytes", item.bits, "bits a byte")
                for item in trained.results
                if item.bits is not None
            ),
            chosen=f"the {_words(chosen)} of {chosen.bytes:,} bytes",
            why="it has the fewest bits a byte on the validation articles",
        ),
        folder=folder.name,
    )


def _words(model: JudgedModel) -> str:
    """Return the name of a model as people of the trade write it."""
    return model.name.replace("ngram", "n-gram model").replace("gru", "GRU")


def _sentence(model: JudgedModel) -> str:
    bits = "" if model.bits is None else f"{model.bits.value:.3f} bits per byte"
    size = f" of {model.bytes:,} bytes: {bits}"
    if model.saved is None:
        return f"The {_words(model)}{size}."
    comma = ", " if bits else ""
    return (
        f"The {_words(model)}{size}{comma}{percent(model.saved.share)} of keystrokes saved in {model.saved.words} "
        f"words, {percent(model.saved.next_word)} of words suggested before their first character."
    )


STEP = Step(Config, "Suggested words", _suggest)
