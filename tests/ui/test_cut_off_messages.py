"""What the window says while older messages are summarised, and once some were cut off."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from minerva_desktop.chat.message import ChatTurn
from minerva_desktop.library.catalog import Catalog
from minerva_desktop.ui.engine_worker import EngineWorker
from minerva_desktop.ui.formats import UNKNOWN
from minerva_desktop.ui.notification_bar import Notice
from tests.ui.open_window import OpenWindow
from tests.ui.test_context_in_window import (
    N_CTX,
    _click,
    _keep_chat,
    _left_out,
    _load,
    _try_to_send,
)

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support", extend=True)


@pytest.fixture
def opened(qtbot: QtBot, dressed_app: QApplication, catalog: Catalog) -> Iterator[OpenWindow]:
    """The window with a chat of about 450 tokens, and a model whose context has 256."""
    _keep_chat(30, 1)
    with closing(OpenWindow(qtbot, dressed_app, catalog)) as opened:
        _load(opened)
        yield opened


def test_older_messages_are_summarised(opened: OpenWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    _try_to_send(opened, "Which one do you like?")
    told: list[str] = []
    bar, show = opened.window.notifications, opened.window.notifications.show_notice

    def show_notice(notice: Notice) -> None:
        told.append(notice.text)
        show(notice)

    monkeypatch.setattr(bar, "show_notice", show_notice)
    _click(opened, "Summarise older ones")
    opened.until("summary", lambda: opened.notice.startswith("Summarising"))
    opened.until("cut", lambda: opened.window.chat_view.cut_mark.first_id is not None)
    begin, *_, end = [each for each in told if each.startswith("Summarising")]
    assert re.fullmatch(r"Summarising \d+ messages…", begin)
    assert end == f"{begin[:-1]}: all read, the summary is being written"
    assert all(": 0 " not in each for each in told)
    opened.until("message", lambda: "Which one do you like?" in opened.transcript)
    opened.until("answer", lambda: opened.speed != "" and not opened.is_answering)
    assert opened.notice == ""
    panel = _left_out(opened)
    assert "Summary of what came before" in panel
    assert "Summary of the conversation so far:" in opened.window.context_panel.prompt_text
    opened.window.context_panel.close()


def test_the_meter_forgets_what_was_cut_off(
    opened: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, count = asyncio.Event(), EngineWorker.count_tokens

    async def count_tokens(
        worker: EngineWorker, path: Path, turns: tuple[ChatTurn, ...]
    ) -> int | None:
        await counts.wait()  # as while a long prompt is being read
        return await count(worker, path, turns)

    opened.until("offer", lambda: opened.notice != "")
    assert opened.context.endswith(f" / {N_CTX} tokens")
    assert UNKNOWN not in opened.context
    monkeypatch.setattr(EngineWorker, "count_tokens", count_tokens)
    _click(opened, "Keep the newest")
    opened.until("cut", lambda: opened.window.chat_view.cut_mark.first_id is not None)
    opened.until("no number", lambda: opened.context == f"Context: {UNKNOWN} / {N_CTX} tokens")
    counts.set()
    opened.until("count", lambda: UNKNOWN not in opened.context)
    assert int(opened.context.split()[1]) < N_CTX
