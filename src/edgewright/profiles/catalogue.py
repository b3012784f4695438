"""Finding profiles: one TOML a device, found by its file name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.errors import ProfileError, UnknownNameError
from edgewright.core.toml_tables import convert_table
from edgewright.profiles.footprint import SYSTEM_CODE, coefficients, takes_programs
from edgewright.profiles.records import PROFILE_VERSION, Figure, Profile

FOLDER = Path(__file__).resolve().parent
_LOGIC = frozenset({"hls", "ice40"})
_FROM_NOTHING = ("wait_states", "sleep")
# Every figure is taken as it stands: 48 MHz read as 48 Hz would make each latency a million times too long.
_UNITS = {
    "flash": "B", "ram": "B", "package": "B", "cache": "B", "bandwidth": "B/s", "clock": "Hz", "active": "W",
    "sleep": "W", "price": "USD", "error": "relative",
    "cells": "cells",
}  # fmt: skip


@cache
def listing() -> tuple[str, ...]:
    """Return names of the profiles that come with Edgewright."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_profile(name: str) -> Profile:
    """Return the profile of that name, or of a TOML file of one's own when `name` is its path.

    Raises:
        UnknownNameError: listing the known profiles.
        InputError: when a file of one's own is absent or is no profile.
    """
    if name in listing():
        return read_profile(FOLDER / f"{name}.toml")
    if name.endswith(".toml"):
        return read_profile(Path(name))
    raise UnknownNameError("device profile", name, listing())


def read_profile(path: Path) -> Profile:
    """Return the profile in a TOML file, completed by the one it inherits from.

    A key of the file replaces the parent's key whole. The parent is a profile that comes with Edgewright, or a TOML
    file beside this one.

    Raises:
        InputError: naming the file and the key when it cannot be read or is of a newer format, a key is missing,
            unknown or of another type,
            the name differs from the file's, a figure is in another unit or not above zero, or a profile inherits
            from itself, or too small for an operating system with a core of which nothing is known.
        UnknownNameError: for a parent that is not known.
    """
    where = str(path)
    profile = convert_table(_completed(path, ()), Profile, where)
    if profile.name != path.stem:
        raise ProfileError(f"the name {path.stem!r}, as the file is called", repr(profile.name), f"{where}, key name")
    for key, figure in figures(profile).items():
        unit = _UNITS.get(key, "cycles")
        if figure.unit != unit:
            raise ProfileError(
                f"the unit {unit!r}", repr(figure.unit), f"{where}, key {key}.unit", f"Give the value in {unit}"
            )
        # A core that waits for nothing waits 0 cycles.
        smallest = 0.0 if key in _FROM_NOTHING else np.nextafter(0.0, 1.0)
        if not smallest <= figure.value < float("inf"):
            raise ProfileError("a figure above zero", str(figure.value), f"{where}, key {key}.value")
    if not takes_programs(profile) and profile.instruction_set not in _LOGIC and profile.flash.value < SYSTEM_CODE[1]:
        # Too small for an operating system, so it takes generated C, of whose cost on such a core nothing is known.
        raise ProfileError(
            f"a core of {', '.join(coefficients())}", f"instruction_set {profile.instruction_set!r}",
            where, 'Add the nearest one as estimated_as = "cortex-m0plus"; error bars are then ±50 %',
        )  # fmt: skip
    return profile


def _completed(path: Path, below: tuple[Path, ...]) -> dict[str, object]:
    """Return the table of a file over that of its parent; `below` are the files that lead here."""
    where = str(path)
    if path in below:
        ring = " -> ".join(step.stem for step in (*below, path))
        raise ProfileError("a profile that does not inherit from itself", ring, f"{below[-1]}, key inherits")
    try:
        table: dict[str, object] = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        do = "Check the path, or name one of `edgewright profiles`" if isinstance(error, FileNotFoundError) else ""
        got = "no such file" if do else error.strerror or str(error)
        raise ProfileError("a device profile", got, where, do) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProfileError("a device profile", str(error).replace("`", "'"), where) from error
    _refuse_newer(table, where)
    parent = table.get("inherits", "")
    if not isinstance(parent, str):
        raise ProfileError("the name of a profile", repr(parent), f"{where}, key inherits")
    if not parent:
        return table
    if parent.endswith(".toml"):
        return _completed(path.parent / parent, (*below, path)) | table
    if parent not in listing():
        raise UnknownNameError("device profile", parent, listing(), f"{where}, key inherits")
    return _completed(FOLDER / f"{parent}.toml", (*below, path)) | table


def _refuse_newer(table: dict[str, object], where: str) -> None:
    """Say that a file is of a later format, before anything in it is called unknown."""
    version = table.get("version", PROFILE_VERSION)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ProfileError(
            "a whole number from 1 on", repr(version), f"{where}, key version", "Leave it out, or give 1"
        )
    if version > PROFILE_VERSION:
        raise ProfileError(
            f"a profile of format {PROFILE_VERSION} or older", str(version), f"{where}, key version",
            f"Profile format {version} is newer than this Edgewright reads ({PROFILE_VERSION}): upgrade",
        )  # fmt: skip


def figures(profile: Profile) -> dict[str, Figure]:
    """Return the figures of a profile by name."""
    values = ((key, getattr(profile, key)) for key in Profile.__struct_fields__)
    return {key: value for key, value in values if isinstance(value, Figure)}
