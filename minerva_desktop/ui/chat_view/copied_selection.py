"""What is copied of the selection in the transcript, as far as it is shown. Main thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QGuiApplication

from minerva_desktop.ui.chat_view.late_selections import LateSelections
from minerva_desktop.ui.chat_view.message_view import MessageView
from minerva_desktop.ui.chat_view.rich_data import DraggedData, copy_rich, markdown_data, rich_data
from minerva_desktop.ui.chat_view.rich_text_view import RichTextView
from minerva_desktop.ui.chat_view.row_html import author_html, html_pieces
from minerva_desktop.ui.chat_view.row_text import is_table_folded
from minerva_desktop.ui.chat_view.rows import Row, Run
from minerva_desktop.ui.chat_view.run_markdown import inline_markdown

Part = TypeVar("Part")  # what is selected of one text


class CopiedSelection:
    """Of the ``views`` of now, from the top down, once ``late`` selected in all of them."""

    def __init__(self, late: LateSelections, views: Callable[[], list[MessageView]]) -> None:
        self._late = late
        self._views = views

    def text(self) -> str:
        """It as plain text, with the authors' names where it is of several messages."""
        return _with_names(self._selected(_plain))

    def markdown(self) -> str:
        """It as Markdown, with the names too."""
        messages = _joined(self._selected(_markdown))
        if len(messages) == 1:
            return messages[0][1]
        return "\n\n".join(
            f"**{inline_markdown([Run(author)])}:**\n\n{text}" for author, text in messages
        )

    def dragged(self) -> QMimeData:
        """It as plain text, and as HTML, with the names too, for those who want more; each is made
        where it is dropped."""
        return DraggedData(self.text, self._html)

    def _html(self) -> str:
        return "".join(_html(self._selected(_rows)))

    def data_in_steps(self) -> Iterator[QMimeData | None]:
        """The same for the clipboard, as the last of many small steps, the others None; no data
        where nothing is selected. Only as long as the selection and the views stay what they are.
        """
        while self._late.select_one():
            yield None
        texts: list[tuple[str, list[str]]] = []
        rows: list[tuple[str, list[list[Row]]]] = []
        for view in self._views():
            bodies = [body for body in view.bodies if body.textCursor().hasSelection()]
            if bodies:
                texts.append((view.accessibleName(), []))
                rows.append((view.accessibleName(), []))
            for body in bodies:
                texts[-1][1].append(_plain(view, body))
                yield None
                rows[-1][1].append(_rows(view, body))
            yield None
        html: list[str] = []
        for piece in _html(rows):
            html.append(piece)
            yield None
        if texts:
            yield rich_data(_with_names(texts), "".join(html))

    def copy(self) -> None:
        """Put it on the clipboard, the HTML of much a little later."""
        copy_rich(self.text(), _html(self._selected(_rows)))

    def copy_markdown(self) -> None:
        """Put it on the clipboard as Markdown."""
        QGuiApplication.clipboard().setMimeData(markdown_data(self.markdown()))

    def _selected(
        self, part_of: Callable[[MessageView, RichTextView], Part]
    ) -> list[tuple[str, list[Part]]]:
        """Of each message that something is selected in: its author, and that of each text."""
        found = []
        self._late.finish()
        for view in self._views():
            bodies = [body for body in view.bodies if body.textCursor().hasSelection()]
            if bodies:
                found.append((view.accessibleName(), [part_of(view, body) for body in bodies]))
        return found


def shows_all(view: MessageView) -> bool:
    """Whether nothing of a message's texts is folded or still to be rendered."""
    return view.is_whole and not any(is_table_folded(body.rows) for body in view.bodies)


def _plain(_view: MessageView, body: RichTextView) -> str:
    return body.selected_text()


def _rows(_view: MessageView, body: RichTextView) -> list[Row]:
    return body.selected_rows()


def _html(messages: list[tuple[str, list[list[Row]]]]) -> Iterator[str]:
    """Pieces of it. ``messages``: of each the author, and the rows of each of its texts."""
    for author, texts in messages:
        if len(messages) > 1:
            yield author_html(author)
        for rows in texts:
            yield from html_pieces(rows)


def _with_names(selected: list[tuple[str, list[str]]]) -> str:
    messages = _joined(selected)
    if len(messages) == 1:
        return messages[0][1]
    return "\n\n".join(f"{author}:\n{text}" for author, text in messages)


def _joined(messages: list[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    return [(author, "\n\n".join(texts)) for author, texts in messages]


def _markdown(view: MessageView, body: RichTextView) -> str:
    # Of a message that is folded nobody selected all.
    return body.selected_markdown(shows_all=body is not view.body or view.is_whole)
