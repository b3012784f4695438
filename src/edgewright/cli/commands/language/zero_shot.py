"""`edgewright language zero-shot`: labels of texts, pictures or sounds, from one-line descriptions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgewright.cli.command import Result, Stream, argument, declare, option, own_model
from edgewright.cli.interrupt import loading
from edgewright.core.errors import (
    DONE,
    CheckFailedError,
    CsvEmptyError,
    EncoderMissingError,
    InputError,
    OptionsConflictError,
)
from edgewright.core.formatting import printable

if TYPE_CHECKING:
    from edgewright.nlp.finder import Choice, Labels


@declare(
    example='"will it rain" --labels labels.toml --encoder all-MiniLM-L6-v2',
    json="Print a line of JSON per text, picture or sound.",
)
def command(
    *,
    thing: str = argument(metavar="TEXT|FILE|FOLDER|-"),
    labels_path: Path | None = option("--labels", metavar="LABELS.toml|.csv", help="Labels and their descriptions."),
    described: str = option("--is", metavar="DESCRIPTION", help="Ask whether it is this, instead of LABELS."),
    encoder: Path | None = option(
        metavar="DIR",
        help="Encoder of sentences, or of pictures or sounds together with text, such as an export of CLIP.",
    ),
    strict: float = option(
        type=click.FloatRange(-10, 10),
        default=0.0,
        metavar="DEVIATIONS",
        help="Higher values answer 'none of these' more often.",
    ),
) -> Stream:
    """Label a TEXT, the lines of a text FILE, a picture, a WAV file, or a FOLDER, without any examples.

    The label is that of the nearest description by the encoder, or 'none of these' below a limit. LABELS is TOML with a
    table [labels] of name = "description" (or a list of descriptions), or CSV with columns label and description.
    """
    with loading():
        from edgewright.language.zero_shot import read_labels, single_label

    if not thing.strip():
        raise CsvEmptyError("a text, a file or a folder", "an empty one", "language zero-shot")
    if (labels_path is None) == (not described):
        raise OptionsConflictError("--labels or --is", "both" if described else "neither", "language zero-shot")
    labels = read_labels(labels_path) if labels_path else single_label(described)
    role = _role(thing)
    encoder = own_model(role, encoder)
    if encoder is None:
        raise EncoderMissingError("the --encoder that compares descriptions", "none", "--encoder",
                         "Pass the directory of an encoder, or register it: edgewright models add DIR")  # fmt: skip
    names = ("vision_model.onnx", "audio_model.onnx")
    media = role != "text" or any((encoder / above / name).is_file() for name in names for above in ("", "onnx"))
    answers = _media(thing, labels, encoder, strict) if media else _texts(thing, labels, encoder, strict)
    lost = 0
    for name, choice in answers:
        if isinstance(choice, InputError):
            lost += 1
            click.echo(f"left out: {' '.join(str(choice).splitlines())}", err=True)
        else:
            record = {"file" if media else "text": name, "none": choice.none, **msgspec.to_builtins(choice)}
            yield Result(record, [_sentence(name, choice)], compact=True)
    if media:
        yield Result(text=["confidences are calibrated on English sentences, not on pictures or sounds"])
    if lost:
        raise CheckFailedError(f"{lost} files could not be read and have no label")
    return DONE


def _role(thing: str) -> str:
    """Return the role of the model that labels something: pictures and sounds by their endings."""
    roles = {"image": "picture", "audio": "sound"}
    with suppress(OSError, ValueError):  # too long, or with characters that no name has
        path = Path(thing)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            kind = (guess_type(file.name)[0] or "").partition("/")[0]
            if kind in roles and file.is_file():
                return roles[kind]
    return "text"


def _media(thing: str, labels: Labels, directory: Path, strict: float) -> Iterator[tuple[str, Choice | InputError]]:

    with loading():
        from edgewright.language.documents.index import MediaEncoder
        from edgewright.language.zero_shot import choose_files, media_chooser

    encoder = MediaEncoder(directory)
    chooser = media_chooser(labels, encoder, strict)
    for path, choice in choose_files(Path(thing), encoder, chooser):
        yield str(path), choice


def _texts(thing: str, labels: Labels, directory: Path, strict: float) -> Iterator[tuple[str, Choice | InputError]]:

    with loading():
        from edgewright.language.embedding import load
        from edgewright.language.utterances import read_lines
        from edgewright.language.zero_shot import check_texts, text_chooser

    if thing == "-":
        texts = check_texts([line for line in sys.stdin.read().splitlines() if line.strip()], "standard input")
    elif _is_file(thing):
        texts = check_texts(read_lines(Path(thing)), thing)
    else:
        texts = check_texts([thing], "the text")
    if not texts:
        raise CsvEmptyError("one text per line", "none", "standard input")
    loaded = load(directory)
    chooser = text_chooser(labels, loaded, strict)
    # Encoded in parts, so that answers to a long file come as they are made.
    for start in range(0, len(texts), 256):
        some = texts[start : start + 256]
        yield from zip(some, chooser.choose(loaded.encode(some)), strict=True)


def _is_file(thing: str) -> bool:
    try:
        if Path(thing).is_dir():
            raise CsvEmptyError("a text or a file of texts", "a folder", thing, "Folders are of pictures or sounds")
        return Path(thing).is_file()
    except (OSError, ValueError):
        return False  # too long, or with characters that no name has


def _sentence(name: str, choice: Choice) -> str:
    shown = printable(name)
    near = f"unlike {choice.nearest!r}, the nearest" if choice.none else f"like {choice.description!r}"
    return (f"{shown}: {choice.label}, {100 * choice.confidence:.0f} % "
            f"({near}: cosine {choice.cosine:.2f}, required {choice.limit:.2f})")  # fmt: skip
