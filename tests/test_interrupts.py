"""Ctrl-C once, twice, and while it has to wait."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time

import pytest

from stradiff.interrupts import DeferredInterrupts, resend_dropped_interrupts

pytestmark = pytest.mark.usefixtures("_ctrl_c_is_heard")


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_cuts_and_the_second_waits_for_the_end():
    said = []
    with pytest.raises(KeyboardInterrupt), DeferredInterrupts():
        try:
            press()
            said.append("not cut")
        except KeyboardInterrupt:
            press()
            said.append("written")
    assert said == ["written"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_single_one_that_was_dealt_with_is_over():
    with DeferredInterrupts(), pytest.raises(KeyboardInterrupt):
        press()


def test_the_first_waits_where_it_is_asked_to():
    said = []
    with pytest.raises(KeyboardInterrupt), DeferredInterrupts() as interrupts:
        interrupts.defer()
        press()
        said.append("written")
    assert said == ["written"]


@pytest.mark.parametrize("around", [DeferredInterrupts, resend_dropped_interrupts])
def test_one_that_hits_where_python_drops_exceptions_is_heard(around, capsys):
    """As in the collection of garbage, where JAX is called."""

    def collected(*_):
        gc.callbacks.remove(collected)
        press()

    gc.callbacks.append(collected)
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), around():
        gc.collect()
        assert collected not in gc.callbacks, "the interrupt was raised in the callback, and dropped"
        time.sleep(10)
    assert sys.unraisablehook is before
    assert not capsys.readouterr().err


def test_other_exceptions_that_are_dropped_are_told_as_ever(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: told.append(dropped.exc_type))

    class Falls:
        def __del__(self):
            raise RuntimeError

    with resend_dropped_interrupts():
        Falls()
        gc.collect()
    assert told == [RuntimeError]


def test_a_handler_of_the_program_and_other_threads_are_left_alone():
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append("mine"))
    with DeferredInterrupts():
        press()
        press()
    assert heard == ["mine", "mine"]

    def elsewhere():
        with DeferredInterrupts() as interrupts:
            interrupts.defer()
        heard.append("there")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard[-1] == "there"
