"""What goes to the clipboard: plain text, and the same as HTML. Main thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from PySide6.QtCore import QMetaType, QMimeData, QObject, QTimer, Slot
from PySide6.QtGui import QGuiApplication

SLICE_SECONDS = 0.002  # of HTML that is made at a time; most of what is copied takes less
_HEAD = '<meta charset="utf-8">'  # some programs would guess otherwise


def rich_data(text: str, html: str) -> QMimeData:
    """``text``, and ``html`` where there is any, for programs that take that."""
    data = QMimeData()
    data.setText(text)
    if html:
        data.setHtml(f"{_HEAD}{html}")
    return data


class DraggedData(QMimeData):
    """``text`` and ``html``, each made once somebody takes it: a megabyte held the window up for
    0.16 s where a drag began. Not for the clipboard, as `_RichCopy` says."""

    def __init__(self, text: Callable[[], str], html: Callable[[], str]) -> None:
        super().__init__()
        self._makers: dict[str, Callable[[], str]] = {
            "text/plain": text,
            "text/html": lambda: f"{_HEAD}{html()}",
        }
        self._made: dict[str, str] = {}

    def formats(self) -> list[str]:
        return list(self._makers)

    def retrieveData(self, kind: str, _wanted: QMetaType | QMetaType.Type) -> object:
        if kind in self._makers and kind not in self._made:
            self._made[kind] = self._makers[kind]()
        return self._made.get(kind)


def markdown_data(text: str) -> QMimeData:
    """``text``, which is Markdown."""
    data = QMimeData()
    data.setText(text)
    data.setData("text/markdown", text.encode(errors="replace"))
    return data


def copy_rich(text: str, html: Iterable[str]) -> None:
    """Put ``text`` on the clipboard, and the pieces of ``html`` joined: where they take long to
    make, the text at once and both a little later, unless something else was copied by then."""
    _RichCopy(text, html).begin()


class _RichCopy(QObject):
    """One copy on its way, which no widget has to stay for."""

    # Data that makes its HTML once it is asked for would be less work. But it stays with the
    # clipboard, and to delete an object of Python's at the very end brings the process down.

    def __init__(self, text: str, html: Iterable[str]) -> None:
        super().__init__(QGuiApplication.clipboard())
        self._text = text
        self._rest = iter(html)
        self._made: list[str] = []

    def begin(self) -> None:
        if self._make_some():
            self._put("".join(self._made))
            self.deleteLater()
        else:
            self._put("")
            QTimer.singleShot(0, self._go_on)

    @Slot()
    def _go_on(self) -> None:
        if not self._make_some():
            QTimer.singleShot(0, self._go_on)
            return
        if QGuiApplication.clipboard().text() == self._text:
            self._put("".join(self._made))
        self.deleteLater()

    def _put(self, html: str) -> None:
        QGuiApplication.clipboard().setMimeData(rich_data(self._text, html))

    def _make_some(self) -> bool:
        """Whether that was the last."""
        deadline = time.thread_time() + SLICE_SECONDS
        for piece in self._rest:
            self._made.append(piece)
            if time.thread_time() > deadline:
                return False
        return True
