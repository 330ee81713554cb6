"""Compiling, what says that a kernel on disk is stale, and many processes and threads at once."""

import ast
import importlib.util
import multiprocessing
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from engine.cases import make_context, make_model
from helpers import wave

from dynamix import forecast, systems
from dynamix.engine import rollout, runtime
from dynamix.forecasting import models

FOLDER = Path(runtime.__file__).parent


class FakeKernel:
    """Compiles as told."""

    __name__ = "fake"
    _cache = None  # nowhere to keep the result

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
    assert [r.message for r in caplog.records] == ["compiling fake; this happens once"]
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


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A small kernel in a file of its own, whose compiled code goes to an empty folder."""
    monkeypatch.setattr("numba.core.config.CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "own.py").write_text("def doubled(x, y, version):\n    y[0] = 2 * x[0]\n")
    spec = importlib.util.spec_from_file_location("own", tmp_path / "own.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "own", module)

    def run(dtype=np.float64):
        kernel, y = runtime.entry(module.doubled), np.zeros(1, dtype)
        runtime.call(kernel, np.ones(1, dtype), y, runtime.VERSION)
        assert y[0] == 2
        return sum(kernel.stats.cache_hits.values())

    return run


@pytest.mark.parametrize("damage", [flip, block, lambda path: path.write_bytes(b"")])
def test_compiled_code_that_is_damaged_on_disk_is_made_again(damage, own, tmp_path, caplog):
    assert [own(), own()] == [0, 1]
    (path,) = (tmp_path / "cache").rglob("*.nbc")
    damage(path)
    assert "compiled code" not in caplog.text
    assert own() == 0
    assert "compiled code of" in caplog.text  # is made again, or is not kept
    assert own() == (damage is not block)


def in_children(work, count):
    """``work(i)`` in so many forked processes at once, or a failure after a minute."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    children = [context.Process(target=lambda i=i: answers.put((i, work(i)))) for i in range(count)]
    for child in children:
        child.start()
    try:
        return dict(answers.get(timeout=60) for _ in children)
    finally:
        for child in children:
            child.kill()
            child.join()


forks = [
    pytest.mark.skipif(
        "fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork"
    ),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


class TestForks:
    pytestmark = forks

    def test_a_child_forecasts_after_torch_and_the_kernels_ran(self):
        def work(_):
            torch.ones(2**20).exp().sum()  # large enough for two threads
            return [np.asarray(forecast(wave(90), horizon=9, engine=e)) for e in ("auto", "torch")]

        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            wanted = work(0)
            np.testing.assert_array_equal(in_children(work, 1)[0], wanted)
        finally:
            torch.set_num_threads(threads)

    def test_a_child_compiles_while_a_thread_of_its_parent_does(self, own):
        with runtime._compiling:
            assert in_children(lambda _: own(), 1) == {0: 0}

    def test_processes_start_at_once_with_empty_caches(self, own, cache):
        def work(i):
            own((np.float32, np.float64)[i % 2])
            return systems.trajectory("Lorenz", n=300)

        found = in_children(work, 4)
        for i in range(4):
            np.testing.assert_array_equal(found[i], systems.trajectory("Lorenz", n=300))
        assert [own(np.float32), own(np.float64)] == [1, 1]
        assert len(list(cache.rglob("*.bin"))) == 1


def test_eight_threads_forecast_what_one_does(monkeypatch):
    monkeypatch.setattr(runtime, "_usable", set())
    models._read_once.cache_clear()

    def work(i):
        how = {"embedding": ("pos", "delay")[i % 2], "n_samples": (None, 2)[i // 4]}
        return np.asarray(forecast(wave(120, 1 + i % 3, seed=i), horizon=20, **how))

    with ThreadPoolExecutor(8) as pool:
        at_once = list(pool.map(work, range(8)))
    for i, found in enumerate(at_once):
        np.testing.assert_array_equal(found, work(i))


def test_a_long_rollout_is_watched_and_gives_the_same(monkeypatch):
    model, context = make_model(3, 30, 10, 2), make_context(100, 3, 3, smooth=True)
    quick = rollout.rollout(model, context, horizon=50).observations
    monkeypatch.setattr(runtime, "QUICK", 0)
    for threads in (1, 2):
        watched = rollout.rollout(model, context, horizon=50, threads=threads).observations
        assert np.array_equal(watched, quick)


def test_ctrl_c_ends_the_kernels(monkeypatch):
    heard = []

    def interrupted(jobs, timeout):
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "wait", interrupted)
    monkeypatch.setattr(
        rollout, "signals_for", lambda n: heard.append(np.zeros(1 + n, np.int64)) or heard[-1]
    )
    model, context = make_model(3, 30, 10, 2), make_context(100, 1, 3, smooth=True)
    steps = 3_000_000
    with pytest.raises(KeyboardInterrupt):
        rollout.rollout(model, context, horizon=steps, threads=1)
    runtime._pool(1, os.getpid()).submit(int).result()  # the only thread is free again
    assert heard[0][0] == 1
    assert heard[0][1] < steps
