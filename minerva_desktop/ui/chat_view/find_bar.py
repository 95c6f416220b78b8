"""The field over the transcript in which a person types what to look for. Main thread."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QProgressBar, QWidget

from minerva_desktop.ui.controls import icon_button
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.theme import GRID

WIDTH = 92 * GRID
BUTTON = 7 * GRID
COUNT_WIDTH = 24 * GRID
PATIENCE_MS = 300  # after which it is seen how far the search is
LINE = 2  # px, the height of what shows that
_ENTER = {Qt.Key.Key_Return, Qt.Key.Key_Enter}


class FindBar(QFrame):
    """``edited``: another text is looked for; ``stepped(by)``: the next one (1) is wanted, or the
    one before (-1); ``closed``: the person is done."""

    edited = Signal(str)
    stepped = Signal(int)
    closed = Signal()

    def __init__(self, icons: Icons, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("findBar")
        self.setAccessibleName("Find in this chat")
        self._edit = QLineEdit()
        self._edit.setObjectName("findField")
        self._edit.setPlaceholderText("Find in this chat")
        self._edit.setAccessibleName("Find in this chat")
        self._edit.setFrame(False)
        self._edit.textChanged.connect(self.edited)
        self._edit.installEventFilter(self)
        self._count = QLabel()
        self._count.setObjectName("findCount")
        self._count.setTextFormat(Qt.TextFormat.PlainText)
        self._count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._count.setMinimumWidth(COUNT_WIDTH)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        row.setSpacing(GRID)
        row.addWidget(self._edit, 1)
        row.addWidget(self._count)
        self._before = icon_button(
            icons, "chevron-up", "Previous", shortcut="Shift+Enter", size=BUTTON
        )
        self._next = icon_button(icons, "chevron-down", "Next", shortcut="Enter", size=BUTTON)
        close = icon_button(icons, "close", "Close", shortcut="Esc", size=BUTTON)
        for button in (self._before, self._next, close):
            row.addWidget(button)
        self._before.clicked.connect(self._on_before)
        self._next.clicked.connect(self._on_next)
        close.clicked.connect(self.closed)
        self.setFixedSize(WIDTH, BUTTON + 3 * GRID)
        self._progress = self._make_progress()
        self._impatient = QTimer(self)
        self._impatient.setSingleShot(True)
        self._impatient.setInterval(PATIENCE_MS)
        self._impatient.timeout.connect(self._progress.show)
        self.show_count(0, 0, is_searching=False)
        self.hide()

    def _make_progress(self) -> QProgressBar:
        made = QProgressBar(self)
        made.setObjectName("findProgress")
        made.setAccessibleName("Searching")
        made.setTextVisible(False)
        made.setRange(0, 100)
        made.setGeometry(2 * GRID, self.height() - LINE - 1, self.width() - 4 * GRID, LINE)
        made.hide()
        return made

    @property
    def text(self) -> str:
        """What is looked for."""
        return self._edit.text()

    def begin(self, text: str) -> None:
        """Let the person type; ``text`` is what they may mean, if not empty."""
        self.show()
        self.raise_()
        if text:
            self._edit.setText(text)
        self._edit.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._edit.selectAll()

    def show_count(self, position: int, count: int, *, is_searching: bool) -> None:
        """Say that number ``position`` of ``count`` is shown, so far where more may come."""
        words = ""
        if self.text and count:
            words = f"{position:,} of {count:,}"
        elif self.text and not is_searching:
            words = "Not found"
        self._count.setText(words + ("…" if is_searching else ""))
        self._edit.setProperty("state", "failed" if words == "Not found" else "")
        self._edit.style().polish(self._edit)
        for button in (self._before, self._next):
            button.setEnabled(count > 0)
        if words != self._edit.accessibleDescription() and not is_searching:
            self._edit.setAccessibleDescription(words)
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._edit, words))

    def show_progress(self, share: float | None) -> None:
        """So much of the search is done, from 0 to 1; None: all. Shown where it takes long."""
        if share is None:
            self._impatient.stop()
            self._progress.hide()
            self._progress.reset()
            return
        self._progress.setValue(max(round(100 * share), self._progress.value()))
        if self._progress.isHidden() and not self._impatient.isActive():
            self._impatient.start()

    @Slot()
    def _on_before(self) -> None:
        self.stepped.emit(-1)

    @Slot()
    def _on_next(self) -> None:
        self.stepped.emit(1)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The frame shows that the field has the keyboard, as the composer's does."""
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.setProperty("focused", event.type() is QEvent.Type.FocusIn)
            self.style().polish(self)
        return super().eventFilter(watched, event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # The field leaves these to its parent.
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        elif event.key() in _ENTER:
            back = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            self.stepped.emit(-1 if back else 1)
        elif event.matches(QKeySequence.StandardKey.FindNext) or event.key() == Qt.Key.Key_Down:
            self.stepped.emit(1)
        elif event.matches(QKeySequence.StandardKey.FindPrevious) or event.key() == Qt.Key.Key_Up:
            self.stepped.emit(-1)
        else:
            super().keyPressEvent(event)
