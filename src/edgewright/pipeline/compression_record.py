"""`compress.json`, the record of a compression, in and out."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.schema.compress import COMPRESS_VERSION, CompressRecord
from edgewright.schema.errors import InputError

RECORD = "compress.json"


def write_record(record: CompressRecord, folder: Path) -> None:
    """Writes the record into a folder that is not published yet."""
    text = msgspec.json.format(msgspec.json.encode(record, order="sorted"), indent=2) + b"\n"
    (folder / RECORD).write_bytes(text)


def read_record(folder: Path) -> CompressRecord:
    """The record of a compression.

    Raises:
        InputError: absent, damaged, or of a newer version.
    """
    path = folder / RECORD
    try:
        content = path.read_bytes()
        version = msgspec.json.decode(content).get("version", 0)
        if version > COMPRESS_VERSION:
            raise InputError("a record of a known version", str(version), str(path), "Upgrade edgewright")
        return msgspec.json.decode(content, type=CompressRecord)
    except OSError as error:
        raise InputError("a compress.json", error.strerror or str(error), str(path)) from None
    except (msgspec.MsgspecError, AttributeError) as error:
        raise InputError("an undamaged compress.json", str(error), str(path)) from None
