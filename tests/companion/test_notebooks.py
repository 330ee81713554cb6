"""The runner: parameters, failures, records, sweeps; and what makes a stamp stale."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynamix import InputError, cli
from dynamix.companion import notebooks
from dynamix.companion import sweep as sweeps
from dynamix.companion.notebooks import Parameter
from dynamix.evaluation import results


def make_notebook(path, *sources, tags=("parameters",)):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = list(tags)
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_running_sets_parameters_and_two_runs_are_the_same_bytes(tmp_path):
    path = make_notebook(tmp_path / "a.ipynb", 'x, names = 1, ()\nx = 1\nt = ("a",)', "print(x, t)")
    values = {"x": 5, "t": ("b", "c")}
    outputs = [notebooks.run(path, tmp_path / f"{i}.ipynb", values=values) for i in range(2)]
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    cells = nbformat.read(outputs[0], as_version=4).cells
    assert cells[-1].outputs[0].text == "5 ['b', 'c']\n"


def test_unknown_parameters_and_wrong_types_are_refused(tmp_path):
    path = make_notebook(tmp_path / "a.ipynb", "context_length = 1")
    with pytest.raises(InputError, match="Did you mean 'context_length'"):
        notebooks.run(path, tmp_path / "out.ipynb", values={"contextlength": 5})
    with pytest.raises(InputError, match=r"must be int, such as 1; found 'long' \(str\)"):
        notebooks.run(path, tmp_path / "out.ipynb", values={"context_length": "long"})
    assert not (tmp_path / "out.ipynb").exists()
    with pytest.raises(InputError, match="no notebook"):
        notebooks.run(tmp_path / "b.ipynb", tmp_path / "out.ipynb")
    (tmp_path / "c.ipynb").write_text("no json")
    with pytest.raises(InputError, match="is not a notebook"):
        notebooks.parameters(tmp_path / "c.ipynb")
    with pytest.raises(InputError, match="plain value"):
        notebooks.parameters(make_notebook(tmp_path / "d.ipynb", "x = print"))


@pytest.mark.parametrize(
    ("default", "good", "bad"),
    [
        (1, [2, -3], [1.5, True, "1"]),
        (0.5, [1, 2.5], [True, "0.5"]),
        (True, [False], [0, "true"]),
        ("a", ["b", ""], [1, None]),
        (("a", "b"), [["c"], ("d",), []], ["c", [1], ("a", 2)]),
        ((), [["c"], [1]], ["c"]),
        (None, [1, "a", None], []),
    ],
)
def test_types_follow_the_default(default, good, bad):
    parameter = Parameter("p", default)
    assert all(parameter.accepts(value) for value in good)
    assert not any(parameter.accepts(value) for value in bad)


words = st.text("abcXYZ_", min_size=1)


@given(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False),
        st.booleans(),
        words,
        st.lists(words, min_size=2).map(tuple),
        st.lists(st.integers(), min_size=2).map(tuple),
    )
)
def test_a_value_survives_the_command_line(value):
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    assert Parameter("p", value).parse(text) == value


def test_a_failure_points_at_chapter_section_and_cell_and_keeps_what_ran(tmp_path):
    path = make_notebook(tmp_path / "a.ipynb", "x = 1", "print('so far')", "1 / 0", "print('on')")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("# Dividing\n\n*After this*"))
    notebook.cells.insert(3, nbformat.v4.new_markdown_cell("## By nothing"))
    nbformat.write(notebook, path)
    out = tmp_path / "out.ipynb"
    with pytest.raises(notebooks.NotebookError) as caught:
        notebooks.run(path, out)
    for part in ("'Dividing' (a.ipynb)", "cell 5", "'By nothing'", "ZeroDivisionError", str(out)):
        assert part in str(caught.value)
    text = out.read_text()
    assert "so far" in text
    assert "ZeroDivisionError" in text


def test_records_come_back(tmp_path):
    code = (
        "import numpy as np\nfrom dynamix.companion.notebooks import record\n"
        'record("a", x)\nrecord("b", np.float32(0.5))\nrecord("c", float("nan"))\n'
        'record("a", x + 1)'
    )
    path = make_notebook(tmp_path / "a.ipynb", "x = 1", code)
    notebooks.run(path, tmp_path / "o.ipynb")
    kept = notebooks.recorded(tmp_path / "o.ipynb")
    assert np.isnan(kept.pop("c"))
    assert kept == {"a": 2, "b": 0.5}
    with pytest.raises(InputError, match="one number"):
        notebooks.record("a", np.zeros(3))


SWEEP = ["sweep", "a.ipynb", "-p", "x", "0,1,2", "-p", "t", "a,b", "--output"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The folder of a notebook and of its sweep, one run of which fails; what was said of it."""
    folder = tmp_path_factory.mktemp("swept")
    code = (
        "import os\nfrom dynamix.companion.notebooks import record\n"
        'record("inverse", 1 / x)\nrecord("n", len(t))\n'
        'record("threads", os.environ["OMP_NUM_THREADS"])'
    )
    make_notebook(folder / "a.ipynb", 'x = 1.0\nt = ("a",)', code)
    with contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()) as told:
        assert cli.main([*SWEEP, "alone.csv"]) == 2  # 1 / 0
    return folder, told.getvalue()


