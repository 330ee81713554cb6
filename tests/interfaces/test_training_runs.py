"""Training runs side by side: each ends as it does alone, whoever trains it, and whoever dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers import SMALL, WAVES, quick

from dynamix import InputError
from dynamix.interfaces import train_each
from dynamix.model.checkpoints import read_tensors
from dynamix.training import read_log, train


def run(seed: int, **changes: object) -> dict:
    return {"model": SMALL, "training": quick(seed=seed, **changes), "trajectories": WAVES}


def same(one: Path, two: Path) -> None:
    """Two runs have the same bits, and the same logs but for the seconds."""
    for name in ("model.safetensors", "state.safetensors"):
        (a, _), (b, _) = read_tensors(one / name), read_tensors(two / name)
        assert a.keys() == b.keys()
        for key in a:
            assert torch.equal(a[key], b[key]), key
    logs = [[{**r, "seconds": 0} for r in read_log(folder)] for folder in (one, two)]
    assert logs[0] == logs[1]
    assert (one / "config.json").read_text() == (two / "config.json").read_text()


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """Three runs, one after the other."""
    folder = tmp_path_factory.mktemp("alone")
    for seed in (0, 1, 2):
        train(folder / f"seed-{seed}", **run(seed))
    return folder


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_runs_side_by_side_end_as_they_do_alone(alone, tmp_path, workers):
    finished = []
    runs = {f"seed-{seed}": run(seed) for seed in (0, 1, 2)}
    found = train_each(tmp_path / "all", runs, workers=workers, done=finished.append)
    assert found == {name: tmp_path / "all" / name for name in runs}
    assert sorted(finished) == sorted(found.values())
    for name, folder in found.items():
        same(folder, alone / name)
    a, b = (read_tensors(alone / f"seed-{seed}" / "model.safetensors")[0] for seed in (0, 1))
    assert any(not torch.equal(a[key], b[key]) for key in a)


def test_what_is_finished_or_begun_is_continued(alone, tmp_path, monkeypatch):
    runs = {f"seed-{seed}": run(seed) for seed in (0, 1, 2)}
    (tmp_path / "seed-2").mkdir()
    # the first worker of this run died before its first checkpoint
    (tmp_path / "seed-2" / "best.safetensors").write_bytes(b"")
    train(tmp_path / "seed-0", **run(0))

    def breaking(record):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "seed-1", **run(1), on_epoch=breaking)
    with pytest.raises(InputError, match=r"run 'seed-0': .*already holds a training run"):
        train_each(tmp_path, runs)
    with pytest.raises(InputError, match=r"run 'seed-0': cannot resume .*batch_size"):
        train_each(tmp_path, {"seed-0": run(0, batch_size=3)}, resume=True)
    found = train_each(tmp_path, runs, resume=True)
    for name, folder in found.items():
        same(folder, alone / name)


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({}, "no run to train"),
        ({"a": {"trainings": None}}, "unknown argument of a training run 'trainings'"),
        ({"a": run(0), "b": run(0, frozen=("gate.sigm",))}, r"run 'b': .*'gate.sigma'"),
        ({"a": run(0), "./a": run(1)}, "the same folder"),
    ],
    ids=["none", "argument", "setting", "folder"],
)
def test_what_cannot_be_used_is_refused_before_anything_is_trained(tmp_path, runs, message):
    with pytest.raises(InputError, match=message):
        train_each(tmp_path / "all", runs)
    assert not (tmp_path / "all").exists()


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_though_a_worker_dies(tmp_path):
    distributed = pytest.importorskip("distributed")
    # long enough for a worker to die within a run, which another one continues
    runs = {
        f"seed-{seed}": run(seed, epochs=10, batches_per_epoch=20, checkpoint_every=2)
        for seed in (0, 1, 2)
    }
    for name, given in runs.items():
        train(tmp_path / "alone" / name, **given)
    out = tmp_path / "out"
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        before = cluster.workers[0].pid
        epochs_then = []

        def epochs() -> int:
            return sum(len(list(read_log(out / name))) for name in runs)

        def kill_one():
            while epochs() < 5:
                time.sleep(0.01)
            os.kill(before, signal.SIGKILL)
            epochs_then.append(epochs())

        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()
        train_each(out, runs, dask=cluster.scheduler_address)
        killer.join(timeout=10)
        assert epochs_then[0] < 30  # it died in mid-run
        cluster.wait_for_workers(2, timeout=30)
        assert cluster.workers[0].pid != before  # and was started again
    for name in runs:
        same(out / name, tmp_path / "alone" / name)


def test_one_run_may_have_the_folder_itself(alone, tmp_path):
    found = train_each(tmp_path / "one", {"": run(0)})
    assert found == {"": tmp_path / "one"}
    same(tmp_path / "one", alone / "seed-0")
    with pytest.raises(InputError, match=r"^'.*one' already holds a training run"):
        train_each(tmp_path / "one", {"": run(0)})
