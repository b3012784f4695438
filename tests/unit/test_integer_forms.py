"""What has no integer form is refused before it is trained, or becomes a float package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.core import catalogue
from edgewright.core.package import read_package
from edgewright.models import nn
from edgewright.pipeline.config import read_config
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.run import run_pipeline
from edgewright.schema.errors import InputError
from edgewright.schema.trace import EpochRecord
from small_pipeline import names, rows, run_small, write_rows

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


class Epochs(Listener):
    """Counts the epochs."""

    def __init__(self) -> None:
        self.count = 0

    def epoch(self, record: EpochRecord) -> None:
        self.count += 1


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


@pytest.mark.usefixtures("new_layers")
def test_a_layer_without_an_integer_form_is_refused_before_the_first_epoch(tmp_path: Path) -> None:
    config, heard = read_config(str(pipeline(tmp_path, NETWORK))), Epochs()
    with pytest.raises(InputError, match="leaky_relu") as refusal:
        run_pipeline(config, out=tmp_path / "runs", listener=heard)
    assert "compression.int8=false" in str(refusal.value)
    assert heard.count == 0
    assert names(tmp_path / "runs") == []


@pytest.mark.slow
@pytest.mark.usefixtures("new_layers")
def test_it_becomes_a_float_package_where_that_is_asked_for(tmp_path: Path) -> None:
    result = run_small(pipeline(tmp_path, NETWORK), tmp_path / "runs", "compression.int8=false")
    assert result.package is not None
    assert read_package(result.package).manifest.default == "float"


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
