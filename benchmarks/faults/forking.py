"""A process that begins warm and dies where a test says."""

from __future__ import annotations

import os
import warnings


def fork() -> int:
    """As `os.fork`; without the warning of libraries with threads of their own, none of which the child calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return os.fork()
