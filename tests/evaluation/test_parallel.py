"""Processes side by side: what they compute, and whose Ctrl-C it is."""

import os
import signal

import pytest

from dynamix.evaluation.parallel import spread, undisturbed


def blocked(number: int) -> tuple[int, int, bool]:
    return number, os.getpid(), signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_workers_leave_an_interruption_to_the_one_that_waits() -> None:
    found = list(spread(blocked, range(4), workers=2))
    assert sorted(number for number, _, _ in found) == [0, 1, 2, 3]
    assert all(process != os.getpid() and deaf for _, process, deaf in found)
    assert not blocked(0)[2]


def test_an_interruption_while_they_begin_is_not_lost() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # workers of pytest have none
    try:
        with pytest.raises(KeyboardInterrupt), undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not blocked(0)[2]
