"""Finding profiles: one TOML a device, found by its file name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from edgewright.runtime.tables import convert_table
from edgewright.schema.errors import InputError, UnknownNameError
from edgewright.schema.profile import Figure, Profile

FOLDER = Path(__file__).resolve().parent


@cache
def listing() -> tuple[str, ...]:
    """Names of the profiles that come with Edgewright."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_profile(name: str) -> Profile:
    """The profile of that name, or of a TOML file of one's own when `name` is its path.

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
    """The profile in a TOML file.

    Raises:
        InputError: naming the file and the key when it cannot be read, a key is missing, unknown or of another type,
            the name differs from the file's, or a figure is not above zero.
    """
    where = str(path)
    try:
        table = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise InputError("a device profile", error.strerror or str(error), where) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError("a device profile", str(error).replace("`", "'"), where) from error
    profile = convert_table(table, Profile, where)
    if profile.name != path.stem:
        raise InputError(f"the name {path.stem!r}, as the file is called", repr(profile.name), f"{where}, key name")
    for key, figure in figures(profile).items():
        if not 0 < figure.value < float("inf"):
            raise InputError("a figure above zero", str(figure.value), f"{where}, key {key}.value")
    return profile


def figures(profile: Profile) -> dict[str, Figure]:
    """The figures of a profile by name."""
    values = ((key, getattr(profile, key)) for key in Profile.__struct_fields__)
    return {key: value for key, value in values if isinstance(value, Figure)}
