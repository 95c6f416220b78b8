"""The snippets, to be changed: their names at the left, the one that is chosen at the right.

`SnippetController` opens it. What is typed is kept a moment later, and when the dialog is left.
Main thread.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QVBoxLayout,
    QWidget,
)

from minerva_desktop.chat.conversation import clean_text
from minerva_desktop.chat.presets import MAX_NAME, PromptLibrary, Snippet
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.ui.controls import set_sign
from minerva_desktop.ui.forms import dialog_button, plain_label
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.long_text import LongTextEdit
from minerva_desktop.ui.tab_order import lead_from
from minerva_desktop.ui.theme import GRID

SIZE = (680, 460)  # px
NAMES_WIDTH = 48 * GRID
KEEP_MS = 600  # from the last key
NEW_NAME = "snippet"
SIGN = 16  # px
HINT = (
    "Type / and the name at the start of a line. {{date}} and {{time}} are filled in, and so are"
    " {{clipboard}} and {{selection}} where there is one; Tab leads through what is left, such as"
    " other {{words}}."
)
NO_SNIPPETS = "No snippets yet. A snippet is a text that you send often, under a short name."


class SnippetStore(msgspec.Struct, frozen=True):
    """Where the dialog finds and keeps them; ``save`` says whether they are kept."""

    library: Callable[[], PromptLibrary]
    save: Callable[[PromptLibrary], bool]


class SnippetDialog(QDialog):
    """``import_wanted`` and ``export_wanted`` ask for a file."""

    import_wanted = Signal()
    export_wanted = Signal()

    def __init__(self, icons: Icons, store: SnippetStore, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("snippetDialog")
        self.setWindowTitle("Snippets")
        self.resize(*SIZE)
        self._store = store
        self._shown: str | None = None  # the name of the one at the right
        self._deleted: tuple[Snippet, int] | None = None
        self._names = QListWidget()
        self._names.setObjectName("snippetNames")
        self._names.setAccessibleName("Snippets")
        self._names.setFixedWidth(NAMES_WIDTH)
        self._names.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._name = QLineEdit()
        self._name.setObjectName("snippetName")
        self._name.setAccessibleName("Name of the snippet")
        self._name.setMaxLength(MAX_NAME)
        self._problem = plain_label("snippetProblem", "")
        self._text = LongTextEdit()
        self._text.setObjectName("snippetText")
        self._text.setAccessibleName("Text of the snippet")
        self._text.setTabChangesFocus(True)
        self._new = dialog_button("New snippet", "newSnippet")
        set_sign(self._new, icons.icon("add", "muted"), SIGN)
        self._delete = dialog_button("Delete", "deleteSnippet")
        self._import = dialog_button("Import…", "importSnippets")
        self._export = dialog_button("Export…", "exportSnippets")
        self._close = dialog_button("Close", "closeSnippets")
        self._news = plain_label("snippetNews", "muted")
        self._undo = dialog_button("Undo", "undoDeleteSnippet")
        self._undo.setProperty("look", "link")
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(KEEP_MS)
        self._lay_out()
        self._connect()
        self.tell("")
        self.show_all()

    def show_all(self) -> None:
        """Show what there is now; the chosen one stays chosen, if it is still there."""
        snippets = self._store.library().snippets
        names = [each.name for each in snippets]
        row = names.index(self._shown) if self._shown in names else 0
        self._names.blockSignals(True)
        self._names.clear()
        self._names.addItems(names)
        self._names.setCurrentRow(row if names else -1)
        self._names.blockSignals(False)
        self._show_snippet(snippets[row] if snippets else None)

    def tell(self, words: str, *, can_undo: bool = False) -> None:
        """Say what was done."""
        self._news.setText(words)
        self._news.setAccessibleName(words)
        if words:
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))
        self._undo.setVisible(can_undo)

    def accept(self) -> None:
        """Close it, unless a name was not taken: that would be lost without a word."""
        self._keep()
        if self._problem.text():
            self._name.setFocus(Qt.FocusReason.OtherFocusReason)
            self._name.selectAll()
        else:
            super().accept()

    def done(self, result: int) -> None:
        self._keep()
        super().done(result)

    # -- the one at the right --------------------------------------------------------------

    def _show_snippet(self, snippet: Snippet | None) -> None:
        is_one = snippet is not None
        self._shown = snippet.name if snippet is not None else None
        for field, text in (
            (self._name, snippet.name if snippet is not None else ""),
            (self._text, snippet.text if snippet is not None else ""),
        ):
            field.setEnabled(is_one)
            field.blockSignals(True)
            if isinstance(field, QLineEdit):
                field.setText(text)
            else:
                field.setPlainText(text)
            field.blockSignals(False)
        self._text.setPlaceholderText("Text of the snippet" if is_one else NO_SNIPPETS)
        self._delete.setEnabled(is_one)
        self._export.setEnabled(is_one)
        self._show_problem("")

    def _show_problem(self, words: str) -> None:
        self._problem.setText(words)
        self._problem.setVisible(bool(words))
        self._name.setAccessibleDescription(words)
        self._name.setProperty("state", "failed" if words else "")
        self._name.style().unpolish(self._name)
        self._name.style().polish(self._name)

    @Slot()
    def _keep(self) -> None:
        """Keep what is typed; a name that is none stays what it was, and it is said why."""
        self._timer.stop()
        old = self._shown
        if old is None:
            return
        library, problem = self._store.library(), ""
        new = clean_text(self._name.text().strip().removeprefix("/"))
        try:
            changed = library.renamed_snippet(old, new)
        except InvalidRequest as error:
            changed, new, problem = library, old, f"{error.message}."
        try:
            text = clean_text(self._text.toPlainText())
            changed = changed.with_snippet(Snippet(name=new, text=text))
        except InvalidRequest as error:
            problem = f"{error.message}."
        self._show_problem(problem)
        if changed == library or not self._store.save(changed):
            return
        self._shown = new
        row = [each.name for each in library.snippets].index(old)
        self._names.item(row).setText(new)

    @Slot(int)
    def _on_row(self, row: int) -> None:
        self._keep()
        if self._problem.text():
            self.tell(f"{self._problem.text()} The snippet is still “{self._shown}”.")
        snippets = self._store.library().snippets
        if 0 <= row < len(snippets):
            self._show_snippet(snippets[row])

    @Slot()
    def _on_new(self) -> None:
        self._keep()
        library = self._store.library()
        name = library.free_snippet_name(NEW_NAME)
        if self._store.save(library.with_snippet(Snippet(name=name, text=""))):
            self._shown = name
            self.show_all()
            self._name.setFocus(Qt.FocusReason.OtherFocusReason)
            self._name.selectAll()

    @Slot()
    def _on_delete(self) -> None:
        self._keep()
        library, name = self._store.library(), self._shown
        snippet = None if name is None else library.snippet(name)
        if snippet is None or not self._store.save(library.without_snippet(snippet.name)):
            return
        place = library.snippets.index(snippet)
        self._deleted = snippet, place
        left = self._store.library().snippets
        self._shown = left[min(place, len(left) - 1)].name if left else None
        self.show_all()
        self.tell(f"“{snippet.name}” was deleted.", can_undo=True)

    @Slot()
    def _on_undo(self) -> None:
        self._keep()
        if self._deleted is None:
            return
        library = self._store.library().put_back_snippet(*self._deleted)
        if self._store.save(library):
            self._shown = library.snippets[min(self._deleted[1], len(library.snippets) - 1)].name
            self._deleted = None
            self.tell("")
            self.show_all()
            self._names.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot()
    def _on_edited(self) -> None:
        self._timer.start()

    def _connect(self) -> None:
        self._names.currentRowChanged.connect(self._on_row)
        self._name.textEdited.connect(self._on_edited)
        self._name.editingFinished.connect(self._keep)
        self._text.textChanged.connect(self._on_edited)
        self._timer.timeout.connect(self._keep)
        self._new.clicked.connect(self._on_new)
        self._delete.clicked.connect(self._on_delete)
        self._undo.clicked.connect(self._on_undo)
        self._import.clicked.connect(self.import_wanted)
        self._export.clicked.connect(self.export_wanted)
        self._close.clicked.connect(self.accept)

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(2 * GRID)
        left.addWidget(self._names, 1)
        left.addWidget(self._new)
        caption, name = QHBoxLayout(), QLabel("Name")
        name.setBuddy(self._name)
        caption.setSpacing(2 * GRID)
        caption.addWidget(name)
        caption.addWidget(self._name, 1)
        caption.addWidget(self._delete)
        right = QVBoxLayout()
        right.setSpacing(2 * GRID)
        right.addLayout(caption)
        right.addWidget(self._problem)
        right.addWidget(self._text, 1)
        hint = plain_label("snippetHint", "muted")
        hint.setText(HINT)
        right.addWidget(hint)
        middle = QHBoxLayout()
        middle.setSpacing(4 * GRID)
        middle.addLayout(left)
        middle.addLayout(right, 1)
        foot = QHBoxLayout()
        foot.setSpacing(2 * GRID)
        foot.addWidget(self._import)
        foot.addWidget(self._export)
        foot.addSpacing(2 * GRID)
        foot.addWidget(self._news, 1)
        foot.addWidget(self._undo)
        foot.addWidget(self._close)
        box = QVBoxLayout(self)
        box.setContentsMargins(6 * GRID, 5 * GRID, 6 * GRID, 5 * GRID)
        box.setSpacing(4 * GRID)
        box.addLayout(middle, 1)
        box.addLayout(foot)
        # A text is typed behind its name: in a button between them its first space would press it.
        lead_from(self._name, (self._text, self._delete))
