"""How long tests wait for what is sure to come: a limit is for those that fail, and a machine may
be slow, and busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytestqt.qtbot import QtBot
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
