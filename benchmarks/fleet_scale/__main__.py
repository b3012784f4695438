"""`python -m benchmarks.fleet_scale [PART ...]`: what a large fleet takes on this machine, beside the targets."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys

import benchmarks.fleet_scale
from benchmarks.table import TargetReport, markdown


def parts() -> list[str]:
    """Return names of the files here."""
    return sorted(one.name for one in pkgutil.iter_modules(benchmarks.fleet_scale.__path__) if one.name[0] != "_")


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_scale")
    parser.add_argument("part", nargs="*", choices=[[], *parts()], help="all when left out")
    given = parser.parse_args(arguments)
    report = TargetReport()
    for name in given.part or parts():
        importlib.import_module(f"benchmarks.fleet_scale.{name}").measure(report)
    print(markdown(["what", "here", "target", ""], report.rows))
    print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    return 0 if report.reached else 1


if __name__ == "__main__":
    sys.exit(main())
