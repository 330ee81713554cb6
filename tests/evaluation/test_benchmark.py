"""The benchmark: its data, its measures, its statistics, and that nothing about a run matters."""

from __future__ import annotations

import dataclasses
import itertools
import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import small_model

from dynamix import BenchmarkConfig, InputError, cli, dynamics, flows, metrics, systems
from dynamix.baselines import baseline, registry
from dynamix.evaluation import benchmark, statistics

SHORT = BenchmarkConfig(context=200, horizon=300, starts=2)
NAMES = ["Rossler", "Lorenz", "Duffing"]


def same_but_seconds(a: pd.DataFrame, b: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(
        a.drop(columns="seconds"), b.drop(columns="seconds"), check_exact=True
    )


@pytest.fixture
def one_each(monkeypatch):
    """A batch per system, so that a short run has several."""
    monkeypatch.setattr(benchmark, "_BATCH", 1)


# data


def test_starts_follow_one_another_and_the_first_is_that_of_a_single_start():
    one, three = (
        benchmark.stretches("Rossler", dataclasses.replace(SHORT, starts=n)) for n in (1, 3)
    )
    whole = systems.trajectory("Rossler", n=800)
    np.testing.assert_array_equal(one[0], whole)
    for start, x in enumerate(three):
        assert x.shape == (800, 3)  # context, truth, ceiling
        np.testing.assert_array_equal(x, systems.trajectory("Rossler", n=1800)[500 * start :][:800])


def test_all_starts_and_near_settings_share_one_cached_trajectory(cache):
    for context in (200, 210):
        config = dataclasses.replace(SHORT, context=context, starts=3)
        benchmark.stretches("Rossler", config)
    (file,) = (cache / "trajectories").glob("*")
    assert 0 <= file.stat().st_size - 2000 * 3 * 4 < 1000  # float32, after a short header


def test_no_start_begins_where_transient_chaos_has_died():
    parts = benchmark.stretches("PanXuZhou", BenchmarkConfig())
    firsts = np.stack([x[0] for x in parts])
    assert len(np.unique(firsts, axis=0)) == 5
    for x in parts:
        assert (x[2000:12_000].std(axis=0) > 3).all()


# rows


def test_rows_and_starts():
    table = benchmark.run(small_model(), config=SHORT, names=["Rossler", "Torus"])
    assert list(table.columns) == list(benchmark.COLUMNS)
    assert list(table["system"]) == ["Rossler", "Rossler", "Torus", "Torus"]
    assert list(table["start"]) == [0, 1, 0, 1]
    assert not table[table["system"] == "Rossler"]["d_stsp"].duplicated().any()
    assert table["fate"].isin(metrics.FATES).all()
    assert table["quiet_fate"].isin(metrics.FATES).all()
    # a torus has no Lyapunov time
    chaotic = [np.isfinite(systems.lyapunov_time(name)) for name in table["system"]]
    assert list(table["vpt"].notna()) == chaotic


def test_a_row_does_not_depend_on_the_rows_beside_it():
    model = small_model()
    table = benchmark.run(model, config=SHORT, names=NAMES)
    alone = benchmark.run(model, config=dataclasses.replace(SHORT, starts=1), names=["Lorenz"])
    first = table[(table["system"] == "Lorenz") & (table["start"] == 0)]
    same_but_seconds(alone, first.reset_index(drop=True))


def test_the_exponent_of_a_row_is_the_forecasts_over_the_systems():
    config = dataclasses.replace(SHORT, horizon=3000, starts=1)
    row = benchmark.run("ceiling", config=config, names=["Lorenz"]).iloc[0]
    other = benchmark.stretches("Lorenz", config)[0][3200:]
    truth = benchmark.stretches("Lorenz", config)[0][200:3200]
    own, theirs = (dynamics.largest_exponent(x) for x in (truth, other))
    shown = 0.5 <= own * systems.lyapunov_time("Lorenz") <= 2
    assert shown
    assert row["exponent"] == pytest.approx(theirs / own)
    # a cycle or a torus is no exponent to compare with; a forecast at rest has none
    assert benchmark.run("ceiling", config=config, names=["Torus"])["exponent"].isna().all()
    assert benchmark.run("mean", config=config, names=["Lorenz"])["exponent"].isna().all()


def test_rivals_have_a_fate_but_none_without_gate_noise():
    table = benchmark.run("parrot", config=SHORT, names=["Rossler"])
    assert table["quiet_fate"].isna().all()
    assert table["fate"].notna().all()
    assert set(benchmark.run("mean", config=SHORT, names=["Rossler"])["fate"]) == {"fixed point"}


def test_every_forecaster_is_a_rival_and_divergence_counts_as_a_failure(tmp_path, monkeypatch):
    pytest.importorskip("pydmd")
    table = benchmark.run("dmd", config=SHORT, names=["Rossler"], output=tmp_path / "dmd.csv")
    assert table["mase"].notna().all()
    _, record = benchmark.read(tmp_path / "dmd.csv")
    assert record["model"] == "dmd"
    assert "pydmd" in record["versions"]
    assert record["command"].startswith("dynamix benchmark --model dmd ")

    def explode(context, horizon, *, seed):
        return np.repeat(context[-1:], horizon, axis=0) * np.exp(np.arange(horizon))[:, None]

    dmd = dataclasses.replace(baseline("dmd"), function=explode, config=None)
    monkeypatch.setitem(registry._entries, "dmd", dmd)
    table = benchmark.run("dmd", config=SHORT, names=["Rossler"])
    assert table[["d_h"]].isna().all(axis=None)
    assert set(table["fate"]) == {"escape"}


def test_the_ceiling_is_near_perfect_and_the_mean_is_not():
    ceiling, mean = (
        statistics.summary(benchmark.run(rival, config=SHORT, names=["Rossler", "Lorenz"]))
        for rival in ("ceiling", "mean")
    )
    assert ceiling.loc["d_stsp", "median"] < mean.loc["d_stsp", "median"]
    assert ceiling.loc["d_h", "median"] < 0.3
    assert mean.loc["d_h", "median"] == 1.0


def test_unusable_input(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'Lorenz'"):
        benchmark.run("parrot", names=["Lorens"])
    with pytest.raises(InputError, match="no system"):
        benchmark.run("parrot", names=[])
    with pytest.raises(InputError, match=r"unknown model 'dynamix-9d'.*Did you mean 'dynamix-"):
        benchmark.run("dynamix-9d", names=["Lorenz"])
    with pytest.raises(InputError, match="no output"):
        benchmark.run("parrot", names=["Lorenz"], resume=True)
    with pytest.raises(InputError, match="workers"):
        benchmark.run("parrot", names=["Lorenz"], workers=0)
    for wrong in ({"starts": 0}, {"horizon": 0}, {"mase_steps": 20, "horizon": 10}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            BenchmarkConfig(**wrong)


# failures


def test_an_escape_is_a_failure_of_every_long_term_error_and_of_no_other():
    model = small_model()
    with torch.no_grad():
        model.experts.A.fill_(3.0)
    table = benchmark.run(model, config=SHORT, names=["Rossler"])
    assert (table["fate"] == "escape").all()
    counted = statistics.summary(table)["failures"]
    assert (counted[list(statistics.LONG_TERM)] == 2).all()
    # a forecast that is finite and near in its first steps keeps their error
    table = table.assign(d_stsp=1.0, hellinger=0.5, d_h=0.1, mase=0.5)
    assert list(statistics.summary(table)["failures"][:4]) == [2, 2, 2, 0]
    assert np.isinf(statistics.per_system(table).loc["Rossler", "hellinger"])


def test_blur_pleases_the_divergence_and_not_the_hellinger_distance():
    config = dataclasses.replace(SHORT, context=1000, horizon=3000, starts=1)
    names = ["Rossler", "Lorenz", "Aizawa"]
    sharp, blurred = (
        benchmark.run(name, config=config, names=names) for name in ("parrot", "parrot_noisy")
    )
    assert (blurred["d_stsp"] < sharp["d_stsp"]).all()
    assert (blurred["mase"] > sharp["mase"]).all()
    gain = {m: np.median(blurred[m] / sharp[m]) for m in ("d_stsp", "hellinger")}
    assert gain["hellinger"] > gain["d_stsp"]


def test_settings_that_are_given_are_used_recorded_and_repeatable(tmp_path):
    given = {"quiet_steps": 7, "gate_noise": False}
    out = tmp_path / "quiet.csv"
    table = benchmark.run("dynamix-3d", config=SHORT, names=["Rossler"], settings=given, output=out)
    _, record = benchmark.read(out)
    assert record["forecast"]["quiet_steps"] == 7
    assert record["forecast"]["reference_spacing"] == 0.07
    assert "--set quiet_steps=7 gate_noise=false" in record["command"]
    assert not table["d_stsp"].isna().any()
    assert list(table["fate"]) == list(table["quiet_fate"])


@pytest.mark.parametrize(
    "name", ["dynamix-3d", "dynamix-6d", "dynamix-3d-scratch", "dynamix-3d-flows"]
)
def test_an_untrained_start_differs_from_its_model_in_its_weights_alone(name):
    trained, start = baseline(name), baseline(f"{name}-untrained")
    assert start.model.config == trained.model.config
    assert benchmark.forecast_settings(start) == benchmark.forecast_settings(trained)
    assert start.identity != trained.identity
    assert start.identity == baseline(f"{name}-untrained").identity


# statistics


def test_a_failure_counts_as_worst_and_is_shown():
    config = dataclasses.replace(SHORT, starts=1)
    table = benchmark.run("parrot", config=config, names=NAMES)
    table.loc[0, "d_stsp"] = np.nan
    summary = statistics.summary(table)
    assert summary.loc["d_stsp", "failures"] == 1
    assert summary.loc["d_stsp", "systems"] == 3
    assert summary.loc["d_stsp", "upper quartile"] == np.inf
    assert np.isfinite(summary.loc["d_stsp", "median"])


def made_up(values: dict[str, list[float]], **others: object) -> pd.DataFrame:
    """A table whose every error is the given one, per system and start."""
    rows = [(name, s, v) for name, starts in values.items() for s, v in enumerate(starts)]
    frame = pd.DataFrame(rows, columns=["system", "start", "d_stsp"])
    return frame.assign(d_h=frame["d_stsp"], mase=frame["d_stsp"], **others)


def test_starts_are_averaged_before_systems():
    nan = float("nan")
    table = made_up({"a": [1, 2, 9], "b": [5, nan, nan], "c": [4, nan, 3]})
    assert list(statistics.per_system(table)["d_stsp"]) == [2, np.inf, 4]
    row = statistics.summary(table).loc["d_stsp"]
    assert (row["median"], row["interval low"], row["interval high"]) == (4, 2, np.inf)
    assert (row["systems"], row["forecasts"], row["failures"]) == (3, 9, 3)


@pytest.mark.parametrize("mean", [False, True])
@pytest.mark.parametrize("level", [0.95, 0.7, 0.3])
def test_bootstrap_equals_the_enumeration_of_all_draws(mean, level):
    values = np.array([1.0, 2.0, 4.0, 11.0, 27.0])
    draws = np.array(list(itertools.product(values, repeat=5)))  # all 3,125 are equally likely
    exact = np.sort(draws.mean(axis=1) if mean else np.median(draws, axis=1))
    low, high = statistics.bootstrap(values, draws=40_000, seed=1, mean=mean, level=level)
    for found, q in ((low, (1 - level) / 2), (high, (1 + level) / 2)):
        below, above = (np.mean(exact < found - 1e-9), np.mean(exact <= found + 1e-9))
        assert below - 0.01 <= q <= above + 0.01  # q lies on the found value's step
    assert (low, high) == statistics.bootstrap(values, draws=40_000, seed=1, mean=mean, level=level)


def test_bootstrap_of_failures_and_of_nothing():
    assert statistics.bootstrap(np.array([1.0, np.inf, np.inf])) == (1.0, np.inf)
    assert np.isnan(statistics.bootstrap(np.array([]))).all()


def test_shares_weigh_systems_alike():
    table = made_up({"a": [1, 1], "b": [1, 1]}).assign(
        fate=["cycle", "cycle", "cycle", "escape"], quiet_fate=None
    )
    shares = statistics.shares(table)
    assert list(shares.columns.levels[0]) == ["fate"]
    assert list(shares["fate", "share"]) == [0.0, 0.75, 0.25, 0.0]
    assert shares.loc["cycle", ("fate", "interval low")] == 0.5
    assert statistics.shares(made_up({"a": [1]})).empty


def test_win_rates_by_hand():
    nan = float("nan")
    ours = made_up({"a": [1], "b": [2], "c": [3], "d": [nan], "e": [nan]})
    theirs = made_up({"a": [2], "b": [2], "c": [1], "d": [5], "e": [nan]})
    ours["vpt"], theirs["vpt"] = [3.0, 0, 0, 0, nan], [2.0, 0, 0, 1, nan]  # e is not chaotic
    ours["exponent"], theirs["exponent"] = [0.9, 3, np.inf, -1, nan], [1.2, -2, 50, -1, nan]
    rates = statistics.win_rates({"ours": ours, "theirs": theirs}, "theirs").loc["ours"]
    assert list(rates.loc["d_stsp", ["wins", "ties", "losses"]]) == [1, 2, 2]
    assert rates.loc["d_stsp", "share"] == pytest.approx(1 / 5)
    assert rates.loc["d_stsp", "p"] == 1.0  # one of three
    assert list(rates.loc["vpt", ["wins", "ties", "losses"]]) == [1, 2, 1]
    assert list(rates.loc["exponent", ["wins", "ties", "losses"]]) == [2, 1, 1]
    back = statistics.win_rates({"ours": ours, "theirs": theirs}, "ours").loc["theirs"]
    assert list(back["losses"]) == list(rates["wins"])


def test_win_rates_of_many_systems():
    rng = np.random.default_rng(0)
    errors = {f"s{i:02}": list(rng.lognormal(size=3)) for i in range(40)}
    table = made_up(errors)
    better = table.assign(d_stsp=table["d_stsp"] * 0.9)
    rates = statistics.win_rates({"x": better, "same": table.copy(), "y": table}, "y")
    assert (rates.loc["same", "share"] == 0).all()  # ties are no wins
    assert (rates.loc["same", "p"] == 1.0).all()
    certain = rates.loc["x", "d_stsp"]
    assert (certain["share"], certain["interval low"], certain["interval high"]) == (1, 1, 1)
    assert certain["p"] == pytest.approx(2 * 0.5**40)
    shuffled = better.sample(frac=1, random_state=0)
    again = statistics.win_rates({"x": shuffled, "same": table.copy(), "y": table}, "y")
    pd.testing.assert_frame_equal(again, rates)


def test_win_rates_refuse_what_is_not_paired():
    a, b = made_up({"a": [1, 2], "b": [1, 2]}), made_up({"a": [1, 2], "b": [1]})
    with pytest.raises(InputError, match=r"1 only in 'x' \(b, start 1"):
        statistics.win_rates({"x": a, "y": b}, "y")
    with pytest.raises(InputError, match="no table named 'z'"):
        statistics.win_rates({"x": a, "y": b}, "z")
    with pytest.raises(InputError, match="'mase'"):
        statistics.win_rates({"x": a.drop(columns="mase"), "y": a}, "y")


# runs that are interrupted


@pytest.fixture
def interrupted(tmp_path, monkeypatch, one_each):
    """A run's output after two of four systems, and the table of the whole run."""
    names = [*NAMES, "Aizawa"]
    whole = benchmark.run(small_model(), config=SHORT, names=names, output=tmp_path / "whole.csv")
    path, real = tmp_path / "part.csv", benchmark.spread

    def stop_after_two(*args, **options):
        yield from itertools.islice(real(*args, **options), 2)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(benchmark, "spread", stop_after_two)
        with pytest.raises(KeyboardInterrupt):
            benchmark.run(small_model(), config=SHORT, names=names, output=path)
    return path, names, whole


def resumed(path, names, monkeypatch, **changes):
    """Go on; also the systems that were computed."""
    real, computed = benchmark._rows, []
    monkeypatch.setattr(
        benchmark, "_rows", lambda batch, **o: computed.extend(batch) or real(batch, **o)
    )
    options = {"model": small_model(), "config": SHORT, "names": names} | changes
    return benchmark.run(output=path, resume=True, **options), computed


def test_a_resumed_run_equals_an_uninterrupted_one(interrupted, monkeypatch, tmp_path):
    path, names, whole = interrupted
    assert [p.name for p in tmp_path.glob("part*")] == ["part.csv.journal"]
    with pytest.raises(InputError, match="interrupted"):
        benchmark.read(path)
    table, computed = resumed(path, names, monkeypatch)
    assert computed == names[2:]
    same_but_seconds(table, whole)
    files = [
        pd.read_csv(p, dtype=str).drop(columns="seconds") for p in (path, tmp_path / "whole.csv")
    ]
    pd.testing.assert_frame_equal(*files)
    read, record = benchmark.read(path)
    same_but_seconds(read, whole)
    assert not journal(path).exists()
    assert record["settings"] == dataclasses.asdict(SHORT)
    assert str(tmp_path) not in json.dumps(record)


def journal(path):
    return path.with_name(f"{path.name}.journal")


def cut_the_end_short(text):
    return text[:-3]


def cut_most_of_the_last_line(text):
    return text[: text.rindex('{"rows"') + 9]


def break_a_line_in_the_middle(text):
    lines = text.split("\n")
    lines[2] = lines[2].replace('"start": 0', '"start": x')
    return "\n".join(lines)


def fill_with_zero_bytes(text):
    return text + "\0" * 50


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (cut_the_end_short, "Lorenz"),
        (cut_most_of_the_last_line, "Lorenz"),
        (break_a_line_in_the_middle, "Rossler"),
        (fill_with_zero_bytes, None),
    ],
)
def test_damaged_lines_are_made_anew(damage, lost, interrupted, monkeypatch):
    path, names, whole = interrupted
    journal(path).write_text(damage(journal(path).read_text()))
    table, computed = resumed(path, names, monkeypatch)
    assert computed == [name for name in names if name == lost or name in names[2:]]
    same_but_seconds(table, whole)


def test_other_settings_are_refused(interrupted, monkeypatch):
    path, names, _ = interrupted
    before = journal(path).read_text()
    changed = small_model()
    with torch.no_grad():
        changed.gate.V[0, 0] += 1e-6
    for change, message in (
        ({"config": dataclasses.replace(SHORT, context=210)}, "context 200 there, 210 here"),
        ({"model": changed}, "model 'sha256:"),
        ({"model": "parrot"}, "'parrot' here"),
        ({"names": names[:3]}, "systems"),
        ({"engine": "torch"}, "engine 'auto' there, 'torch' here"),
    ):
        with pytest.raises(InputError, match=message):
            resumed(path, **({"names": names} | change), monkeypatch=monkeypatch)
    monkeypatch.setattr("dynamix.evaluation.results.__version__", "9.9")
    with pytest.raises(InputError, match=r"dynamix '.*' there, '9\.9' here"):
        resumed(path, names, monkeypatch)
    assert before == journal(path).read_text()


def test_what_cannot_be_gone_on_with(interrupted, monkeypatch, tmp_path):
    path, names, whole = interrupted
    with pytest.raises(InputError, match="unfinished run"):
        benchmark.run(small_model(), config=SHORT, names=names, output=path)
    journal(path).write_text(journal(path).read_text().replace('"mase"', '"maes"'))
    with pytest.raises(InputError, match="other columns"):
        resumed(path, names, monkeypatch)
    journal(path).write_text("{")
    with pytest.raises(InputError, match="damaged"):
        resumed(path, names, monkeypatch)
    # a finished run has nothing left to do, and one that never began has everything
    table, computed = resumed(tmp_path / "whole.csv", names, monkeypatch)
    assert computed == []
    same_but_seconds(table, whole)
    (tmp_path / "whole.csv").write_text((tmp_path / "whole.csv").read_text()[:-5])
    with pytest.raises(InputError, match="not the table that its record describes"):
        resumed(tmp_path / "whole.csv", names, monkeypatch)
    assert resumed(tmp_path / "new.csv", names[:1], monkeypatch)[1] == names[:1]


# runs that are shared


def test_two_workers_give_the_same_as_one(one_each, tmp_path):
    options = {"config": SHORT, "names": NAMES, "output": tmp_path / "x.csv"}
    alone = benchmark.run(small_model(), config=SHORT, names=NAMES)
    same_but_seconds(benchmark.run(small_model(), **options, workers=2), alone)
    same_but_seconds(benchmark.read(tmp_path / "x.csv")[0], alone)


def test_a_dask_cluster_gives_the_same(one_each, tmp_path):
    """That its workers may die, ``tests/interfaces/test_jobs.py`` shows of the same ``spread``."""
    distributed = pytest.importorskip("distributed")
    alone = benchmark.run(small_model(), config=SHORT, names=NAMES)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        options = {"output": tmp_path / "x.csv", "dask": cluster.scheduler_address}
        table = benchmark.run(small_model(), config=SHORT, names=NAMES, **options)
    same_but_seconds(table, alone)
    same_but_seconds(benchmark.read(tmp_path / "x.csv")[0], alone)


def test_without_dask_or_a_scheduler(monkeypatch, tmp_path):
    options = {"config": SHORT, "names": ["Rossler"], "output": tmp_path / "x.csv"}
    older = benchmark.run("parrot", **options)
    monkeypatch.setattr("dynamix.evaluation.parallel._CONNECT", 0.5)
    with pytest.raises(InputError, match="no Dask scheduler answers at"):
        benchmark.run("parrot", **options, dask="tcp://127.0.0.1:9")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r'pip install "dynamix-companion\[dask\]"'):
        benchmark.run("parrot", **options, dask="tcp://127.0.0.1:9")
    same_but_seconds(
        benchmark.read(options["output"])[0].astype(older.dtypes), older
    )  # still there


