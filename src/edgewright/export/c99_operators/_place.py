"""Where a kernel stands over an image of bytes, and the loops over it."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.export.c99_operators import Site


@dataclass(frozen=True)
class Kernel:
    """A kernel's settings; pairs are height and width.

    Attributes:
        size: of the kernel.
        strides: from place to place.
        dilations: between taps.
        before: rows and columns of padding before the image.
        source, places: height, width and channels of input and output.
        padded: whether any tap can lie outside the image.
    """

    size: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    source: tuple[int, int, int]
    places: tuple[int, int, int]
    padded: bool


def kernel_of(site: Site) -> Kernel:
    """Settings of a convolution or pool."""
    numbers = site.operator.numbers
    kh, kw = numbers["kernel"]
    sh, sw = numbers["strides"]
    dh, dw = numbers.get("dilations", (1, 1))
    h, w, c = site.values[0].shape
    rows, columns, filters = site.target.shape
    top, left = numbers["pads"][:2]
    outside = (rows - 1) * sh - top + (kh - 1) * dh >= h or (columns - 1) * sw - left + (kw - 1) * dw >= w
    return Kernel(
        (kh, kw), (sh, sw), (dh, dw), (top, left), (h, w, c), (rows, columns, filters), bool(top or left or outside)
    )


def over_places(k: Kernel, body: list[str]) -> list[str]:
    """`body` for every place, with `top`, `left` (first tap) and `place` (row and column of the output as one)."""
    rows, columns, _ = k.places
    row, column = (f"place / {columns}", f"place % {columns}") if rows > 1 else ("0", "place")
    lines = [
        f"for (int place = 0; place < {rows * columns}; ++place) {{",
        f"    const int top = {_first(row, k.strides[0], k.before[0])};",
        f"    const int left = {_first(column, k.strides[1], k.before[1])};",
    ]
    return [*lines, *("    " + line for line in body), "}"]


def over_taps(k: Kernel, body: list[str]) -> list[str]:
    """`body` for every tap within the image, with `at` (offset of the tap's first channel) and `tap` (its number)."""
    (kh, kw), (dh, dw), (h, w, c) = k.size, k.dilations, k.source
    lines = [f"for (int y = 0; y < {kh}; ++y) {{"]
    if k.padded:
        lines += [
            f"    const int row = top + {_times('y', dh)};",
            f"    if (row < 0 || row >= {h}) {{",
            "        continue;",
            "    }",
        ]
    else:
        lines += [f"    const int row = top + {_times('y', dh)};"]
    lines += [f"    for (int x = 0; x < {kw}; ++x) {{", f"        const int column = left + {_times('x', dw)};"]
    if k.padded:
        lines += [f"        if (column < 0 || column >= {w}) {{", "            continue;", "        }"]
    lines += [f"        const int at = (row * {w} + column) * {c};"]
    return [*lines, *("        " + line for line in body), "    }", "}"]


def _first(place: str, stride: int, before: int) -> str:
    text = f"({place}) * {stride}" if stride != 1 else place
    return f"{text} - {before}" if before else text


def _times(name: str, step: int) -> str:
    return name if step == 1 else f"{step} * {name}"
