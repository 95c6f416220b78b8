"""The palette and the icons that the window's widgets are built with, and the window's library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import resources_dir
from minerva_desktop.settings import ThemeChoice
from minerva_desktop.store.chat_store import ChatStore
from minerva_desktop.ui.chat_view import message_views, stretch
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.stylesheet import apply_theme
from minerva_desktop.ui.theme import LIGHT, ThemeSource
from tests.app.desk import Desk
from tests.slow_engines import slow_engines
from tests.ui.asked_bench import Bench


@pytest.fixture(scope="session")
def dressed_app(qapp: QApplication) -> Iterator[QApplication]:
    """The application in the light palette. Once: dressing it anew costs each test a second."""
    apply_theme(qapp, LIGHT)
    yield qapp
    # The offscreen platform keeps what was copied until after Python is gone, and then crashes on
    # data that was made in Python.
    qapp.clipboard().clear()


@pytest.fixture
def themes(dressed_app: QApplication) -> ThemeSource:
    """Where widgets get their colours from: the light palette."""
    return ThemeSource(dressed_app.styleHints(), ThemeChoice.LIGHT)


@pytest.fixture
def icons(themes: ThemeSource) -> Icons:
    """The app's own icons."""
    return Icons(resources_dir() / "icons", themes)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many messages a chat shows at first: a third of the usual, for tests of those beyond."""
    n_messages = 20
    for module in (stretch, message_views):
        monkeypatch.setattr(module, "PAGE", n_messages)
    return n_messages


@pytest.fixture
def catalog(small_catalog: Catalog) -> Catalog:
    """A library with the small model only: few tests of the window heed what it says."""
    return small_catalog


@pytest.fixture
def slow_catalog(small_catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The same, and engines that take their time for each token."""
    slow_engines(monkeypatch)
    return small_catalog


@pytest.fixture
def smollm_catalog(minerva_home: Path, model_path: Path) -> Catalog:
    """A library with the embedded model only, for those that do, or want it large."""
    minerva_home.mkdir(parents=True, exist_ok=True)
    return Catalog(minerva_home / "models.json", embedded=model_path)


@pytest.fixture
async def bench(
    qtbot: QtBot, icons: Icons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """A chat with one question and its answer, and what is asked in it counted and sent."""
    desk = Desk(await ChatStore.open(tmp_path / "chats.sqlite3"), tmp_path)
    bench = Bench(desk, icons)
    monkeypatch.setattr(desk.listener, "has_room", bench.sender.has_room)
    qtbot.addWidget(bench.window)
    await desk.answered(bench.session, "One", "Un")
    yield bench
    await desk.library.close()
