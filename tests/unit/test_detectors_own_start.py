"""Detectors that learn each recording's own beginning, chosen on other families of recordings."""

from __future__ import annotations

import numpy as np
import pytest

import own_start
from edgewright.core.errors import InputError
from edgewright.workflows.detection.rows import Stretch


def test_a_family_is_judged_by_what_is_best_on_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_start, "KINDS", (("pca", {"variance": 0.9}),))
    monkeypatch.setattr(own_start, "MEANS", (1, 5))
    rng = np.random.default_rng(4)
    given = []
    for name in ("pump/1", "pump/2", "fan/1", "fan/2"):
        values = rng.normal(0, 1, (460, 3)).astype(np.float32)
        odd = np.zeros(460, np.bool_)
        odd[380:420] = True
        values[odd, 1] += 6
        given.append(Stretch(name, values, np.arange(460.0), odd))
    whole, each = own_start.left_out(given, 300)
    assert set(each) == {"pump", "fan"}
    assert whole.f1 > 0.8
    assert given[0].odd is not None
    flags, blamed = each["pump"][1].watch(given[0], 300)
    assert not flags[:300].any()
    assert np.bincount(blamed[flags & given[0].odd]).argmax() == 1
    with pytest.raises(InputError, match="two families"):
        own_start.left_out(given[:2], 300)
    with pytest.raises(InputError, match="more than 500 rows"):
        own_start.left_out(given, 500)
