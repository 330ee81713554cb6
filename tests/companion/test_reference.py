"""Every name of the reference is documented whole: parameters, errors, and an example that runs."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import pytest
from test_docs import documented, members

PUBLIC = [f"{module}.{name}" for module in sorted(documented()) for name in members(module)]


def named(path: str) -> Any:
    module, name = path.split(".")
    return getattr(importlib.import_module(f"dynamix.{module}"), name)


def test_there_is_something_to_look_at():
    assert len(PUBLIC) > 300
    assert {"metrics.mase", "model.DynaMix", "forecasting.forecast"} <= set(PUBLIC)


@pytest.mark.parametrize("path", PUBLIC)
def test_every_public_name_shows_an_example(path):
    assert ">>> " in inspect.getdoc(named(path)), f"dynamix.{path} has no doctested example"


@pytest.mark.parametrize("path", [p for p in PUBLIC if inspect.isfunction(named(p))])
def test_every_public_function_tells_of_its_parameters_and_errors(path):
    function = named(path)
    # the text alone: that an example passes a parameter says nothing about it
    text, source = inspect.getdoc(function), inspect.getsource(function)
    told = "\n".join(
        line for line in text.split("Examples\n---")[0].splitlines() if ">>> " not in line
    )
    untold = [
        name
        for name in inspect.signature(function).parameters
        if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", told)
    ]
    assert not untold, f"the text of dynamix.{path} does not mention {', '.join(untold)}"
    body = source.split('"""', 2)[-1]
    if re.search(r"^\s+raise \w", body, re.MULTILINE):
        assert "Raises\n------" in text, f"dynamix.{path} raises, but its text does not say what"
