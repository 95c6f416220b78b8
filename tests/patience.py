"""How long tests wait for what is sure to come: a limit is for those that fail, and a machine may
be slow, and busy. And how long something takes, beside what others take."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot, _WaitWidgetContextManager
from pytestqt.wait_signal import SignalBlocker

SECONDS = 60.0
MILLISECONDS = 60_000


class PatientBot(QtBot):
    """Waits so long, where pytest-qt's own waits 5 s."""

    def waitSignal(
        self,
        signal: Any,
        *,
        timeout: int = MILLISECONDS,
        raising: bool | None = None,
        check_params_cb: Callable[..., bool] | None = None,
    ) -> SignalBlocker:
        """As pytest-qt's."""
        return super().waitSignal(
            signal, timeout=timeout, raising=raising, check_params_cb=check_params_cb
        )

    def waitUntil(
        self, callback: Callable[[], bool | None], *, timeout: int = MILLISECONDS
    ) -> None:
        """As pytest-qt's."""
        super().waitUntil(callback, timeout=timeout)

    def waitExposed(
        self, widget: QWidget, *, timeout: int = MILLISECONDS
    ) -> _WaitWidgetContextManager:
        """As pytest-qt's: around what shows ``widget``. Without ``with`` it waits for nothing."""
        return super().waitExposed(widget, timeout=timeout)

    def waitActive(
        self, widget: QWidget, *, timeout: int = MILLISECONDS
    ) -> _WaitWidgetContextManager:
        """As pytest-qt's, in the same way."""
        return super().waitActive(widget, timeout=timeout)


def cpu_seconds(work: Callable[[], object]) -> float:
    """What ``work`` takes of a processor. To collect the garbage of a process with thousands of
    tests behind it takes 0.2 s, and may come at any time, so it does not come here."""
    was_on = gc.isenabled()
    gc.disable()
    began = time.thread_time()
    try:
        work()
        return time.thread_time() - began
    finally:
        if was_on:
            gc.enable()
