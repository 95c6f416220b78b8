"""The chat template in a model's load options: the model's own, or another in its place, with what
becomes of a small chat. Used by `model_options_dialog`. Main thread.
"""

from __future__ import annotations

import re

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QFontDatabase,
    QTextCursor,
    QTextFormat,
    QTextOption,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QStackedWidget,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.app.model_actions import OwnTemplate
from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.load_limits import MAX_TEMPLATE
from minerva_desktop.ui.forms import dialog_button, plain_label
from minerva_desktop.ui.theme import GRID, ThemeSource

ASK_MS = 300  # from the last key to the question what becomes of the chat
STALE_MS = 700  # from a change, until what there was to say of the text before goes
EDITOR_HEIGHT = 36 * GRID
PREVIEW_HEIGHT = 30 * GRID
NOT_LOADED = "The preview comes once the model is loaded. A template that is broken is told then."
ASKING = "Writing a small chat with it…"
OWN = "The model's own"
NONE_BROUGHT = "The model brings none: this is ChatML, which is used then"
OTHER = "Another one, in the place of the model's own"
_LINE = re.compile(r"\(line (\d+)\)")


class TemplatePage(QWidget):
    """``preview_wanted`` carries the template as it stands, a moment after the last change and once
    at the start; `show_preview`, `show_problem` or `show_not_loaded` answer it. ``checked`` is
    emitted with each answer, with whether the template can be used."""

    preview_wanted = Signal(str)
    checked = Signal(bool)

    def __init__(self, own: OwnTemplate, replaced: str | None, themes: ThemeSource) -> None:
        """``replaced``: what takes the place of the model's ``own`` so far."""
        super().__init__()
        self._own = own
        self._themes = themes
        self._is_edited = replaced is not None
        self._asked: str | None = None  # the text whose preview was asked for last
        self._is_known = False  # whether that was answered
        self._is_fatal = False  # whether the answer was that it cannot be used
        self._status = plain_label("templateStatus", "muted")
        self._edit = dialog_button("Edit", "editTemplate")
        self._reset = dialog_button("Reset to the model's own", "resetTemplate")
        self._editor = _text_box("templateEditor", "Chat template", EDITOR_HEIGHT)
        self._editor.setPlainText(own.text if replaced is None else replaced)
        self._problem = _Problem()
        self._preview = _text_box("templatePreview", "Preview of a small chat", PREVIEW_HEIGHT)
        self._preview.setReadOnly(True)
        self._below = QStackedWidget()
        self._below.addWidget(self._preview)
        self._below.addWidget(self._problem)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(ASK_MS)
        self._stale = QTimer(self)
        self._stale.setSingleShot(True)
        self._stale.setInterval(STALE_MS)
        self._stale.timeout.connect(self._on_stale)
        self._lay_out()
        self._show_status()
        self._show_words("")
        self._timer.timeout.connect(self._ask)
        self._editor.textChanged.connect(self._on_text)
        self._edit.clicked.connect(self._on_edit)
        self._reset.clicked.connect(self._on_reset)
        self._timer.start()

    def value(self) -> str | None:
        """What takes the place of the model's own template; None: nothing does."""
        text = self._text()
        return text if self._is_edited and text.strip() != self._own.text.strip() else None

    @property
    def is_usable(self) -> bool | None:
        """Whether the template can be used; None while that is not known, but `check` finds out."""
        if self.value() is None:
            return True
        if self._asked != self._text() or not self._is_known:
            return None
        return not self._is_fatal

    def check(self) -> None:
        """Have ``checked`` emitted for what stands there now."""
        self._ask()

    def focus_editor(self) -> None:
        """Let the person mend it."""
        self._editor.setFocus(Qt.FocusReason.OtherFocusReason)

    # -- answers ---------------------------------------------------------------------------

    def show_preview(self, text: str) -> None:
        """What a small chat becomes with the template that was asked about last."""
        self._preview.setPlainText(text)
        self._answered("", is_fatal=False)

    def show_problem(self, words: str, *, is_fatal: bool) -> None:
        """What is wrong with it; ``is_fatal``: it cannot be used at all."""
        self._preview.setPlainText("")
        self._preview.setPlaceholderText("")
        self._answered(words, is_fatal=is_fatal)

    def show_not_loaded(self) -> None:
        """Nobody can tell before the model is loaded."""
        self._preview.setPlainText("")
        self._preview.setPlaceholderText(NOT_LOADED)
        self._answered("", is_fatal=False)

    def _answered(self, words: str, *, is_fatal: bool) -> None:
        self._is_known, self._is_fatal = True, is_fatal
        if self._asked == self._text():
            self._stale.stop()
        self._show_words(words)
        self.checked.emit(not is_fatal)

    def _show_words(self, words: str) -> None:
        is_news = bool(words) and words != self._problem.words
        self._problem.show_words(words, is_fatal=self._is_fatal)
        self._below.setCurrentWidget(self._problem if words else self._preview)
        self._editor.setAccessibleDescription(words)
        self._mark_line(_LINE.search(words))
        if is_news:
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._editor, words))

    def _mark_line(self, found: re.Match[str] | None) -> None:
        """Colour the line that a problem is about."""
        marks: list[QTextEdit.ExtraSelection] = []
        block = self._editor.document().findBlockByNumber(int(found[1]) - 1 if found else -1)
        if block.isValid():
            mark = QTextEdit.ExtraSelection()
            mark.cursor = QTextCursor(block)
            look = mark.format
            look.setBackground(QColor(self._themes.theme.danger_surface))
            look.setProperty(QTextFormat.Property.FullWidthSelection, True)
            mark.format = look
            marks.append(mark)
        self._editor.setExtraSelections(marks)

    # -- what the person does --------------------------------------------------------------

    @Slot()
    def _on_text(self) -> None:
        self._show_status()
        self._timer.start()
        if not self._stale.isActive():  # also of a person who types on and on
            self._stale.start()

    @Slot()
    def _on_stale(self) -> None:
        """No answer for long: what is shown is of another text."""
        self._preview.setPlainText("")
        self._preview.setPlaceholderText(ASKING)
        self._is_fatal = False
        self._show_words("")

    @Slot()
    def _ask(self) -> None:
        self._timer.stop()
        text = self._text()
        self._asked, self._is_known = text, False
        if not text.strip() or len(text) > MAX_TEMPLATE:
            words = f"A chat template has 1 to {MAX_TEMPLATE:,} characters, not {len(text):,}."
            self.show_problem(words, is_fatal=True)
            return
        self._preview.setPlaceholderText(ASKING)
        self.preview_wanted.emit(text)

    @Slot()
    def _on_edit(self) -> None:
        self._is_edited = True
        self._show_status()
        self.focus_editor()

    @Slot()
    def _on_reset(self) -> None:
        """Undo brings the other one back."""
        cursor = self._editor.textCursor()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.insertText(self._own.text)
        self._show_status()

    def _text(self) -> str:
        return clean_text(self._editor.toPlainText())

    def _show_status(self) -> None:
        is_other = self.value() is not None
        own = OWN if self._own.is_brought else NONE_BROUGHT
        self._status.setText(OTHER if is_other else own)
        self._editor.setReadOnly(not self._is_edited)
        self._edit.setVisible(not self._is_edited)
        self._reset.setVisible(self._is_edited)
        self._reset.setEnabled(is_other)

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(2 * GRID)
        head.addWidget(self._status, 1)
        head.addWidget(self._edit)
        head.addWidget(self._reset)
        caption = QLabel("Preview")
        caption.setProperty("look", "heading")
        caption.setBuddy(self._preview)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(2 * GRID)
        box.addLayout(head)
        box.addWidget(self._editor, 3)
        box.addSpacing(GRID)
        box.addWidget(caption)
        box.addWidget(self._below, 2)


class _Problem(QFrame):
    """What is wrong with the template, in the place of the preview."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("optionsFit")
        self._words = plain_label("templateProblem", "")
        self._words.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box = QVBoxLayout(self)
        box.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        box.addWidget(self._words)

    @property
    def words(self) -> str:
        """What it says."""
        return self._words.text()

    def show_words(self, words: str, *, is_fatal: bool) -> None:
        self._words.setText(words)
        self.setProperty("tone", "danger" if is_fatal else "warning")
        self.style().unpolish(self)
        self.style().polish(self)


def _text_box(name: str, label: str, height: int) -> QPlainTextEdit:
    box = QPlainTextEdit()
    box.setObjectName(name)
    box.setAccessibleName(label)
    box.setTabChangesFocus(True)
    # Templates have long lines; and at words Qt breaks those in quadratic time.
    box.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
    box.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
    box.setMinimumHeight(height)
    return box
