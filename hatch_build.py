"""What a built package has beyond the files of ``src``: chapters, stored results, addresses.

A distribution holds every chapter without its outputs, and the results that chapters read, in
``dynamix/data``. So ``dynamix run 05`` works without a checkout. An editable installation needs no
copies. A build on GitHub, which makes the page of the package index, knows the repository: there
the README gets full addresses of pictures and folders.
"""

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

PAPER = "https://arxiv.org/abs/2505.13192"


class Chapters(BuildHookInterface):
    """Adds chapters and results; an sdist holds both in place already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Choose the files, before the build."""
        root = Path(self.root)
        if version == "editable" or not (root / "book").is_dir():
            return
        data = f"{'src/' if self.target_name == 'sdist' else ''}dynamix/data"
        self.scratch = tempfile.TemporaryDirectory()
        chosen, read = {}, ""
        for chapter in sorted(root.glob("book/*.ipynb")):
            copy = Path(self.scratch.name) / chapter.name
            copy.write_text(without_outputs(chapter.read_text(encoding="utf-8")), encoding="utf-8")
            read += copy.read_text(encoding="utf-8")
            chosen[copy] = f"{data}/book/{chapter.name}"
        for path in sorted((root / "results").rglob("*.*")):
            # of most suites chapters read the summary alone, of most trainings no log
            suite = re.match(r"suite_[^_]+_", path.name)
            name = suite[0] if suite else path.parent.name if path.suffix == ".jsonl" else ""
            if name in read:
                chosen[path] = f"{data}/{path.relative_to(root).as_posix()}"
        build_data["force_include"] |= {str(path): target for path, target in chosen.items()}

    def finalize(self, version: str, build_data: dict[str, Any], artifact: str) -> None:
        """Remove the copies, after the build."""
        if hasattr(self, "scratch"):
            self.scratch.cleanup()


class Addresses(MetadataHookInterface):
    """Sets the addresses of the project, and those in its README."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in both fields."""
        name, text = os.environ.get("GITHUB_REPOSITORY"), Path(self.root, "README.md").read_text()
        known = f"https://github.com/{name}" if name else None
        metadata["readme"] = {"content-type": "text/markdown", "text": with_addresses(text, known)}
        metadata["urls"] = {"Paper": PAPER}
        if known:
            metadata["urls"] |= {"Repository": known, "Issues": f"{known}/issues"}


def without_outputs(notebook: str) -> str:
    """A notebook's text without what its cells printed and drew, and without its stamp."""
    content = json.loads(notebook)
    content["metadata"].pop("dynamix", None)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def with_addresses(readme: str, repository: str | None) -> str:
    """The README for a page elsewhere; without a repository, pictures and links are left out."""
    inside = r"\((?!https?:|#)([^)]+)\)"  # the target of a link to a file
    picture, link = rf"!\[([^\]]*)\]{inside}", rf"(?<!!)\[([^\]]*)\]{inside}"
    if repository is None:
        return re.sub(link, r"\1", re.sub(rf"{picture}\n*", "", readme))
    readme = re.sub(picture, rf"![\1]({repository}/raw/HEAD/\2)", readme)
    return re.sub(link, rf"[\1]({repository}/blob/HEAD/\2)", readme)
