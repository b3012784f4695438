"""What several commands of `edgewright label` take or say alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewright.cli.command import argument, option
from edgewright.core.request_origin import account
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.language.labelling.project import Project
    from edgewright.nlp.utterance.head import Encodes

PROJECT: Any = argument(metavar="PROJECT")
ENCODER: Any = option(
    metavar="DIR", help="Directory of an encoder of texts or pictures; without one, words or colours are counted."
)
REVIEWER: Any = option(
    "--as", default=lambda: account("reviewer"), show_default=False, metavar="NAME",
    help="Name of the reviewer. [default: name of the account]",
)  # fmt: skip


def encoder_of(project: Project, directory: Path | None) -> Encodes | None:
    """Return the encoder of a directory, for what the project holds.

    Raises:
        InputError: no such encoder.
    """
    if directory is None:
        return None
    if project.kind != "pictures":
        from edgewright.language.embedding import load

        return load(directory)
    from edgewright.language.documents.media_encoder import MediaEncoder

    encoder = MediaEncoder(directory)
    if encoder.kind != "picture":
        raise InputError("an encoder of pictures", f"one of {encoder.kind}s", str(directory))
    return encoder


def plain(text: str, maximum: int = 400) -> str:
    """Return text that cannot move the cursor, shortened, on one line."""
    shown = "".join(c if c.isprintable() else " " for c in text[: maximum + 1])
    return shown[:maximum] + f"... ({len(text):,} characters)" if len(text) > maximum else shown
