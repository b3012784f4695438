"""Provenance: what is needed to build the same bytes again."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from edgewright.schema.trace import Trace
from edgewright.trace.sections import Section


def view(trace: Trace) -> Mapping[str, object]:
    """Facts, versions, licences, warnings and the configuration."""
    p = trace.provenance
    facts = [
        ("command", p.command), ("seed", str(p.seed)), ("started", p.started), ("platform", p.platform),
        ("data from", p.origin), ("data file", p.data_path), ("citation", p.citation),
    ]  # fmt: skip
    hashes = [("data", p.data_hash), ("configuration", p.config_hash), ("package", p.package_hash)]
    config = msgspec.json.format(msgspec.json.encode(trace.config, order="sorted"), indent=2) if trace.config else b""
    return {
        "facts": [(name, value) for name, value in facts if value],
        "hashes": [(name, value) for name, value in hashes if value],
        "versions": sorted(p.versions.items()),
        "licences": [text for text in p.licences if text],
        "warnings": trace.warnings,
        "config": config.decode(),
        "version": trace.version,
    }


SECTION = Section(100, "Provenance", view)
