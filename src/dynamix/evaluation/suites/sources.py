"""The files of the published benchmarks: their addresses in ``sources.toml``, and their content."""

from __future__ import annotations

import gzip
import tomllib
from functools import cache
from pathlib import Path

from ...datasets import files
from ...datasets.files import Source
from ...errors import one_of


@cache
def sources() -> dict[str, Source]:
    """Every file of the suites by its path below the data folder."""
    text = Path(__file__).with_name("sources.toml").read_text(encoding="utf-8")
    found = {}
    for group in tomllib.loads(text)["group"]:
        for name, sha256 in group["files"].items():
            path = f"{group['folder']}/{name}"
            parts = {"stem": Path(name).stem, "last": name.rsplit("__", 1)[-1]}
            url = group["base"] + group.get("address", name).format(**parts)
            found[path] = Source(path, url, sha256, group.get("archive", ""))
    return found


def read(path: str) -> bytes:
    """The checked, decompressed content of a file, downloaded if it is not here."""
    one_of("file of the suites", path, sources())
    data = files.content(sources()[path])
    return gzip.decompress(data) if path.endswith(".gz") else data


def are_here(*paths: str) -> bool:
    """Whether files can be read without a network; they are not checked."""
    return all(files.at_hand(sources()[path]) is not None for path in paths)
