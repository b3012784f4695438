"""Labelled utterances from files: TOML, JSON (also as SNIPS and CLINC publish them) and CSV."""

from __future__ import annotations

from edgewright.language.utterances.checks import check, check_validation, findings
from edgewright.language.utterances.read import Labelled, read

__all__ = ["Labelled", "check", "check_validation", "findings", "read"]
