"""The entry point: help, version, exit codes, what is told."""

from __future__ import annotations

import errno
import logging
import signal
import subprocess
import sys

import pytest
from tqdm import tqdm

import dynamix
from dynamix import InputError, cli


@pytest.mark.parametrize(
    "arguments", [[], ["help"], ["-h"], ["help", "train"], ["train", "-h"], ["book"]]
)
def test_help_in_every_way_that_people_ask_for_it(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    told = capsys.readouterr()
    command = {"train", "book"} & set(arguments)
    assert told.out.startswith(f"usage: {' '.join(['dynamix', *command])}")
    assert told.err == ""


@pytest.mark.parametrize(
    "arguments", [["--version"], ["-V"], ["forecast", "--version"], ["run", "-V"]]
)
def test_the_version_after_every_command(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"dynamix {dynamix.__version__}\n"


def test_help_and_misspelt_words_do_not_wait_for_the_library():
    code = (
        "import sys; from dynamix import cli\n"
        "assert cli.main(['forcast']) == cli.main(['forecast', '--horizn', '3']) == 2\n"
        "assert cli.main(['forecast', 'a.csv', '-n', '0']) == 2\n"
        "try: cli.main(['forecast', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'torch', 'pandas', 'matplotlib', 'numba'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def runs(monkeypatch):
    """Let ``dynamix models`` run another function."""

    def replace(run):
        monkeypatch.setattr("dynamix.cli.models.run", run)

    return replace


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InputError("bad input."), "bad input."),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device."),
        (PermissionError(errno.EACCES, "Permission denied", "a.csv"), "Permission denied: a.csv."),
        (MemoryError(), "not enough memory"),
    ],
)
def test_errors_of_input_and_disk_are_one_line_and_exit_code_2(error, told, capsys, runs):
    def run(_):
        raise error

    runs(run)
    assert cli.main(["models"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("dynamix: ")
    assert told in line


def test_ctrl_c_is_exit_code_130(capsys, runs):
    def run(_):
        raise KeyboardInterrupt

    runs(run)
    assert cli.main(["models"]) == 130
    assert capsys.readouterr().err == "\ndynamix: interrupted\n"


def test_a_reader_that_has_seen_enough_is_no_error():
    code = (
        "import sys; from dynamix.cli import main, models\n"
        "models.run = lambda _: [print('line', i) for i in range(99_999)] and 0\n"
        "sys.exit(main(['models']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        assert process.wait(timeout=60) == 0
        assert process.stderr.read() == b""


def test_quiet_and_verbose_choose_what_is_told(capsys, runs):
    def run(_):
        logger = logging.getLogger("dynamix.somewhere")
        for level in ("debug", "info", "warning"):
            getattr(logger, level)("told by %s", level)
        for _ in tqdm(range(3), desc="a bar", disable=None, file=Terminal()):
            pass

    class Terminal:
        def isatty(self):
            return True

        def write(self, text):
            sys.stderr.write(text)

        def flush(self):
            pass

    runs(run)
    told = {}
    for flag in ("--quiet", "-q", "", "--verbose"):
        assert cli.main(["models", *filter(None, [flag])]) == 0
        told[flag] = capsys.readouterr().err
    assert told["--quiet"] == told["-q"] == "told by warning\n"
    assert "told by info\ntold by warning" in told[""]
    assert "debug" not in told[""]
    assert "a bar" in told[""]
    assert "dynamix.somewhere: told by debug\n" in told["--verbose"]
    assert cli.main(["-q", "models"]) == 0
    assert capsys.readouterr().err == told["-q"]
    assert logging.getLogger("dynamix").handlers == []


def test_ctrl_c_ends_a_kernel_that_does_not_notice_it():
    # the line is printed inside the loop: a signal that comes before the kernel is caught, too
    code = (
        "import ctypes, signal; from dynamix import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's & ignores it
        "cli._end_on_interrupt()\n"
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


def test_ctrl_c_is_quiet_while_the_command_line_is_imported():
    # within an import that hides it, as those of compiled packages may
    code = (
        "import os, signal, sys; from dynamix import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Finder:\n"
        "  def find_spec(self, name, *_):\n"
        "    if name == 'dynamix.cli.parser':\n"
        "      try: os.kill(os.getpid(), signal.SIGINT)\n"
        "      except KeyboardInterrupt: raise ImportError(name)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv[1:] = ['models']\n"
        "sys.exit(cli.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\ndynamix: interrupted\n")
