"""Compiling, and what says that a kernel on disk is stale."""

import ast
import importlib.util
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from dynamix.engine import runtime

FOLDER = Path(runtime.__file__).parent


class FakeKernel:
    """Compiles as told."""

    __name__ = "fake"

    def __init__(self, *, error=None, seconds=0.0):
        self.error, self.seconds = error, seconds

    def compile(self, types):
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error

    def __call__(self, *arguments):
        self.arguments = arguments


def test_a_kernel_that_does_not_compile_is_an_engine_unavailable():
    with pytest.raises(runtime.EngineUnavailable, match="no compiler"):
        runtime.call(FakeKernel(error=OSError("no compiler")), 1)


def test_long_compiling_is_announced_once(caplog, monkeypatch):
    monkeypatch.setattr(runtime, "NOTICE", 0.01)
    kernel = FakeKernel(seconds=0.2)
    runtime.call(kernel, 1)
    runtime.call(kernel, 2)
    assert [record.message.split(";")[0] for record in caplog.records] == ["compiling fake"]
    assert kernel.arguments == (2,)


def test_the_digest_changes_with_every_file_of_the_engine(tmp_path):
    copied = shutil.copytree(FOLDER, tmp_path / "engine")
    before = runtime.digest_of(copied)
    assert before == runtime.digest_of(FOLDER)
    seen = {before}
    for path in sorted(copied.glob("*.py")):
        path.write_text(path.read_text() + "# changed\n")
        seen.add(runtime.digest_of(copied))
    assert len(seen) == 1 + len(list(copied.glob("*.py")))
    assert runtime.VERSION.dtype.names == ("k" + before,)


def test_kernels_use_code_of_the_engine_alone():
    """The digest covers this folder, so a kernel must not hold anything from elsewhere."""
    for path in FOLDER.glob("*.py"):
        tree = ast.parse(path.read_text())
        elsewhere = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.level > 1
            for alias in node.names
        }
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and {"piece", "inlined", "entry"} & {
                getattr(decorator, "id", "") for decorator in node.decorator_list
            }:
                names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
                assert not names & elsewhere, f"{path.name}: {node.name}"
                if "entry" in [getattr(d, "id", "") for d in node.decorator_list]:
                    assert node.args.args[-1].arg == "version", f"{path.name}: {node.name}"
                assert len(node.args.args) <= 12, f"{path.name}: {node.name}"


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def block(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", [flip, block, lambda path: path.write_bytes(b"")])
def test_compiled_code_that_is_damaged_on_disk_is_made_again(
    suffix, damage, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "own.py").write_text("def doubled(x, y, version):\n    y[0] = 2 * x[0]\n")
    spec = importlib.util.spec_from_file_location("own", tmp_path / "own.py")
    own = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(own)

    def run():
        kernel, y = runtime.entry(own.doubled), np.zeros(1)
        runtime.call(kernel, np.ones(1), y, runtime.VERSION)
        assert y[0] == 2
        return sum(kernel.stats.cache_hits.values())

    assert [run(), run()] == [0, 1]
    (path,) = (tmp_path / "cache").rglob(f"*{suffix}")
    damage(path)
    assert "compiled code" not in caplog.text
    assert run() == 0
    assert "compiled code of" in caplog.text  # is made again, or is not kept
    assert run() == (damage is not block)
