"""Ctrl-C once, twice, and deferred."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time

import pytest

from stradiff.interrupts import DeferredInterrupts, ending_like_ctrl_c, resend_dropped_interrupts

pytestmark = pytest.mark.usefixtures("_ctrl_c_interrupts")


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_interrupts_and_the_second_is_deferred():
    steps = []
    with pytest.raises(KeyboardInterrupt), DeferredInterrupts():
        try:
            press()
            steps.append("not interrupted")
        except KeyboardInterrupt:
            press()
            steps.append("written")
    assert steps == ["written"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handled_interrupt_is_not_raised_again():
    with DeferredInterrupts(), pytest.raises(KeyboardInterrupt):
        press()


def test_the_first_is_deferred_on_request():
    steps = []
    with pytest.raises(KeyboardInterrupt), DeferredInterrupts() as interrupts:
        interrupts.defer()
        press()
        steps.append("written")
    assert steps == ["written"]


@pytest.mark.parametrize("context", [DeferredInterrupts, resend_dropped_interrupts])
def test_an_interrupt_dropped_by_python_is_raised_again(context, capsys):
    """As during garbage collection, in which JAX runs code."""

    def collected(*_):
        gc.callbacks.remove(collected)
        press()

    gc.callbacks.append(collected)
    before = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt), context():
        gc.collect()
        assert collected not in gc.callbacks, "the interrupt was raised in the callback, and dropped"
        for _ in range(1000):  # an interrupt that is sent again ends no sleep
            time.sleep(0.01)
    assert sys.unraisablehook is before
    assert not capsys.readouterr().err


def test_other_dropped_exceptions_are_reported_as_usual(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: reported.append(dropped.exc_type))

    class Raises:
        def __del__(self):
            raise RuntimeError

    with resend_dropped_interrupts():
        Raises()
        gc.collect()
    assert reported == [RuntimeError]


def test_a_handler_of_the_program_and_other_threads_are_left_alone():
    handled = []
    signal.signal(signal.SIGINT, lambda *_: handled.append("own"))
    with DeferredInterrupts():
        press()
        press()
    assert handled == ["own", "own"]

    def elsewhere():
        with DeferredInterrupts() as interrupts:
            interrupts.defer()
        handled.append("thread")

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert handled[-1] == "thread"


def test_another_signal_does_what_ctrl_c_does_unless_it_is_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    steps = []
    with ending_like_ctrl_c([signal.SIGTERM, signal.SIGHUP]) as received:
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt), DeferredInterrupts() as interrupts:
            interrupts.defer()
            signal.raise_signal(signal.SIGTERM)
            steps.append("written")
    assert (received, steps) == ([signal.SIGTERM], ["written"])
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signal.signal(signal.SIGHUP, before)
