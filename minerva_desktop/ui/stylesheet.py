"""The look of the whole application: one style sheet, one palette, on Qt's Fusion style.

The main window calls `apply_theme` at start and whenever `ThemeSource` changes. Widgets choose
among looks with the dynamic property ``look``: ``primary``, ``ghost``, ``danger``, ``link`` on
buttons; ``muted``, ``warning``, ``heading``, ``title`` on labels. Main thread.
"""

from __future__ import annotations

from collections.abc import Collection
from string import Template

from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QColor, QFontInfo, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from minerva_desktop.ui.theme import Theme

MIN_FONT_PX = 13

_GENERAL = """
QMainWindow, QDialog { background: $window; color: $text; }
QToolTip {
  background: $surface; color: $text; border: 1px solid $border; padding: 4px 8px;
}
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QLabel { background: transparent; }
QLabel[look="muted"] { color: $muted; font-size: ${small}px; }
QLabel[look="warning"] { color: $warning; font-size: ${small}px; }
QLabel[look="heading"] { color: $text; font-size: ${base}px; font-weight: 600; }
QLabel[look="title"] { color: $text; font-size: ${title}px; font-weight: 600; }
QMenu {
  background: $surface; color: $text; border: 1px solid $border; border-radius: 8px; padding: 4px;
}
QMenu::item { padding: 6px 24px 6px 12px; border-radius: 4px; }
QMenu::item:selected { background: $hover; }
QMenu::item:disabled { color: $muted; }
QMenu::icon { padding-left: 8px; }
QMenu::separator { height: 1px; background: $border; margin: 4px 8px; }
QSplitter::handle { background: $border; }
QSplitter::handle:horizontal { width: 1px; }
"""

_BUTTONS = """
QPushButton {
  background: $surface; color: $text; border: 1px solid $border; border-radius: 8px;
  padding: 5px 12px; min-height: 20px; outline: 0;
}
QPushButton:hover { background: $hover; }
QPushButton:pressed, QPushButton:checked { background: $selected; }
QPushButton:focus { border-color: $accent; }
QPushButton:disabled { color: $faint; }
QPushButton[look="primary"], QPushButton:default {
  background: $accent; color: $on_accent; border-color: $accent; font-weight: 600;
}
QPushButton[look="primary"]:hover, QPushButton:default:hover {
  background: $accent_hover; border-color: $accent_hover;
}
QPushButton[look="primary"]:focus, QPushButton:default:focus { border-color: $text; }
QPushButton[look="primary"]:disabled {
  background: $hover; color: $faint; border-color: $hover;
}
QPushButton[look="ghost"] { background: transparent; border-color: transparent; }
QPushButton[look="ghost"]:hover { background: $hover; }
QPushButton[look="ghost"]:pressed { background: $selected; }
QPushButton[look="ghost"]:focus { border-color: $accent; }
QPushButton[look="link"] {
  background: transparent; border-color: transparent; color: $link; padding: 1px 4px;
}
QPushButton[look="link"]:hover { background: $hover; }
QPushButton[look="link"]:disabled { color: $faint; }
QPushButton[look="link"]:focus { border-color: $accent; }
QToolButton {
  background: transparent; color: $text; border: 1px solid transparent; border-radius: 8px;
  padding: 0px;
}
QToolButton:hover { background: $hover; }
QToolButton:pressed, QToolButton:checked { background: $selected; }
QToolButton:focus { border-color: $accent; }
"""

