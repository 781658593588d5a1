"""Ctrl-C once, twice, and while it has to wait."""

from __future__ import annotations

import signal
import threading

import pytest

from stradiff.fitting.interrupts import OnlyTheFirst

pytestmark = pytest.mark.usefixtures("_ctrl_c_is_heard")


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_cuts_and_the_second_waits_for_the_end():
    said = []
    with pytest.raises(KeyboardInterrupt), OnlyTheFirst():
        try:
            press()
            said.append("not cut")
        except KeyboardInterrupt:
            press()
            said.append("written")
    assert said == ["written"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_single_one_that_was_dealt_with_is_over():
    with OnlyTheFirst(), pytest.raises(KeyboardInterrupt):
        press()


def test_the_first_waits_where_it_is_asked_to():
    said = []
    with pytest.raises(KeyboardInterrupt), OnlyTheFirst() as ctrl_c:
        ctrl_c.wait()
        press()
        said.append("written")
    assert said == ["written"]


def test_a_handler_of_the_program_and_other_threads_are_left_alone():
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append("mine"))
    with OnlyTheFirst():
        press()
        press()
    assert heard == ["mine", "mine"]

    def elsewhere():
        with OnlyTheFirst() as ctrl_c:
            ctrl_c.wait()
        heard.append("there")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard[-1] == "there"
