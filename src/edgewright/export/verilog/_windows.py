"""What convolutions and pools share: a kernel that stands at many places of an image, padded first where it must be."""

from __future__ import annotations

from dataclasses import dataclass

from edgewright.export.verilog import Buffer, Factor, Loop, Site, Step, copied, image


@dataclass(frozen=True)
class Windows:
    """A kernel over an image.

    Attributes:
        before: steps that make a padded copy.
        read: the image, padded.
        taps: loops over columns and rows of the kernel.
        places: loops over columns and rows of the output.
        channels: of the image.
    """

    before: tuple[Step, ...]
    read: Buffer
    taps: tuple[Loop, Loop]
    places: tuple[Loop, Loop]
    channels: int


def padded(site: Site, pads: tuple[int, ...], fill: int, write: Buffer) -> tuple[Step, ...]:
    """Return steps that fill a larger image, and copy the image into it.

    Args:
        site: whose first input is copied.
        pads: top, left, bottom, right.
        fill: byte around the image.
        write: the larger image.
    """
    top, left, bottom, right = pads
    height, width, channels = image(site.values[0])
    wide = width + left + right
    size = (height + top + bottom) * wide * channels
    filled = Step(
        read=site.source, write=write, taps=(Loop(1, 0),), outputs=(Loop(size, 0, 1),), factors=(Factor(),),
        low=fill, high=fill, keeps=True,
    )  # fmt: skip
    row = Loop(width * channels, 1, 1)
    inner = Buffer(write.number, (top * wide + left) * channels)
    return filled, copied(site.source, inner, (row, Loop(height, width * channels, wide * channels)))


def windows(site: Site, fill: int) -> Windows:
    """Return the loops of an operator with kernel, strides, dilations and pads."""
    numbers = site.operator.numbers
    height, width, channels = image(site.values[0])
    rows, columns, filters = image(site.values[-1])
    pads = tuple(numbers["pads"])
    (kh, kw), (sh, sw), (dh, dw) = numbers["kernel"], numbers["strides"], numbers.get("dilations", (1, 1))
    before: tuple[Step, ...] = ()
    read = site.source
    if any(pads):
        read = Buffer(site.spare)
        before = padded(site, pads, fill, read)
        width += pads[1] + pads[3]
    del height
    line = width * channels
    return Windows(
        before=before,
        read=read,
        taps=(Loop(kw, dw * channels), Loop(kh, dh * line)),
        places=(Loop(columns, sw * channels, filters), Loop(rows, sh * line, columns * filters)),
        channels=channels,
    )
