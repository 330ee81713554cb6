"""The datasets of the book: where each comes from, what it holds, how it is read.

Data about data and nothing else; :mod:`dynamix.datasets` fetches and reads. A new dataset is one
more entry here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_RAW = "https://raw.githubusercontent.com"
_NAB = f"{_RAW}/numenta/NAB/ea702d75cc2258d9d7dd35ca8e5e2539d71f3140/data"
_ETT = f"{_RAW}/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07/ETT-small"
_JASON = f"{_RAW}/jbrownlee/Datasets/d20fcb6402ae34e653d4513b00f39257bb37ed7f"
_LAB = f"{_RAW}/DurstewitzLab/ALRNN-DSR/0bdca245a24ddabff691c7fe2e368afb6d24ccba/example_data"
_NO_LICENCE = "none stated in the repository"
_PUBLIC_DOMAIN = "public domain"


@dataclass(frozen=True)
class Dataset:
    """Where a series comes from, what it holds, and how it is read.

    Without a ``url`` it is carried by statsmodels, under the name in ``file``.

    Parameters
    ----------
    name
        What :func:`dynamix.datasets.loading` takes.
    description
        A line for readers: what was measured, where and when.
    file
        Name of the file in the folder of datasets.
    source
        Who measured, and who passes it on.
    licence
        On which terms.
    url
        Where the file is fetched from.
    sha256
        The file's checksum, in hexadecimal digits.

    Examples
    --------
    >>> entry = REGISTRY["beijing_weather"]
    >>> list(entry.columns.values()), entry.unit
    (['temperature', 'pressure', 'dew point'], '°C, hPa, °C')
    >>> entry.step, entry.seasons, entry.joint  # hourly, with a day's period
    ('h', (24,), True)
    """

    name: str
    description: str
    file: str
    unit: str
    """Of the values; one for each column, separated by commas, where the units differ."""
    step: str | None
    """Step of the regular index, as a pandas offset; None where the file has no times."""
    columns: dict[str, str]
    """What the file calls a column, and what the frame calls it; the first is the one forecast."""
    source: str
    licence: str
    url: str = ""
    sha256: str = ""
    time: tuple[str, ...] = ()
    """Columns of the file that make up the time."""
    seasons: tuple[int, ...] = ()
    """Steps of the periods that the subject itself suggests, as a day, a week, a year."""
    joint: bool = False
    """Whether the columns are forecast together, as channels of one system."""
    grid: dict[str, Any] = field(default_factory=dict)
    """Options of :func:`dynamix.preprocessing.resample` beside the step."""


def _nab(name: str, description: str, file: str, **facts: Any) -> Dataset:
    return Dataset(
        name,
        description,
        Path(file).name,
        url=f"{_NAB}/{file}",
        time=("timestamp",),
        licence="MIT",
        **facts,
    )


_ROAD: dict[str, Any] = {
    "source": "Minnesota Department of Transportation, by the Numenta Anomaly Benchmark",
    # sensors that report every 5 minutes, and at night often not for an hour; one hole of 3.5 days
    "step": "15min",
    "grid": {"longest_gap": 14, "holes": "cut"},
    "seasons": (96,),
}
_MELBOURNE: dict[str, Any] = {
    "unit": "°C",
    "step": "D",
    "source": "Australian Bureau of Meteorology, by the Time Series Data Library",
    "licence": _NO_LICENCE,
    "time": ("Date",),
    "seasons": (365,),
}

_ENTRIES = (
    _nab(
        "nyc_taxi",
        "taxi passengers in New York City, July 2014 to January 2015",
        "realKnownCause/nyc_taxi.csv",
        sha256="d8fa6f7f0734bf5c8be12c52a94e20a82664c397d9dec4449156bd453d32856d",
        unit="passengers per half hour",
        step="30min",
        columns={"value": "passengers"},
        source="NYC Taxi and Limousine Commission, by the Numenta Anomaly Benchmark",
        seasons=(48, 336),
    ),
    _nab(
        "occupancy_6005",
        "share of time a car stands over road sensor 6005, Minnesota, September 2015",
        "realTraffic/occupancy_6005.csv",
        sha256="cd357d7820d675074270fd976d4af1fc1e7854ecb764783028cbcb18d980c91d",
        unit="%",
        columns={"value": "occupancy"},
        **_ROAD,
    ),
    _nab(
        "occupancy_t4013",
        "share of time a car stands over road sensor T4013, Minnesota, September 2015",
        "realTraffic/occupancy_t4013.csv",
        sha256="5663a8122a300360eb51fbbd0f21706da05af1af55262926d6a226bb6d071704",
        unit="%",
        columns={"value": "occupancy"},
        **_ROAD,
    ),
    _nab(
        "speed_6005",
        "mean speed over road sensor 6005, Minnesota, September 2015",
        "realTraffic/speed_6005.csv",
        sha256="7976e7596cd1e579696c737576e96a26fe041484472ed7d0a463ce2b094d7aa7",
        unit="miles per hour (as it seems; the file does not say)",
        columns={"value": "speed"},
        **_ROAD,
    ),
    Dataset(
        "melbourne_min",
        "daily minimum temperature in Melbourne, 1981 to 1990",
        "daily-min-temperatures.csv",
        url=f"{_JASON}/daily-min-temperatures.csv",
        sha256="8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
        columns={"Temp": "temperature"},
        **_MELBOURNE,
    ),
    Dataset(
        "melbourne_max",
        "daily maximum temperature in Melbourne, 1981 to 1990",
        "daily-max-temperatures.csv",
        url=f"{_JASON}/daily-max-temperatures.csv",
        sha256="4f4ab4d6134d9c0f8efb3d6af6edc30a0ad3c56573d0f20f45db010055d0371c",
        columns={"Temperature": "temperature"},
        **_MELBOURNE,
    ),
    Dataset(
        "beijing_weather",
        "hourly temperature, air pressure and dew point at Beijing's airport, 2010 to 2014",
        "pollution.csv",
        url=f"{_JASON}/pollution.csv",
        sha256="892e9559205d16d32623135c127a3951c12e46ea1e0b3093e107ce89a9fd60e2",
        unit="°C, hPa, °C",
        step="h",
        columns={"TEMP": "temperature", "PRES": "pressure", "DEWP": "dew point"},
        source="Liang et al. (2015), by the UCI Machine Learning Repository",
        licence="CC BY 4.0",
        time=("year", "month", "day", "hour"),
        seasons=(24,),
        joint=True,
    ),
    Dataset(
        "etth1",
        "hourly oil temperature and six loads of an electricity transformer, 2016 to 2018",
        "ETTh1.csv",
        url=f"{_ETT}/ETTh1.csv",
        sha256="f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
        unit="°C, and loads in a unit that the source does not state",
        step="h",
        columns={
            "OT": "oil temperature",
            "HUFL": "high useful load",
            "HULL": "high useless load",
            "MUFL": "middle useful load",
            "MULL": "middle useless load",
            "LUFL": "low useful load",
            "LULL": "low useless load",
        },
        source="Zhou et al. (2021), ETDataset",
        licence="CC BY-ND 4.0",
        time=("date",),
        seasons=(24, 168),
    ),
    _nab(
        "cloud_requests",
        "requests to a load balancer in a cloud, April 2014",
        "realAWSCloudwatch/elb_request_count_8c0756.csv",
        sha256="74c26574a01ca9fb89dddb5021e2e13c3a93eb25dc640438a9acb1ceb00f1021",
        unit="requests per 5 minutes",
        step="5min",
        columns={"value": "requests"},
        source="Amazon CloudWatch, by the Numenta Anomaly Benchmark",
        seasons=(288,),
    ),
    Dataset(
        "sunspots_monthly",
        "monthly mean number of sunspots, Zürich, 1749 to 1983",
        "monthly-sunspots.csv",
        url=f"{_JASON}/monthly-sunspots.csv",
        sha256="c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
        unit="sunspots",
        step="MS",
        columns={"Sunspots": "sunspots"},
        source="Andrews & Herzberg (1985), by the Time Series Data Library",
        licence=_NO_LICENCE,
        time=("Month",),
        seasons=(132,),
    ),
    Dataset(
        "airline_passengers",
        "monthly passengers of international airlines, 1949 to 1960",
        "airline-passengers.csv",
        url=f"{_JASON}/airline-passengers.csv",
        sha256="8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
        unit="thousand passengers",
        step="MS",
        columns={"Passengers": "passengers"},
        source="Box & Jenkins (1976), by the Time Series Data Library",
        licence=_NO_LICENCE,
        time=("Month",),
        seasons=(12,),
    ),
    Dataset(
        "ecg",
        "an electrocardiogram, smoothed, in five delays",
        "ECG.npy",
        url=f"{_LAB}/ECG.npy",
        sha256="5b8796eb52ece6aeb830b59f5b8ee5e04872df079ef8335a4a64286b2105fb91",
        unit="standard deviations",
        step=None,
        columns={str(i): "ecg" if i == 0 else f"delay {i}" for i in range(5)},
        source="Brenner et al. (2024), ALRNN-DSR",
        licence=_NO_LICENCE,
        seasons=(70,),
    ),
    Dataset(
        "fmri",
        "blood oxygen in twenty regions of a human brain, smoothed",
        "fmri.npy",
        url=f"{_LAB}/fmri.npy",
        sha256="eb4132c0f0e3b2d8ca7ce496ec4b28fc7249cd3c87d2c2af4cff5adfaf33592d",
        unit="standard deviations",
        step=None,
        columns={str(i): f"region {i + 1}" for i in range(20)},
        source="Koppe et al. (2019), by Brenner et al. (2024), ALRNN-DSR",
        licence=_NO_LICENCE,
    ),
    Dataset(
        "co2",
        "weekly carbon dioxide in the air over Mauna Loa, Hawaii, 1958 to 2001",
        "co2",
        unit="ppm by volume",
        step="W-SAT",
        columns={"co2": "co2"},
        source="Keeling & Whorf (2004), in statsmodels",
        licence=_PUBLIC_DOMAIN,
        seasons=(52,),
        grid={"longest_gap": 20},
    ),
    Dataset(
        "el_nino",
        "monthly sea surface temperature of the eastern Pacific (Niño 1+2), 1950 to 2010",
        "elnino",
        unit="°C",
        step="MS",
        columns={"temperature": "temperature"},
        source="NOAA Climate Prediction Center, ERSST.V3B, in statsmodels",
        licence=_PUBLIC_DOMAIN,
        seasons=(12,),
    ),
    Dataset(
        "sunspots_yearly",
        "yearly mean number of sunspots, 1700 to 2008",
        "sunspots",
        unit="sunspots",
        step="YS",
        columns={"SUNACTIVITY": "sunspots"},
        source="NOAA National Geophysical Data Center, in statsmodels",
        licence=_PUBLIC_DOMAIN,
        seasons=(11,),
    ),
)
REGISTRY: dict[str, Dataset] = {entry.name: entry for entry in _ENTRIES}
CARRIED: tuple[str, ...] = tuple(entry.name for entry in _ENTRIES if not entry.url)
"""Names of the series that come with statsmodels: no network, no file."""
