"""Provenance: what is needed to build the same bytes again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edgewright.schema.trace import Trace
from edgewright.trace.blocks.view_blocks import Fold, Pairs, ViewBlock, line
from edgewright.trace.sections import Section


def blocks(trace: Trace) -> Sequence[ViewBlock]:
    """Build facts, hashes, versions, licences, warnings and the configuration."""
    known = trace.provenance
    facts = [
        ("command", known.command), ("seed", str(known.seed)), ("started", known.started),
        ("platform", known.platform), ("data from", known.origin), ("data file", known.data_path),
        ("citation", known.citation), ("backbone", known.backbone), ("hash of the data", known.data_hash),
        ("hash of the configuration", known.config_hash), ("hash of the package", known.package_hash),
        *(("license of the data", text) for text in known.licences),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(known.versions.items()))),
        ("record", f"version {trace.version}"),
    ]  # fmt: skip
    parts: list[ViewBlock] = [Pairs([(name, value) for name, value in facts if value], wide=True)]
    parts += [line(text, "warn") for text in trace.warnings]
    if trace.config:
        config = msgspec.json.format(msgspec.json.encode(trace.config, order="sorted"), indent=2).decode()
        parts.append(Fold("The configuration, defaults included", [line(config, "code")]))
    return parts


SECTION = Section(100, "Provenance", blocks)
