"""Shapes of the text that holds a table: encodings, delimiters, and lines that are no rows."""

from __future__ import annotations

import gzip

from odd_files.shape import Draw, OddFile, Sheet, shape, text_of, written
from odd_files.signals import room, spots


def _room(draw: Draw) -> Sheet:
    return room(draw, 60.0).known(rate_hz=None)


@shape
def byte_order_mark(draw: Draw) -> OddFile:
    """Write UTF-8 with a byte order mark."""
    return written(draw, _room(draw), encoding="utf-8-sig")


@shape
def windows_encoding(draw: Draw) -> OddFile:
    """Write the encoding of Western Windows, with letters beyond ASCII in names or texts."""
    sheet = _room(draw)
    name = sheet.truth.readings[0]
    cells = {f"{key} [°C]" if key == name else key: values for key, values in sheet.cells.items()}
    readings = (f"{name} [°C]", *sheet.truth.readings[1:])
    return written(draw, Sheet(cells, sheet.truth).known(readings=readings), encoding="cp1252")


@shape
def utf_16(draw: Draw) -> OddFile:
    """Write UTF-16 with its mark, as Excel's Unicode text."""
    encoding, delimiter = draw.take("utf-16", "utf-16"), draw.take("\t", ",", ";")
    return written(draw, _room(draw), draw.take(".txt", ".csv"), encoding=encoding, delimiter=delimiter)


@shape
def tabs(draw: Draw) -> OddFile:
    """Write tabs between cells."""
    return written(draw, spots(draw), draw.take(".tsv", ".txt", ".csv", ".tab", ".dat"), delimiter="\t")


@shape
def bars(draw: Draw) -> OddFile:
    """Write bars between cells."""
    return written(draw, spots(draw), draw.take(".csv", ".txt"), delimiter="|")


@shape
def compressed(draw: Draw) -> OddFile:
    """Write a CSV file through gzip."""
    sheet = spots(draw)
    path = draw.path(".csv.gz")
    path.write_bytes(gzip.compress(text_of(sheet).encode(), mtime=0))
    return OddFile(path, sheet.truth)


@shape
def lines_beside_the_table(draw: Draw) -> OddFile:
    """Write a line of units below the header, or comments above it."""
    sheet = _room(draw)
    units = ["°C", "%", "hPa", draw.take("", "-")]
    if draw.seed % 2:
        text = text_of(sheet, ";", [units])
        sheet = sheet.known(units=tuple(units[:3]))
    else:
        text = "# Logger 4711, firmware 2.1\n# " + ", ".join(units[:3]) + "\n" + text_of(sheet)
    path = draw.path(".csv")
    path.write_text(text, encoding="utf-8")
    return OddFile(path, sheet.truth)


@shape
def repeated_names(draw: Draw) -> OddFile:
    """Write several columns under one name; they are counted as pandas does."""
    sheet = spots(draw, columns=draw.take(3, 4))
    name = draw.take("acc", "value", "Wert")
    count = len(sheet.truth.readings)
    header, _, rows = text_of(sheet).partition("\n")
    names = [name] * count + header.split(",")[count:]
    path = draw.path(".csv")
    path.write_text(",".join(names) + "\n" + rows, encoding="utf-8")
    return OddFile(path, sheet.known(readings=(name, *(f"{name}.{i}" for i in range(1, count)))).truth)
