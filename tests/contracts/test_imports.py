"""What an import loads, and the public names."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import edgewright
from edgewright import _late_imports

HEAVY = {"numpy", "msgspec", "click", "jax", "optax", "sklearn", "scipy", "onnx", "onnxruntime", "polars", "rich",
         "pandas", "sktime", "cbor2"}  # fmt: skip
DESK = HEAVY - {"numpy", "msgspec", "click", "onnxruntime"}


def loaded(code: str) -> set[str]:
    """Return names of the modules after running `code` in a fresh interpreter."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return set(json.loads(done.stdout.splitlines()[-1]))


def tops(modules: set[str]) -> set[str]:
    return {name.split(".")[0] for name in modules}


def test_import_edgewright_loads_no_library_and_no_room() -> None:
    modules = loaded("import edgewright; edgewright.__version__; dir(edgewright)")
    assert not tops(modules) & HEAVY
    own = {name for name in modules if name.startswith("edgewright")}
    assert own == {"edgewright", "edgewright._late_imports", "edgewright._version"}


def test_the_public_names_are_these() -> None:
    assert edgewright.__all__ == ["Classifier", "Model", "Pipeline", "Regressor", "__version__", "fit", "load"]
    for name in edgewright.__all__:
        assert getattr(edgewright, name) is not None
    with pytest.raises(AttributeError, match="module 'edgewright' has no attribute 'Pipelin'"):
        _ = edgewright.Pipelin


def test_load_needs_the_base_install_only() -> None:
    modules = loaded("from edgewright import load")
    assert not tops(modules) & DESK
    rooms = {name.split(".")[1] for name in modules if name.startswith("edgewright.")}
    # The writer of C is loaded when there is something to compile, and not to answer.
    assert rooms == {"_late_imports", "_version", "export", "core"}
    assert not {
        name
        for name in modules
        if name.startswith(("edgewright.export.c99", "edgewright.export.targets", "edgewright.export._c_"))
    }


LATE = {"jax", "optax", "pandas", "scipy.stats", "scipy.signal", "scipy.integrate", "scipy.spatial",
        "sklearn.neighbors", "numpy.f2py", "numpy.testing", "narwhals", "asyncio", "psutil"}  # fmt: skip


def test_a_pipeline_and_a_run_of_the_cheapest_models_load_no_library_that_they_do_not_use(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(200, 2))
    rows = "".join(f"p{i % 10},{a:.3f},{b:.3f},{'high' if a > 0 else 'low'}\n" for i, (a, b) in enumerate(values))
    (tmp_path / "rows.csv").write_text("person,a,b,label\n" + rows)
    arguments = ["run", "rows.csv", "--target", "label", "--budget", "0s"]
    modules = loaded(f"""
import os
os.chdir({str(tmp_path)!r})
from edgewright.cli.main import run
assert run({arguments}) == 0
assert "sklearn.tree" in sys.modules
from edgewright import Pipeline
""")
    assert not modules & (LATE | {"polars"})


@pytest.mark.slow
def test_scikit_learn_takes_a_module_of_scipy_stats_when_it_imports_one() -> None:
    modules = loaded("import edgewright; import sklearn.ensemble, sklearn.isotonic, sklearn.inspection")
    assert "scipy.stats.mstats" in modules


def test_scikit_learn_and_scipy_take_late_modules_when_they_call_them() -> None:
    modules = loaded("""
import edgewright
import sklearn.linear_model, sklearn.tree
from sklearn import covariance, ensemble, isotonic, linear_model, metrics, preprocessing
before = sorted(sys.modules)
import numpy as np
from scipy._lib.array_api_compat import numpy as compatible
from scipy.optimize import linprog, shgo
compatible.testing.assert_allclose(1, 1)
X = np.random.default_rng(0).normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
assert metrics.roc_auc_score(y > 0, X[:, 0]) > 0.7
assert isotonic.check_increasing(X[:, 0], X[:, 0])
assert ensemble.HistGradientBoostingClassifier(max_iter=2).fit(X, y).predict_proba(X).shape == (60, 3)
assert covariance.MinCovDet(random_state=0).fit(X).location_.shape == (3,)
assert preprocessing.PowerTransformer("box-cox").fit_transform(np.abs(X)).shape == (60, 3)
import scipy.stats, sklearn.utils.fixes
assert sklearn.utils.fixes.pd.DataFrame is __import__("pandas").DataFrame
assert scipy.stats.norm.cdf(0) == 0.5 and type(scipy.stats.rankdata).__name__ == "function"
assert metrics.auc([0, 1], [0, 1]) == 0.5
assert metrics.pairwise_distances(X, metric="correlation").shape == (60, 60)
assert shgo(lambda x: x[0] ** 2, [(-1, 1)]).success
assert linprog([1, 1], A_eq=[[1, 0], [2, 0]], b_eq=[1, 2]).fun == 1
assert linear_model.LassoLarsCV(cv=3).fit(X, X[:, 0]).alpha_ >= 0
from sklearn.neighbors import KNeighborsClassifier
assert KNeighborsClassifier().fit(X, X[:, 0] > 0).score(X, X[:, 0] > 0) > 0.7
import pandas as pd, polars as pl
for table in (pd.DataFrame, pl.DataFrame):
    assert list(linear_model.LogisticRegression().fit(table({"a": [1.0, 2.0]}), [0, 1]).feature_names_in_) == ["a"]
assert not hasattr(linear_model.LogisticRegression().fit(X, X[:, 0] > 0), "feature_names_in_")
import joblib, numpy as np
assert joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(i) for i in (-1, 2)) == [1, 2]
assert np.ma.masked_array([1]).mean() == 1 and np.polynomial.Polynomial([1, 2])(1) == 3
from sklearn.neighbors import _quad_tree
assert _quad_tree is sys.modules["sklearn.neighbors._quad_tree"]
sys.modules = {name: None for name in before}
""")
    assert not modules & LATE


@pytest.mark.slow
def test_all_rooms_of_a_device_need_the_base_install_only() -> None:
    code = """
import importlib, pkgutil
for room in ("device", "monitor", "nlp", "core"):
    package = importlib.import_module(f"edgewright.{room}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""
    modules = loaded(code)
    assert not tops(modules) & (DESK | {"onnxruntime"})
    assert {name.split(".")[1] for name in modules if name.startswith("edgewright.")} == {
        "_late_imports", "_version", "device", "monitor", "nlp", "core",
    }  # fmt: skip


def test_help_loads_no_desk_library() -> None:
    commands = [["--help"], ["--version"], ["run", "--help"], ["predict", "--help"]]
    modules = loaded(f"from edgewright.cli.main import run; assert not any(map(run, {commands!r}))")
    assert not tops(modules) & (DESK | {"onnxruntime", "numpy"})


def test_names_of_the_public_api_are_told_to_tools() -> None:
    assert set(dir(edgewright)) >= set(edgewright.__all__)


def test_a_thread_that_imports_what_another_stands_in_for_gets_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wsgiref"]:
        monkeypatch.delitem(sys.modules, name)
    with ThreadPoolExecutor(1) as other, _late_imports._standing_in(["wsgiref"]):
        late = importlib.import_module("wsgiref")
        module = other.submit(importlib.import_module, "wsgiref.headers").result()
    assert late.headers is module
