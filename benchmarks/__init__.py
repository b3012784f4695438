"""Measured claims: each module prints a table in Markdown with its peers and verdicts."""

import os
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
HAPT, WATCH = (str(EXAMPLES / "activity" / name) for name in ("hapt.toml", "watch.toml"))
"""Pipelines of the example `activity`."""
_SOURCES = (
    "activity/activities.py", "factory/machines.py", "health/gait.py", "health/heartbeats.py", "room/occupancy.py",
    "shop/goods.py", "shop/visitors.py", "wake-word/digits.py",
)  # fmt: skip
SOURCE_FILES = tuple(EXAMPLES / name for name in _SOURCES)
"""Files with the loaders of public data sets, which belong to the examples."""
# Set without importing edgewright; started processes inherit it.
os.environ.setdefault("EDGEWRIGHT_SOURCES", os.pathsep.join(map(str, SOURCE_FILES)))
sys.path += [folder for folder in dict.fromkeys(str(path.parent) for path in SOURCE_FILES) if folder not in sys.path]
