"""For tests of a database that somebody else has open: two seconds are waited for it."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from minerva_desktop.store import opening


def wait_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no more than a tenth of a second."""
    lock = opening.lock

    def soon(path: Path, timeout_ms: int) -> apsw.Connection:
        return lock(path, min(timeout_ms, 100))

    monkeypatch.setattr(opening, "lock", soon)
