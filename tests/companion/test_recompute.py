"""Repeating the commands of stored results, and comparing the tables."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT

from dynamix import cli
from dynamix.companion import recompute
from dynamix.evaluation.results import sealed

PROJECT = recompute.Recomputation(ROOT)


def test_every_stored_result_can_be_recomputed_from_its_own_record():
    stored = {path.stem for path in (ROOT / "results").glob("*.csv")}
    found = {name: recipe for recipe in PROJECT.recipes() for name in recipe.names}
    assert stored <= set(found)
    for name, recipe in found.items():
        words = recipe.command
        assert words[0] in ("dynamix", "python"), recipe
        if words[0] == "python":
            assert (ROOT / words[1]).is_file(), recipe
        if words[:2] == ("dynamix", "benchmark"):
            assert words[words.index("--output") + 1] == f"results/{name}.csv"
    assert recompute.missing(("dynamix", "benchmark", "--model", "x.safetensors"), {}) == (
        "x.safetensors"
    )
    assert recompute.missing(("python", "a.py", "--output", "x.safetensors"), {}) is None


def test_what_a_training_writes_is_not_what_another_one_writes():
    written = [
        recipe.command[recipe.command.index("--output") + 1]
        for recipe in PROJECT.recipes()
        if "--output" in recipe.command
    ]
    assert len(written) == len(set(written))
    assert all(path.startswith(("results/", "runs/")) for path in written)


def test_trainings_come_first_and_what_measures_time_last():
    waves = [recipe.wave for recipe in PROJECT.recipes()]
    assert waves == sorted(waves)
    assert set(waves) == {0, 1, 2}
    assert {r.name for r in PROJECT.recipes() if r.wave == 2} == {"bench", "bench_times"}


def test_a_training_made_anew_gets_a_record_of_its_own(tmp_path):
    run, kept = tmp_path / "run", tmp_path / "kept"
    run.mkdir()
    kept.mkdir()
    lines = [{"epoch": 1, "seconds": 1.5}, {"epoch": 2, "seconds": 2.5}]
    (run / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (run / "config.json").write_text(json.dumps({"training": {"epochs": 2}}))
    (kept / "provenance.json").write_text(json.dumps({"seconds": 99, "note": "kept", "more": 1}))
    recipe = recompute.Recipe(("training_x",), ("dynamix", "train", "--epochs", "2"), 99)
    recompute.keep_training(recipe, run, kept)
    record = json.loads((kept / "provenance.json").read_text())
    assert (record["command"], record["seconds"]) == ("dynamix train --epochs 2", 2.5)
    assert record["settings"] == {"training": {"epochs": 2}}
    assert record["note"] == "kept"
    assert "more" not in record
    assert record == sealed(record, kept / "log.jsonl")
    assert (kept / "log.jsonl").read_text() == (run / "log.jsonl").read_text()


def test_tables_are_compared_number_by_number_and_times_left_out():
    before = pd.DataFrame(
        {"system": ["A", "B"], "d_stsp": [1.0, np.nan], "gap": [None, None], "seconds": [1.0, 2.0]}
    )
    assert recompute.difference(before, before.assign(seconds=9.0)) == "the same in all 2 rows"
    rounded = before.assign(d_stsp=before["d_stsp"] * (1 + 1e-12))
    assert recompute.difference(before, rounded) == "the same in all 2 rows"
    said = recompute.difference(before, before.assign(d_stsp=[1.5, np.nan], system=["A", "C"]))
    assert said == "differs: system in 1 of 2 rows; and 1 more columns"
    said = recompute.difference(before, before.assign(d_stsp=[1.5, np.nan]))
    assert said == "differs: d_stsp in 1 of 2 rows (median 1 then, 1.5 now)"
    assert "d_stsp in 1" in recompute.difference(before, before.assign(d_stsp=[1.0, 2.0]))
    # rows are matched by the labels in front of the first number, where these tell them apart
    before = pd.DataFrame({"system": ["A", "B"], "d_stsp": [1.0, 2.0]})
    longer = pd.DataFrame({"system": ["new", "B", "A"], "d_stsp": [9.0, 2.0, 1.0]})
    assert recompute.difference(before, longer) == "the same in all 2 rows; 1 rows are new"
    shorter = longer.iloc[:2].assign(d_stsp=3.0)
    assert recompute.difference(longer, shorter.iloc[1:]) == (
        "differs: d_stsp in 1 of 1 rows (median 2 then, 3 now); 2 rows are gone and 0 are new"
    )
    twice = longer.assign(system="A")
    assert recompute.difference(before, twice) == "other rows: (2, 2) before, (3, 2) now"
    assert recompute.difference(before, before[["system"]]).startswith("other columns: (2, 2)")
    assert recompute.difference(None, before) == "no table to compare"


def test_an_interrupted_recomputation_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    results = tmp_path / "results"
    results.mkdir()

    def record(name):
        return {"command": f"python {name}.py --output results/{name}.csv", "seconds": 1}

    for name, code in (("good", "0"), ("bad", "sys.exit(3)")):
        (tmp_path / f"{name}.py").write_text(
            "import sys, pathlib\n"
            f"table = pathlib.Path('results/{name}.csv')\n"
            "table.write_text('x\\n1\\n')\n"
            f"table.with_suffix('.json').write_text({json.dumps(json.dumps(record(name)))})\n"
            f"pathlib.Path('{name}.ran').open('a').write('.')\n{code}\n"
        )
        (results / f"{name}.csv").write_text("x\n1\n")
        (results / f"{name}.json").write_text(json.dumps(record(name)))
    logs = tmp_path / "_build" / "recompute"
    monkeypatch.setattr(recompute.Recomputation.__init__, "__defaults__", (tmp_path,))

    def again(*arguments):
        code = cli.main(["book", "recompute", *arguments])
        told = capsys.readouterr()
        ran = [len((tmp_path / f"{n}.ran").read_text()) for n in ("good", "bad")]
        return code, told.out + told.err, ran

    code, told, ran = again()
    assert (code, ran) == (1, [1, 1])
    assert "good the same in all 1 rows" in told
    (line,) = (results / "made_again.jsonl").read_text().splitlines()
    assert json.loads(line)["result"] == "good"
    assert json.loads(line)["found"] == "the same in all 1 rows"
    assert "bad: failed with exit code 3" in told
    assert (results / "bad.csv").read_text() == "x\n1\n"  # put back
    assert not list(logs.glob("*.begun"))
    code, told, ran = again("--resume", "--jobs", "2")
    assert (code, ran) == (1, [1, 2])  # what is made stays made, what failed is tried again
    (tmp_path / "bad.py").write_text((tmp_path / "bad.py").read_text().replace("sys.exit(3)", ""))
    assert again("--resume")[::2] == (0, [1, 3])
    assert again("--resume")[::2] == (0, [2, 4])  # nothing was left: the next run begins anew
    assert again("good")[::2] == (0, [3, 4])
    # a run that was killed, and cut the list of those that are made: its old table lies aside
    (logs / "done.jsonl").write_text('{"comm')
    logs.joinpath("good.csv").write_text("x\n7\n")
    (logs / "good.begun").touch()
    code, told, ran = again("--resume", "good")
    assert code == 0
    assert "x in 1 of 1 rows (median 7 then, 1 now)" in told
    assert cli.main(["book", "recompute", "worse"]) == 2
    assert "unknown stored result 'worse'" in capsys.readouterr().err


_SLOW = """
import json, pathlib, sys, time
run, going_on = pathlib.Path("runs/slow"), "--resume" in sys.argv
assert run.exists() == going_on, "neither a stranger's models nor a loss of one's own"
table = pathlib.Path("results/slow.csv")
run.mkdir(exist_ok=True)
(run / "half").touch()
if not going_on:
    time.sleep(60)
