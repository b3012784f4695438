"""Labels from descriptions, as people write them, and the vectors that they are compared by."""

from __future__ import annotations

import csv
import io
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgewright.core.errors import DescriptionsError, EncoderError, InputError, MissingFileError
from edgewright.data.contract import read_utf8
from edgewright.language.documents.index import MediaEncoder
from edgewright.language.embedding import Encoder
from edgewright.nlp.documents.media import files_of
from edgewright.nlp.finder import Choice, Chooser, Labels

# As utterances on the device.
_LONGEST = 1000


def text_chooser(labels: Labels, encoder: Encoder, shift: float = 0.0) -> Chooser:
    """Return labels of texts; what it chooses between are vectors of `encoder`."""
    described, others, around = (
        encoder.encode(list(some)) for some in (labels.descriptions, labels.others, background("text"))
    )
    return Chooser(labels, described, others, around, shift)


def check_texts(texts: Sequence[str], where: str) -> list[str]:
    """Return texts without what surrounds them.

    Raises:
        InputError: one without a letter or digit, or longer than 1,000 characters.
    """
    stripped_texts = []
    for number, text in enumerate(texts, 1):
        stripped = text.strip()
        location = f"{where} line {number}" if len(texts) > 1 else where
        if not any(c.isalnum() for c in stripped):
            raise DescriptionsError("a text with a word in it", repr(text)[:60], location)
        if len(stripped) > _LONGEST:
            raise EncoderError(f"at most {_LONGEST:,} characters", f"{len(stripped):,}", location)
        stripped_texts.append(stripped)
    return stripped_texts


Kind = Literal["text", "picture", "sound"]


@cache
def background(kind: Kind) -> tuple[str, ...]:
    """Descriptions of all sorts of things, a line each."""
    folder = resources.files("edgewright.language") / "backgrounds"
    return tuple((folder / f"{kind}.txt").read_text("utf-8").splitlines())


_LARGEST = 4 << 20
_MAX_TEXTS = 10_000
_DO = 'Write a line such as: weather = "somebody asks about the weather", below [labels]'


def read_labels(path: Path) -> Labels:
    """Read a TOML file with `[labels]` (and `others = [...]` before it), or a CSV file with label and description.

    Raises:
        InputError: no such file or another form, fewer than two labels, one without a description, a description twice.
    """
    text, where = read_utf8(path, "a file of labels", _DO, _LARGEST), str(path)
    descriptions, others = _csv(text, where) if path.suffix.lower() == ".csv" else _toml(text, where)
    return labels_of(descriptions, others, where)


def labels_of(descriptions: dict[str, list[str]], others: list[str], where: str = "labels") -> Labels:
    """Check and return labels.

    Args:
        descriptions: descriptions by label.
        others: of what is none of them.
        where: in messages.

    Raises:
        InputError: as `read_labels`.
    """
    if len(descriptions) < 2:
        got = "one label" if descriptions else "none"
        raise DescriptionsError("at least two labels", got, where, "Add a second label. " + _DO)
    seen: dict[str, str] = {}
    texts, owners = [], []
    for number, (name, lines) in enumerate(descriptions.items()):
        if not lines:
            raise DescriptionsError("a description", "none", f"{where}, label {name!r}", _DO)
        for line in lines:
            texts.append(_checked(line, name, seen, where))
            owners.append(number)
    outside = tuple(_checked(line, "others", seen, where) for line in others)
    if len(texts) + len(outside) > _MAX_TEXTS:
        raise DescriptionsError(f"at most {_MAX_TEXTS:,} descriptions", f"{len(texts) + len(outside):,}", where)
    return Labels(tuple(descriptions), tuple(texts), tuple(owners), outside)


def single_label(description: str) -> Labels:
    """Return one label, which is its own description: the answer is it or 'none of these'.

    Raises:
        InputError: a description without a word.
    """
    text = _checked(description, description, {}, "--is")
    return Labels((text,), (text,), (0,))


def _checked(line: str, name: str, seen: dict[str, str], where: str) -> str:
    text = " ".join(line.split())
    if not any(c.isalnum() for c in text) or len(text) > _LONGEST:
        got = f"{len(text):,} characters" if len(text) > _LONGEST else repr(line)
        raise DescriptionsError(
            f"a description in words, at most {_LONGEST:,} characters", got, f"{where}, label {name!r}"
        )
    key = unicodedata.normalize("NFKC", text).casefold()
    if key in seen:
        twice = f"{text!r} under {seen[key]!r} and {name!r}"
        raise DescriptionsError("each description once", twice, where, "Remove it from one of them")
    seen[key] = name
    return text


def _toml(text: str, where: str) -> tuple[dict[str, list[str]], list[str]]:
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DescriptionsError("a TOML file of labels", str(error), where, _DO) from None
    unknown = sorted(table.keys() - {"labels", "others"})
    if unknown or not isinstance(table.get("labels"), dict):
        got = unknown[0] if unknown else "no table [labels]"
        raise DescriptionsError("a table [labels], and others = [...] before it", got, where, _DO)
    descriptions = {name: _lines(value, f"{where}, label {name!r}") for name, value in table["labels"].items()}
    return descriptions, _lines(table.get("others", []), f"{where}, others")


def _lines(value: object, where: str) -> list[str]:
    lines = [value] if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise DescriptionsError("a text or a list of texts", repr(value)[:60], where, _DO)
    return lines


def _csv(text: str, where: str) -> tuple[dict[str, list[str]], list[str]]:
    try:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [cell.strip().lower() for cell in next(rows, [])]
        if not {"label", "description"} <= set(header):
            raise DescriptionsError("columns label and description", ", ".join(header) or "an empty file", where)
        at, of = header.index("label"), header.index("description")
        descriptions: dict[str, list[str]] = {}
        for row in rows:
            if not row:
                continue
            if len(row) != len(header) or not row[at].strip():
                raise DescriptionsError(f"a label, and {len(header)} cells", repr(",".join(row))[:60],
                                 f"{where} line {rows.line_num}", "Quote descriptions with commas in them")  # fmt: skip
            descriptions.setdefault(row[at].strip(), []).append(row[of])
    except csv.Error as error:
        raise EncoderError("a CSV file", str(error), where) from None
    return descriptions, []


def media_chooser(labels: Labels, encoder: MediaEncoder, shift: float = 0.0) -> Chooser:
    """Return labels of pictures or sounds.

    Raises:
        InputError: no encoder of text beside that of pictures or sounds.
    """
    around = encoder.encode(list(background(encoder.kind)))
    others = encoder.encode(list(labels.others)) if labels.others else around[:0]
    return Chooser(labels, encoder.encode(list(labels.descriptions)), others, around, shift)


def choose_files(
    file_path: Path, encoder: MediaEncoder, chooser: Chooser
) -> Iterator[tuple[Path, Choice | InputError]]:
    """Yield a choice for a file, or for each below a folder; there what cannot be read is told instead.

    Raises:
        InputError: the one file cannot be read, nothing there, or a folder without any.
    """
    if not file_path.exists():
        raise MissingFileError(f"a {encoder.kind} or a folder of such", "no such file", str(file_path))
    folder = file_path.is_dir()
    for path in files_of(file_path, encoder.kind) if folder else [file_path]:
        try:
            vector = encoder.encode_file(path)
        except InputError as error:
            if not folder:
                raise
            yield path, error
            continue
        yield path, chooser.choose(np.asarray(vector)[None])[0]
