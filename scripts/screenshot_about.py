"""The About dialog in pictures: its pages, and a newer version. Main thread."""

from __future__ import annotations

from PySide6.QtWidgets import QApplication, QWidget

from minerva_desktop import __version__
from minerva_desktop.app.about_facts import about_facts
from minerva_desktop.app.self_report import Check, CheckState, SelfTestReport
from minerva_desktop.app.updates import SENT, Release
from minerva_desktop.paths import resources_dir
from minerva_desktop.ui.about_dialog import LICENCES, SELF_TEST, AboutDialog
from minerva_desktop.ui.changes_view import ChangesView
from minerva_desktop.ui.notification_bar import Notice, NoticeAction, NoticeKind
from screenshot_stage import Stage, State, conversation, narrow

CHANGES = """\
## 0.2.0

### Added

- Formulas are drawn as *formulas*, also while an answer streams in.
- `minerva serve` takes **images**. See [the notes](https://example.org/notes).

### Fixed

- A window that was moved to another screen kept its old scale.
- ![no image is ever loaded](https://example.org/x.png)
"""
ASKS = f"Asks updates.example.org for the newest version. {SENT}"
CHECKS = (
    Check(name="resources", state=CheckState.OK, words="36 icons, licences of 38 parts", seconds=0),
    Check(name="disk", state=CheckState.WARNING, words="1.2 GB free", seconds=0.1),
    Check(
        name="model",
        state=CheckState.FAILED,
        words="the model that comes with Minerva is not there",
        seconds=1.2,
    ),
)
FACTS = {
    "Versions": {"Minerva": "0.1.0 (from source)", "llama-cpp-python": "0.3.36", "Qt": "6.11.3"},
    "Machine": {"System": "Debian GNU/Linux 12 (bookworm)", "Memory": "16.6 GB, 9.1 GB free"},
}


def about(stage: Stage) -> list[QWidget]:
    """As it opens."""
    return [_opened(stage, can_check="")]


def about_newer(stage: Stage) -> list[QWidget]:
    """There is a newer version."""
    dialog = _opened(stage)
    page = "https://example.org/download"
    release = Release(version="0.2.0", changes=CHANGES, page=page)
    dialog.show_update("Minerva 0.2.0 is there.", release, is_busy=False)
    (changes,) = dialog.findChildren(ChangesView)
    while changes.is_working:
        QApplication.processEvents()
    return [dialog]


def about_narrow(stage: Stage) -> list[QWidget]:
    """The same over a narrow window."""
    narrow(stage)
    return about_newer(stage)


def shortcuts(stage: Stage) -> list[QWidget]:
    """The list of keyboard shortcuts."""
    dialog = _opened(stage)
    dialog.show_shortcuts()
    return [dialog]


def shortcuts_narrow(stage: Stage) -> list[QWidget]:
    """The same over a narrow window."""
    narrow(stage)
    return shortcuts(stage)


def licences(stage: Stage) -> list[QWidget]:
    """The parts of others."""
    dialog = _opened(stage)
    dialog.show_page(LICENCES)
    return [dialog]


def self_test(stage: Stage) -> list[QWidget]:
    """A self-test that goes on."""
    dialog = _opened(stage)
    dialog.show_page(SELF_TEST)
    dialog.self_test.begin()
    for check in CHECKS[:2]:
        dialog.self_test.show_check(check)
    dialog.self_test.show_begun("model")
    return [dialog]


def self_test_done(stage: Stage) -> list[QWidget]:
    """One that found something."""
    dialog = _opened(stage)
    dialog.show_page(SELF_TEST)
    dialog.self_test.begin()
    report = SelfTestReport(version=__version__, is_well=False, checks=CHECKS, facts=FACTS)
    dialog.self_test.show_report(report)
    return [dialog]


def update_notice(stage: Stage) -> list[QWidget]:
    """The automatic check found a newer version."""
    conversation(stage)
    actions = (NoticeAction("What is new", "new"), NoticeAction("Download page", "page"))
    text = f"Minerva 0.2.0 is there; this is {__version__}."
    notice = Notice(NoticeKind.INFO, text, actions=actions, stays=True)
    stage.window.notifications.show_notice(notice)
    return []


def _opened(stage: Stage, can_check: str = ASKS) -> AboutDialog:
    conversation(stage)
    dialog = AboutDialog(stage.icons, __version__, can_check, stage.window)
    parts, facts = about_facts(resources_dir() / "licences")
    dialog.show_parts(parts)
    dialog.show_facts(facts)
    dialog.open()
    dialog.move(stage.window.geometry().center() - dialog.rect().center())
    return dialog


STATES: dict[str, State] = {
    "about": about,
    "shortcuts": shortcuts,
    "shortcuts-narrow": shortcuts_narrow,
    "about-newer": about_newer,
    "about-narrow": about_narrow,
    "licences": licences,
    "self-test": self_test,
    "self-test-done": self_test_done,
    "update-notice": update_notice,
}