def test_a_sweep_is_a_table_with_provenance_and_a_failed_run_is_a_row(swept):
    folder, told = swept
    grid = sweeps.parse_grid(folder / "a.ipynb", [("x", "0,2"), ("t", "a,b")])
    assert grid == {"x": [0, 2], "t": [("a", "b")]}
    assert "1 of 3 runs failed; the first: chapter 'a'" in told
    table, record = results.stored(folder / "alone.csv")
    assert not (folder / "alone.csv.journal").exists()
    assert list(table["x"]) == [0, 1, 2]
    assert table["inverse"].tolist()[1:] == [1, 0.5]
    assert table["n"].tolist()[1:] == [2, 2]
    assert "ZeroDivisionError" in table["error"][0]
    assert record["command"].startswith("dynamix sweep a.ipynb -p x 0,1,2")
    assert record["settings"]["grid"] == {"x": [0, 1, 2], "t": [["a", "b"]]}
    with pytest.raises(InputError, match="unknown parameter"):
        sweeps.parse_grid(folder / "a.ipynb", [("y", "1")])


def test_an_interrupted_sweep_goes_on(tmp_path, monkeypatch, capsys):
    path, output, ran = make_notebook(tmp_path / "a.ipynb", "x = 1.0"), tmp_path / "out.csv", []

    def run_all(jobs, *, workers, dask, done):
        for job in jobs:
            ran.append(job.values["x"])
            job.output.parent.mkdir(exist_ok=True)
            job.output.write_text(str(job.values["x"]))
            done(sweeps.Outcome(job, 1.0, "a cell failed" if len(ran) == 2 else None))
            if len(ran) == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(sweeps, "run_all", run_all)
    monkeypatch.setattr(notebooks, "recorded", lambda kept: {"double": 2 * int(kept.read_text())})
    arguments = ["sweep", str(path), "-p", "x", "1,2,3,4", "--output", str(output)]
    assert cli.main(arguments) == 130
    assert not output.exists()
    assert cli.main(arguments) == 2
    assert "Continue it with resume" in capsys.readouterr().err
    assert cli.main([*arguments[:4], "1,2", *arguments[5:], "--resume"]) == 2
    assert cli.main([*arguments, "--resume"]) == 0
    assert ran == [1, 2, 3, 2, 4]  # one failed and one was left
    table, record = results.stored(output)
    assert list(table["double"]) == [2, 4, 6, 8]
    assert record["settings"]["grid"] == {"x": [1, 2, 3, 4]}


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_sweep_though_a_worker_dies(swept, monkeypatch, capfd):
    distributed = pytest.importorskip("distributed")
    folder = swept[0]
    monkeypatch.chdir(folder)  # paths of the command line are those of the client
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        before = cluster.workers[0].pid
        rows_then = []

        def kill_one():
            journal = folder / "out.csv.journal"
            while not journal.is_file() or journal.read_text().count("\n") < 3:
                time.sleep(0.01)
            os.kill(before, signal.SIGKILL)
            rows_then.append(journal.read_text().count("\n") - 2)

        killer = threading.Thread(target=kill_one, daemon=True)
        killer.start()
        assert cli.main([*SWEEP, "out.csv", "--dask", cluster.scheduler_address]) == 2
        killer.join(timeout=10)
        assert 1 <= rows_then[0] < 3  # it died in mid-run
        cluster.wait_for_workers(2, timeout=30)
        assert cluster.workers[0].pid != before  # and was started again
    (alone, _), (found, record) = (results.stored(name) for name in ("alone.csv", "out.csv"))
    assert set(found["threads"][1:]) == {1}
    same = [table.drop(columns="seconds") for table in (found, alone)]
    pd.testing.assert_frame_equal(*same, check_exact=True)
    assert record["settings"]["grid"] == {"x": [0, 1, 2], "t": [["a", "b"]]}
    for i in (1, 2):
        one, two = (folder / name / f"{i:03d}.ipynb" for name in ("alone", "out"))
        assert one.read_bytes() == two.read_bytes()
    assert [file.name for file in (folder / "out").glob("*.log")] == ["000.log"]  # of the failure


