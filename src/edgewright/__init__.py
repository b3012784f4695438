"""Sensor data to a small model that proves itself on the device.

Public names load on first use, so that `import edgewright` stays light.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from edgewright._late_imports import LateImports
from edgewright._version import __version__

if TYPE_CHECKING:
    from edgewright.export.answering import load as load
    from edgewright.workflows.model import Classifier as Classifier
    from edgewright.workflows.model import Model as Model
    from edgewright.workflows.model import Pipeline as Pipeline
    from edgewright.workflows.model import Regressor as Regressor
    from edgewright.workflows.model import fit as fit

_PUBLIC = {
    "Classifier": "edgewright.workflows.model",
    "Model": "edgewright.workflows.model",
    "Pipeline": "edgewright.workflows.model",
    "Regressor": "edgewright.workflows.model",
    "fit": "edgewright.workflows.model",
    "load": "edgewright.export.answering",
}
# First, so that it is asked before the finder of all modules.
sys.meta_path.insert(0, LateImports)
__all__ = ["Classifier", "Model", "Pipeline", "Regressor", "__version__", "fit", "load"]


def __getattr__(name: str) -> object:
    import importlib

    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'edgewright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
