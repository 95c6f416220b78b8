"""What the start waits for, so that the window is drawn first."""

from __future__ import annotations

import asyncio

import pytest
from PySide6.QtGui import QRasterWindow
from PySide6.QtWidgets import QApplication

from minerva_desktop.ui import first_exposure
from minerva_desktop.ui.first_exposure import first_exposure as wait_for


@pytest.mark.usefixtures("qapp")
async def test_it_lasts_until_the_window_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_exposure, "MOST_SECONDS", 60.0)
    window = QRasterWindow()
    waiting = asyncio.ensure_future(wait_for(window))
    await asyncio.sleep(0)
    assert not waiting.done()
    window.show()
    while not waiting.done():
        QApplication.processEvents()
        await asyncio.sleep(0)
    assert window.isExposed()
    await wait_for(window)  # which is drawn already
    window.close()


@pytest.mark.usefixtures("qapp")
async def test_a_window_that_is_not_drawn_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(first_exposure, "MOST_SECONDS", 0.01)
    window = QRasterWindow()
    await wait_for(window)
    assert not window.isExposed()