# the command line


def test_the_command(tmp_path, capsys):
    model = str(small_model().save_pretrained(tmp_path / "model"))
    out, png = tmp_path / "table.csv", tmp_path / "table.png"
    arguments = ["benchmark", "--systems", "Rossler,Duffing", "--context", "150", "--starts", "2"]
    arguments += ["--horizon", "100", "--output", str(out)]
    assert cli.main([*arguments, "--plot", str(png), "--model", model]) == 0
    text = capsys.readouterr().out
    for word in (
        "d_stsp",
        "interval low",
        "upper quartile",
        "failures",
        "fixed point",
        "quiet_fate",
    ):
        assert word in text
    assert list(pd.read_csv(out)["system"]) == ["Rossler", "Rossler", "Duffing", "Duffing"]
    record = json.loads((tmp_path / "table.json").read_text())
    assert record["settings"]["context"] == 150
    assert record["command"].startswith("dynamix benchmark --model model.safetensors --context 150")
    assert record["command"].endswith("--systems Rossler,Duffing")
    assert png.is_file()
    # finished: nothing to do; another model: refused
    assert cli.main([*arguments, "--resume", "--model", model]) == 0
    assert cli.main([*arguments, "--resume", "--model", "parrot"]) == 2
    assert "'parrot' here" in capsys.readouterr().err
    assert cli.main([*arguments, "--model", "parrot"]) == 0
    assert cli.main(["benchmark", "--systems", "Lorenzz"]) == 2
    assert "Lorenz" in capsys.readouterr().err