_FIELDS = """
QLineEdit, QAbstractSpinBox, QPlainTextEdit {
  background: $surface; color: $text; border: 1px solid $border; border-radius: 8px;
  selection-background-color: $accent; selection-color: $on_accent;
  placeholder-text-color: $muted;
}
QLineEdit { padding: 4px 8px; min-height: 20px; }
QAbstractSpinBox { padding: 4px 0px; min-height: 20px; }
QPlainTextEdit { padding: 4px; }
QLineEdit:focus, QAbstractSpinBox:focus, QPlainTextEdit:focus { border-color: $accent; }
QLineEdit[state="failed"] { border-color: $danger; }
QLabel#fieldHint[state="failed"] { color: $danger; }
QLineEdit:disabled, QAbstractSpinBox:disabled, QPlainTextEdit:disabled {
  color: $faint; placeholder-text-color: $faint;
}
QAbstractSpinBox QLineEdit {
  border: none; padding: 0px; min-height: 0px; background: transparent; border-radius: 0px;
}
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { width: 0px; border: none; }
QSlider::groove:horizontal { height: 4px; background: $border; border-radius: 2px; }
QSlider::sub-page:horizontal { background: $accent; border-radius: 2px; }
QSlider::handle:horizontal {
  width: 12px; height: 12px; margin: -6px 0px; border-radius: 8px;
  background: $accent; border: 2px solid $sidebar;
}
QSlider::handle:horizontal:hover { background: $accent_hover; }
QSlider::handle:horizontal:focus { border-color: $text; }
QProgressBar { background: $border; border: none; border-radius: 2px; }
QProgressBar::chunk { background: $accent; border-radius: 2px; }
QScrollBar { background: transparent; border: none; margin: 0px; }
QScrollBar:vertical { width: 10px; }
QScrollBar:horizontal { height: 10px; }
QScrollBar::handle { background: $scroll; border-radius: 3px; margin: 2px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0px; height: 0px; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }
"""

_SIDES = """
QWidget#sidebar { background: $sidebar; border-right: 1px solid $border; }
QListView#chatList, QListView#searchResults { background: transparent; border: none; outline: 0; }
QFrame#searchHints, QFrame#findBar {
  background: $surface; border: 1px solid $border; border-radius: 8px;
}
QFrame#findBar[focused="true"] { border-color: $accent; }
QFrame#findBar QLineEdit { background: transparent; border: none; padding: 0px 4px; }
QFrame#findBar QLineEdit[state="failed"] { color: $danger; }
QProgressBar#findProgress { background: transparent; border-radius: 1px; }
QProgressBar#findProgress::chunk { border-radius: 1px; }
QLabel#findCount { color: $muted; font-size: ${small}px; }
QListView#chatList QLineEdit { padding: 0px 4px; min-height: 0px; border-radius: 4px; }
QWidget#sidebar QPushButton[look="ghost"] { color: $muted; padding: 3px 8px; }
QWidget#sidebar QPushButton[look="ghost"]:checked { background: $selected; color: $text; }
QWidget#sidebar QPushButton#hintButton { color: $text; }
QPushButton#tagButton, QPushButton#hintButton { text-align: left; padding: 3px 8px; }
QWidget#parametersPanel, QWidget#parametersBody { background: $sidebar; }
QWidget#parametersPanel { border-left: 1px solid $border; }
QPushButton#presetButton { text-align: left; }
QScrollArea#parametersScroll { background: transparent; border: none; }
QWidget#header { background: $window; border-bottom: 1px solid $border; }
QWidget#header QToolButton:checked { background: transparent; }
QWidget#header QToolButton:checked:hover { background: $hover; }
QWidget#statusBar { background: $sidebar; border-top: 1px solid $border; }
QWidget#statusBar QLabel, QWidget#memoryGauge, QWidget#contextMeter, QWidget#serverToggle,
QWidget#statusBar QPushButton { font-size: ${small}px; }
QWidget#statusBar QLabel { color: $muted; }
QWidget#statusBar QLabel[state="failed"] { color: $danger; }
QWidget#statusBar QPushButton { min-height: 16px; }
"""

