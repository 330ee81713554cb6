"""The registry against the real files, and what happens when a download goes wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from helpers import ROOT

from dynamix import InputError
from dynamix.datasets import loading as datasets
from dynamix.datasets.files import FOLDER_VARIABLE
from dynamix.datasets.registry import REGISTRY

FOLDER = Path(os.environ.get(FOLDER_VARIABLE, ROOT.parent / "shared" / "data" / "realworld"))
CSV = (
    b"timestamp,value\n2020-01-01 00:00:00,1.0\n2020-01-01 00:30:00,2.5\n2020-01-01 01:00:00,2.0\n"
)


@pytest.fixture
def files(monkeypatch) -> Path:
    """The folder with the sources' files."""
    if not (FOLDER / "nyc_taxi.csv").is_file():
        pytest.skip(f"the datasets are not here; name their folder in {FOLDER_VARIABLE}")
    monkeypatch.setenv(FOLDER_VARIABLE, str(FOLDER))
    return FOLDER


@pytest.fixture
def offline(monkeypatch) -> list[object]:
    """A machine whose every attempt to connect is refused, and noted."""
    attempts: list[object] = []

    def refuse(self, address):
        attempts.append(address)
        raise ConnectionRefusedError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: refuse(None, a[0]))
    return attempts


@pytest.fixture
def empty(cache, monkeypatch) -> Path:
    """An empty cache, and no folder named."""
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    return cache / "datasets"


@pytest.mark.parametrize("name", sorted(set(REGISTRY) - set(datasets.CARRIED)))
def test_the_registry_describes_the_files(files, offline, name):
    entry = REGISTRY[name]
    assert hashlib.sha256((files / entry.file).read_bytes()).hexdigest() == entry.sha256
    table = datasets.load(name)
    check_tidy(name, table)
    assert entry.url.endswith(entry.file)
    assert re.search(r"/[0-9a-f]{40}/", entry.url), "a commit, not a branch that moves"
    assert offline == []


@pytest.mark.parametrize("name", datasets.CARRIED)
def test_what_statsmodels_carries_needs_no_network(empty, offline, name):
    check_tidy(name, datasets.load(name))
    assert datasets.is_at_hand(name)
    assert offline == []
    assert not empty.exists()


def check_tidy(name: str, table: pd.DataFrame) -> None:
    """A frame of finite numbers on a regular index, with all that must be said of it."""
    entry = REGISTRY[name]
    assert list(table.columns) == list(entry.columns.values())
    assert np.isfinite(table.to_numpy()).all()
    assert (table.dtypes == np.float64).all()
    for key in ("name", "description", "unit", "source", "licence", "gaps"):
        assert table.attrs[key], key
    assert all(2 <= season < len(table) / 2 for season in table.attrs["seasons"])
    if entry.step is None:
        assert list(table.index[[0, -1]]) == [0, len(table) - 1]
    else:
        assert table.index.freq == pd.tseries.frequencies.to_offset(entry.step)
        assert table.index.name == "time"
    units = entry.unit.split(", ")
    assert len(units) in (1, 2, len(table.columns))


def test_known_values(files):
    taxi = datasets.load("nyc_taxi")["passengers"]
    assert (taxi.iloc[0], taxi.loc["2015-01-31 23:30"]) == (10844, 26288)
    beijing = datasets.load("beijing_weather")
    assert beijing.loc["2014-12-31 23:00"].tolist() == [-3, 1034, -21]
    assert datasets.target("beijing_weather").shape[1] == 3
    assert datasets.target("etth1").columns.tolist() == ["oil temperature"]
    assert datasets.load("el_nino").loc["2010-12-01", "temperature"] == 22.07
    assert datasets.load("ecg").iloc[0, 0] == pytest.approx(1.4360512)


def test_gaps_are_filled_and_said(files):
    melbourne = datasets.load("melbourne_min")  # the file ends leap years a day early
    assert "2 steps (0.1%) had no observation" in melbourne.attrs["gaps"]
    around = melbourne.loc["1984-12-30":"1985-01-01", "temperature"]
    assert len(around) == 3
    assert around.iloc[1] == pytest.approx((around.iloc[0] + around.iloc[2]) / 2)
    road = datasets.load("occupancy_6005")
    assert "beyond holes" in road.attrs["gaps"]
    assert road.index[0] > pd.Timestamp("2015-09-08")
    assert "59 steps (2.6%)" in datasets.load("co2").attrs["gaps"]


def test_the_catalogue_lists_everything(empty):
    table = datasets.catalogue()
    assert list(table.index) == list(REGISTRY)
    assert table.index[table["at hand"]].tolist() == list(datasets.CARRIED)


