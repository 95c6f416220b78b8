"""Chats that go on at once are marked in the list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.conversation import ConversationSummary
from minerva_desktop.engine.snapshot_files import SnapshotFiles
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.chat_list_model import ChatListModel
from minerva_desktop.ui.chat_rows import chat_rows
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_options_dialog import ModelOptionsDialog
from tests.chat.samples import make_conversation
from tests.ui.list_desk import ListDesk
from tests.ui.open_window import OpenWindow

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)

CHATS = [
    ConversationSummary(id=name, title=name, updated_at=1000.0, model=None)
    for name in ("warm", "cold")
]


def test_a_warm_chat_says_so(qapp: QApplication) -> None:
    model = ChatListModel()
    model.set_rows(replace(chat_rows(CHATS), warm=frozenset({"warm"})))
    said = {
        name: (
            str(model.index_of(name).data(Qt.ItemDataRole.ToolTipRole)),
            str(model.index_of(name).data(Qt.ItemDataRole.AccessibleTextRole)),
        )
        for name in ("warm", "cold")
    }
    assert ["goes on at once" in words.lower() for words in said["warm"]] == [True, True]
    assert ["goes on at once" in words.lower() for words in said["cold"]] == [False, False]


@pytest.fixture
def desk(
    qtbot: QtBot, dressed_app: QApplication, icons: Icons, tmp_path: Path
) -> Iterator[ListDesk]:
    chats = [make_conversation("Hi", title=title) for title in ("River", "Lake")]
    for chat in chats:
        chat.model = "one.gguf"
    with closing(ListDesk(qtbot, dressed_app, icons, tmp_path, chats)) as desk:
        yield desk


def _save(files: SnapshotFiles, identity: str, model: str, chat: str) -> None:
    """As an engine's process does."""
    path = files.path(identity, chat)
    of = files.folder.parent / model
    of.touch()
    files.label(identity, of, is_loaded=True)
    partial = path.with_suffix(".1.partial")
    partial.write_bytes(bytes(1000))
    partial.replace(path)


def test_the_mark_comes_and_goes_with_the_state(desk: ListDesk, tmp_path: Path) -> None:
    files, ids = SnapshotFiles(tmp_path / "snapshots"), desk.on_disk()
    assert "at once" not in desk.spoken("River")
    _save(files, "a", "one.gguf", ids["River"])
    desk.until(lambda: "goes on at once" in desk.spoken("River"))
    _save(files, "a", "one.gguf", ids["Lake"])  # in a folder that is new since
    desk.until(lambda: "goes on at once" in desk.spoken("Lake"))
    files.remove(ids["River"])
    desk.until(lambda: "at once" not in desk.spoken("River"))
    assert "goes on at once" in desk.spoken("Lake")


def test_only_the_chats_own_model_counts(desk: ListDesk, tmp_path: Path) -> None:
    files, ids = SnapshotFiles(tmp_path / "snapshots"), desk.on_disk()
    _save(files, "b", "two.gguf", ids["River"])
    _save(files, "a", "one.gguf", ids["Lake"])
    desk.until(lambda: "goes on at once" in desk.spoken("Lake"))
    assert "at once" not in desk.spoken("River")


def test_no_mark_promises_what_the_next_load_will_not_find(desk: ListDesk, tmp_path: Path) -> None:
    files, ids = SnapshotFiles(tmp_path / "snapshots"), desk.on_disk()
    _save(files, "a", "one.gguf", ids["River"])
    desk.until(lambda: "goes on at once" in desk.spoken("River"))
    _save(files, "b", "one.gguf", ids["Lake"])  # loaded with other options since
    desk.until(lambda: "goes on at once" in desk.spoken("Lake"))
    assert "at once" not in desk.spoken("River")
    files.doubt("one.gguf")  # other options again, and not loaded yet
    desk.until(lambda: "at once" not in desk.spoken("Lake"))


def test_other_options_of_a_model_put_its_states_in_doubt(
    qtbot: QtBot, dressed_app: QApplication, small_catalog: Catalog
) -> None:
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        picker, states = opened.window.header.picker, SnapshotFiles(opened.paths.snapshots)
        opened.until("models", lambda: picker.current is not None)
        (path,) = opened.model_paths
        states.label("identity", Path(path), is_loaded=True)
        states.path("identity", "chat").touch()
        name = Path(path).name
        none = set[str]()
        for field, text, chats in (("modelThreads", "1", {"chat"}), ("modelNCtx", "512", none)):
            picker.options_requested.emit(path)
            opened.until("dialog", lambda: bool(opened.window.findChildren(ModelOptionsDialog)))
            opened.part(QLineEdit, field).setText(text)
            opened.part(ModelOptionsDialog, "modelOptionsDialog").accept()
            opened.until("end", lambda: not opened.window.findChildren(ModelOptionsDialog))
            opened.until("kept", partial(_has, states, {name: chats}))


def _has(states: SnapshotFiles, chats: dict[str, set[str]]) -> bool:
    return states.chats_of() == chats
