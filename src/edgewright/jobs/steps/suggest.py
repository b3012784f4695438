"""`suggest`: a model of text within a size, beside simpler ones, in bits per byte and in keystrokes saved."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.core.files import write_atomic
from edgewright.core.formatting import percent
from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.language.intents.integers import size_of
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
    name = config.name or config.kind
    how = TextTraining(size_of(config.size), config.models, config.steps, config.words, config.seed)
    with work.listener.doing(f"Training models of {config.size}"):
        made = train_text(articles, how, name)
    folder = work.out / name
    folder.mkdir()
    length = write_text_model(folder / f"{name}.text", made.spec, made.arrays)
    write_atomic(folder / TYPED, made.typed.encode("ascii"))
    chosen = made.judged[0]
    says = [f"Validation articles chose the {chosen.name} of {chosen.bytes:,} bytes; the file has {length:,}."]
    says += [_sentence(one) for one in made.judged]
    for text in config.examples:
        words = ", ".join(f"{one.word} ({one.chance:.0%})" for one in suggest(made.model, text))
        says.append(f"“{text}” is completed by {words or 'no word'}.")
    figures = [JobFigure(name="bytes", title="bytes of the model", value=float(chosen.bytes), unit="B")]
    for one in made.judged:
        key = one.name.replace(" ", "_") if one is not chosen else "chosen"
        if one.bits is not None:
            title = f"bits per byte, {one.name}"
            figures.append(
                JobFigure(name=f"{key}_bits", title=title, value=one.bits.value, interval=one.bits, unit="bits")
            )
        if one.saved is not None:
            figures.append(JobFigure(name=f"{key}_saved", title=f"keystrokes saved, {one.name}", value=one.saved.share))
    return StepRecord(
        command=f"edgewright language train-text {config.texts or 'TEXTS'} --out {name}.text --size {config.size}",
        says=tuple(says),
        figures=tuple(figures),
        choice=Choice(
            question=f"Which model suggests words within {config.size}?",
            options=tuple(
                JobFigure(
                    name=one.name,
                    title=f"{one.name} of {one.bytes:,} bytes",
                    value=one.bits.value,
                    interval=one.bits,
                    unit="bits a byte",
                )
                for one in made.judged
                if one.bits is not None
            ),
            chosen=f"the {chosen.name} of {chosen.bytes:,} bytes",
            why="it has the fewest bits a byte on the validation articles",
        ),
        folder=folder.name,
    )


def _sentence(one: JudgedModel) -> str:
    bits = "" if one.bits is None else f"{one.bits.value:.3f} bits per byte"
    size = f" of {one.bytes:,} bytes: {bits}"
    if one.saved is None:
        return f"The {one.name}{size}."
    comma = ", " if bits else ""
    return (
        f"The {one.name}{size}{comma}{percent(one.saved.share)} of keystrokes saved in {one.saved.words} words, "
        f"{percent(one.saved.next_word)} of words suggested before their first character."
    )


STEP = Step(Config, "Suggested words", _suggest)
