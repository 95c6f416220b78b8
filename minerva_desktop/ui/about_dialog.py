"""About Minerva: its version and parts, whether there is a newer one, the keyboard shortcuts, the
licences, the self-test.

`about_controller` opens and fills it and obeys its signals. Main thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QStackedWidget, QVBoxLayout, QWidget

from minerva_desktop.app.third_parties import ThirdParty
from minerva_desktop.app.updates import Release
from minerva_desktop.ui.about_page import AboutPage
from minerva_desktop.ui.forms import SegmentedChoice
from minerva_desktop.ui.icons import Icons
from minerva_desktop.ui.licences_page import LicencesPage
from minerva_desktop.ui.self_test_page import SelfTestPage
from minerva_desktop.ui.shortcuts_page import ShortcutsPage
from minerva_desktop.ui.theme import GRID

SIZE = (840, 560)  # px; lines of licences fit
ABOUT, SHORTCUTS, LICENCES, SELF_TEST = "about", "shortcuts", "licences", "test"
PAGES = (
    (ABOUT, "About"),
    (SHORTCUTS, "Shortcuts"),
    (LICENCES, "Licences"),
    (SELF_TEST, "Self-test"),
)


class AboutDialog(QDialog):
    """``address_wanted`` carries what the browser shall open; ``check_wanted``: ask for a newer
    version now; ``test_wanted`` and ``test_cancelled``: the self-test; ``copy_wanted`` carries the
    text for the clipboard."""

    address_wanted = Signal(str)
    check_wanted = Signal()
    test_wanted = Signal()
    test_cancelled = Signal()
    copy_wanted = Signal(str)

    def __init__(self, icons: Icons, version: str, can_check: str, parent: QWidget) -> None:
        """``can_check``: what a check for a newer version does; empty: there is nobody to ask;
        see `AboutPage`."""
        super().__init__(parent)
        self.setObjectName("aboutDialog")
        self.setWindowTitle("About Minerva")
        self.resize(QSize(*SIZE).boundedTo(parent.window().size()))
        self._choice = SegmentedChoice("aboutPage", "Page", PAGES, ABOUT)
        self.about = AboutPage(icons, version, can_check)
        self.licences = LicencesPage()
        self.self_test = SelfTestPage(version)
        self._pages: dict[str, QWidget] = {
            ABOUT: self.about,
            SHORTCUTS: ShortcutsPage(),
            LICENCES: self.licences,
            SELF_TEST: self.self_test,
        }
        self._stack = QStackedWidget()
        for page in self._pages.values():
            self._stack.addWidget(page)
        box = QVBoxLayout(self)
        box.setContentsMargins(6 * GRID, 5 * GRID, 6 * GRID, 5 * GRID)
        box.setSpacing(4 * GRID)
        box.addWidget(self._choice)
        box.addWidget(self._stack, 1)
        self._choice.chosen.connect(self._on_page)
        self.about.address_wanted.connect(self.address_wanted)
        self.about.check_wanted.connect(self.check_wanted)
        self.about.copy_wanted.connect(self.copy_wanted)
        self.licences.address_wanted.connect(self.address_wanted)
        self.self_test.run_wanted.connect(self.test_wanted)
        self.self_test.cancelled.connect(self.test_cancelled)
        self.self_test.copy_wanted.connect(self.copy_wanted)

    def show_facts(self, facts: Mapping[str, Mapping[str, str]]) -> None:
        """Of what this Minerva is made and where it runs, by heading and name."""
        self.about.show_facts(facts)

    def show_parts(self, parts: Sequence[ThirdParty]) -> None:
        """The parts of others, with their licences."""
        self.licences.show_parts(parts)

    def show_update(self, words: str, release: Release | None = None, *, is_busy: bool) -> None:
        """What came of a check, or that it goes on; with a newer ``release``."""
        self.about.show_update(words, release, is_busy=is_busy)

    def show_shortcuts(self) -> None:
        """Turn to the list of keyboard shortcuts, which arrow keys scroll."""
        self.show_page(SHORTCUTS)
        self._pages[SHORTCUTS].setFocus(Qt.FocusReason.OtherFocusReason)

    def show_page(self, page: str) -> None:
        """Turn to one of `PAGES`."""
        self._choice.set_value(page)
        self._stack.setCurrentWidget(self._pages[page])

    @Slot()
    def _on_page(self) -> None:
        self._stack.setCurrentWidget(self._pages[self._choice.value()])
