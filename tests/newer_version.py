"""`edgewright` of a made-up newer version: one more revision, with a table and a column that devices' rows get."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

from edgewright.cli.main import main
from edgewright.fleet.server.database import revision
from edgewright.fleet.server.database.tables import devices, metadata

NUMBER = "9001"
NEWER = (sys.executable, __file__)
_TEXT = '''"""Devices have a site."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "{number}", "{before}", None, None


def upgrade() -> None:
    op.create_table("sites", sa.Column("name", sa.String(64), primary_key=True))
    op.add_column("devices", sa.Column("site", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_devices_site", "devices", ["site"])
'''


def newer_revisions(folder: Path) -> Path:
    """Return a copy of the revisions with one more, in an empty folder."""
    shutil.copytree(revision.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    text = _TEXT.format(number=NUMBER, before=revision.newest())
    (folder / "versions" / f"{NUMBER}_site.py").write_text(text)
    return folder


if __name__ == "__main__":
    install_folder = tempfile.mkdtemp(prefix="newer-")
    atexit.register(shutil.rmtree, install_folder, True)
    revision.FOLDER = newer_revisions(Path(install_folder))
    devices.append_column(sa.Column("site", sa.String(64), nullable=False, server_default="", index=True))
    sa.Table("sites", metadata, sa.Column("name", sa.String(64), primary_key=True))
    main()
