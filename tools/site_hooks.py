"""Hooks of the MkDocs site (mkdocs.yml): pages from outside of docs/, and Markdown read as GitHub reads it.

The start page is README.md. A link to a file of the repository outside of docs/ becomes a link to a copy in the site,
so that the site works offline.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markdown import Markdown
from markdown.blockprocessors import build_block_parser
from markdown.extensions import Extension
from mkdocs.structure.files import File, Files
from pymdownx.slugs import slugify

ROOT = Path(__file__).resolve().parent.parent
# Pages of the site that lie elsewhere in the repository.
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
# First page of a folder -> title of the folder in the navigation, and the folder whose pages follow.
FOLDERS = {
    "cli/README.md": ("Commands", "cli"),
    "adr/README.md": ("Decisions", "adr"),
    "research/README.md": ("Research", "research"),
}
_LINK = re.compile(r"\[([^\]]*)\]\(([^)\s#:]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^(<!--.*?-->)\n(?=\S|\Z)", re.MULTILINE)


class TwoSpaces(Extension):  # type: ignore[misc]
    """Nested lists are indented by two spaces, as on GitHub; Python-Markdown asks for four."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - the name that Python-Markdown calls
        """Set the indentation before other extensions add their parts: the parser's parts read it once."""
        md.tab_length = 2
        md.parser = build_block_parser(md)


def on_config(config: Any) -> Any:  # noqa: ANN401 - MkDocs's configuration
    """Read Markdown as GitHub does, and list the pages of `FOLDERS` in the navigation."""
    config.markdown_extensions.insert(0, TwoSpaces())
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    config.nav = _filled(config.nav)
    return config


def _filled(navigation: list[Any]) -> list[Any]:
    """Return a part of the navigation in which a section takes the place of each first page of a folder."""
    filled: list[Any] = []
    for entry in navigation:
        if isinstance(entry, dict):
            filled.append({title: _filled(entries) for title, entries in entry.items()})
        elif entry in FOLDERS:
            title, folder = FOLDERS[entry]
            paths = sorted((ROOT / "docs" / folder).glob("*.md"), key=lambda path: path.stem)
            pages = [f"{folder}/{path.name}" for path in paths]
            filled.append({title: [entry, *(page for page in pages if page != entry)]})
        else:
            filled.append(entry)
    return filled


def on_files(files: Files, *, config: Any) -> Files:  # noqa: ANN401 - MkDocs's configuration
    """Add the pages from outside of docs/ and every file that a page links."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for file in list(files.documentation_pages()):
        for match in _LINK.finditer(file.content_string):
            target = _outside(file.src_uri, match[2])
            uri = target and f"repository/{target}"
            if uri and (ROOT / target).is_file() and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:  # noqa: ANN401 - MkDocs's page
    """Point links at the site's own pages and copies, except in code."""
    parts = _FENCE.split(markdown)
    parts[::2] = [_COMMENT.sub(r"\1\n\n", _linked(part, page.file.src_uri)) for part in parts[::2]]
    return "".join(parts)


def _linked(markdown: str, uri: str) -> str:
    def changed(match: re.Match[str]) -> str:
        text, link, anchor = match[1], match[2], match[3] or ""
        target = _target(uri, link)
        page = next((page for page, source in PAGES.items() if source == target), None)
        if page is None and f"{target.rstrip('/')}/README.md".removeprefix("docs/") in FOLDERS:
            page = f"{target.rstrip('/')}/README.md".removeprefix("docs/")
        if page is None and target.startswith("docs/"):
            page = target.removeprefix("docs/")
        if page is None:
            page = f"repository/{target}" if (ROOT / target).is_file() else None
        # A folder of the repository has no page: its name stays, without a link.
        return f"[{text}]({'../' * uri.count('/')}{page}{anchor})" if page else text

    return _LINK.sub(changed, markdown)


def _target(uri: str, link: str) -> str:
    """Return the path in the repository that a page's link means."""
    source = ROOT / PAGES.get(uri, f"docs/{uri}")
    path = (source.parent / link).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else link


def _outside(uri: str, link: str) -> str:
    """Return the same for a file that the site does not have as a page or an asset; empty otherwise."""
    target = _target(uri, link)
    return "" if target.startswith("docs/") or target in PAGES.values() else target