def test_the_command_compares_stored_results(tmp_path, capsys):
    paths = {}
    for rival in ("parrot", "mean"):
        paths[rival] = str(tmp_path / f"{rival}.csv")
        benchmark.run(rival, config=SHORT, names=NAMES, output=paths[rival])
    assert cli.main(["benchmark", "--compare", paths["parrot"], paths["mean"]]) == 0
    text = capsys.readouterr().out
    assert "better than mean" in text
    assert "d_stsp" in text
    assert cli.main(["benchmark", "--compare", paths["mean"]]) == 2
    assert "two files" in capsys.readouterr().err
    other = str(tmp_path / "other.csv")
    benchmark.run("mean", config=dataclasses.replace(SHORT, context=220), names=NAMES, output=other)
    assert cli.main(["benchmark", "--compare", paths["mean"], other]) == 2
    assert "context 200 and 220" in capsys.readouterr().err
    for text in ("", "a,b\n1,2\n"):
        (tmp_path / "bad.csv").write_text(text)
        assert cli.main(["benchmark", "--compare", str(tmp_path / "bad.csv"), other]) == 2
        assert "benchmark table" in capsys.readouterr().err


# generated flows


def test_generated_flows_are_a_source_of_systems():
    config = dataclasses.replace(SHORT, source="generated", flows=2, starts=1)
    table = benchmark.run("naive", config=config)
    assert list(table["system"]) == ["100000", "100001"]
    assert table[["vpt", "exponent"]].isna().all(axis=None)
    x = flows.flow(100_000, n=500)
    truth = np.repeat(x[199:200], 300, axis=0)
    expected = benchmark.measure(truth, x[200:], config=config)
    assert table.loc[0, "d_h"] == expected["d_h"]
    assert benchmark.command("naive", config).startswith(
        "dynamix benchmark --model naive --source generated --flows 2"
    )
    with pytest.raises(InputError, match="named by its seed"):
        benchmark.run("naive", config=config, names=["Lorenz"])
