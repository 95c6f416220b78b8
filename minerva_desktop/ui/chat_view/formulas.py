"""Typesets formulas beside the window, and keeps what it made.

One for a transcript. Its thread runs only while there is something to typeset; the first time it
imports the typesetter. Main thread, but for that one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot

from minerva_desktop.chat.markdown_math import formula_tex, is_display
from minerva_desktop.errors import InvalidRequest
from minerva_desktop.ui.chat_view.preloading import import_typesetting
from minerva_desktop.ui.chat_view.rows import LINE_BREAK

if TYPE_CHECKING:
    from minerva_desktop.ui.chat_view.typesetting import Drawing

_log = logging.getLogger(__name__)

MAX_POINTS = 400_000  # of all outlines that are kept, about 10 MB
MAX_WAITING = 5_000  # formulas; further ones stay as they were written
AT_ONCE = 8  # formulas that are handed over between two events
TEXT_SECONDS = 10.0  # of a processor, for all formulas of one text: 200 ordinary ones


@dataclass(slots=True)
class Allowance:
    """The time that is left to the formulas of one text. Once it is used up, further ones stay as
    they were written: each alone may take half a second, and a message may hold thousands. The
    thread that typesets writes it."""

    seconds: float = TEXT_SECONDS


class Formulas(QObject):
    """``drawn(sources)``: `drawing` knows those now. A source is a formula as it was written, with
    its dollar signs or brackets, and `LINE_BREAK` for its line ends."""

    drawn = Signal(object)
    _arrived = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._known: OrderedDict[str, Drawing | None] = OrderedDict()  # None: cannot be typeset
        self._n_points = 0
        self._lock = threading.Lock()  # for what follows
        self._waiting: dict[str, list[Allowance]] = {}  # in order, with those of who asked
        self._made: deque[tuple[str, Drawing | None]] = deque()
        self._thread: threading.Thread | None = None
        self._is_broken = False
        self._arrived.connect(self._collect, Qt.ConnectionType.QueuedConnection)

    def drawing(self, source: str) -> Drawing | None:
        """What ``source`` looks like; None where that is not known, or cannot be."""
        found = self._known.get(source)
        if found is not None:
            self._known.move_to_end(source)
        return found

    def request(self, source: str, allowance: Allowance) -> bool:
        """Whether ``drawn`` may tell of ``source``: not of what cannot be typeset, nor once
        ``allowance`` is used up, which the time for it is taken from."""
        if source in self._known:
            return self._known[source] is not None
        with self._lock:
            if self._is_broken or allowance.seconds <= 0:
                return False
            if source in self._waiting:
                self._waiting[source].append(allowance)
                return True
            if len(self._waiting) >= MAX_WAITING:
                return False
            self._waiting[source] = [allowance]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="formulas", daemon=True)
                self._thread.start()
        return True

    @property
    def is_working(self) -> bool:
        """Whether something that was asked for has not been made, or not been told of."""
        with self._lock:
            return self._thread is not None or bool(self._made)

    def _work(self) -> None:
        """Typeset all that waits. In a thread of its own."""
        try:
            typeset = import_typesetting()
        except Exception:  # noqa: BLE001 - fonts or modules are missing: formulas stay text
            _log.exception("Formulas cannot be typeset")
            with self._lock:
                self._waiting.clear()
                self._is_broken = True
                self._thread = None
            return
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                source = next(iter(self._waiting))
                allowances = self._waiting.pop(source)
            allowance = next((each for each in allowances if each.seconds > 0), None)
            if allowance is None:
                continue
            began = time.thread_time()
            tex = formula_tex(source.replace(LINE_BREAK, "\n"))
            try:
                drawing = typeset(tex, display=is_display(source))
            except InvalidRequest:  # it stays as it was written, where the person sees it
                drawing = None
            allowance.seconds -= time.thread_time() - began
            with self._lock:
                self._made.append((source, drawing))
            try:
                self._arrived.emit()
            except RuntimeError:  # the transcript is gone
                return

    @Slot()
    def _collect(self) -> None:
        with self._lock:
            made = [self._made.popleft() for _ in range(min(AT_ONCE, len(self._made)))]
            more = bool(self._made)
        for source, drawing in made:
            self._keep(source, drawing)
        sources = {source for source, drawing in made if drawing is not None}
        if sources:
            self.drawn.emit(sources)
        if more:
            self._arrived.emit()

    def _keep(self, source: str, drawing: Drawing | None) -> None:
        self._known[source] = drawing
        self._n_points += _points(drawing)
        while self._n_points > MAX_POINTS and len(self._known) > 1:
            self._n_points -= _points(self._known.popitem(last=False)[1])


def _points(drawing: Drawing | None) -> int:
    """How much a drawing takes; something for one that there is not, too, for its source."""
    return 100 if drawing is None else 100 + drawing.path.elementCount()
