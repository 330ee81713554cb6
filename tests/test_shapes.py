"""Shapes and types are checked in every module that annotates them."""

from __future__ import annotations

import tomllib

from helpers import ROOT

# they meet the user's input: their own messages come first
EXEMPT = ("dynamix.io.", "dynamix.plotting.", "dynamix.forecasting.", "dynamix.report.")


def test_every_annotated_module_is_checked_while_tests_run():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    options = settings["tool"]["pytest"]["ini_options"]["addopts"]
    (names,) = (o.split("=")[1] for o in options if o.startswith("--jaxtyping-packages="))
    checked = tuple(names.split(",")[:-1])
    source, missing = ROOT / "src", []
    for path in sorted((source / "dynamix").rglob("*.py")):
        module = ".".join(path.relative_to(source).with_suffix("").parts)
        if "from jaxtyping import" in path.read_text(encoding="utf-8"):
            covered = any(f"{module}.".startswith(f"{name}.") for name in checked)
            missing += [] if covered or module.startswith(EXEMPT) else [module]
    assert missing == []
