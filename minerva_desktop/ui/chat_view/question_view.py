"""What a person said, in a bubble at the right, and as an editor while they change it.

Main thread.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from minerva_desktop.chat.message import Message
from minerva_desktop.chat.parts import FilePart, ImagePart, files_in
from minerva_desktop.ui.attachment_chip import GAP, FileChip, place_chips
from minerva_desktop.ui.chat_view.editable_view import EditableView
from minerva_desktop.ui.chat_view.message_author import author_of
from minerva_desktop.ui.chat_view.message_editor import QUESTION_WORDS
from minerva_desktop.ui.chat_view.message_parts import INSET
from minerva_desktop.ui.chat_view.message_view import OUTDENT
from minerva_desktop.ui.chat_view.picture_chip import PictureChip
from minerva_desktop.ui.chat_view.rendering import Rendering
from minerva_desktop.ui.chat_view.widest_line import WidestLine
from minerva_desktop.ui.icons import Icons

BUBBLE_SHARE = 0.8  # of the column, at most
BUBBLE_LAID_OUT = 2_000  # characters; of a longer text lines are measured, which is cheaper
BUBBLE_MEASURED = 20_000  # the bubble of an even longer one is as wide as it may be
BUBBLE_RADIUS = 16  # px
BUBBLE_PADDING_X = 16
BUBBLE_TOP = 10  # px at the usual size of text
BUBBLE_BOTTOM = 4  # the same; the last line's own leading adds to it


class QuestionView(EditableView):
    """With its files above it. ``file_opened(part)``: the text of that file is wanted."""

    file_opened = Signal(object)

    _words = QUESTION_WORDS
    _enter_submits = True
    _bubble = QRectF()

    def __init__(
        self, message: Message, rendering: Rendering, icons: Icons, parent: QWidget
    ) -> None:
        super().__init__(message, rendering, icons, parent)
        self._show_fold()
        self._widest = WidestLine()
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

    @property
    def _can_be_blank(self) -> bool:
        return bool(files_in(self._message.parts))

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
        text_width = self._text_width(limit)
        left = width - text_width - BUBBLE_PADDING_X
        px = self._body.measures.px
        text_top = top + px(BUBBLE_TOP)
        self._body.move(left, text_top)
        y = text_top + self._body.fit(text_width) + px(BUBBLE_BOTTOM)
        y += self._place_fold(left, y)
        left -= BUBBLE_PADDING_X
        self._bubble = QRectF(left, top, width - left, y - top)
        return y

    def _text_width(self, limit: int) -> int:
        """px, at most ``limit``, in which no line has to break."""
        if self._text.n_shown <= BUBBLE_LAID_OUT:
            return self._body.natural_width(limit)
        if self._text.n_shown > BUBBLE_MEASURED:
            return limit
        document = self._body.document()
        font = document.defaultFont()
        font.setPixelSize(self._body.measures.body)  # the document's may be of another size still
        shown = self._text.source[: self._text.n_shown]  # the rest may be megabytes
        return self._widest.of(shown, font, document.defaultTextOption(), limit)

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
