"""Secrets by name: a setting says `secret:NAME`, and the value lies in a file of this device alone."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from edgewright.core.errors import SecretError

PREFIX, FOLDER = "secret:", "secrets"
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what a service names with LoadCredential= (systemd.exec(5))."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def secret_file(value: str, folder: Path, where: str, *, present: bool = True) -> str:
    """Return the file of a secret; nothing is read from it.

    Args:
        value: `secret:NAME`.
        folder: of device.toml; its `secrets/` is used where systemd gives no secret of this name.
        where: for messages.
        present: whether it must be there, as on a device.

    Raises:
        InputError: the name is none, or the file is missing or can be read by others.
    """
    name = value.removeprefix(PREFIX)
    if not _NAME.fullmatch(name):
        raise SecretError("the name of a secret, such as secret:mqtt-password", repr(value), where)
    given = os.path.join(os.environ.get(CREDENTIALS_VARIABLE) or os.devnull, name)  # noqa: PTH118 - a text
    if os.path.isfile(given):  # noqa: PTH113 - false, too, for a folder that this user may not enter
        return given
    path = folder / FOLDER / name
    if not present:
        return str(path)
    try:
        # Not to wait for the writer of a pipe.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        status = os.fstat(handle)
        os.close(handle)
    except OSError as error:
        do = f"Put it into {path}, mode 0600, or name it in LoadCredential= of the service"
        raise SecretError(f"the secret {name!r}", error.strerror or str(error), where, do) from None
    if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}" if stat.S_ISREG(status.st_mode) else "no plain file"
        raise SecretError(f"a secret {name!r} that only its owner reads", f"mode {mode}", where, f"chmod 600 {path}")
    return str(path)


def secret_names(value: object) -> Iterator[str]:
    """Yield the names of secrets in a table as read."""
    if isinstance(value, str) and value.startswith(PREFIX):
        yield value.removeprefix(PREFIX)
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from secret_names(part)