def test_unknown_name():
    with pytest.raises(InputError, match="Did you mean 'nyc_taxi'"):
        datasets.load("nyc-taxi")


def test_offline_and_without_a_cache_the_message_helps(empty, offline):
    with pytest.raises(InputError) as told:
        datasets.load("etth1")
    for word in ("DYNAMIX_DATA", "ETTh1.csv", "co2, el_nino, sunspots_yearly"):
        assert word in str(told.value)
    assert offline
    assert not list(empty.glob("*"))


def test_pages_fall_back_on_what_statsmodels_carries(empty, offline):
    name, note = datasets.reachable("nyc_taxi")
    assert name in datasets.CARRIED
    assert "'co2' stands in for 'nyc_taxi'" in note
    assert "DYNAMIX_DATA" in note
    assert datasets.reachable("el_nino") == ("el_nino", "")
    with pytest.raises(InputError, match="unknown dataset"):
        datasets.reachable("taxi_in_london")


def test_a_wrong_file_does_not_pass_for_no_network(tmp_path, monkeypatch, offline):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / "nyc_taxi.csv").write_bytes(CSV)
    with pytest.raises(InputError, match="SHA-256"):
        datasets.reachable("nyc_taxi")


def test_a_wrong_file_in_the_users_folder_is_left_alone(tmp_path, monkeypatch, offline):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    mine = tmp_path / "nyc_taxi.csv"
    mine.write_bytes(CSV)
    with pytest.raises(InputError, match="should begin with d8fa6f7f0734"):
        datasets.load("nyc_taxi")
    assert mine.read_bytes() == CSV
    assert offline == []


class Handler(BaseHTTPRequestHandler):
    """Serves the file, and broken versions of it."""

    served: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.served.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
            return
        body = {"html": b"\n<!DOCTYPE html><html><body>Please log in</body></html>"}.get(kind, CSV)
        sent = body[:40] if kind in ("cut", "short") else body
        self.send_response(200)
        # "cut" breaks the connection before all that was announced has come; "short" lies about it
        self.send_header("Content-Length", str(len(body if kind == "cut" else sent)))
        self.end_headers()
        self.wfile.write(sent + (b"x" if kind == "changed" else b""))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch) -> Iterator[str]:
    """Address of a server on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Handler.served.clear()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()


def serve(monkeypatch, address: str, kind: str, content: bytes = CSV) -> None:
    """Let the taxi data come from the server."""
    monkeypatch.setitem(
        REGISTRY,
        "nyc_taxi",
        dataclasses.replace(
            REGISTRY["nyc_taxi"],
            url=f"{address}/{kind}/nyc_taxi.csv",
            sha256=hashlib.sha256(content).hexdigest(),
        ),
    )


def test_a_download_is_checked_kept_and_used_again(empty, server, monkeypatch, capfd):
    serve(monkeypatch, server, "good")
    assert not datasets.is_at_hand("nyc_taxi")
    for _ in range(2):
        assert datasets.load("nyc_taxi")["passengers"].tolist() == [1.0, 2.5, 2.0]
    assert Handler.served == ["/good/nyc_taxi.csv"]
    assert [path.name for path in empty.iterdir()] == ["nyc_taxi.csv"]
    assert datasets.is_at_hand("nyc_taxi")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_file_in_the_cache_is_fetched_anew(empty, server, monkeypatch, caplog):
    serve(monkeypatch, server, "good")
    empty.mkdir(parents=True)
    (empty / "nyc_taxi.csv").write_bytes(CSV[:30])
    assert len(datasets.load("nyc_taxi")) == 3
    assert "damaged" in caplog.text


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("html", "a web page instead of the file"),
        ("cut", "could not fetch 'nyc_taxi'|SHA-256 differs"),
        ("short", "SHA-256 differs"),
        ("missing", "could not fetch 'nyc_taxi' .HTTPError."),
    ],
)
def test_what_comes_broken_is_one_clear_error_and_leaves_nothing(
    empty, server, monkeypatch, kind, told
):
    serve(monkeypatch, server, kind)
    with pytest.raises(InputError, match=told) as error:
        datasets.load("nyc_taxi")
    assert "DYNAMIX_DATA" in str(error.value)
    assert not list(empty.glob("*"))
    assert Handler.served


def test_a_file_changed_at_the_source_is_refused(empty, server, monkeypatch):
    serve(monkeypatch, server, "good", content=CSV + b"more")
    with pytest.raises(InputError, match="SHA-256 differs"):
        datasets.load("nyc_taxi")
    assert not list(empty.glob("*"))


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path, server, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file" / "below"))
    serve(monkeypatch, server, "good")
    assert len(datasets.load("nyc_taxi")) > 0
