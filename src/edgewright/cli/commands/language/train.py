"""`edgewright language train`: utterances to the model that a device understands sentences with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, own_model, wants_json
from edgewright.cli.interrupt import loading
from edgewright.cli.options import refuse_existing
from edgewright.core.errors import EncoderMissingError, OptionMissingError

if TYPE_CHECKING:
    from edgewright.language.utterances import Labelled


@declare(example="drinks.toml --out drinks.language --slots")
def command(
    utterances: Path = argument(metavar="UTTERANCES"),
    out: Path = option(required=True, help="Model file to write."),
    validation: Path | None = option(
        metavar="FILE",
        help="Utterances to evaluate, calibrate and set the out-of-scope limit with. [default: a fifth of each intent]",
    ),
    size: str = option(default="64kB", help="Largest size of the model's arrays in bytes."),
    reject: str | None = option(
        metavar="SHARE",
        help=(
            "Largest share of right answers that may be refused, such as 2%. [default: with few examples, whatever "
            "refuses 96% of background sentences; else 2% with out-of-scope examples, 0.2% without]"
        ),
    ),
    slots: bool = option(help="Train a tagger for the slots that the utterances mark."),
    teacher: Path | None = option(
        metavar="DIR",
        help="Directory of a sentence encoder, or the name of a model of yours. [default: with --for gateway or "
        "--unlabelled your newest]",
    ),
    unlabelled: Path | None = option(metavar="FILE", help="File with one text per line, for the teacher."),
    form: str = option(
        "--for",
        type=click.Choice(["device", "gateway"]),
        default="device",
        help="device: an int8 network; gateway: a linear classifier that needs --teacher's encoder at run time.",
    ),
    contradictions: str = option(
        type=click.Choice(["refuse", "drop"]), default="refuse", help="What to do with a sentence that has two intents."
    ),
    label_errors: float = option(
        type=click.FloatRange(0.0, 1.0),
        default=0.05,
        help="Largest error rate of a machine's labels that an audit must confirm.",
    ),
    seed: int = option(type=click.IntRange(0), default=0, help="Random seed."),
    force: bool = option(help="Replace the file, and write a model that is no better than guessing."),
) -> Result:
    """Train intents and slots from UTTERANCES (.toml, .json, .csv, or files as SNIPS and CLINC publish them).

    A fifth of each intent is held out to evaluate, calibrate and set the out-of-scope limit; the final model is fitted
    on all utterances. With --validation, those utterances do this instead. Few examples train a linear model and are
    evaluated by leaving each out in turn. A model that is no better than guessing is not written without --force.

    An utterance that matches no intent well enough is refused as out of scope; the training also sees sentences of
    hundreds of other topics. --reject limits the share of right answers that this may cost. A text without any n-gram
    of the training data is always refused.

    With --teacher, the model also learns from a linear classifier on that encoder's vectors, on new sentences and texts
    without labels: ten utterances per intent then give good results. Of few examples, and no more texts without labels,
    this model is written only if it answers more examples right that were left out than a model without a teacher.
    """
    if form == "gateway" or unlabelled or teacher:
        teacher = own_model("text", teacher)
    _check(out, force, form, teacher, unlabelled)
    with loading():
        from edgewright.data import audited_labels
        from edgewright.language.embedding import load
        from edgewright.language.embedding.directory import Remembering
        from edgewright.language.intents.material import Teacher
        from edgewright.language.intents.network import size_of
        from edgewright.language.intents.parts import share_of
        from edgewright.language.intents.train import How
        from edgewright.language.training import check_chance, describe_chance, lines, name_of, train
        from edgewright.language.utterances import read_lines
        from edgewright.nlp.utterance.parse import write_language

    given = (utterances,) if validation is None else (utterances, validation)
    records = [record for path in given for record in audited_labels.records(path, label_errors)]
    labelled, messages = _read(utterances, validation, contradictions)
    messages += [f"{record.file}: {audited_labels.sentence_of(record)}" for record in records]
    model = train(
        labelled,
        How(size=size_of(size), reject=None if reject is None else share_of(reject), seed=seed),
        name=name_of(out),
        slots=slots,
        teacher=Teacher(Remembering(load(teacher))) if teacher else None,
        gateway=form == "gateway",
        unlabelled=read_lines(unlabelled) if unlabelled else (),
        say=None if wants_json() else click.echo,
    )
    if not force:
        check_chance(model.spec.trained, str(utterances))
    elif guessed := describe_chance(model.spec.trained):
        messages.append(guessed)
    trained = {**model.spec.trained, **({"labels": msgspec.to_builtins(records)} if records else {})}
    length = write_language(out, msgspec.structs.replace(model.spec, trained=trained), model.arrays)
    answer = {"file": str(out), "file_bytes": length, **trained, "findings": [*messages, *model.findings]}
    return Result(
        answer,
        [
            "\n".join((*lines(model.spec.trained), *(f"note: {finding}" for finding in answer["findings"]))),
            f"wrote {click.format_filename(str(out))}, {length:,} bytes; its arrays take {model.trained.bytes:,}",
        ],
    )


def _check(out: Path, force: bool, form: str, teacher: Path | None, unlabelled: Path | None) -> None:
    """Refuse what cannot be done before anything is loaded."""
    if unlabelled and not teacher:
        raise OptionMissingError("a --teacher for texts without labels", "none", "--unlabelled")
    if form == "gateway" and not teacher:
        raise EncoderMissingError("a --teacher, whose encoder the gateway holds", "none", "--for gateway")
    refuse_existing(out, force)


def _read(path: Path, validation: Path | None, contradictions: str) -> tuple[Labelled, list[str]]:
    from edgewright.language.utterances import read, without_contradictions

    labelled = read(path)
    if validation is not None:
        judges = read(validation)
        labelled = msgspec.structs.replace(labelled, validation=(*judges.utterances, *judges.validation))
    if contradictions == "refuse":
        return labelled, []
    count = len(labelled.utterances)
    whole = (*labelled.utterances, *labelled.validation)
    places = set(map(id, without_contradictions(whole)[0]))
    kept = tuple(utterance for utterance in labelled.utterances if id(utterance) in places)
    judging = tuple(utterance for utterance in labelled.validation if id(utterance) in places)
    lost = count - len(kept)
    lines = [f"{lost:,} utterances dropped, because their sentence has two intents"] if lost else []
    return msgspec.structs.replace(labelled, utterances=kept, validation=judging), lines
