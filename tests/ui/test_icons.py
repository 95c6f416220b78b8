"""Icons take the theme's colour, change with it, and are drawn at the size of the screen's dots."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtCore import QPoint, QSize
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QToolButton
from pytestqt.qtbot import QtBot

from minerva_desktop.paths import resources_dir
from minerva_desktop.settings import ThemeChoice
from minerva_desktop.ui.icons import IconRole, Icons
from minerva_desktop.ui.theme import DARK, LIGHT, ThemeSource
from tests.ui.parts import colour_at


def opaque_colours(pixmap: QPixmap) -> Counter[str]:
    image = pixmap.toImage()
    pixels = (image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height()))
    return Counter(colour.name() for colour in pixels if colour.alpha() == 255)


def test_icon_has_the_colour_of_its_role(icons: Icons) -> None:
    assert opaque_colours(icons.icon("stop", "danger").pixmap(24, 24)).most_common(1)[0][0] == (
        LIGHT.danger
    )


def test_icon_already_on_a_button_follows_the_theme(
    qtbot: QtBot, icons: Icons, themes: ThemeSource
) -> None:
    button = QToolButton()
    qtbot.addWidget(button)
    button.setIcon(icons.icon("stop", "accent"))
    button.setIconSize(QSize(24, 24))
    button.resize(40, 40)
    assert colour_at(button, QPoint(20, 20)) == LIGHT.accent
    themes.set_choice(ThemeChoice.DARK)
    assert colour_at(button, QPoint(20, 20)) == DARK.accent


def test_icon_is_rendered_anew_for_a_dense_screen(icons: Icons) -> None:
    icon = icons.icon("add")
    pixmap = icon.pixmap(QSize(16, 16), 2.0)
    assert pixmap.size() == QSize(32, 32)
    assert pixmap.devicePixelRatio() == 2.0


def test_disabled_icon_is_paler(icons: Icons) -> None:
    pixmap = icons.icon("stop", "accent").pixmap(QSize(24, 24), QIcon.Mode.Disabled)
    colour = pixmap.toImage().pixelColor(12, 12)
    assert colour.alpha() < 200
    assert colour != QColor(LIGHT.accent)


def test_unknown_icon_fails_where_it_is_asked_for(icons: Icons) -> None:
    with pytest.raises(FileNotFoundError):
        icons.icon("no-such-icon")


def test_every_icon_file_draws_something(icons: Icons) -> None:
    names = sorted(path.stem for path in (resources_dir() / "icons").glob("*.svg"))
    assert {"send", "stop", "new-chat", "minerva"} <= set(names)
    for name in names:
        assert opaque_colours(icons.icon(name).pixmap(48, 48)), name


def test_app_icon_has_the_sizes_desktops_ask_for(icons: Icons) -> None:
    sizes = {size.width() for size in icons.app_icon().availableSizes()}
    assert {16, 32, 48, 256} <= sizes


def test_an_icon_is_rendered_once_for_each_look(icons: Icons, themes: ThemeSource) -> None:
    """It was rendered for each painting of each button: an eighth of what painting took."""
    normal, disabled = QIcon.Mode.Normal, QIcon.Mode.Disabled

    def key(role: IconRole, size: int, mode: QIcon.Mode = normal) -> int:
        return icons.icon("stop", role).pixmap(QSize(size, size), 1.0, mode).cacheKey()

    first = key("danger", 24)
    assert key("danger", 24) == first
    others = [key("danger", 24, disabled), key("danger", 16), key("text", 24)]
    themes.set_choice(ThemeChoice.DARK)
    others.append(key("danger", 24))
    assert len({first, *others}) == 5
    themes.set_choice(ThemeChoice.LIGHT)
    assert key("danger", 24) == first
