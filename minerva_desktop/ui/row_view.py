"""A list whose rows all have one height: where one is, is arithmetic, so it lays out nothing.

Qt's own list asks the model twice for each row whenever rows change, which takes 24 ms for 10,000
of them in Python (measured); this one asks for the rows that it paints. Main thread.
"""

from __future__ import annotations

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    Qt,
)
from PySide6.QtGui import QHoverEvent, QPainter, QPaintEvent, QRegion
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyleOptionViewItem,
    QWidget,
)

Action = QAbstractItemView.CursorAction
EDITING = QAbstractItemView.State.EditingState


class RowView(QListView):
    """Rows that are not enabled are headings: the cursor passes them.

    Selected rows are painted as such unless there is but the cursor's.
    """

    def __init__(self, row_height: int, parent: QWidget | None = None) -> None:
        """``row_height`` in px."""
        super().__init__(parent)
        self._row_height = row_height
        self._pointer: QPoint | None = None
        self.setMouseTracking(True)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_Hover)  # not every style does
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    @property
    def is_editing(self) -> bool:
        """Whether a title is being typed."""
        return self.state() == EDITING

    # -- where rows are --------------------------------------------------------------------

    def doItemsLayout(self) -> None:
        QAbstractItemView.doItemsLayout(self)  # not the list's, which walks through all rows

    def updateGeometries(self) -> None:
        height, bar = self.viewport().height(), self.verticalScrollBar()
        bar.setSingleStep(self._row_height)
        bar.setPageStep(height)
        bar.setRange(0, max(0, self._n_rows() * self._row_height - height))
        QAbstractItemView.updateGeometries(self)

    def verticalOffset(self) -> int:
        return self.verticalScrollBar().value()

    def visualRect(self, index: QModelIndex | QPersistentModelIndex) -> QRect:
        if not index.isValid():
            return QRect()
        top = index.row() * self._row_height - self.verticalOffset()
        return QRect(0, top, self.viewport().width(), self._row_height)

    def indexAt(self, point: QPoint) -> QModelIndex:
        row = self._row_at(point.y())
        inside = 0 <= row < self._n_rows() and 0 <= point.x() < self.viewport().width()
        return self.model().index(row, 0) if inside else QModelIndex()

    def scrollTo(
        self,
        index: QModelIndex | QPersistentModelIndex,
        _hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible,
    ) -> None:
        """Make a row visible, and the heading above it."""
        if not index.isValid():
            return
        bar = self.verticalScrollBar()
        top = index.row() * self._row_height
        lowest = top + self._row_height - self.viewport().height()
        if lowest > bar.maximum():
            self.executeDelayedItemsLayout()  # rows have come that it does not know yet
        if index.row() > 0 and not self._is_enabled(index.row() - 1):
            top -= self._row_height
        bar.setValue(max(lowest, min(top, bar.value())))

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        # The list's own moves what it has laid out, which is nothing.
        self.viewport().scroll(dx, dy)  # with a name that is edited
        self.viewport().update()  # below a pointer that stays another row is marked

    def _n_rows(self) -> int:
        return 0 if self.model() is None else self.model().rowCount()

    def _row_at(self, y: int) -> int:
        return (y + self.verticalOffset()) // self._row_height

    def _is_enabled(self, row: int) -> bool:
        return bool(self.model().index(row, 0).flags() & Qt.ItemFlag.ItemIsEnabled)

    # -- the cursor and the selection ------------------------------------------------------

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, _modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        last, now = self._n_rows() - 1, self.currentIndex().row()
        page = max(1, self.viewport().height() // self._row_height - 1)
        moves = {
            Action.MoveUp: now - 1,
            Action.MovePrevious: now - 1,
            Action.MoveDown: now + 1,
            Action.MoveNext: now + 1,
            Action.MovePageUp: now - page,
            Action.MovePageDown: now + page,
            Action.MoveHome: 0,
            Action.MoveEnd: last,
        }
        row = max(0, min(moves.get(action, now), last))
        step = 1 if row >= now and action is not Action.MoveHome else -1
        for direction in (step, -step):  # past headings, and back where there is nothing behind
            found = row
            while 0 <= found <= last and not self._is_enabled(found):
                found += direction
            if 0 <= found <= last:
                return self.model().index(found, 0)
        return self.currentIndex()

    def first(self) -> QModelIndex:
        """The first row that is no heading; invalid where there is none."""
        rows = (row for row in range(self._n_rows()) if self._is_enabled(row))
        return self.model().index(next(rows, -1), 0)

    def selected_rows(self) -> list[tuple[int, int]]:
        """The first and the last row of each selected range, from the top down."""
        ranges = self.selectionModel().selection()
        each = (ranges.at(number) for number in range(ranges.count()))
        return sorted((range_.top(), range_.bottom()) for range_ in each)

    def selectAll(self) -> None:
        if self._n_rows():
            rows = QItemSelection(
                self.model().index(0, 0), self.model().index(self._n_rows() - 1, 0)
            )
            clear_and_select = QItemSelectionModel.SelectionFlag.ClearAndSelect
            self.selectionModel().select(rows, clear_and_select)

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        top, bottom = sorted((rect.top(), rect.bottom()))
        first, last = max(0, self._row_at(top)), min(self._n_rows() - 1, self._row_at(bottom))
        rows = QItemSelection()
        if first <= last:
            rows.select(self.model().index(first, 0), self.model().index(last, 0))
        self.selectionModel().select(rows, command)

    def visualRegionForSelection(self, _selection: QItemSelection) -> QRegion:
        return QRegion(self.viewport().rect())

    # -- painting --------------------------------------------------------------------------

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHoverEvent):
            left = event.type() == QEvent.Type.HoverLeave
            self._pointer = None if left else event.position().toPoint()
        return super().viewportEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        hovered = -1 if self._pointer is None else self._row_at(self._pointer.y())
        cursor = self.currentIndex().row()
        shows_selected = self.selected_rows() not in ([], [(cursor, cursor)])
        first = max(0, self._row_at(event.rect().top()))
        last = min(self._n_rows() - 1, self._row_at(event.rect().bottom()))
        for row in range(first, last + 1):
            index = self.model().index(row, 0)
            option = self._option(index, is_hovered=row == hovered)
            if shows_selected and self.selectionModel().isSelected(index):
                option.state = option.state | QStyle.StateFlag.State_Selected
            self.itemDelegate().paint(painter, option, index)

    def _option(self, index: QModelIndex, *, is_hovered: bool) -> QStyleOptionViewItem:
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        option.rect = self.visualRect(index)
        state = QStyle.StateFlag
        is_current = self.hasFocus() and index == self.currentIndex()
        for flag, is_set in (
            (state.State_HasFocus, is_current),
            (state.State_MouseOver, is_hovered),
            (state.State_Selected, False),
        ):
            option.state = option.state | flag if is_set else option.state & ~flag
        return option
