"""What `mkdocs build` needs to know of this repository: pages that lie beside docs/, their links, and doctests."""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent
BESIDE = {"README.md": "index.md", **{name: name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")}}
EXAMPLES = {f"examples/{path.name}": f"examples/{path.stem}.md" for path in sorted((ROOT / "examples").glob("*.*"))}
LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<path>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """README, ARCHITECTURE and the like, and the examples, as pages."""
    for source, page in (BESIDE | EXAMPLES).items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source.endswith(".py"):
            text = f"# {Path(source).name}\n\n```python\n{text}```\n"
        elif source.endswith(".ipynb"):
            text = _notebook(json.loads(text))
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as the repository has them -> links of the site; those to what is no page become plain text."""
    here = page.file.src_uri
    beside = {page: source for source, page in (BESIDE | EXAMPLES).items()}
    folder = posixpath.dirname(beside.get(here, f"docs/{here}"))

    def on_site(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link["path"]))
        site = (BESIDE | EXAMPLES).get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if site is None:
            return link["text"][1:-1]
        return f"{link['text']}({posixpath.relpath(site, posixpath.dirname(here) or '.')}{link['anchor'] or ''})"

    return LINK.sub(on_site, markdown)


def _notebook(content: dict[str, Any]) -> str:
    """Cells as Markdown, with what they printed and drew."""
    parts = []
    for cell in content["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            image = next((kind for kind in data if kind.startswith("image/")), None)
            text = "".join(output.get("text", data.get("text/plain", "")))
            parts.append(f'<img src="data:{image};base64,{data[image].strip()}">' if image else f"```text\n{text}```")
    return "\n\n".join(parts) + "\n"


class Examples(griffe.Extension):
    """Doctests of docstrings as blocks of code: Markdown would take their `>>>` for quotations."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            blocks = re.split(r"\n\s*\n", obj.docstring.value)
            obj.docstring.value = "\n\n".join(
                f"```python\n{block}\n```" if block.startswith(">>>") else block for block in blocks
            )
