"""What has no integer form becomes a float package, which says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.core import catalogue
from edgewright.core.package import read_package
from edgewright.models import nn
from small_pipeline import rows, run_small, write_rows

NEW_LAYERS = Path(__file__).parents[1] / "contracts" / "new_parts" / "models" / "nn"
TOML = """\
name = "small"
refit = false
[data]
kind = "csv"
path = "{path}"
target = "label"
[[stages]]
kind = "impute"
{model}
[training]
epochs = 2
"""
NETWORK = """
[[model.layers]]
kind = "dense"
units = 4
[[model.layers]]
kind = "leaky_relu"
"""


@pytest.fixture
def new_layers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Provide layers without an integer form, found beside those that come with Edgewright."""
    monkeypatch.setattr(nn, "__path__", [*nn.__path__, str(NEW_LAYERS)])
    catalogue.names.cache_clear()
    catalogue.listing.cache_clear()
    yield
    catalogue.names.cache_clear()
    catalogue.listing.cache_clear()


def pipeline(folder: Path, model: str) -> Path:
    path = folder / "small.toml"
    path.write_text(TOML.format(path=write_rows(folder / "rows.csv"), model=model))
    return path


@pytest.mark.slow
@pytest.mark.usefixtures("new_layers")
@pytest.mark.parametrize("changes", [(), ("compression.int8=false",)], ids=["by default", "asked for"])
def test_a_layer_without_an_integer_form_becomes_a_float_package(tmp_path: Path, changes: tuple[str, ...]) -> None:
    result = run_small(pipeline(tmp_path, NETWORK), tmp_path / "runs", *changes)
    assert result.package is not None
    assert read_package(result.package).manifest.default == "float"
    warned = [warning for warning in result.trace.warnings if "leaky_relu has no integer form" in warning]
    assert len(warned) == (not changes)


@pytest.mark.parametrize("kind", ["tree", "forest", "boosting", "rules"])
def test_models_without_weights_become_float_packages(tmp_path: Path, kind: str) -> None:
    result = run_small(pipeline(tmp_path, f'[model]\nkind = "{kind}"'), tmp_path / "runs")
    assert result.package is not None
    assert read_package(result.package).manifest.default == "float"
    assert result.trace.compression is not None
    assert any(note.startswith("no int8 form") for note in result.trace.compression.notes)


def test_the_majority_is_no_model(tmp_path: Path) -> None:
    toml = pipeline(tmp_path, '[model]\nkind = "majority"')
    write_rows(tmp_path / "rows.csv", rows(count=400))
    result = run_small(toml, tmp_path / "runs")
    assert result.package is None
    assert result.trace.verdict.startswith("no model for ")
