"""Let libraries start without modules that they seldom call.

Modules of scikit-learn and SciPy import scipy.stats, pandas and others: six tenths of their start. Trees need
one type of scikit-learn's neighbors, whose package imports most of the library. The library of signed metadata imports
that of Amazon's cloud where there is one, for a kind of key that no fleet has.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from threading import get_ident
from types import ModuleType
from typing import Any

_LATE = ("scipy.stats", "scipy.interpolate", "scipy.integrate", "scipy.spatial", "pandas")
# What each module imports for a function or a type; nearly every estimator needs these modules.
_IMPORTERS = {
    **dict.fromkeys((f"sklearn.{name}" for name in (
        "utils.fixes", "metrics._ranking", "model_selection._search", "_loss.link", "covariance._robust_covariance",
        "isotonic", "preprocessing._data", "preprocessing._polynomial", "linear_model._least_angle", "metrics.pairwise",
    )), _LATE),
    "scipy.optimize._shgo": ("scipy.spatial",),
    "scipy.optimize._remove_redundancy": ("scipy.linalg.interpolative",),
    "sklearn.tree": ("sklearn.neighbors",),
    **dict.fromkeys((f"{name}.array_api_compat.numpy" for name in ("scipy._lib", "sklearn.externals")),
                    ("numpy.f2py", "numpy.ma", "numpy.polynomial", "numpy.testing")),
    **dict.fromkeys((f"sklearn.{name}" for name in (
        "utils.validation", "utils._indexing", "compose._column_transformer",
        "ensemble._hist_gradient_boosting.gradient_boosting",
    )), ("narwhals", "narwhals.stable", "narwhals.stable.v2")),
    "joblib.memory": ("asyncio",),
    **dict.fromkeys((f"joblib.externals.loky.{name}" for name in ("backend.utils", "process_executor")), ("psutil",)),
    "scipy._lib._array_api": (),
    "securesystemslib.signer._aws_signer": ("boto3", "botocore", "botocore.exceptions"),
}  # fmt: skip


class _Late(ModuleType):
    """Stand in for a module until a function of it is called; a name that is imported from it is a `_Name`.

    Another thread that meets it meanwhile imports the module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._thread = get_ident()
        package, _, self._child = name.rpartition(".")
        self._package: ModuleType = sys.modules.get(package, self)

    def stand_in(self) -> None:
        """Take the place of the module, and of the name in its package."""
        sys.modules[self.__name__] = self
        vars(self._package).setdefault(self._child, self)

    def go(self) -> None:
        """Leave both, where another thread has not imported the module."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        if vars(self._package).get(self._child) is self:
            delattr(self._package, self._child)

    def __getattr__(self, name: str) -> object:
        if self._thread != get_ident() or sys.modules.get(self.__name__) is not self:
            return self.get(name)
        if name == "__path__":  # modules in a package that stands in are imported from its folder
            return [f"{folder}/{self._child}" for folder in vars(self._package).get("__path__", ())]
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(self, name)

    def get(self, name: str) -> object:
        """Return a name of the module, which is imported in place of this one."""
        self.go()
        return getattr(importlib.import_module(self.__name__), name)


class _Name:
    """A function or an object of a module that is imported when it is called or asked for an attribute."""

    def __init__(self, module: _Late, name: str) -> None:
        self._module, self._name = module, name

    def __call__(self, *arguments: object, **named: object) -> object:
        function = self._module.get(self._name)
        assert callable(function)  # noqa: S101 - scikit-learn calls it
        return function(*arguments, **named)

    def __getattr__(self, name: str) -> object:
        return getattr(self._module.get(self._name), name)


class _Tables:
    """The questions of narwhals about tables: an array of NumPy is none."""

    def __init__(self, narwhals: _Late) -> None:
        self._narwhals = narwhals

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what narwhals has
        real = _Name(_Late(f"{self._narwhals.__name__}.dependencies"), name)
        if not name.startswith("is_into_"):
            return real
        return lambda value: type(value).__module__ != "numpy" and real(value)


@contextmanager
def _standing_in(names: Sequence[str]) -> Iterator[None]:
    late: list[_Late] = []
    for name in names:
        if name not in sys.modules:
            late.append(_Late(name))
            late[-1].stand_in()
    try:
        yield
    finally:
        for module in late:
            module.go()


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with _standing_in(_IMPORTERS[module.__name__]):
            super().exec_module(module)
        narwhals = vars(module).get("nw")
        if isinstance(narwhals, _Late):
            vars(narwhals)["dependencies"] = _Tables(narwhals)
        if LateImports.is_command and hasattr(module, "xp_capabilities"):
            # It rewrites the docstring of each function, which nobody reads in a command.
            vars(module)["xp_capabilities"] = lambda **_: lambda function: function


class LateImports:
    """A finder of modules, for `sys.meta_path`: it runs `_IMPORTERS` while others stand in for what these import.

    Attributes:
        is_command: whether this process is a command, whose docstrings nobody reads.
    """

    is_command = False

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how a module of scikit-learn is loaded; None leaves a module to the other finders."""
        if name not in _IMPORTERS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec
