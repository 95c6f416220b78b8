"""Copies all of a chat, of which only a stretch has views, in slices. Main thread.

What goes to the clipboard goes there at the end, all at once: a part of a chat that looks like all
of it would be worse than a wait that is seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtGui import QGuiApplication

from minerva_desktop.chat.message import Message, MessageState
from minerva_desktop.ui.chat_view.markdown import MarkdownParser
from minerva_desktop.ui.chat_view.message_author import author_of
from minerva_desktop.ui.chat_view.message_events import MessageEvents, MessageOptions
from minerva_desktop.ui.chat_view.message_sources import (
    Source,
    clean_pieces,
    rendered,
    sources_of,
)
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.part_blocks import OpenBlocks
from minerva_desktop.ui.chat_view.rich_data import markdown_data, rich_data
from minerva_desktop.ui.chat_view.row_html import author_html, html_pieces, plain_html
from minerva_desktop.ui.chat_view.row_text import is_table_folded, text_pieces
from minerva_desktop.ui.chat_view.rows import Row, Run
from minerva_desktop.ui.chat_view.run_markdown import inline_markdown

SLICE_SECONDS = 0.005


class WholeChatCopy(QObject):
    """One copy at a time: the next one ends it, and so does anything else that is copied."""

    def __init__(
        self,
        events: MessageEvents,
        options: MessageOptions,
        views: Mapping[str, MessageView],
        opened: OpenBlocks,
        done: Callable[[int], None],
    ) -> None:
        """``views``: those of now; ``opened``: thoughts and cards; ``done`` is called with the
        number of messages that were copied."""
        super().__init__(events)
        self._events = events
        self._options = options
        self._view_of = views.get
        self._opened = opened
        self._done = done
        self._messages: list[Message] = []
        self._steps: Iterator[None] = iter(())
        self._text: list[str] = []
        self._html: list[str] = []
        self._n_done = 0
        self._as_markdown = False
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._work)
        QGuiApplication.clipboard().dataChanged.connect(self.stop)
        events.copy_stopped.connect(self.stop)

    @property
    def is_running(self) -> bool:
        """Whether a copy is on its way."""
        return self._timer.isActive()

    def begin(self, *, as_markdown: bool) -> None:
        """Copy the chat as it is now, as text and HTML or ``as_markdown``."""
        self.stop()
        self._messages = list(self._options.messages())
        self._text, self._html, self._n_done = [], [], 0
        self._as_markdown = as_markdown
        self._steps = self._markdown() if as_markdown else self._rich()
        self._timer.start()
        self._work()

    @Slot()
    def stop(self) -> None:
        """Copy nothing."""
        if self._timer.isActive():
            self._end(0, 0)

    def _end(self, n_done: int, n_all: int) -> None:
        self._timer.stop()
        self._messages, self._steps = [], iter(())
        self._text, self._html = [], []
        self._events.copy_advanced.emit(n_done, n_all)

    @Slot()
    def _work(self) -> None:
        deadline = time.perf_counter() + SLICE_SECONDS
        for _ in self._steps:
            if time.perf_counter() > deadline:
                self._events.copy_advanced.emit(self._n_done, len(self._messages))
                return
        n_messages = len(self._messages)
        text, html = "".join(self._text), "".join(self._html)
        self._end(n_messages, n_messages)
        data = markdown_data(text) if self._as_markdown else rich_data(text, html)
        QGuiApplication.clipboard().setMimeData(data)
        self._done(n_messages)

    # -- steps, each of a millisecond or two -------------------------------------------------

    def _rich(self) -> Iterator[None]:
        parser = MarkdownParser()
        for message, author, sources in self._said():
            self._begin(f"{author}:\n" if author else "")
            if author:
                self._html.append(author_html(author))
            shown = self._shown_rows(message, len(sources))
            for number, source in enumerate(sources):
                if number:
                    self._text.append("\n\n")
                if not source.is_markdown:  # lines as they are, not as they are broken to be shown
                    yield from _take(clean_pieces(source), self._text)
                    yield from _take(plain_html(clean_pieces(source)), self._html)
                    continue
                rows = shown[number]
                if rows is None:
                    rows = yield from rendered(source, parser, all_rows=True, coloured=False)
                yield from _take(text_pieces(rows), self._text)
                yield from _take(html_pieces(rows), self._html)

    def _markdown(self) -> Iterator[None]:
        for _, author, sources in self._said():
            name = inline_markdown([Run(author)])
            self._begin(f"**{name}:**\n\n" if author else "")
            for number, source in enumerate(sources):
                if number:
                    self._text.append("\n\n")
                yield from _take(clean_pieces(source), self._text)

    def _said(self) -> Iterator[tuple[Message, str, list[Source]]]:
        """Each message that says anything, with the name of its author where there are several."""
        names, has_names = self._options.model_names, len(self._messages) > 1
        for message in self._messages:
            sources = self._sources(message)
            if sources:
                yield message, author_of(message, names) if has_names else "", sources
            self._n_done += 1

    def _begin(self, heading: str) -> None:
        self._text.append(f"\n\n{heading}" if self._text else heading)

    def _shown_rows(self, message: Message, n_texts: int) -> list[list[Row] | None]:
        """What is shown of each of its texts; None where that is not all of it."""
        view = self._view_of(message.id)
        bodies = [] if view is None or not view.is_whole else view.bodies
        if len(bodies) != n_texts:
            return [None] * n_texts
        return [None if is_table_folded(body.rows) else list(body.rows) for body in bodies]

    def _sources(self, message: Message) -> list[Source]:
        view = self._view_of(message.id)
        if view is not None and message.state is MessageState.STREAMING:
            return [Source(view.source())]  # the message itself is as it began
        return sources_of(message, self._opened)


def _take(pieces: Iterator[str], taken: list[str]) -> Iterator[None]:
    for piece in pieces:
        taken.append(piece)
        yield
