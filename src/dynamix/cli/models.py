"""``dynamix models``: every bundled model and rival, made from the registry and the model files."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata, resources
from typing import Any

from ..errors import one_of
from ..settings import AUTO
from .flags import Parser, add_json, command, show_json

_CARD = re.compile(r"^## (\S+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)
_COUNT = re.compile(r"([\d,.]+M?) parameters")
_WIDTH = 60  # of a description in the table
_HELPERS = ("threadpoolctl",)  # packages that are no method
_LEGEND = """
learned: from other systems before, from the context at each forecast, from both, or nothing
channels: how many a forecast sees together; further ones, or all, are forecast alone
here *: needs a package or weights that are not on this machine
A model's whole card: dynamix models dynamix-3d; its use: dynamix forecast data.csv --model NAME
"""


def add(commands: Any) -> None:
    """Add the command."""
    command(commands, "models", run, "list all models and rivals by name", fill=_fill)


def _fill(parser: Parser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="the cards of these models")
    add_json(parser, "the list")


def run(options: argparse.Namespace) -> None:
    """Show the table, or cards."""
    found = {row["name"]: row for row in rows()}
    for name in options.names:
        one_of("model", name, found)
    shown = [found[name] for name in options.names or found]
    if options.json:
        show_json(shown)
    elif options.names:
        sys.stdout.write("\n".join(map(_card, shown)))
    else:
        sys.stdout.write(_table(shown) + _LEGEND)


def rows() -> list[dict[str, Any]]:
    """A row per name: the models of the paper's kind first, then the rivals."""
    from ..baselines import baseline, table
    from ..baselines.pretrained import MODELS

    listed = table().to_dict(orient="index")
    cards = _cards()
    found = []
    for name, row in listed.items():
        entry = baseline(name)
        card = cards.get(str(name).removesuffix("-median"), {})
        what = card.get("what it is", row["what"])
        count = _COUNT.search(row["what"] + card.get("architecture", ""))
        made = {
            "name": name,
            "what": what.replace("`", ""),
            "learned": "context" if row["fitted"] == "yes" else "nothing",
            "parameters": int(count[1].replace(",", "").replace("M", "000000")) if count else None,
            "channels": "any" if row["channels"] == "together" else "1",
            "license": _license(name, entry, card),
            "hub": MODELS[name][1] if name in MODELS else "",
            "source": row["source"],
            "needs": row["needs"],
            "here": bool(row["here"]),
            "card": {key: value.replace("`", "") for key, value in card.items()},
        }
        if not entry.rival:
            made |= _of_checkpoint(entry)
        elif entry.extra == "foundation":
            made["learned"] = "other series"
        elif name == AUTO:
            made["learned"] = "both"
        rival = entry.rival and name != AUTO  # ours first, by name; these as they are registered
        own = "" if rival else str(name)
        found.append(((rival, own.endswith("-untrained"), own), made))
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def _of_checkpoint(entry: Any) -> dict[str, Any]:
    """What a bundled file says about its model."""
    from ..forecasting.models import is_fitted

    fitted = is_fitted(entry.model)
    weights = [w for name, w in entry.model.named_parameters() if not fitted or name != "sigma"]
    count = sum(weight.numel() for weight in weights)
    learned = ("both" if count else "context") if fitted else "other systems"
    if entry.name.endswith("-untrained"):
        learned = "nothing"
    channels = "any" if fitted else str(entry.model.config.observed_dims)
    return {"learned": learned, "parameters": count, "channels": channels}


def _cards() -> dict[str, dict[str, str]]:
    """The tables of the file that describes the bundled checkpoints, by model."""
    path = resources.files("dynamix") / "data" / "models" / "README.md"
    text = path.read_text(encoding="utf-8")
    cards = {name: dict(_ROW.findall(part)) for name, part in _CARD.findall(text)}
    cards |= {f"{name}-untrained": {"licence": card["licence"]} for name, card in cards.items()}
    return cards


def _license(name: str, entry: Any, card: dict[str, str]) -> str:
    """The licence of a model's weights, or of the code that runs a method."""
    from ..baselines.pretrained import MODELS

    if "licence" in card:
        return card["licence"].partition(",")[0]
    if name in MODELS:
        return "see the hub"
    packages = [package for package in entry.packages if package not in _HELPERS]
    return _license_of(packages[0]) if packages else "MIT"


@lru_cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _license_of(package: str) -> str:
    """The licence that an installed package names; else where to look."""
    try:
        known = _distributions().get(package, [package])
        facts = metadata.metadata(known[0])
    except metadata.PackageNotFoundError:
        return f"see {package}"
    classes = [c for c in facts.get_all("Classifier") or [] if c.startswith("License ::")]
    (named,) = facts.get_all("License-Expression") or [""]
    return named or (classes[0].split(" :: ")[-1] if classes else "unknown")


def _table(shown: list[dict[str, Any]]) -> str:
    import pandas as pd

    lines = [
        {
            "name": row["name"],
            "learned": row["learned"],
            "parameters": "-" if row["parameters"] is None else f"{row['parameters']:,}",
            "channels": row["channels"],
            "license": row["license"],
            "here": "" if row["here"] else "*",
            "what": textwrap.shorten(row["what"], _WIDTH, placeholder=" ..."),
        }
        for row in shown
    ]
    frame = pd.DataFrame(lines).set_index("name")
    frame = frame.rename_axis(None)
    widest = {name: max(map(len, [name, *frame[name]])) for name in frame}
    left = {
        n: lambda text, width=w: text.ljust(width) for n, w in widest.items() if n != "parameters"
    }
    return frame.to_string(formatters=left, justify="left") + "\n"


def _card(row: dict[str, Any]) -> str:
    """All that is known of a model."""
    facts = {key: value for key, value in row.items() if key != "card"} | row["card"]
    lines = [f"{key}: {value}" for key, value in facts.items() if key != "what it is" and value]
    wrapped = [textwrap.fill(line, 100, subsequent_indent="  ") for line in lines]
    return "\n".join(wrapped) + "\n"
