"""The models as the picker lists them: the values, the filtered list model and its painter.

Used by `model_picker` only. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import replace
from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.paths import path_of
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.formats import format_tokens
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID
from minerva_desktop.units import format_bytes

ITEM_ROLE = Qt.ItemDataRole.UserRole
ROW_HEIGHT = 12 * GRID
EMBEDDINGS_ONLY = "Embeddings only"
NO_TEMPLATE = "No chat template"
NO_TEMPLATE_TIP = (
    "It brings no chat template, so ChatML stands in. One that was not made for chats answers what"
    " makes no sense."
)

FitTone = Literal["success", "warning", "danger"]
Index = QModelIndex | QPersistentModelIndex


class PickerFit(msgspec.Struct, frozen=True):
    """How the next load of a model would go: the badge, its numbers in sentences, and the names of
    the models that would go for it; ``is_refused``: it cannot succeed, as ``detail`` says."""

    label: str
    tone: FitTone
    detail: str
    unloads: tuple[str, ...] = ()
    is_refused: bool = False

    @property
    def warning(self) -> str:
        """What loading does to others; empty when nothing."""
        return f"Loading it unloads {' and '.join(self.unloads)}" if self.unloads else ""


class PickerItem(msgspec.Struct, frozen=True):
    """One model. ``path`` is a `path_text`; ``size_bytes`` and ``n_ctx`` (tokens) are None while
    unknown; ``problem`` is why it cannot be used, in words, and ``note`` what became of the file of
    one that is loaded; ``makes_embeddings``: it cannot chat; ``lacks_template``: it
    may not have been made for chats; ``removable`` is False for the model
    that comes with the app; ``fit`` is None while unknown."""

    path: str
    name: str
    size_bytes: int | None = None
    quantisation: str = ""
    n_ctx: int | None = None
    loaded: bool = False
    problem: str = ""
    note: str = ""
    makes_embeddings: bool = False
    lacks_template: bool = False
    removable: bool = True
    fit: PickerFit | None = None

    @property
    def can_chat(self) -> bool:
        """Whether a chat could use it."""
        return not self.problem and not self.makes_embeddings

    @property
    def shown_fit(self) -> PickerFit | None:
        """The badge: none of one that cannot be chosen here, or is loaded."""
        return self.fit if self.can_chat and not self.loaded else None

    @property
    def trouble(self) -> str:
        """Why its next load cannot succeed: also of one that is loaded, and would be loaded anew
        with the options that were saved since; else empty."""
        fit = self.fit
        if fit is None or not self.can_chat:
            return ""
        if self.loaded:
            is_told = fit.tone == "danger"
            return f"Its saved options {_begun_low(fit.label)}: {fit.detail}" if is_told else ""
        return fit.detail if fit.is_refused else ""

    @property
    def facts(self) -> str:
        """``Q4_1 · 94 MB · 2,048 tokens context``, as far as known."""
        parts = [EMBEDDINGS_ONLY if self.makes_embeddings else "", self.quantisation]
        if self.can_chat and self.lacks_template:
            parts.insert(0, NO_TEMPLATE)
        if self.size_bytes is not None:
            parts.append(format_bytes(self.size_bytes))
        if self.n_ctx is not None:
            parts.append(f"{format_tokens(self.n_ctx)} tokens context")
        return " · ".join(part for part in parts if part)

    @property
    def spoken(self) -> str:
        """The row in one line, for a screen reader."""
        state = "loaded" if self.loaded else ""
        fit = self.shown_fit
        told = (fit.label, fit.warning) if fit is not None else ()
        parts = (self.name, self.facts, self.problem, state, self.note, *told, self.trouble)
        return ", ".join(part for part in parts if part)

    @property
    def tip(self) -> str:
        """All that the row has no room for."""
        fit = self.shown_fit
        told = (self.facts, f"{fit.label}. {fit.detail}", fit.warning) if fit is not None else ()
        if self.loaded and self.trouble:
            told = (self.facts, self.trouble, "")
        path = clean_text(str(path_of(self.path)))
        template = NO_TEMPLATE_TIP if self.can_chat and self.lacks_template else ""
        return "\n".join(part for part in (path, self.problem, self.note, template, *told) if part)

    def matches(self, words: Sequence[str]) -> bool:
        """Whether name, facts and file name together hold every one of ``words``."""
        haystack = f"{self.name} {self.facts} {self.path}".casefold()
        return all(word in haystack for word in words)


class PickerModel(QAbstractListModel):
    """The items that match the filter, in the order given."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: tuple[PickerItem, ...] = ()
        self._words: tuple[str, ...] = ()
        self._shown: list[PickerItem] = []

    def set_items(self, items: Sequence[PickerItem]) -> None:
        """Replace all items; the filter stays."""
        self._items = tuple(items)
        self._refilter()

    def set_fit(self, path: str, fit: PickerFit | None) -> None:
        """Change the badge of one model; nothing moves."""
        self._items = tuple(
            replace(item, fit=fit) if item.path == path else item for item in self._items
        )
        for row, item in enumerate(self._shown):
            if item.path == path:
                self._shown[row] = replace(item, fit=fit)
                self.dataChanged.emit(self.index(row), self.index(row))

    def set_filter(self, text: str) -> None:
        """Show the items that hold every word of ``text``."""
        self._words = tuple(text.casefold().split())
        self._refilter()

    def row_of(self, path: str) -> int:
        """The row of a model; 0 when it is not shown."""
        return next((row for row, item in enumerate(self._shown) if item.path == path), 0)

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._shown)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        item = self._shown[index.row()]
        if role == ITEM_ROLE:
            return item
        if role == Qt.ItemDataRole.DisplayRole:
            return item.name
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return item.spoken
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(item.tip)
        return None

    def _refilter(self) -> None:
        self.beginResetModel()
        self._shown = [item for item in self._items if item.matches(self._words)]
        self.endResetModel()


