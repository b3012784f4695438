"""Hyperbolic functions value by value."""

from __future__ import annotations

import numpy as np

from edgewright.core.operators import operator, plain

operator("Cosh")(plain(np.cosh))