_CENTRE = """
QScrollBar#formulaBar:focus { border: 1px solid $accent; border-radius: 4px; }
QFrame#composerCard { background: $surface; border: 1px solid $edge; border-radius: 12px; }
QFrame#composerCard[focused="true"] { border-color: $accent; }
QFrame#messageEditor { background: $surface; border: 1px solid $accent; border-radius: 12px; }
QFrame#waitingMessage { background: $bubble; border: 1px solid $border; border-radius: 8px; }
QScrollArea#attachmentStrip { background: transparent; border: none; }
QPlainTextEdit#composer, QPlainTextEdit#messageEdit {
  background: transparent; border: none; padding: 0px;
}
QLabel#textSizeMark {
  background: $surface; border: 1px solid $border; border-radius: 8px; padding: 6px 12px;
}
QToolButton#sendButton, QToolButton#stopButton { background: $accent; border-radius: 8px; }
QToolButton#sendButton:hover, QToolButton#stopButton:hover { background: $accent_hover; }
QToolButton#sendButton:focus, QToolButton#stopButton:focus { border: 2px solid $text; }
QToolButton#sendButton:disabled { background: $off; }
QPushButton#modelPicker { padding: 5px 10px; text-align: left; }
QFrame#pickerPopup, QFrame#modelsPanel, QFrame#contextPanel, QFrame#tagEditor,
QFrame#answerDetails, QFrame#snippetPopup {
  background: $surface; border: 1px solid $border; border-radius: 12px;
}
QListView#pickerList, QListView#snippetList {
  background: transparent; border: none; outline: 0;
}
QListView#snippetNames, QListView#licenceNames {
  background: $surface; border: 1px solid $border; border-radius: 8px; outline: 0; padding: 4px;
}
QListView#snippetNames:focus, QListView#licenceNames:focus { border-color: $accent; }
QListView#snippetNames::item, QListView#licenceNames::item {
  padding: 5px 8px; border-radius: 4px; color: $text;
}
QListView#snippetNames::item:hover, QListView#licenceNames::item:hover { background: $hover; }
QListView#snippetNames::item:selected, QListView#licenceNames::item:selected {
  background: $selected;
}
QPushButton#addModelButton { text-align: left; padding: 5px 8px; }
QFrame#pickerRule, QFrame#pageRule { background: $border; border: none; }
QWidget#notificationBar { border-bottom: 1px solid $border; }
QPlainTextEdit#licenceText { font-size: ${small}px; }
QScrollArea#changesView { border: 1px solid $border; border-radius: 8px; background: $bubble; }
QFrame#noticeCard { border: 1px solid $border; border-radius: 8px; background: $bubble; }
QFrame#noticeCard[kind="error"] { background: $danger_surface; border-color: $danger_edge; }
QFrame#noticeCard[kind="warning"] { background: $warning_surface; border-color: $warning_edge; }
QFrame#noticeCard QPlainTextEdit { background: $code; font-size: ${small}px; }
QFrame#noticeCard QPushButton { padding: 2px 12px; }
QFrame#noticeCard QPushButton[look="link"] { padding: 1px 4px; }
QFrame#optionsFit { border: 1px solid $border; border-radius: 8px; background: $bubble; }
QLabel#optionsFitLabel[state="doubtful"] { color: $muted; }
QFrame#optionsFit[tone="success"] { border-color: $success; }
QFrame#optionsFit[tone="warning"] { background: $warning_surface; border-color: $warning_edge; }
QFrame#optionsFit[tone="danger"] { background: $danger_surface; border-color: $danger_edge; }
QLabel#requestError, QLabel#keyProblem, QLabel#presetProblem, QLabel#snippetProblem,
QLabel#serverRefusal {
  color: $danger;
}
QTableView#requestTable {
  background: $surface; border: 1px solid $border; border-radius: 8px; outline: 0;
  selection-background-color: $selected; selection-color: $text;
}
QTableView#requestTable::item { padding: 0px 5px; border: none; }
QHeaderView { background: transparent; border: none; }
QHeaderView::section {
  background: transparent; color: $muted; border: none; border-bottom: 1px solid $border;
  padding: 4px 8px; font-size: ${small}px;
}
QSplitter::handle { background: transparent; }
QFrame#segmented { background: $hover; border: none; border-radius: 8px; }
QFrame#segmented QPushButton {
  background: transparent; border: 1px solid transparent; border-radius: 8px;
  padding: 3px 12px; color: $muted;
}
QFrame#segmented[dense="true"] QPushButton { padding: 3px 2px; }
QFrame#segmented QPushButton:checked {
  background: $handle; color: $text; border-color: $border;
}
QFrame#segmented QPushButton:focus { border-color: $accent; }
"""


def mix(first: str, second: str, share: float) -> str:
    """The colour ``share`` (0 to 1) of the way from ``first`` to ``second``, as ``#rrggbb``."""
    a, b = QColor(first), QColor(second)
    channels = zip((a.red(), a.green(), a.blue()), (b.red(), b.green(), b.blue()), strict=True)
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in channels)


def warning_surface(theme: Theme) -> str:
    """The background of a warning; the theme's warning colour, thinned."""
    return mix(theme.window, theme.warning, 0.12)


