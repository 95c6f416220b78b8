"""Messages that waited for an answer when the app was closed: they wait on, for their person."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import MessageState
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.paths import app_paths
from minerva_desktop.ui.chat_view.actions import MessageAction
from minerva_desktop.ui.waiting_messages import NOT_YET, REMOVE
from tests.ui.open_window import OpenWindow
from tests.ui.test_message_actions import ENDLESS, SHORT, answered, do, remember, undo, views
from tests.ui.test_waiting_in_window import begin_waiting, press, waits

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


def test_they_wait_for_their_person_after_a_restart(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path, tmp_path: Path
) -> None:
    """They were one draft with what was typed."""
    remember(ENDLESS)
    before, after = tmp_path / "before" / "m.gguf", tmp_path / "after" / "m.gguf"
    before.parent.mkdir()
    shutil.copy(small_path, before)
    catalog = Catalog(minerva_home / "models.json", embedded=before)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        begin_waiting(opened)
    before.parent.rename(after.parent)  # as an update may do it
    catalog = Catalog(minerva_home / "models.json", embedded=after)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("draft", lambda: opened.window.composer.text == "half")
        assert waits(opened) == ["Two", "Three"]
        assert not opened.is_answering
        (why,) = [label for label in opened.window.findChildren(QLabel) if label.text() == NOT_YET]
        assert why.isVisible()
        opened.part(QPushButton, "sendWaitingButton").click()
        opened.until("message in the transcript", lambda: "Two" in opened.transcript)
        opened.until("model", lambda: opened.loaded_paths == [str(after)])
        opened.until("answer", lambda: opened.is_answering)
        assert waits(opened) == ["Three"]
        assert opened.window.composer.text == "half"


@pytest.mark.parametrize(("was_there", "is_there"), [(False, False), (True, False), (False, True)])
def test_what_waited_for_a_model_that_is_gone_goes_to_the_chosen_one(
    qtbot: QtBot,
    dressed_app: QApplication,
    small_catalog: Catalog,
    small_path: Path,
    tmp_path: Path,
    *,
    was_there: bool,
    is_there: bool,
) -> None:
    """The library still names it, so each was asked of it in vain, and spent. A file may come and
    go after the start. Why they wait is the same whichever is the first."""
    remember(ENDLESS)
    mine = tmp_path / "mine.gguf"
    shutil.copy(small_path, mine)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog, [mine])) as opened:
        opened.until("model", lambda: opened.loaded_paths == [str(mine)])
        begin_waiting(opened)
    away = mine.rename(tmp_path / "away")
    if was_there:
        away.rename(mine)
    with closing(OpenWindow(qtbot, dressed_app, small_catalog)) as opened:
        opened.until("messages", lambda: waits(opened) == ["Two", "Three"])
        assert str(mine) in opened.model_paths
        assert _why(opened) == NOT_YET
        press(opened, REMOVE, 0)
        assert (waits(opened), _why(opened)) == (["Three"], NOT_YET)
        undo(opened)
        opened.until("message", lambda: waits(opened) == ["Two", "Three"])
        assert _why(opened) == NOT_YET
        if was_there:  # then it was chosen
            opened.window.header.picker.selected.emit(str(small_path))
            mine.rename(away)
        elif is_there:
            away.rename(mine)
        opened.part(QPushButton, "sendWaitingButton").click()
        asked_of = mine if is_there else small_path
        opened.until("model", lambda: opened.loaded_paths == [str(asked_of)])
        opened.until("answer", lambda: opened.is_answering)
        assert waits(opened) == ["Three"]


def _why(opened: OpenWindow) -> str:
    """What is said beside *Send now*."""
    line = opened.part(QPushButton, "sendWaitingButton").parentWidget()
    assert line is not None
    return line.findChildren(QLabel)[0].text()


def test_what_waited_over_a_restart_follows_an_answer_that_goes_on(
    qtbot: QtBot, dressed_app: QApplication, minerva_home: Path, small_path: Path, tmp_path: Path
) -> None:
    """It was for a file that was elsewhere by then, which *Send now* alone looked for."""
    remember(ENDLESS)
    before, after = tmp_path / "before" / "m.gguf", tmp_path / "after" / "m.gguf"
    before.parent.mkdir()
    shutil.copy(small_path, before)
    catalog = Catalog(minerva_home / "models.json", embedded=before)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        begin_waiting(opened)
    before.parent.rename(after.parent)
    with closing(apsw.Connection(str(app_paths().database))) as chats:
        short = msgspec.json.encode(SHORT).decode()
        chats.execute("UPDATE conversations SET parameters = ?", (short,))
    catalog = Catalog(minerva_home / "models.json", embedded=after)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        opened.until("messages", lambda: waits(opened) == ["Two", "Three"])
        press(opened, REMOVE, 0)
        do(opened, 1, MessageAction.CONTINUE)
        answered(opened, 4)
        question, said = (view.message for view in views(opened)[2:])
        assert (question.text, said.state) == ("Three", MessageState.COMPLETE)
