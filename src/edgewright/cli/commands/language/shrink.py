"""`edgewright language shrink`: a sentence encoder in int8, a quarter of its bytes."""

from __future__ import annotations

from pathlib import Path

import click

from edgewright.cli.command import Result, argument, declare, option
from edgewright.cli.interrupt import loading


@declare(example="all-MiniLM-L6-v2 --out minilm-int8")
def command(
    *,
    encoder: Path = argument(metavar="DIR"),
    out: Path = option(required=True, help="New directory."),
) -> Result:
    """Write the sentence encoder of DIR with int8 weights, for use with --teacher and --encoder.

    Reports how close its vectors are to those of the original encoder, on a few sentences.
    """
    with loading():
        from edgewright.language.embedding import load
        from edgewright.language.embedding.load import write_int8

    whole = load(encoder)
    size = write_int8(encoder, out)
    texts = [f"{start} the {thing}" for start in ("turn on", "where is", "how do I clean", "I would like to buy")
             for thing in ("light", "battery", "red car", "soup of the day", "heater upstairs")]  # fmt: skip
    near = (whole.encode(texts) * load(out).encode(texts)).sum(axis=1)
    record = {"directory": str(out), "bytes": size, "from_bytes": whole.bytes, "cosine_mean": float(near.mean()),
            "cosine_least": float(near.min())}  # fmt: skip
    return Result(
        record,
        [
            f"wrote {click.format_filename(str(out))}, {size / 1e6:.1f} MB of {whole.bytes / 1e6:.1f}",
            f"  cosine to the whole encoder {near.mean():.3f}, at least {near.min():.3f}, on {len(texts)} sentences",
        ],
    )
