"""Text tables in the layouts that programs and people write."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamix import InputError
from dynamix.io.tables import read
from dynamix.io.text import parse

T = 60
X = np.round(np.sin(np.arange(T) / 6), 3)
Y = np.round(100 + 50 * np.sin(np.arange(T) / 7), 3)
DAYS = pd.date_range("2024-01-01", periods=T)


def lines(*columns, separator=","):
    return [separator.join(map(str, row)) for row in zip(*columns, strict=True)]


def table(*rows, end="\n"):
    return end.join(rows).encode()


CLOCK = [f"{i / 10:.1f}" for i in range(T)]
PLAIN = lines(CLOCK, X, Y)
LAYOUTS = {
    "plain": table("t,x,y", *PLAIN),
    "old Macintosh": table("t,x,y", *PLAIN, end="\r"),
    "Windows": table("t,x,y", *PLAIN, end="\r\n"),
    "UTF-16, big end first": "\n".join(["t,x,y", *PLAIN]).encode("utf-16-be"),
    "blank lines": b"\n\n" + table("t,x,y", "", *PLAIN, "", ",,"),
    "a title": table("Measured in Kiel", "by hand", "", "t,x,y", *PLAIN),
    "a title with separators": table("Measured in Kiel,,", "t,x,y", *PLAIN),
    "comments": table("# made by a logger", "t,x,y", *PLAIN[:9], "# pause", *PLAIN[9:]),
    "names in a comment": table("# t x y", *lines(CLOCK, X, Y, separator=" ")),
    "blanks": table("  t     x    y", *("  " + r for r in lines(CLOCK, X, Y, separator="   "))),
    "a ruled table": table(
        "| t | x | y |", "|---|---|---|", *(f"| {r} |" for r in lines(CLOCK, X, Y, separator=" | "))
    ),
    "pipes": table("t|x|y", *lines(CLOCK, X, Y, separator="|")),
    "units": table("t,x,y", "s,m/s,m/s", *PLAIN),
    "quotes": table('"t","x","y"', *(",".join(f'"{v}"' for v in r.split(",")) for r in PLAIN)),
    "trailing separators": table("t,x,y,,", *(f"{row},," for row in PLAIN)),
    "separators without a name": table("t,x,y", *(f"{row}," for row in PLAIN)),
    "row names": table(
        '"t" "x" "y"', *(f'"{i}" {r.replace(",", " ")}' for i, r in enumerate(PLAIN))
    ),
    "decimal commas": table("t;x;y", *(r.replace(",", ";").replace(".", ",") for r in PLAIN)),
    "names and units in comments": table(
        "# t x y", "# s m m", *(r.replace(",", " ") for r in PLAIN)
    ),
    "single quotes": table("'t','x','y'", *(re.sub(r"([^,]+)", r"'\1'", r) for r in PLAIN)),
    "bytes of zero at the end": table("t,x,y", *PLAIN) + b"\n" + bytes(99),
    "UTF-32": "\n".join(["t,x,y", *PLAIN]).encode("utf-32"),
    "the sign of minus": table("t,x,y", *PLAIN).replace(b"-", "\u2212".encode()),
    "Fortran": table("t x y", *(f"{t} {x:.3E} {y:.5E}".replace("E", "D")
                               for t, x, y in zip(CLOCK, X, Y, strict=True))),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_table(layout, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(LAYOUTS[layout])
    frame = read(path)
    assert list(frame.columns) == ["x", "y"]
    np.testing.assert_allclose(frame["x"], X, rtol=1e-3)
    np.testing.assert_allclose(frame["y"], Y, rtol=1e-4)
    np.testing.assert_allclose(frame.index, np.arange(T) / 10)


def read_column(entries, separator=",", head="day{}v"):
    rows = [f"{day.date()}{separator}{entry}" for day, entry in zip(DAYS, entries, strict=False)]
    return parse(table(head.format(separator), *rows))


@pytest.mark.parametrize(
    ("entries", "separator", "values"),
    [
        (['"1,203"', "987", '"12,000"'], ",", [1203, 987, 12000]),
        (["1.203", "987", "12.000"], ";", [1203, 987, 12000]),
        (["1.203", "0.987", "12.001"], ";", [1.203, 0.987, 12.001]),
        (["1,203", "0,987", "12,001"], ";", [1.203, 0.987, 12.001]),
        (["1.203,5", "987", "-2.000,25"], ";", [1203.5, 987, -2000.25]),
        (["1,203.5", "987", "-2,000.25"], ";", [1203.5, 987, -2000.25]),
        (["1 203,5", "987", "2\u202f000,25"], ";", [1203.5, 987, 2000.25]),
        (["1'203.5", "987", "2'000.25"], ";", [1203.5, 987, 2000.25]),
        (["12.5%", "13%", "9.1 %"], ",", [12.5, 13, 9.1]),
        (['"$1,500.25"', "$2.5", "$3"], ",", [1500.25, 2.5, 3]),
        (["1.5", "?", "2.5", "n/a", "-", "3"], ",", [1.5, np.nan, 2.5, np.nan, np.nan, 3]),
        (["0", "1", "0", "1"], ",", [0, 1, 0, 1]),
        (["0", "0", "0", "1"], ",", [0, 0, 0, 1]),
        (["1.5 MW", "2 MW", "3 MW"], ",", [1.5, 2, 3]),
        (["1.5K", "2M", "3K"], ",", [1500, 2e6, 3000]),
        (["-$1.50", "$2.5", "$3"], ",", [-1.5, 2.5, 3]),
        (["(1.50)", "2.5", "3"], ",", [-1.5, 2.5, 3]),
        (['"12,34,567"', '"1,000"', "12"], ",", [1234567, 1000, 12]),
    ],
)
def test_notations_of_numbers(entries, separator, values):
    found = read_column(entries, separator).frame["v"].to_numpy(dtype=float)
    np.testing.assert_array_equal(found, values)


def test_what_was_changed_is_noted():
    notes = " | ".join(read_column(['"1,203"', "987", "901"]).notes)
    assert "`,` separates thousands" in notes
    assert "line 2 holds no numbers" in " ".join(parse(LAYOUTS["units"]).notes)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["t,x", "1,2", "2,3", "3,4", "Source: me"], "line 5 has 1 of 2 entries: 'Source: me'"),
        (["t,x", "1,2", "2,3", "3,4,5", "5,6"], "line 4 has 3 of 2 entries"),
        (["t,x", *(f"{i},0,0{i}" for i in range(1, 9))], "commas separate columns and decimals"),
        (["7.5,1.5,bad", "8,2.5,1.5", "9,1.5,2.5", "9,1.5,2.5"], "line 1 should hold.*'bad'"),
        (["%PDF-1.4", "1 0 obj"], "is a PDF document"),
        (["t,x", "1,2", "2,12.3.4", "3,4", "4,5"], r"found '12\.3\.4' in line 3"),
        (
            ["day,x", *(f"2024-01-0{i},{i}" for i in range(1, 8)), "Mean,4"],
            "found 'Mean' in line 9",
        ),
    ],
)
def test_a_line_that_does_not_fit_is_named(rows, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(table(*rows))
    with pytest.raises(InputError, match=message):
        read(path)


def test_numbers_as_names(tmp_path):
    path = tmp_path / "a.csv"
    pd.DataFrame({0: X, 1: Y}).to_csv(path, index=False)
    assert list(read(path).columns) == ["0", "1"]
    pd.DataFrame({2019: X, 2020: Y}).to_csv(path, index=False)
    assert list(read(path).columns) == ["2019", "2020"]
    path.write_bytes(table(*lines(X, Y)))
    assert list(read(path).columns) == ["x1", "x2"]
    assert len(read(path)) == T


def test_two_levels_of_names(tmp_path):
    path = tmp_path / "a.csv"
    columns = pd.MultiIndex.from_product([["Close", "High"], ["A", "B"]])
    values = np.stack([X, Y, X + 1, Y + 1], axis=1)
    pd.DataFrame(values, index=DAYS.rename("day"), columns=columns).to_csv(path)
    frame = read(path)
    assert list(frame.columns) == ["Close A", "Close B", "High A", "High B"]
    assert frame.index.name == "day"
    np.testing.assert_allclose(frame["High B"], Y + 1)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80) | st.text(alphabet="01.,;:-/\n\r\t \"'abTQ%#?\u20ac", max_size=120))
def test_any_bytes_are_a_table_or_an_input_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "a.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    try:
        frame = read(path)
    except InputError:
        return
    assert isinstance(frame, pd.DataFrame)


@pytest.mark.parametrize("empty", ["", "  "])
@given(places=st.sets(st.integers(1, 38), max_size=15))
def test_an_empty_line_in_one_column_is_a_step_without_a_value(empty, places):
    values = [f"{np.sin(i / 3):.4f}" for i in range(40)]
    rows = ["" if i in places else value for i, value in enumerate(values)]
    found = parse("\n".join(["x", *(row or empty for row in rows), "", ""]).encode()).frame["x"]
    assert set(np.flatnonzero(found.isna())) == places
    assert found.dropna().tolist() == [float(row) for row in rows if row]


@given(places=st.sets(st.integers(1, 38), max_size=15), timed=st.booleans())
def test_a_line_of_separators_is_lost_only_beside_a_time(places, timed, tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "a.csv"
    rows = [
        f"{i / 2},{np.sin(i / 3):.4f}" if timed else f"{np.cos(i):.4f},{i % 7}" for i in range(40)
    ]
    for place in places:
        rows[place] += "\n,"
    path.write_text("\n".join(["a,b", *rows, ",", ","]))
    frame = read(path)
    assert len(frame) == 40 + (0 if timed else len(places))
    assert frame.isna().all(axis=1).sum() == len(frame) - 40


def test_a_file_with_two_line_ends_for_one_has_no_gaps():
    content = "\n\n".join(f"{np.sin(i / 3):.4f}" for i in range(40)).encode()
    assert len(parse(content).frame) == 40