table.write_text("x\\n1\\n")
table.with_suffix(".json").write_text(json.dumps(RECORD))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "kill"])
def test_a_command_that_was_broken_off_goes_on_from_its_own_checkpoint(tmp_path, number):
    for folder in ("experiments", "results", "runs/slow"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "runs/slow/of_another_day").touch()
    record = {"command": "python experiments/slow.py", "seconds": 1}
    (tmp_path / "experiments/slow.py").write_text(_SLOW.replace("RECORD", repr(record)))
    (tmp_path / "results/slow.csv").write_text("x\n1\n")
    (tmp_path / "results/slow.json").write_text(json.dumps(record))
    code = (
        "import sys, pathlib; from dynamix.companion.recompute import Recomputation as R\n"
        "sys.exit(R(pathlib.Path.cwd()).run(resume='--resume' in sys.argv, say=print))"
    )
    words = [sys.executable, "-u", "-c", code]
    given = {"cwd": tmp_path, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, start_new_session=True, **given) as process:
        while not (tmp_path / "runs/slow/half").exists():
            assert process.poll() is None
            time.sleep(0.05)
        if number == signal.SIGINT:  # a terminal sends it to the whole group
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command with --resume continues" in told
    assert (tmp_path / "results/slow.csv").is_file()  # the old table stays
    assert (tmp_path / "runs/slow.before1/of_another_day").is_file()
    done = subprocess.run([*words, "--resume"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "slow: 0.0 min, slow the same in all 1 rows" in done.stdout
    assert not list((tmp_path / "_build/recompute").glob("*.begun"))
