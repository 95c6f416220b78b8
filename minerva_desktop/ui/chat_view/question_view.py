"""What a person said, in a bubble at the right, and as an editor while they change it.

Main thread.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QPoint, QRect, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import FilePart, ImagePart, files_in
from minerva_desktop.ui.attachment_chip import GAP, FileChip, place_chips
from minerva_desktop.ui.chat_view.message_author import author_of
from minerva_desktop.ui.chat_view.message_editor import MessageEditor
from minerva_desktop.ui.chat_view.message_parts import INSET
from minerva_desktop.ui.chat_view.message_view import OUTDENT, MessageView
from minerva_desktop.ui.chat_view.picture_chip import PictureChip
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.icons import Icons

BUBBLE_SHARE = 0.8  # of the column, at most
BUBBLE_MEASURED = 2_000  # characters; the bubble of a longer text is as wide as it may be
BUBBLE_RADIUS = 16  # px
BUBBLE_PADDING_X = 16
BUBBLE_TOP = 10  # px at the usual size of text
BUBBLE_BOTTOM = 4  # the same; the last line's own leading adds to it


class QuestionView(MessageView):
    """With its files above it. ``edit_submitted(id, text)``: send that instead;
    ``edit_cancelled(id)``: leave it as it is; ``caret_moved(rect)``: the editor's cursor went to
    there, in this widget; ``edit_changed``: something was typed there; ``file_opened(part)``: the
    text of that file is wanted."""

    edit_changed = Signal()
    edit_submitted = Signal(str, str)
    edit_cancelled = Signal(str)
    caret_moved = Signal(QRect)
    file_opened = Signal(object)

    _editor: MessageEditor | None = None
    _max_edit_height = 0
    _bubble = QRectF()

    def __init__(
        self, message: Message, rendering: Rendering, icons: Icons, parent: QWidget
    ) -> None:
        super().__init__(message, rendering, icons, parent)
        self._show_fold()
        self._chips: list[QWidget] = []
        self.pictures: list[PictureChip] = []
        for part in message.parts:
            if isinstance(part, FilePart):
                chip = FileChip(icons, part, self)
                chip.opened.connect(self.file_opened)
                self._chips.append(chip)
            elif isinstance(part, ImagePart):
                self.pictures.append(PictureChip(icons, part, self))
                self._chips.append(self.pictures[-1])

    # -- editing -----------------------------------------------------------------------------

    @property
    def is_edited(self) -> bool:
        return self._editor is not None

    @property
    def edited_text(self) -> str | None:
        """What the person has made of it so far; None where it is not being edited."""
        return None if self._editor is None else self._editor.text

    def begin_edit(self, text: str, *, enter_sends: bool, max_height: int) -> None:
        """Turn into an editor that holds ``text``, at most about ``max_height`` px high. One that
        it is already takes another text, which Ctrl+Z takes back."""
        if self._editor is not None:
            if text != self._message.text:
                self._editor.set_text(text)
            return
        has_files = bool(files_in(self._message.parts))
        editor = MessageEditor(
            text,
            self._icons.themes.text_size,
            enter_sends=enter_sends,
            can_be_blank=has_files,
            parent=self,
        )
        editor.changed.connect(self.edit_changed)
        editor.submitted.connect(self._on_edit_submitted)
        editor.cancelled.connect(self._on_edit_cancelled)
        editor.height_changed.connect(self._on_editor_grew)
        editor.caret_moved.connect(self._on_editor_caret)
        self._editor = editor
        self._max_edit_height = max_height
        self._body.clear_selection()
        self._body.hide()
        self._hide_fold()
        editor.show()
        self._fitted = (-1, 0)

    def set_busy(self, is_busy: bool) -> None:
        """Whether an answer is being written, so that nothing else can be sent from the editor."""
        if self._editor is not None:
            self._editor.set_busy(is_busy)

    @property
    def editor_rect(self) -> QRect:
        """Where the editor with its buttons is, px of the column; empty where there is none."""
        editor = self._editor
        return QRect() if editor is None else editor.geometry().translated(self.pos())

    def limit_editor(self, max_height: int) -> None:
        """The editor is to be at most about ``max_height`` px high."""
        if self._editor is not None and max_height != self._max_edit_height:
            self._max_edit_height = max_height
            self._fitted = (-1, 0)

    def focus_editor(self) -> None:
        """Let the person type."""
        if self._editor is not None:
            self._editor.begin()

    def end_edit(self) -> None:
        """Be a message again."""
        editor, self._editor = self._editor, None
        if editor is not None:
            editor.hide()
            editor.deleteLater()
            self._body.show()
            self._show_fold()
            self._fitted = (-1, 0)

    def restyle(self) -> None:
        super().restyle()
        if self._editor is not None:
            self._editor.use_text_size()

    # -- layout ------------------------------------------------------------------------------

    def _author(self, model_names: Mapping[str, str]) -> str:
        return author_of(self._message, model_names)

    def _arrange(self, width: int) -> int:
        top = place_chips(self._chips, width - INSET, from_right=True)
        if self._editor is not None:
            top += GAP if top else 0
            self._editor.move(INSET, top)
            return top + self._editor.fit(width - 2 * INSET, self._max_edit_height)
        width -= INSET
        if self._chips and not self._message.text.strip():
            self._body.setGeometry(width - 1, 0, 1, 1)  # takes the keyboard all the same
            self._bubble = QRectF(self._chips[0].x(), 0, width - self._chips[0].x(), top)
            return top + BUBBLE_BOTTOM
        return self._arrange_bubble(width, top + GAP if top else 0)

    def _arrange_bubble(self, width: int, top: int) -> int:
        """The text, from ``top`` px on; where it ends."""
        limit = round((width - INSET) * BUBBLE_SHARE) - 2 * BUBBLE_PADDING_X
        wide = self._text.n_shown > BUBBLE_MEASURED
        text_width = limit if wide else self._body.natural_width(limit)
        left = width - text_width - BUBBLE_PADDING_X
        px = self._body.measures.px
        text_top = top + px(BUBBLE_TOP)
        self._body.move(left, text_top)
        y = text_top + self._body.fit(text_width) + px(BUBBLE_BOTTOM)
        y += self._place_fold(left, y)
        left -= BUBBLE_PADDING_X
        self._bubble = QRectF(left, top, width - left, y - top)
        return y

    @property
    def before_row(self) -> QWidget:
        """The row is to the left of the way to the alternatives."""
        return self._last_in_content

    def _row_places(self, width: int, navigator: int, row: int) -> tuple[int, int]:
        right = width - INSET + OUTDENT - navigator
        return right, right - row

    def _ring(self) -> tuple[QRectF, float]:
        return self._bubble.adjusted(0.5, 0.5, -0.5, -0.5), BUBBLE_RADIUS

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._editor is not None:
            return
        if self._chips and not self._message.text.strip():
            super().paintEvent(event)
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._icons.theme.bubble))
        painter.drawRoundedRect(self._bubble, BUBBLE_RADIUS, BUBBLE_RADIUS)
        painter.end()
        super().paintEvent(event)

    # -- slots -------------------------------------------------------------------------------

    @Slot(str)
    def _on_edit_submitted(self, text: str) -> None:
        self.edit_submitted.emit(self._message.id, text)

    @Slot()
    def _on_edit_cancelled(self) -> None:
        self.edit_cancelled.emit(self._message.id)

    @Slot()
    def _on_editor_grew(self) -> None:
        self._fitted = (-1, 0)
        self.layout_changed.emit()

    @Slot(QRect)
    def _on_editor_caret(self, rect: QRect) -> None:
        if self._editor is not None:
            place = self._editor.mapTo(self, QPoint(rect.topLeft()))
            self.caret_moved.emit(QRect(place, rect.size()))
