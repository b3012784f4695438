"""The target of a picture with objects: their labels and centres as text, one sample as one string."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from edgewright.schema.errors import InputError
from edgewright.schema.objects import Centre

TARGET = "objects"
"""Name of such a target."""
_DIGITS = 4
_Centres = msgspec.json.Decoder(tuple[Centre, ...])


def centres_text(centres: Iterable[Centre]) -> str:
    """Return objects as text; '[]' for a picture without any."""
    rounded = [(one.label, round(one.x, _DIGITS), round(one.y, _DIGITS)) for one in centres]
    return msgspec.json.encode(rounded).decode()


def read_centres(texts: Iterable[object]) -> list[tuple[Centre, ...]]:
    """Return the objects of each picture.

    Raises:
        InputError: another kind of target.
    """
    try:
        return [_Centres.decode(str(text)) for text in texts]
    except msgspec.DecodeError:
        raise InputError(
            "objects with their centres", "another target", "task = 'detection'",
            "Load pictures with boxes: [data] kind = 'pictures', boxes = 'FILE'",
        ) from None  # fmt: skip


def object_labels(centres: Sequence[Sequence[Centre]]) -> tuple[str, ...]:
    """Return the labels of all objects, sorted.

    Raises:
        InputError: there is no object.
    """
    labels = tuple(sorted({one.label for some in centres for one in some}))
    if not labels:
        raise InputError("at least one object in the pictures", "none", "the target", "Check the file of boxes")
    return labels
