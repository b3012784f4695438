"""docs/pipeline.md says what the code says, and its example is a pipeline."""

from __future__ import annotations

import re

import msgspec
from tools.make_docs import DOCS, document

from edgewright.core.catalogue import find, listing
from edgewright.core.records.config import PipelineConfig
from support import ROOT

DOCUMENT = ROOT / "docs" / "pipeline.md"
ROOMS = ("edgewright.preprocessing", "edgewright.features")


def example() -> str:
    match = re.search(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    return match[1]


def keys_of(struct: type, path: str = "") -> set[str]:
    """Dotted names of all keys of the schema."""
    names = set()
    for field in msgspec.structs.fields(struct):
        name = f"{path}.{field.encode_name}".lstrip(".")
        names.add(name)
        for kind in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                names |= keys_of(kind, name)
    return names


def keys_in(table: dict[str, object], path: str = "") -> set[str]:
    names = set()
    for key, value in table.items():
        name = f"{path}.{key}".lstrip(".")
        names.add(name)
        if isinstance(value, dict):
            names |= keys_in(value, name)
    return names


def test_example_is_a_pipeline_with_every_key() -> None:
    config = msgspec.toml.decode(example(), type=PipelineConfig)
    assert config.name == "example"
    plain = msgspec.toml.decode(example())
    assert keys_of(PipelineConfig) <= keys_in(plain)


def test_stages_of_the_example_are_stages() -> None:
    for stage in msgspec.toml.decode(example(), type=PipelineConfig).stages:
        table = dict(stage)
        kind = str(table.pop("kind"))
        room = next(r for r in ROOMS if kind in listing(r, "STAGE"))
        config = find(room, kind, "STAGE", "stage").config
        assert isinstance(msgspec.convert(table, config), config)


def test_document_is_up_to_date() -> None:
    """`make docs` checks the page of commands: click remembers the help option of commands that other tests ran."""
    assert document() == (DOCS / "pipeline.md").read_text(encoding="utf-8"), "run python tools/make_docs.py"
