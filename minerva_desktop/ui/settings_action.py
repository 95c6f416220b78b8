"""The actions that open the settings, the list of shortcuts and the About dialog. Main thread."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from minerva_desktop.ui.chat_actions import ABOUT_SHORTCUT, LIST_SHORTCUT
from minerva_desktop.ui.controls import plain_tip
from minerva_desktop.ui.icons import Icons

SHORTCUT = "Ctrl+,"


def make_settings_action(icons: Icons, parent: QWidget) -> QAction:
    """The action; the application connects it."""
    action = QAction(icons.icon("settings", "muted"), "Settings", parent)
    action.setObjectName("settingsAction")
    action.setShortcut(SHORTCUT)
    action.setMenuRole(QAction.MenuRole.PreferencesRole)
    action.setToolTip(plain_tip("Settings", SHORTCUT))
    return action


def make_shortcuts_action(parent: QWidget) -> QAction:
    """The action; `about_controller` connects it."""
    action = QAction("Keyboard shortcuts", parent)
    action.setObjectName("shortcutsAction")
    action.setShortcut(LIST_SHORTCUT)
    return action


def make_about_action(parent: QWidget) -> QAction:
    """The action; `about_controller` connects it."""
    action = QAction("About Minerva", parent)
    action.setObjectName("aboutAction")
    action.setShortcut(ABOUT_SHORTCUT)
    action.setMenuRole(QAction.MenuRole.AboutRole)
    return action
