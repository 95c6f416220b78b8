"""The search field of the sidebar, with its hints and what is wrong with a filter. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QVBoxLayout, QWidget

from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.search_hints import FilterValues, SearchHints, hints_for
from minerva_desktop.ui.theme import GRID

SEARCH_DELAY_MS = 150
SEARCH_SHORTCUT = "Ctrl+K"
SEARCHED = "Search titles and messages; of a very long message the first 100,000 characters"


class SearchField(QWidget):
    """``changed`` carries what is searched for once typing pauses, ``entered`` is Enter or Down:
    to the first result."""

    changed = Signal(str)
    entered = Signal()

    def __init__(self, icons: Icons, overlaid: QWidget) -> None:
        """The hints lie over ``overlaid``, this field's parent to be."""
        super().__init__()
        self._values = FilterValues()
        self._overlaid = overlaid
        self._hints = SearchHints(overlaid)
        self._hints.chosen.connect(self._on_hint)
        self._hints.left.connect(self._on_hints_left)
        self._hints.focus_left.connect(self._on_focus_left)
        self._edit = self._make_edit(icons)
        self._problem = QLabel()
        self._problem.setObjectName("fieldHint")
        self._problem.setProperty("state", "failed")
        self._problem.setTextFormat(Qt.TextFormat.PlainText)
        self._problem.setWordWrap(True)
        self._problem.hide()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(SEARCH_DELAY_MS)
        self._timer.timeout.connect(self._emit_changed)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(GRID)
        box.addWidget(self._edit)
        box.addWidget(self._problem)

    @property
    def text(self) -> str:
        """What is searched for, without blanks around it."""
        return self._edit.text().strip()

    def set_text(self, text: str) -> None:
        """Search for ``text``."""
        self._edit.setText(text)

    def clear(self) -> None:
        """Search for nothing."""
        self._edit.clear()

    def focus(self) -> None:
        """Put the cursor into it."""
        self._edit.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._edit.selectAll()

    def set_placeholder(self, text: str) -> None:
        """What an empty field says is searched."""
        self._edit.setPlaceholderText(text)
        self._edit.setAccessibleName(text)

    def set_values(self, values: FilterValues) -> None:
        """What the filters can be given."""
        self._values = values

    def show_problem(self, problem: str) -> None:
        """Say what is wrong with a filter; an empty text says that nothing is."""
        self._problem.setText(problem)
        self._problem.setVisible(bool(problem))
        self._edit.setProperty("state", "failed" if problem else "")
        self._edit.style().polish(self._edit)
        self._edit.setAccessibleDescription(problem or SEARCHED)

    # -- keys ------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return watched is self._edit and self._handle_key(event)
        if watched is self._edit and event.type() == QEvent.Type.FocusIn:
            self._show_hints()
        elif watched is self._edit and event.type() == QEvent.Type.FocusOut:
            self._on_focus_left()
        return super().eventFilter(watched, event)

    def _handle_key(self, event: QKeyEvent) -> bool:
        if event.key() == Qt.Key.Key_Escape and (self._hints.isVisible() or self._edit.text()):
            if self._edit.text():
                self._edit.clear()
            self._hints.hide()
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Down):
            self._hints.hide()
            if event.key() != Qt.Key.Key_Down and self._timer.isActive():
                self._emit_changed()
            self.entered.emit()
            return True
        return False

    @Slot()
    def _emit_changed(self) -> None:
        self._timer.stop()
        self.changed.emit(self.text)

    # -- hints -----------------------------------------------------------------------------

    @Slot(str)
    def _on_edited(self, _text: str) -> None:
        self._timer.start()
        self._show_hints()

    @Slot(str)
    def _on_hint(self, text: str) -> None:
        self._edit.setText(text)
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self._show_hints()

    @Slot()
    def _on_hints_left(self) -> None:
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self._hints.hide()

    @Slot()
    def _on_focus_left(self) -> None:
        now = QApplication.focusWidget()
        if now is None or not (now is self._edit or self._hints.isAncestorOf(now)):
            self._hints.hide()

    def _show_hints(self) -> None:
        inside = self._edit.hasFocus()
        hints = hints_for(self._edit.text(), self._values) if inside else []
        corner = self._edit.mapTo(self._overlaid, QPoint(0, self._edit.height() + GRID))
        self._hints.setGeometry(corner.x(), corner.y(), self._edit.width(), 0)
        self._hints.show_hints(hints, self._edit)

    def _make_edit(self, icons: Icons) -> QLineEdit:
        edit = QLineEdit()
        edit.setObjectName("chatSearch")
        edit.setPlaceholderText("Search chats")
        edit.setAccessibleName("Search chats")
        edit.setAccessibleDescription(SEARCHED)
        edit.setToolTip(plain_tip(SEARCHED, SEARCH_SHORTCUT))
        edit.setClearButtonEnabled(True)
        edit.addAction(icons.icon("search", "muted"), QLineEdit.ActionPosition.LeadingPosition)
        edit.installEventFilter(self)
        edit.textChanged.connect(self._on_edited)
        return edit
