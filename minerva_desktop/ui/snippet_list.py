"""The list of snippets that pops up while ``/name`` is typed. Used by `snippet_popup`. Main
thread."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QColor, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
)

from minerva_desktop.chat.presets import Snippet
from minerva_desktop.ui.theme import GRID, ThemeSource

WIDTH = 420  # px
ROW = 8 * GRID
MAX_ROWS = 8
MANAGE = "Manage snippets…"
SNIPPET_ROLE = Qt.ItemDataRole.UserRole


class SnippetList(QFrame):
    """Lies over the window and never takes the focus: the keys stay with the editor. ``picked``
    carries a `Snippet`, or None for `MANAGE`."""

    picked = Signal(object)

    def __init__(self, editor: QPlainTextEdit, themes: ThemeSource) -> None:
        super().__init__(editor.window())
        self._editor = editor
        self.setObjectName("snippetPopup")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list = QListWidget()
        self._list.setObjectName("snippetList")
        self._list.setAccessibleName("Snippets")
        self._list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._list.setItemDelegate(_SnippetDelegate(themes, self._list))
        self._list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.setMouseTracking(True)
        self._list.itemClicked.connect(self._on_clicked)
        box = QVBoxLayout(self)
        box.setContentsMargins(GRID, GRID, GRID, GRID)
        box.addWidget(self._list)
        self.hide()

    @property
    def current(self) -> QListWidgetItem | None:
        """The row that Enter would take."""
        return self._list.currentItem()

    def offer(self, snippets: Sequence[Snippet]) -> None:
        """Show these, and `MANAGE`; the first snippet is the current one. Above the cursor, or
        below it where there is more room."""
        self._list.clear()
        for snippet in snippets:
            item = QListWidgetItem(f"/{snippet.name}")
            item.setData(SNIPPET_ROLE, snippet)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{snippet.name}: {_line(snippet)}")
            self._list.addItem(item)
        self._list.addItem(QListWidgetItem(MANAGE))
        n_rows = min(self._list.count(), MAX_ROWS)
        window = self._editor.window()
        width = min(WIDTH, window.width() - 8 * GRID)
        self.resize(width, n_rows * ROW + 2 * GRID + 2)
        self._place()
        is_new = self.isHidden()
        self.show()
        self.raise_()
        self._list.setCurrentRow(0)
        if is_new:
            self._tell(f"{len(snippets)} snippets. {self._words()}")

    def move_by(self, n_rows: int) -> None:
        """Make another row the current one, beyond the last the first again."""
        count, row = self._list.count(), self._list.currentRow()
        if row < 0:
            row = -1 if n_rows > 0 else count
        self._list.setCurrentRow((row + n_rows) % count)
        self._tell(self._words())

    def take_current(self) -> None:
        """Pick the current row."""
        item = self.current
        if item is not None:
            self._on_clicked(item)

    def _on_clicked(self, item: QListWidgetItem) -> None:
        self.picked.emit(item.data(SNIPPET_ROLE))

    def _words(self) -> str:
        item = self.current
        if item is None:
            return ""
        words = item.data(Qt.ItemDataRole.AccessibleTextRole) or item.text()
        return f"{words}, {self._list.currentRow() + 1} of {self._list.count()}"

    def _tell(self, words: str) -> None:
        """The focus is in the editor, so that is what a screen reader follows."""
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._editor, words))

    def _place(self) -> None:
        editor, window = self._editor, self._editor.window()
        cursor = editor.cursorRect()
        top = editor.viewport().mapTo(window, cursor.topLeft())
        below = editor.viewport().mapTo(window, cursor.bottomLeft())
        left = max(GRID, min(top.x() - 3 * GRID, window.width() - self.width() - GRID))
        above = top.y() - self.height() - 5 * GRID  # clear of the field's frame
        self.move(QPoint(left, above if above >= 0 else below.y() + 2 * GRID))


class _SnippetDelegate(QStyledItemDelegate):
    """The name, and how the text begins."""

    def __init__(self, themes: ThemeSource, parent: QListWidget) -> None:
        super().__init__(parent)
        self._themes = themes

    def sizeHint(
        self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        return QSize(0, ROW)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        theme, snippet = self._themes.theme, index.data(SNIPPET_ROLE)
        place: QRect = option.rect
        state: QStyle.StateFlag = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(QColor(theme.selected))
            painter.drawRoundedRect(place, 6, 6)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(QColor(theme.hover))
            painter.drawRoundedRect(place, 6, 6)
        inside = place.adjusted(2 * GRID, 0, -2 * GRID, 0)
        middle, right = Qt.AlignmentFlag.AlignVCenter, Qt.TextElideMode.ElideRight
        metrics = painter.fontMetrics()
        room = inside.width() // 2 if snippet is not None else inside.width()
        name = metrics.elidedText(str(index.data()), right, room)
        painter.setPen(QColor(theme.text if snippet is not None else theme.muted))
        painter.drawText(inside, middle, name)
        if snippet is not None:
            inside.setLeft(inside.left() + metrics.horizontalAdvance(name) + 3 * GRID)
            painter.setPen(QColor(theme.muted))
            painter.drawText(
                inside, middle, metrics.elidedText(_line(snippet), right, inside.width())
            )
        painter.restore()


def _line(snippet: Snippet) -> str:
    return " ".join(snippet.text[:200].split())
