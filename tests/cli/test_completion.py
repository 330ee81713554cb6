"""``dynamix completion``: what a shell completes after a word."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from dynamix import cli

pytest.importorskip("shtab", reason="shtab is not installed here")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_flags_choices_and_models(tmp_path, capsys):
    assert cli.main(["completion", "bash"]) == 0
    script = tmp_path / "dynamix.bash"
    script.write_text(capsys.readouterr().out)
    for words, expected in (
        (["fore"], {"forecast"}),
        (["forecast", "--embed"], {"--embedding"}),
        (["forecast", "--embedding", "pe"], {"pecuzal"}),
        (["forecast", "--model", "echo"], {"echo_state", "echo_state_untuned"}),
    ):
        typed = " ".join(["dynamix", *words])
        lines = f"source {script}; COMP_WORDS=({typed}); COMP_CWORD={len(words)}"
        ask = f"{lines}; _shtab_dynamix dynamix {words[-1]}; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
        assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    assert "--embedding" in (out := capsys.readouterr().out) or "-l embedding" in out


def test_no_shell_waits_for_torch():
    code = (
        "import sys; from dynamix import cli\n"
        "assert cli.main(['completion', 'bash']) == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
