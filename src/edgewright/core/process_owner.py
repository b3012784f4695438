"""Whose process this is."""

from __future__ import annotations

import getpass


def account(otherwise: str) -> str:
    """Name of the account; `otherwise` where the machine has none for it, as in a container."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return otherwise
