"""Let scikit-learn start without scipy.stats, scipy.interpolate and pandas.

Its modules import them when they are imported, for functions that are seldom called. They are six tenths of its start.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from threading import get_ident
from types import ModuleType

_LATE = ("scipy.stats", "scipy.interpolate", "pandas")
# Modules that import them for a function, and that nearly every estimator needs.
_IMPORTERS = {f"sklearn.{name}" for name in (
    "utils.fixes", "metrics._ranking", "model_selection._search", "_loss.link", "covariance._robust_covariance",
    "isotonic", "preprocessing._data", "preprocessing._polynomial",
)}  # fmt: skip


class _Late(ModuleType):
    """Stand in for a module until a function of it is called; a name that is imported from it is a `_Name`.

    Another thread that meets it meanwhile imports the module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._thread = get_ident()

    def __getattr__(self, name: str) -> object:
        if self._thread != get_ident() or sys.modules.get(self.__name__) is not self:
            return self.get(name)
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(self, name)

    def get(self, name: str) -> object:
        """Return a name of the module, which is imported in place of this one."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
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


@contextmanager
def _standing_in() -> Iterator[None]:
    late = [_Late(name) for name in _LATE if name not in sys.modules]
    sys.modules.update({module.__name__: module for module in late})
    try:
        yield
    finally:
        for module in late:
            if sys.modules.get(module.__name__) is module:
                del sys.modules[module.__name__]


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with _standing_in():
            super().exec_module(module)


class ScikitLearnFinder:
    """A finder of modules, for `sys.meta_path`: it runs some of scikit-learn while others stand in for `_LATE`."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how a module of scikit-learn is loaded; None leaves a module to the other finders."""
        if name not in _IMPORTERS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(name, spec.loader.path)
        return spec