def build_stylesheet(theme: Theme, font_px: int = MIN_FONT_PX) -> str:
    """The application's style sheet. ``font_px`` is the base text's height in px."""
    colours = {
        field: getattr(theme, field)
        for field in Theme.__struct_fields__
        if field not in ("dark", "series", "code_style", "vivid")
    }
    derived = {
        "accent_hover": mix(theme.accent, theme.text, 0.15),
        "faint": mix(theme.muted, theme.window, 0.4),
        "scroll": mix(theme.border, theme.muted, 0.3),
        "edge": mix(theme.border, theme.muted, 0.15),
        "handle": theme.selected if theme.dark else theme.surface,
        "danger_edge": mix(theme.danger_surface, theme.danger, 1 if theme.vivid else 0.35),
        "warning_surface": warning_surface(theme),
        "warning_edge": mix(theme.window, theme.warning, 1 if theme.vivid else 0.45),
        "off": theme.hover if theme.vivid else theme.selected,
    }
    sizes = {
        "small": str(font_px - 1),
        "base": str(font_px),
        "title": str(font_px + 4),
    }
    template = Template(_GENERAL + _BUTTONS + _FIELDS + _SIDES + _CENTRE)
    return template.substitute(colours | derived | sizes)


def build_palette(theme: Theme) -> QPalette:
    """The same colours for what Qt draws without the style sheet: native dialogs, documents."""
    palette = QPalette()
    role = QPalette.ColorRole
    faint = QColor(mix(theme.muted, theme.window, 0.4))
    for target, colour in (
        (role.Window, theme.window),
        (role.WindowText, theme.text),
        (role.Base, theme.surface),
        (role.AlternateBase, theme.hover),
        (role.Text, theme.text),
        (role.Button, theme.surface),
        (role.ButtonText, theme.text),
        (role.BrightText, theme.danger),
        (role.ToolTipBase, theme.surface),
        (role.ToolTipText, theme.text),
        (role.PlaceholderText, theme.muted),
        (role.Highlight, theme.accent),
        (role.HighlightedText, theme.on_accent),
        (role.Accent, theme.accent),
        (role.Link, theme.link),
        (role.LinkVisited, theme.link),
        (role.Light, theme.surface),
        (role.Midlight, theme.hover),
        (role.Mid, theme.border),
        (role.Dark, theme.muted),
        (role.Shadow, theme.border),
    ):
        palette.setColor(target, QColor(colour))
    for target in (role.Text, role.WindowText, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, target, faint)
    return palette


def apply_theme(app: QApplication, theme: Theme, later: Collection[QWidget] = ()) -> None:
    """Dress the whole application, unless it wears that already. Text is the system's font, at
    least `MIN_FONT_PX` high. ``later``: widgets out of sight that are left as they are, with all
    that is in them, until somebody has them `dress_again`."""
    is_dressed = bool(app.styleSheet())  # a style sheet stays on top of the style set before it
    if not is_dressed:
        app.setStyle("Fusion")
    font = app.font()
    font_px = max(MIN_FONT_PX, QFontInfo(font).pixelSize())
    if QFontInfo(font).pixelSize() < font_px:
        font.setPixelSize(font_px)
        app.setFont(font)
    style_sheet = build_stylesheet(theme, font_px)
    if app.styleSheet() == style_sheet:
        return
    app.setPalette(build_palette(theme))
    if is_dressed:
        # Qt dresses all that it knows anew when a sheet takes the place of another, and each
        # widget once for each that it is in: nine times a message's scroll bar.
        app.style().unpolish(app)
    app.setStyleSheet(style_sheet)
    if is_dressed:
        for window in app.topLevelWidgets():
            dress_again(window, later)


def dress_again(widget: QWidget, later: Collection[QWidget] = ()) -> None:
    """Have ``widget`` and all in it obey the style sheet in force; what is in ``later`` not."""
    changed = QEvent(QEvent.Type.StyleChange)
    only_direct = Qt.FindChildOption.FindDirectChildrenOnly
    waiting = [widget]
    while waiting:  # what a widget is in comes first: colours are handed down
        each = waiting.pop()
        if each not in later:
            each.style().polish(each)
            QCoreApplication.sendEvent(each, changed)
            waiting += each.findChildren(QWidget, options=only_direct)
