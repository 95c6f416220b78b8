"""What load options would take, in the dialog where they are set. Main thread."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel

from minerva_desktop.ui.forms import dialog_button
from minerva_desktop.ui.theme import GRID

FINDING_OUT = "Finding out what this takes…"


class FitStrip(QFrame):
    """How the options fit, as sentences with a coloured edge. ``taken`` carries the context in
    tokens that was offered beside them."""

    taken = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("optionsFit")
        self._words = QLabel(FINDING_OUT)
        self._words.setObjectName("optionsFitLabel")
        self._words.setWordWrap(True)
        self._words.setMinimumHeight(3 * self._words.fontMetrics().lineSpacing())
        self._offered = 0
        self._offer = dialog_button("", "takeContext")
        self._offer.hide()
        self._offer.clicked.connect(self._on_taken)
        box = QHBoxLayout(self)
        box.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, 2 * GRID)
        box.setSpacing(3 * GRID)
        box.addWidget(self._words, 1)
        box.addWidget(self._offer)

    @Slot()
    def _on_taken(self) -> None:
        self.taken.emit(self._offered)

    def doubt(self) -> None:
        """What it says is about other options than those that are set now: it says so by its
        colours, until there are other words, for these would come and go with each key."""
        self._paint("", is_doubtful=True)
        self._offer.setEnabled(False)

    def show_words(self, words: str, tone: str, offered: int | None) -> None:
        """``tone``: success, warning or danger; empty: it is neither. ``offered``: see `taken`."""
        self._words.setText(words)
        self._offered = offered or 0
        self._offer.setText(f"Use {self._offered:,}")
        self._offer.setAccessibleName(f"Use a context of {self._offered:,} tokens")
        self._offer.setVisible(offered is not None)
        self._offer.setEnabled(True)
        self._words.setAccessibleName(words)
        self._paint(tone)

    def _paint(self, tone: str, *, is_doubtful: bool = False) -> None:
        self.setProperty("tone", tone)
        self._words.setProperty("state", "doubtful" if is_doubtful else "")
        for widget in (self, self._words):
            widget.style().unpolish(widget)
            widget.style().polish(widget)
