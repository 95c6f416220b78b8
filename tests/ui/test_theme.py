"""Both palettes are readable, and the one in force is the system's unless the person chose."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QHBoxLayout, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from minerva_desktop.settings import ThemeChoice
from minerva_desktop.ui.stylesheet import (
    apply_theme,
    build_palette,
    build_stylesheet,
    mix,
    warning_surface,
)
from minerva_desktop.ui.theme import DARK, LIGHT, VIVID_DARK, VIVID_LIGHT, Theme, ThemeSource

READABLE = 4.5
VISIBLE = 3.0  # what is seen and not read: focus rings, bars, dots

WELL_READABLE = 7.0  # for those who want more contrast

PALETTES = pytest.mark.parametrize(
    "theme",
    [LIGHT, DARK, VIVID_LIGHT, VIVID_DARK],
    ids=["light", "dark", "vivid light", "vivid dark"],
)


def luminance(colour: str) -> float:
    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    parsed = QColor(colour)
    red, green, blue = (linear(c) for c in (parsed.redF(), parsed.greenF(), parsed.blueF()))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def written_on(theme: Theme) -> list[tuple[str, str, str]]:
    """(what, colour of the text, colour behind it) for every pair that occurs in the window."""
    grounds = ("window", "sidebar", "surface", "hover", "bubble", "code")
    pairs = [
        (f"{role} on {ground}", role, ground) for role in ("text", "muted") for ground in grounds
    ]
    pairs += [("text on selected", "text", "selected"), ("muted on selected", "muted", "selected")]
    pairs += [
        (f"link on {g}", "link", g) for g in ("window", "sidebar", "surface", "hover", "bubble")
    ]
    pairs += [(f"danger on {g}", "danger", g) for g in ("window", "sidebar", "surface", "hover")]
    pairs += [("danger on danger_surface", "danger", "danger_surface")]
    pairs += [("text on danger_surface", "text", "danger_surface")]
    pairs += [("muted on danger_surface", "muted", "danger_surface")]
    pairs += [("link on danger_surface", "link", "danger_surface")]
    pairs += [(f"warning on {g}", "warning", g) for g in ("window", "sidebar", "surface")]
    pairs += [(f"success on {g}", "success", g) for g in ("window", "sidebar", "surface", "hover")]
    pairs += [("on_accent on accent", "on_accent", "accent"), ("text on found", "text", "found")]
    named = [(what, getattr(theme, fore), getattr(theme, back)) for what, fore, back in pairs]
    warned = warning_surface(theme)
    named += [
        (f"{role} on a warning", getattr(theme, role), warned) for role in ("text", "warning")
    ]
    named += [(f"{role} on a warning", getattr(theme, role), warned) for role in ("muted", "link")]
    hovered = mix(theme.accent, theme.text, 0.15)
    return [*named, ("on_accent on accent, hovered", theme.on_accent, hovered)]


@PALETTES
def test_text_is_readable_on_what_is_behind_it(theme: Theme) -> None:
    weak = {
        what: round(contrast(fore, back), 2)
        for what, fore, back in written_on(theme)
        if contrast(fore, back) < READABLE
    }
    assert weak == {}


@PALETTES
def test_marks_are_visible(theme: Theme) -> None:
    grounds = (theme.window, theme.sidebar, theme.surface)
    track = mix(theme.border, theme.muted, 0.1)
    for mark in (
        theme.accent,
        theme.muted,
        theme.success,
        theme.danger,
        theme.warning,
        *theme.series,
    ):
        assert min(contrast(mark, ground) for ground in grounds) >= VISIBLE
    assert min(contrast(colour, track) for colour in theme.series) >= VISIBLE
    assert theme.series[0] == theme.accent
    assert len(set(theme.series)) == len(theme.series)
    assert contrast(theme.muted, track) >= VISIBLE


@pytest.mark.parametrize("theme", [VIVID_LIGHT, VIVID_DARK], ids=["light", "dark"])
def test_who_wants_more_contrast_has_it(theme: Theme) -> None:
    weak = {
        what: round(contrast(fore, back), 2)
        for what, fore, back in written_on(theme)
        # What is selected has to differ from the rest, too.
        if contrast(fore, back) < WELL_READABLE and not what.endswith("on selected")
    }
    assert weak == {}
    grounds = (theme.window, theme.sidebar, theme.surface, theme.code)
    for mark in (theme.border, theme.selected):
        assert min(contrast(mark, ground) for ground in grounds) >= VISIBLE


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@PALETTES
def test_style_sheet_names_every_colour(theme: Theme) -> None:
    sheet = build_stylesheet(theme, 15)
    assert "$" not in sheet
    assert theme.accent in sheet
    assert "font-size: 14px" in sheet


@PALETTES
def test_palette_agrees_with_the_theme(theme: Theme) -> None:
    palette = build_palette(theme)
    assert palette.color(QPalette.ColorRole.Window).name() == theme.window
    assert palette.color(QPalette.ColorRole.Text).name() == theme.text
    assert palette.color(QPalette.ColorRole.Highlight).name() == theme.accent


def test_application_text_is_never_tiny(qapp: QApplication, themes: ThemeSource) -> None:
    apply_theme(qapp, themes.theme)
    assert qapp.font().pixelSize() >= 13


def test_the_persons_choice_wins(qtbot: QtBot, qapp: QApplication) -> None:
    source = ThemeSource(qapp.styleHints(), ThemeChoice.LIGHT)
    with qtbot.waitSignal(source.changed) as change:
        source.set_choice(ThemeChoice.DARK)
    assert change.args == [DARK]
    with qtbot.assertNotEmitted(source.changed):
        qapp.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Light)
    assert source.theme is DARK


def test_the_system_is_followed_live(qtbot: QtBot, qapp: QApplication) -> None:
    source = ThemeSource(qapp.styleHints())
    assert source.theme is LIGHT
    with qtbot.waitSignal(source.changed):
        qapp.styleHints().colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert source.theme is DARK
    source.set_choice(ThemeChoice.LIGHT)
    with qtbot.assertNotEmitted(source.changed):
        source.set_choice(ThemeChoice.SYSTEM)
    assert source.choice is ThemeChoice.SYSTEM


def test_the_systems_wish_for_contrast_is_followed_live(qtbot: QtBot, qapp: QApplication) -> None:
    source, hints = ThemeSource(qapp.styleHints()), qapp.styleHints()
    wish = hints.accessibility().contrastPreferenceChanged
    with qtbot.waitSignal(source.changed) as change:
        wish.emit(Qt.ContrastPreference.HighContrast)
    assert change.args == [VIVID_LIGHT]
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Dark)
    assert source.theme is VIVID_DARK
    source.set_choice(ThemeChoice.LIGHT)  # the kind, not less contrast
    assert source.theme is VIVID_LIGHT
    with qtbot.waitSignal(source.changed) as change:
        wish.emit(Qt.ContrastPreference.NoPreference)
    assert change.args == [LIGHT]


@pytest.mark.parametrize("look", ["", "link", "ghost", "primary"])
def test_a_button_with_the_focus_has_one_mark(
    qtbot: QtBot, dressed_app: QApplication, look: str
) -> None:
    """Its border; who comes by Tab got a second one inside from the style."""
    window = QWidget()
    qtbot.addWidget(window)
    row = QHBoxLayout(window)
    buttons = [QPushButton("About"), QPushButton("About")]
    for button in buttons:
        button.setProperty("look", look)
        row.addWidget(button)
    with qtbot.waitActive(window):
        window.show()
        window.activateWindow()
    buttons[0].setFocus()
    QTest.keyClick(buttons[0], Qt.Key.Key_Tab)
    assert buttons[1].hasFocus()
    inside = buttons[0].rect().adjusted(9, 2, -9, -2)  # without the round corners
    pictures = [button.grab(inside).toImage() for button in buttons]
    assert pictures[0] == pictures[1]
    assert buttons[0].grab().toImage() != buttons[1].grab().toImage()
