"""Colours, spacing and type of the window, in light and dark.

Every colour that a widget uses comes from a `Theme`; text on its background keeps at least 4.5:1,
and 7:1 where the system asks for more contrast (`tests/ui/test_theme.py` computes it). Spacing is a
multiple of `GRID`. `ThemeSource` says which palette is in force; widgets that paint themselves ask
it in their paint event, so a change of the system's colours needs no message to each of them. Main
thread.
"""

from __future__ import annotations

import msgspec
from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QGuiApplication, QStyleHints

from minerva_desktop.settings import USUAL_TEXT_SIZE, ThemeChoice
from minerva_desktop.ui.text_size import TextSize

GRID = 4  # px; every margin, gap and height is a multiple of it
MIDDLE = 128  # of the lightness of colours, which has 255 steps
MORE = "HighContrast"  # of Qt's contrast preferences, which older ones lack


class Theme(msgspec.Struct, frozen=True):
    """One palette. Values are ``#rrggbb``."""

    dark: bool
    window: str  # transcript and window background
    sidebar: str  # sidebar and status bar background
    surface: str  # cards, composer, menus, input fields
    hover: str  # an item under the pointer
    selected: str  # the chosen item
    border: str
    text: str
    muted: str  # secondary text
    accent: str  # the one accent colour
    on_accent: str  # text on the accent colour
    danger: str
    danger_surface: str
    warning: str
    success: str
    bubble: str  # the user's messages
    code: str  # background of code
    found: str  # background of text that was looked for
    link: str
    series: tuple[str, ...]  # loaded models side by side in a bar, the accent colour first
    code_style: str  # name of the Pygments style for highlighted code
    vivid: bool = False  # for those who want more contrast: no colour is thinned


LIGHT = Theme(
    dark=False,
    window="#ffffff",
    sidebar="#f5f5f4",
    surface="#ffffff",
    hover="#ececea",
    selected="#e2e2df",
    border="#dddcd8",
    text="#1c1b1a",
    muted="#63605b",
    accent="#4350d6",
    on_accent="#ffffff",
    danger="#b3261e",
    danger_surface="#fdecea",
    warning="#8a5a00",
    success="#1f7a3d",
    bubble="#f0f0ee",
    code="#f6f6f4",
    found="#ffe08a",
    link="#3543c6",
    series=("#4350d6", "#0f766e", "#a8327d", "#8a5a00", "#1a6fb0"),
    code_style="friendly",
)

DARK = Theme(
    dark=True,
    window="#1b1b1d",
    sidebar="#151517",
    surface="#242427",
    hover="#2a2a2e",
    selected="#35353a",
    border="#38383d",
    text="#ececee",
    muted="#a3a3ab",
    accent="#7c88ff",
    on_accent="#101018",
    danger="#ff8a80",
    danger_surface="#3a2222",
    warning="#e0b050",
    success="#6fcf8e",
    bubble="#2c2c31",
    code="#232326",
    found="#5e4b12",
    link="#a0a9ff",
    series=("#7c88ff", "#45b8a8", "#e583bd", "#d9a55a", "#62b0ea"),
    code_style="github-dark",
)


# As Windows' own: black on white, and white on black with cyan and yellow. Borders are as strong as
# bars on them allow, which have to be told apart.
VIVID_LIGHT = Theme(
    dark=False,
    window="#ffffff",
    sidebar="#ffffff",
    surface="#ffffff",
    hover="#e6e6e6",
    selected="#5f93ee",
    border="#949494",
    text="#000000",
    muted="#1f1f1f",
    accent="#0a1fa8",
    on_accent="#ffffff",
    danger="#8f0000",
    danger_surface="#ffffff",
    warning="#5c3300",
    success="#004d1a",
    bubble="#e6e6e6",
    code="#ffffff",
    found="#ffe08a",
    link="#00008f",
    series=("#0a1fa8", "#003d33", "#75004f", "#5c3300", "#003a66"),
    code_style="friendly",
    vivid=True,
)

VIVID_DARK = Theme(
    dark=True,
    window="#000000",
    sidebar="#000000",
    surface="#000000",
    hover="#2e2e2e",
    selected="#005cb3",
    border="#666666",
    text="#ffffff",
    muted="#dedede",
    accent="#1aebff",
    on_accent="#000000",
    danger="#ffb0aa",
    danger_surface="#000000",
    warning="#ffd080",
    success="#8cff8c",
    bubble="#2e2e2e",
    code="#000000",
    found="#5e4b12",
    link="#ffff00",
    series=("#1aebff", "#ffff00", "#ffc2ee", "#ffd080", "#8cff8c"),
    code_style="github-dark",
    vivid=True,
)


class ThemeSource(QObject):
    """The palette in force: the system's, followed live, or the one the person chose; where the
    system asks for more contrast, the vivid one of the two kinds.

    ``changed`` carries the new `Theme` and is emitted only when it differs from the last one.
    ``text_size`` is how large one reads.
    """

    changed = Signal(object)

    def __init__(
        self,
        hints: QStyleHints,
        choice: ThemeChoice = ThemeChoice.SYSTEM,
        text_size: int = USUAL_TEXT_SIZE,
    ) -> None:
        """``text_size``: percent, as `TextSize` has it."""
        super().__init__()
        self.text_size = TextSize(text_size, self)
        self._hints = hints
        self._choice = ThemeChoice.SYSTEM
        self._scheme = Qt.ColorScheme.Unknown
        # With a contrast theme, Windows names no scheme: then the colours at the start tell.
        self._begins_dark = QGuiApplication.palette().window().color().lightness() < MIDDLE
        self._is_vivid = False
        self._theme = LIGHT
        hints.colorSchemeChanged.connect(self._follow_system)
        if hasattr(hints, "accessibility"):  # since Qt 6.10
            accessibility = hints.accessibility()
            self._is_vivid = accessibility.contrastPreference().name == MORE
            accessibility.contrastPreferenceChanged.connect(self._follow_contrast)
        self.set_choice(choice)

    @property
    def theme(self) -> Theme:
        """The palette to paint with now."""
        return self._theme

    @property
    def choice(self) -> ThemeChoice:
        """What was chosen last."""
        return self._choice

    def set_choice(self, choice: ThemeChoice) -> None:
        """Obey ``choice``. Qt is told too, so that title bars and file dialogs follow."""
        self._choice = choice
        if choice is ThemeChoice.SYSTEM:
            self._hints.unsetColorScheme()
            self._scheme = self._hints.colorScheme()
        else:
            schemes = Qt.ColorScheme
            self._scheme = schemes.Dark if choice is ThemeChoice.DARK else schemes.Light
            self._hints.setColorScheme(self._scheme)
        self._use()

    @Slot(Qt.ColorScheme)
    def _follow_system(self, scheme: Qt.ColorScheme) -> None:
        if self._choice is ThemeChoice.SYSTEM:
            self._scheme = scheme
            self._use()

    def _follow_contrast(self, preference: Qt.ContrastPreference) -> None:
        self._is_vivid = preference.name == MORE
        self._use()

    def _use(self) -> None:
        is_dark = self._scheme == Qt.ColorScheme.Dark
        if self._is_vivid:
            if self._scheme == Qt.ColorScheme.Unknown:
                is_dark = self._begins_dark
            theme = VIVID_DARK if is_dark else VIVID_LIGHT
        else:
            theme = DARK if is_dark else LIGHT
        if theme is not self._theme:
            self._theme = theme
            self.changed.emit(theme)
