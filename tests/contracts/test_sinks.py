"""Every file of `device/sinks` keeps the contract of a sink, found by listing the folder."""

from __future__ import annotations

import msgspec
import pytest

from edgewright.core.catalogue import listing, names
from edgewright.core.errors import EdgewrightError, UnknownNameError
from edgewright.device.sinks import NeverError, NotYetError, SinkConfig, kind
from edgewright.device.store.records import OutboxItem
from support import check_settings

SINKS = "edgewright.device.sinks"
KINDS = listing(SINKS, "SINK")


def test_every_module_is_a_sink() -> None:
    assert set(KINDS) == set(names(SINKS))
    with pytest.raises(UnknownNameError, match="Did you mean 'folder'"):
        kind("foldr")


@pytest.mark.parametrize("name", KINDS)
def test_settings_are_strict_and_every_one_is_described(name: str) -> None:
    sink = kind(name)
    assert issubclass(sink.config, SinkConfig)
    assert isinstance(sink.example, sink.config)
    assert msgspec.convert(msgspec.to_builtins(sink.example), sink.config) == sink.example
    check_settings(sink.config)


@pytest.mark.parametrize("name", KINDS)
def test_only_what_was_sent_is_acknowledged_or_an_error_of_the_contract_says_why(name: str) -> None:
    batch = [OutboxItem((1, number), 0, b"{}") for number in range(3)]
    example = kind(name).example
    if "timeout" in example.__struct_fields__:
        example = msgspec.structs.replace(example, timeout=0.5)  # nobody answers
    try:
        opened = kind(name).open(example)
    except EdgewrightError:
        return
    try:
        assert set(opened.send("device", batch)) <= {item.position for item in batch}
    except (EdgewrightError, OSError, NeverError, NotYetError) as error:
        assert str(error)
    finally:
        opened.close()
