"""Two slots of flash for what a board learns: a power cut during a write leaves the state before."""

from __future__ import annotations

from edgewright.export.c99_code.parts import parts

DECLARED = parts(__file__, "adapt_flash.h")["declared"]
"""What NAME_adapt.h says of them."""
DEFINED = parts(__file__, "adapt_flash.c")["defined"]
"""Functions; `$identity` is the checksum of the factory's numbers, `$odd` refuses impossible states."""