def test_a_sweep_leaves_the_process_of_its_worker_as_it_was(tmp_path, monkeypatch, capfd):
    path = make_notebook(tmp_path / "a.ipynb", "x = 1", "import os; os.write(2, b'from a kernel')")
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    outcome = sweeps._run(sweeps.Job(path, tmp_path / "deep" / "o.ipynb"))
    assert outcome.error is None
    assert os.environ["NUMBA_NUM_THREADS"] == "3"
    assert "OMP_NUM_THREADS" not in os.environ
    os.write(2, b"from here")
    assert capfd.readouterr().err == "from here"


def test_a_script_without_a_main_guard_is_not_run_again_by_its_workers(tmp_path):
    make_notebook(tmp_path / "a.ipynb", "x = 1")
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from dynamix.companion.sweep import Job, run_all\n"
        "print('once')\n"
        "folder = Path(__file__).parent\n"
        "job = Job(folder / 'a.ipynb', Path(__file__) / 'out.ipynb')\n"
        "try: run_all([job])\n"
        "except OSError: print('no folder')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.stdout == "once\nno folder\n", done.stderr


def test_a_run_that_is_killed_leaves_the_old_output(tmp_path, monkeypatch):
    path = make_notebook(tmp_path / "a.ipynb", "x = 1")
    (tmp_path / "out.ipynb").write_text("old")

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("papermill.execute_notebook", killed)
    with pytest.raises(KeyboardInterrupt):
        notebooks.run(path, tmp_path / "out.ipynb")
    assert (tmp_path / "out.ipynb").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def test_the_command_line_runs_a_notebook(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = make_notebook(tmp_path / "a.ipynb", "x = 1", "print(x)")
    assert cli.main(["run", str(path), "-p", "x", "7"]) == 0
    assert nbformat.read("a-run.ipynb", as_version=4).cells[-1].outputs[0].text == "7\n"
    assert cli.main(["run", str(path), "-p", "x", "much"]) == 2
    assert cli.main(["run", str(path), str(path)]) == 2
    assert "Name another output" in capsys.readouterr().err


def test_problems_are_found(tmp_path):
    path = make_notebook(tmp_path / "a.ipynb", "x = 1", "y = 2", tags=())
    notebook = nbformat.read(path, as_version=4)
    for number, cell in zip((1, 3), notebook.cells, strict=True):
        cell.execution_count = number
    output = nbformat.v4.new_output
    notebook.cells[0].outputs = [
        output("stream", name="stdout", text="see /home/me/x"),
        output("stream", name="stdout", text="UserWarning: do not"),
        output("stream", name="stderr", text="a warning"),
        output("error", ename="ValueError", evalue="", traceback=[]),
        output("display_data", data={"image/png": "abc"}),
    ]
    nbformat.write(notebook, path)
    found = "\n".join(notebooks.problems(path))
    for expected in (
        "0 cells",
        "[1, 3]",
        "a path",
        "shows a warning",
        "standard error",
        "ValueError",
        "alternative",
    ):
        assert expected in found


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ('<img alt="a curve" src="data:image/png;base64,ab/home/cd">', 0),  # no path: a picture
        ('<img alt="" src="data:image/png;base64,ab">', 1),
        ('<img src="data:image/png;base64,ab">', 1),
        ('<img alt="a curve" src="/home/me/a.png">', 1),
    ],
)
def test_pictures_in_html_need_an_alternative_text_of_their_own(tmp_path, tag, found):
    path = make_notebook(tmp_path / "a.ipynb", "x = 1")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].execution_count = 1
    both = {"text/html": f"<div>{tag}</div>", "image/png": "abc"}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data=both)]
    nbformat.write(notebook, path)
    assert len(notebooks.problems(path)) == found


def test_the_runner_stamps_with_the_files_that_were_opened(tmp_path):
    root = tmp_path
    for name in ("src/dynamix/__init__.py", "results/a.csv"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("x = 1\n")
    (root / "book").mkdir()
    code = (
        "from pathlib import Path\nimport pandas as pd\n"
        'table = pd.read_csv(Path.cwd().parent / "results" / "a.csv")'
    )
    path = make_notebook(root / "book" / "a.ipynb", "x = 1", code)
    assert notebooks.stale(path)[0].startswith(
        "a.ipynb is stale: it has no stamp. Run: dynamix book run a"
    )
    notebooks.run(path, path)
    stamp = nbformat.read(path, as_version=4).metadata["dynamix"]["stamp"]
    assert set(stamp["files"]) == {"results/a.csv"}
    assert notebooks.stale(path) == []
    (root / "results" / "a.csv").write_text("x\n2\n")
    assert "results/a.csv changed. Run: dynamix book run a" in "".join(notebooks.stale(path))
