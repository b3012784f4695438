"""Write the revision of the control plane's database that adds the columns of new measures.

`python tools/make_migration.py` does nothing where every measure has its column.
"""

from __future__ import annotations

from edgewright.core.measures import added
from edgewright.fleet.server.database.revision import FOLDER, newest

_TEXT = '''"""Columns of measures: {names}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    """Add the columns; 0 means not measured."""
    for table in ("vitals", "reports"):
        for name in ("{quoted}",):
            op.add_column(table, sa.Column(name, sa.Double, nullable=False, server_default="0"))
'''


def main() -> None:
    """Write the revision beside the others."""
    folder, before = FOLDER / "versions", newest()
    present = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    lacking = [name for name in added() if f'"{name}"' not in present]
    if not lacking:
        print("Every measure has its column.")
        return
    revision = f"{int(before) + 1:04}"
    path = folder / f"{revision}_{'_'.join(lacking)[:60]}.py"
    text = _TEXT.format(names=", ".join(lacking), revision=revision, before=before, quoted='", "'.join(lacking))
    path.write_text(text, encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
