"""`edgewright language pack`: an index and its encoder as a folder for a device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from edgewright.cli.command import Result, argument, declare, option, own_model
from edgewright.cli.interrupt import loading
from edgewright.core.errors import EncoderMissingError, ExistingFileError, OptionsConflictError
from edgewright.core.formatting import bytes_text


@declare(example='plants.index --encoder clip-onnx --licence MIT --is "a sick leaf" --out plants.finder')
def command(
    *,
    index: Path = argument(metavar="INDEX"),
    out: Path = option(required=True, metavar="FINDER", help="New folder."),
    encoder: Path | None = option(metavar="DIR", help="Directory of the index's encoder of pictures or sounds."),
    licence: str = option(metavar="NAME", help="Licence of the encoder; read from its files by default."),
    questions: tuple[str, ...] = option(
        "--question", metavar="TEXT", help="Question that the device can ask in words; may be repeated."
    ),
    labels_path: Path | None = option("--labels", metavar="LABELS.toml|.csv", help="Labels and their descriptions."),
    described: str = option("--is", metavar="DESCRIPTION", help="Say of each picture or sound whether it is this."),
) -> Result:
    """Pack INDEX with its encoder of pictures or sounds as a folder for a device: `edgewright device find`.

    The folder holds the index, the graph of the encoder as it is (without its text encoder), the vectors of questions
    and descriptions, the licence, the SHA-256 of each file, and a test. A device verifies the files and runs the test
    before it answers, and needs no network.
    """
    if out.exists() or not out.resolve().parent.is_dir():
        got = "one that is" if out.exists() else "a path in a folder that is not there"
        raise ExistingFileError("a folder that is not there yet", got, str(out))
    if labels_path is not None and described:
        raise OptionsConflictError("--labels or --is", "both", "language pack")
    with loading():
        from edgewright.core.own_models import read_record
        from edgewright.language.own_models.registration import licence_of
        from edgewright.language.packing import write_finder
        from edgewright.language.zero_shot import check_texts, read_labels, single_label
        from edgewright.nlp.documents.search import DocumentIndex

        with DocumentIndex(index) as opened:
            contents = opened.contents
        if not contents.encoder:
            raise EncoderMissingError("an index with vectors of an encoder of pictures or sounds", "one of words alone",
                             str(index), "Build it with such an --encoder")  # fmt: skip
        encoder = own_model("picture", encoder, name=contents.encoder)
        if encoder is None:
            raise EncoderMissingError(f"the --encoder of the index, {contents.encoder!r}", "none", "--encoder")
        labels = read_labels(labels_path) if labels_path else single_label(described) if described else None
        record = read_record(encoder)
        licence = licence or (record.licence if record else licence_of(encoder))
        if not licence:
            do = "Look it up where the encoder comes from, and set it, such as --licence MIT"
            raise EncoderMissingError(
                "a licence in README.md or LICENSE of the encoder, or --licence", "none", str(encoder), do
            )
        texts = check_texts(questions, "--question")
        finder = write_finder(out, index, encoder, licence=licence, questions=texts, labels=labels)
    size = sum(file.size_bytes for file in finder.files)

    def text() -> Iterator[str]:
        yield f"{contents.passages} passages, encoder {finder.encoder} ({finder.licence}), {len(finder.tests)} tests"
        extras = [
            *(["engines"] if finder.engine != "numpy" else []),
            *(["camera"] if finder.media == "picture" else []),
        ]
        listed = f"[{','.join(extras)}]" if extras else ""
        yield f"a device needs edgewright-device{listed}"
        name = click.format_filename(str(out))
        yield f"wrote {name}, {bytes_text(size)}"
        yield f"next, there: edgewright-device find {name} FILE"

    return Result({"folder": str(out), "bytes": size, **msgspec.to_builtins(finder)}, text())
