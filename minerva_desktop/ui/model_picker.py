"""The model picker of the header: a button with the current model, and a searchable list.

`header` places it; the main window fills it and obeys its signals. Main thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from PySide6.QtCore import QEvent, QModelIndex, QObject, QPoint, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QSizePolicy,
    QStyle,
    QStyleOptionButton,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.ui.controls import ICON_SIZE, PopupFrame, PopupMenu, plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.model_list import (
    ITEM_ROLE,
    ROW_HEIGHT,
    PickerDelegate,
    PickerFit,
    PickerItem,
    PickerModel,
)
from minerva_desktop.ui.theme import GRID

NO_MODEL = "Choose a model"
SHORTCUT = "Ctrl+L"
POPUP_WIDTH = 480  # px
MAX_ROWS = 7  # before the list scrolls
MAX_BUTTON_WIDTH = 440  # px
MIN_NAME_WIDTH = 24 * GRID  # px of a long name, before the quantisation has room
_STEP_KEYS = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class PickerPopup(PopupFrame):
    """A filter, the matching models, and "Add model…". Keys typed anywhere go to the filter."""

    selected = Signal(str)
    add_requested = Signal()
    remove_requested = Signal(str)
    options_requested = Signal(str)

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("pickerPopup")
        self.setAccessibleName("Models")
        self.model = PickerModel(self)
        self._delegate = PickerDelegate(icons, self)
        self._filter = QLineEdit()
        self._filter.setObjectName("pickerFilter")
        self._filter.setPlaceholderText("Search models")
        self._filter.setAccessibleName("Search models")
        self._filter.addAction(
            icons.icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition
        )
        self._filter.installEventFilter(self)
        self._list = self._make_list()
        self._nothing = QLabel()
        self._nothing.setTextFormat(Qt.TextFormat.PlainText)
        self._nothing.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._nothing.setProperty("look", "muted")
        self._add = QPushButton(icons.icon("add", "muted"), "Add model…")
        self._add.setObjectName("addModelButton")
        self._add.setIconSize(QSize(ICON_SIZE, ICON_SIZE))
        self._add.setProperty("look", "ghost")
        self._add.setToolTip(plain_tip("Add a GGUF file; it stays where it is"))
        self._add.installEventFilter(self)
        self._box = QVBoxLayout(self)
        self._lay_out()
        self._filter.textChanged.connect(self._apply_filter)
        self._list.clicked.connect(self._choose)
        self._list.customContextMenuRequested.connect(self._show_menu)
        self._add.clicked.connect(self._on_add)

    def open_below(self, button: QWidget, current_path: str) -> None:
        """Show the list under ``button`` with the current model marked and the filter empty."""
        self._delegate.current_path = current_path
        self._filter.clear()
        self._apply_filter("")
        self._list.setCurrentIndex(self.model.index(self.model.row_of(current_path)))
        corner = button.mapToGlobal(QPoint(0, button.height() + GRID))
        screen = button.screen().availableGeometry()
        # Within the window, where that is wide enough, and on the screen always.
        window = button.window().geometry()
        inside = max(window.left() + 2 * GRID, window.right() - 2 * GRID - self.width())
        left = max(screen.left(), min(corner.x(), inside, screen.right() - self.width()))
        top = max(screen.top(), min(corner.y(), screen.bottom() - self.height()))
        self.move(left, top)
        self.show()
        self._filter.setFocus(Qt.FocusReason.PopupFocusReason)

    def refresh(self, items: Sequence[PickerItem]) -> None:
        """Replace the models, also while the list is open; the row under the cursor stays."""
        index = self._list.currentIndex()
        path = index.data(ITEM_ROLE).path if index.isValid() else ""
        self.model.set_items(items)
        self._list.setCurrentIndex(self.model.index(self.model.row_of(path)))
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            if watched is self._filter:
                return self._filter_key(event)
            if watched is self._add and event.key() == Qt.Key.Key_Up:
                self._filter.setFocus()
                return True
            is_typed = event.text().isprintable() and event.text().strip()
            if watched is self._add and (is_typed or event.key() == Qt.Key.Key_Backspace):
                self._filter.setFocus(Qt.FocusReason.OtherFocusReason)
                QApplication.sendEvent(self._filter, event)
                return True
        return super().eventFilter(watched, event)

    def _filter_key(self, event: QKeyEvent) -> bool:
        index = self._list.currentIndex()
        last = index.row() == self.model.rowCount() - 1
        if event.key() == Qt.Key.Key_Down and (last or not index.isValid()):
            self._add.setFocus(Qt.FocusReason.TabFocusReason)
            return True
        if event.key() in _STEP_KEYS:
            # The list moves its own cursor while the filter keeps the focus.
            self._list.keyPressEvent(event)
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if index.isValid():
                self._choose(index)
            return True
        at_end = self._filter.cursorPosition() == len(self._filter.text())
        if event.key() == Qt.Key.Key_Delete and at_end and not self._filter.hasSelectedText():
            self._remove(index)
            return True
        return False

    @Slot(str)
    def _apply_filter(self, text: str) -> None:
        self.model.set_filter(text)
        self._list.setCurrentIndex(self.model.index(0))
        self._fit()

    @Slot(QModelIndex)
    def _choose(self, index: QModelIndex) -> None:
        item: PickerItem = index.data(ITEM_ROLE)
        self.hide()
        self.selected.emit(item.path)

    @Slot()
    def _on_add(self) -> None:
        self.hide()
        self.add_requested.emit()

    def _remove(self, index: QModelIndex) -> None:
        if index.isValid() and index.data(ITEM_ROLE).removable:
            self.remove_requested.emit(index.data(ITEM_ROLE).path)

    @Slot(QPoint)
    def _show_menu(self, position: QPoint) -> None:
        index = self._list.indexAt(position)
        if not index.isValid():
            return
        self._list.setCurrentIndex(index)
        menu = PopupMenu(self)
        menu.addAction("Load options…").triggered.connect(self._ask_for_options)
        remove = menu.addAction("Remove from list (keeps the file)")
        remove.setEnabled(index.data(ITEM_ROLE).removable)
        remove.triggered.connect(self._remove_current)
        menu.popup(self._list.viewport().mapToGlobal(position))

    @Slot()
    def _ask_for_options(self) -> None:
        self.hide()
        self.options_requested.emit(self._list.currentIndex().data(ITEM_ROLE).path)

    @Slot()
    def _remove_current(self) -> None:
        self._remove(self._list.currentIndex())

    def _make_list(self) -> QListView:
        view = QListView()
        view.setObjectName("pickerList")
        view.setAccessibleName("Models")
        view.setModel(self.model)
        view.setItemDelegate(self._delegate)
        view.setUniformItemSizes(True)
        view.setMouseTracking(True)
        view.entered.connect(view.setCurrentIndex)
        view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        return view

    def _lay_out(self) -> None:
        rule = QFrame()
        rule.setObjectName("pickerRule")
        rule.setFixedHeight(1)
        self._box.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        self._box.setSpacing(GRID)
        for widget in (self._filter, self._list, self._nothing, rule, self._add):
            self._box.addWidget(widget)
        self.setFixedWidth(POPUP_WIDTH)

    def _fit(self) -> None:
        rows = self.model.rowCount()
        query = self._filter.text().strip()
        self._nothing.setText(f"Nothing found for “{query}”" if query else "No models yet")
        self._nothing.setFixedHeight(ROW_HEIGHT)
        self._nothing.setVisible(rows == 0)
        self._list.setVisible(rows > 0)
        self._list.setFixedHeight(min(rows, MAX_ROWS) * ROW_HEIGHT)
        self.setFixedHeight(self._box.totalSizeHint().height())


class ModelPicker(QPushButton):
    """The button. ``selected``, ``remove_requested`` and ``options_requested`` carry a path given
    in `set_models`; ``opened`` when the list is, so that its badges can be found out."""

    opened = Signal()
    selected = Signal(str)
    add_requested = Signal()
    remove_requested = Signal(str)
    options_requested = Signal(str)

    def __init__(self, icons: Icons, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icons = icons
        self._items: tuple[PickerItem, ...] = ()
        self._fits: dict[str, PickerFit | None] = {}
        self._current = ""
        self._popup = PickerPopup(icons, self)
        self.setObjectName("modelPicker")
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setMaximumWidth(MAX_BUTTON_WIDTH)
        self.clicked.connect(self.open_list)
        self._popup.selected.connect(self.selected)
        self._popup.add_requested.connect(self.add_requested)
        self._popup.remove_requested.connect(self.remove_requested)
        self._popup.options_requested.connect(self.options_requested)
        self._describe()

    @property
    def current(self) -> PickerItem | None:
        """The model shown, if it is one of the list."""
        return next((item for item in self._items if item.path == self._current), None)

    def set_models(self, items: Sequence[PickerItem]) -> None:
        """Replace the list. Call it again whenever a fact or a state changed."""
        self._items = tuple(replace(item, fit=self._fits.get(item.path)) for item in items)
        self._popup.refresh(self._items)
        self._describe()

    @property
    def items(self) -> tuple[PickerItem, ...]:
        """All models, in the order of the list."""
        return self._items

    @property
    def is_open(self) -> bool:
        """Whether the list is."""
        return self._popup.isVisible()

    @property
    def ratable(self) -> tuple[str, ...]:
        """The paths of the models whose next load there may be something to tell of."""
        return tuple(item.path for item in self._items if item.can_chat)

    def set_fit(self, path: str, fit: PickerFit | None) -> None:
        """Show how that model fits, or nothing; also while the list is open."""
        self._fits[path] = fit
        self._items = tuple(
            replace(item, fit=fit) if item.path == path else item for item in self._items
        )
        self._popup.model.set_fit(path, fit)
        if path == self._current:
            self._describe()

    def forget_fits(self) -> None:
        """Show of no model how it fits."""
        self._fits.clear()
        self.set_models(self._items)

    def set_current(self, path: str) -> None:
        """Show this model as the one in use; empty for none. Emits nothing."""
        self._current = path
        self._describe()

    @Slot()
    def open_list(self) -> None:
        """Open the list, ready to filter."""
        self._popup.open_below(self, self._current)
        self.opened.emit()

    @Slot()
    def close_list(self) -> None:
        """As Esc does."""
        self._popup.hide()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Down:
            self.open_list()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        name, quant = self._words()
        width = QFontMetrics(self._name_font()).horizontalAdvance(name)
        if quant:
            width += 2 * GRID + self.fontMetrics().horizontalAdvance(quant)
        return QSize(min(width + 15 * GRID, MAX_BUTTON_WIDTH), 8 * GRID)

    def minimumSizeHint(self) -> QSize:
        return QSize(28 * GRID, 8 * GRID)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QStylePainter(self)
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text = ""
        painter.drawControl(QStyle.ControlElement.CE_PushButtonBevel, option)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = self._icons.theme
        middle = self.height() / 2
        self._paint_dot(painter, middle)
        chevron = QRectF(self.width() - 6 * GRID, middle - 8, 16, 16)
        self._icons.paint(painter, "chevron-down", chevron, "muted")
        name, quant = self._words()
        left = 6 * GRID
        room = int(chevron.left()) - GRID - left
        quant_width = self.fontMetrics().horizontalAdvance(quant) + 2 * GRID if quant else 0
        font = self._name_font()
        least = min(QFontMetrics(font).horizontalAdvance(name), MIN_NAME_WIDTH)
        if room - quant_width < max(least, room // 2):
            quant, quant_width = "", 0
        shown = QFontMetrics(font).elidedText(
            name, Qt.TextElideMode.ElideMiddle, room - quant_width
        )
        painter.setFont(font)
        painter.setPen(QColor(theme.text))
        centre = int(Qt.AlignmentFlag.AlignVCenter)
        painter.drawText(QRectF(left, 0, room, self.height()), centre, shown)
        left += QFontMetrics(font).horizontalAdvance(shown) + 2 * GRID
        painter.setFont(self.font())
        painter.setPen(QColor(theme.muted))
        painter.drawText(QRectF(left, 0, quant_width, self.height()), centre, quant)

    def _paint_dot(self, painter: QPainter, middle: float) -> None:
        """Filled: loaded. Hollow: not. Red: it has a problem."""
        theme = self._icons.theme
        item = self.current
        dot = QRectF(2.5 * GRID, middle - 4, 8, 8)
        if item is not None and item.problem:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.danger))
        elif item is not None and item.loaded:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.success))
        else:
            painter.setPen(QColor(theme.muted))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            dot.adjust(0.75, 0.75, -0.75, -0.75)
        painter.drawEllipse(dot)

    def _words(self) -> tuple[str, str]:
        item = self.current
        return (item.name, item.quantisation) if item is not None else (NO_MODEL, "")

    def _name_font(self) -> QFont:
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)
        return font

    def _describe(self) -> None:
        item = self.current
        state = "No model chosen" if item is None else item.spoken
        if item is not None and not item.loaded and not item.problem:
            state += ", not loaded"
        self.setAccessibleName(f"Model: {item.name if item is not None else 'none'}")
        self.setAccessibleDescription(state)
        self.setToolTip(plain_tip(f"{state}. Choose another model", SHORTCUT))
        self.updateGeometry()
        self.update()
