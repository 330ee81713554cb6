"""The size of the library in numbers, for a source tree of today or of an older state.

    python experiments/figures.py [SOURCE ...]

SOURCE is a folder ``src/dynamix`` (default: this project's). Several stand side by side, such
as the last state before the rooms:

    mkdir old && git archive 0978f07^ | tar x -C old
    python experiments/figures.py old/src/dynamix src/dynamix
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import statistics
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

HERE = Path(__file__).parents[1] / "src" / "dynamix"
# the paper's code: rooms, and the modules of the flat library from which they were made
CORE = {"settings", "model", "preprocessing", "forecasting", "training", "systems", "metrics"}
CORE |= {"analogue", "checkpoints", "config", "coupled", "embedding_choice", "ensembles", "pecuzal"}
CORE |= {"metrics_ensemble", "metrics_fate", "metrics_input", "metrics_lyapunov", "pipeline"}
CORE |= {"preprocessing_grid", "rollout", "spacing", "trainer", "windows"}
KERNELS = ("engine", "kernels")
FACE = "import dynamix; print(len(set(dynamix.__all__)))"
DOCUMENTED = """
import importlib, pkgutil, dynamix
names = set()
for info in pkgutil.iter_modules(dynamix.__path__, "dynamix."):
    if not info.name.split(".")[1].startswith("_"):
        module = importlib.import_module(info.name)
        names |= {(info.name, name) for name in getattr(module, "__all__", ())} or {
            (info.name, name) for name, found in vars(module).items()
            if name[0] != "_" and getattr(found, "__module__", "") == info.name and found.__doc__
        }
print(len(names))
"""
TRAINING = """
import sys
try:
    import dynamix.trainer
except ImportError:
    import dynamix.training
print(len([name for name in sys.modules if name == "dynamix" or name.startswith("dynamix.")]))
"""
CALLS = """
import numpy as np, dynamix, figures
from dynamix import forecast
x = np.sin(np.arange(600)[:, None] / np.array([5.0, 7.0, 9.0]))
print(len(figures.calls_of(lambda: forecast(x, horizon=1, engine="torch"))))
"""


def calls_of(run: Callable[[], object]) -> list[tuple[str, str, str]]:
    """The calls inside the library that ``run`` makes, without those of its imports and caches.

    A call has a file, a function's name, and the library's file that the call comes from, or "".
    """
    import dynamix

    home, found = str(Path(dynamix.__file__).parent), []

    def hear(frame: FrameType, event: str, _: object) -> None:
        caller, code = frame.f_back, frame.f_code
        if event == "call" and code.co_filename.startswith(home):
            while caller is not None and not caller.f_code.co_filename.startswith(home):
                caller = caller.f_back
            origin = "" if caller is None else caller.f_code.co_filename
            found.append((code.co_filename, code.co_name, origin))

    run()
    sys.setprofile(hear)
    try:
        run()
    finally:
        sys.setprofile(None)
    return found


def lines_of(path: Path) -> tuple[int, int, int]:
    """All lines of a file, its lines of code, and its lines of documentation."""
    text = path.read_text(encoding="utf-8")
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        if isinstance(node, holders) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                documented |= set(range(body[0].lineno, (body[0].end_lineno or 0) + 1))
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and lines[token.start[0] - 1].lstrip().startswith("#"):
            documented.add(token.start[0])
    blank = {i for i, line in enumerate(lines, start=1) if not line.strip()} - documented
    return len(lines), len(lines) - len(documented) - len(blank), len(documented)


def most_parameters(paths: list[Path]) -> int:
    """The largest number of parameters of a function in these files; ``forecast`` is excepted."""
    functions = (
        node.args
        for path in paths
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name != "forecast"
    )
    return max(len(a.posonlyargs) + len(a.args) + len(a.kwonlyargs) for a in functions)


def in_a_process(code: str, source: Path) -> str:
    """What a piece of code prints with this source tree."""
    environment = os.environ | {"PYTHONPATH": f"{source.parent}{os.pathsep}{Path(__file__).parent}"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or f"failed: {done.stderr.strip().splitlines()[-1][:40]}"


def figures(source: Path) -> dict[str, str]:
    """All numbers of a source tree by name."""
    paths = sorted(source.rglob("*.py"))
    counted = {path.relative_to(source): lines_of(path) for path in paths}
    sizes = [lines for lines, _, _ in counted.values()]
    total, code, documentation = (sum(parts) for parts in zip(*counted.values(), strict=True))
    faces = sorted(source.glob("*/__init__.py"))
    rooms: Counter[str] = Counter()
    for path, (lines, _, _) in counted.items():
        rooms[path.parts[0].removesuffix(".py")] += lines
    kernels = [path for path in paths if path.relative_to(source).parts[0].startswith(KERNELS)]
    return {
        "modules": f"{len(paths)}",
        "modules outside a room": f"{len(list(source.glob('*.py')))}",
        "lines": f"{total:,}",
        "lines of code": f"{code:,}",
        "documentation lines per code line": f"{documentation / code:.2f}",
        "median / longest file": f"{statistics.median(sizes):.0f} / {max(sizes)}",
        "names on the face": in_a_process(FACE, source),
        "names documented": in_a_process(DOCUMENTED, source),
        "modules that training loads": in_a_process(TRAINING, source),
        "lines of the core": f"{sum(rooms[name] for name in CORE):,}",
        "most parameters of a kernel function": f"{most_parameters(kernels)}",
        "most parameters of any other function": f"{most_parameters(paths)}",
        "calls of forecast(x, horizon=1, engine='torch')": in_a_process(CALLS, source),
    } | {f"lines of {path.parent.name}": f"{rooms[path.parent.name]:,}" for path in faces}


def main() -> None:
    """Print a table, one column per source tree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", nargs="*", type=Path, default=[HERE], help="folders src/dynamix")
    columns = [figures(source.resolve()) for source in parser.parse_args().sources]
    for name in dict.fromkeys(name for column in columns for name in column):
        print(f"{name:50s}" + "".join(f"{column.get(name, '-'):>20s}" for column in columns))


if __name__ == "__main__":
    main()