class PickerDelegate(QStyledItemDelegate):
    """Two lines: the name with its badge, then the facts, or what is wrong or will go; a check for
    the model in use. All rows are alike high, so that no badge that comes late moves one."""

    def __init__(self, icons: Icons, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self.current_path = ""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: Index) -> QSize:
        return QSize(40 * GRID, ROW_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        item = index.data(ITEM_ROLE)
        theme = self._icons.theme
        box = option.rect.adjusted(GRID, 1, -GRID, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.selected if theme.dark else theme.hover))
            painter.drawRoundedRect(box, 8, 8)
        if item.path == self.current_path:
            mark = QRectF(box.left() + 2 * GRID, box.center().y() - 7, 16, 16)
            self._icons.paint(painter, "check", mark, "accent")
        text = box.adjusted(8 * GRID, 5, -3 * GRID, -5)
        half = text.height() // 2
        first = QRect(text.left(), text.top(), text.width(), half)
        second = QRect(text.left(), text.top() + half, text.width(), half)
        if item.loaded:
            left = self._paint_mark(painter, option.font, first, "Loaded", theme.success)
            first.setRight(left - 2 * GRID)
        elif (fit := item.shown_fit) is not None:
            colour = getattr(theme, fit.tone)
            left = self._paint_mark(painter, option.font, first, fit.label, colour)
            first.setRight(left - 2 * GRID)
        self._paint_name(painter, option.font, first, item)
        self._paint_rest(painter, option.font, second, item)
        painter.restore()

    def _paint_mark(
        self, painter: QPainter, font: QFont, text: QRect, words: str, colour: str
    ) -> int:
        """Draw a mark at the right end; return its left edge."""
        small = _smaller(font)
        painter.setFont(small)
        left = text.right() - QFontMetrics(small).horizontalAdvance(words)
        painter.setPen(QColor(colour))
        painter.drawText(
            QRect(left, text.top(), text.right() - left + 1, text.height()),
            int(Qt.AlignmentFlag.AlignVCenter),
            words,
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colour))
        dot = left - 3 * GRID
        painter.drawEllipse(QRectF(dot, text.center().y() - 2.5, 6, 6))
        return dot

    def _paint_name(self, painter: QPainter, font: QFont, line: QRect, item: PickerItem) -> None:
        theme = self._icons.theme
        name_font = QFont(font)
        name_font.setWeight(QFont.Weight.Medium)
        painter.setFont(name_font)
        painter.setPen(QColor(theme.text if item.can_chat else theme.muted))
        # In the middle: versions of one model differ in how their names begin and end.
        shown = QFontMetrics(name_font).elidedText(
            item.name, Qt.TextElideMode.ElideMiddle, line.width()
        )
        painter.drawText(line, int(Qt.AlignmentFlag.AlignVCenter), shown)

    def _paint_rest(self, painter: QPainter, font: QFont, line: QRect, item: PickerItem) -> None:
        theme = self._icons.theme
        small = _smaller(font)
        metrics = QFontMetrics(small)
        words, colour = item.facts, theme.muted
        if item.problem:
            words, colour = item.problem, theme.danger
        elif item.note:
            words, colour = item.note, theme.warning
        elif item.trouble:
            words, colour = item.trouble, theme.danger
        elif (fit := item.shown_fit) is not None and fit.unloads:
            words, colour = unload_words(fit.unloads, metrics, line.width()), theme.warning
        painter.setFont(small)
        painter.setPen(QColor(colour))
        shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, line.width())
        painter.drawText(line, int(Qt.AlignmentFlag.AlignVCenter), shown)


def unload_words(names: Sequence[str], metrics: QFontMetrics, width: int) -> str:
    """Which models will go, in ``width`` px: each of several keeps its share of the line."""
    words = f"Unloads {' and '.join(names)}"
    if metrics.horizontalAdvance(words) <= width:
        return words
    rest = f"Unloads {' and '.join('' for _ in names)}"
    share = (width - metrics.horizontalAdvance(rest)) // len(names)
    middle = Qt.TextElideMode.ElideMiddle
    return f"Unloads {' and '.join(metrics.elidedText(name, middle, share) for name in names)}"


def _begun_low(words: str) -> str:
    return words[:1].lower() + words[1:]


def _smaller(font: QFont) -> QFont:
    small = QFont(font)
    if font.pixelSize() > 0:
        small.setPixelSize(font.pixelSize() - 1)
    else:
        small.setPointSizeF(font.pointSizeF() - 0.75)
    return small
