"""The parser: flags of settings, wrong usage."""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dynamix import ForecastConfig, InputError, ModelConfig, TrainingConfig, cli
from dynamix.cli import flags


@pytest.mark.parametrize(
    "arguments",
    [[], ["forcast"], ["forecast", "x.csv"], ["forecast", "x", "--horizon", "2.5"]],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: dynamix" in capsys.readouterr().err


def test_every_config_field_is_a_flag(capsys):
    commands = {"train": (ModelConfig, TrainingConfig), "forecast": (ForecastConfig,)}
    for command, kinds in commands.items():
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        text = capsys.readouterr().out
        words = "".join(text.split())
        for kind in kinds:
            for field in dataclasses.fields(kind):
                assert f"--{field.name.replace('_', '-')}" in text
                assert "".join(field.metadata["help"].split()) in words


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("bad input."), "bad input."),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device."),
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "Permission denied: a.csv."),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "has ended (broken pipe)."),
        (MemoryError(), "not enough memory"),
    ],
)
def test_errors_of_input_and_disk_are_one_line_and_exit_code_2(error, told, capsys, monkeypatch):
    def run(_):
        raise error

    given = SimpleNamespace(parse_args=lambda _: SimpleNamespace(run=run))
    monkeypatch.setattr("dynamix.cli.parser.parser", lambda: given)
    assert cli.main([]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dynamix: ")
    assert told in line


def test_outputs_are_checked_before_the_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("x")
    (tmp_path / "link.csv").symlink_to("in.csv")
    (tmp_path / "folder").mkdir()
    for outputs, plot, told in (
        (["none/a.csv"], None, "folder does not exist"),
        (["in.csv/a.csv"], None, "folder does not exist"),
        (["folder"], None, "is a folder"),
        (["in.csv"], None, "in use"),
        (["./folder/../in.csv"], None, "in use"),
        (["link.csv"], None, "in use"),
        (["a.svg"], "a.svg", "in use"),
        ([None], "a.doc", "cannot draw"),
    ):
        with pytest.raises(InputError, match=told):
            flags.check_outputs(*outputs, plot=plot, inputs=["in.csv", "-", "dynamix-3d"])
    flags.check_outputs("a.csv", None, plot="a.png", inputs=["in.csv"])
    flags.check_outputs(os.devnull)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "in.csv", "link.csv"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.toml", "model = 3", "sections"),
        ("a.toml", "[[model]]\nlatent_dims = 3", "sections"),
        ("a.toml", "", "sections"),
        ("a.toml", "model:\n  latent_dims: 3", "cannot be read"),
        ("a.json", "", "JSON"),
        ("a.json", "[]", "JSON"),
        ("a.json", '{"model": null}', "sections"),
        ("a.json", '{"model": {"latent_dims": 3, "latent_dims": 5}}', "twice"),
        ("a.json", "[" * 100_000, "JSON"),
        ("none.toml", None, "cannot be read"),
    ],
)
def test_files_of_settings_that_are_none(name, text, told, tmp_path):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=told):
        flags.read_settings(str(tmp_path / name), ("model",))


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.toml", "\ufeff[model]\nlatent_dims = 5"), ("A.JSON", '{"model": {"latent_dims": 5}}')],
)
def test_files_of_settings_as_windows_writes_them(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert flags.read_settings(str(tmp_path / name), ("model",)) == {"model": {"latent_dims": 5}}


def test_ctrl_c_ends_a_kernel_that_does_not_notice_it():
    # the line is printed inside the loop: a signal that comes before the kernel is caught, too
    code = (
        "import ctypes, signal; from dynamix.cli import parser\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's & ignores it
        "parser._end_on_interrupt()\n"
        "while True:\n"
        "  try: print(1, flush=True); ctypes.CDLL(None).usleep(60_000_000)\n"
        "  except BaseException: pass"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=30) == 130
        finally:
            process.kill()
