"""What the self-test found, and how it reads: for a person, for a script, and to be copied into a
report of a fault. No I/O; any thread."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

_SHOWN = {"ok": "ok", "warning": "look", "failed": "FAILED"}
_NAME_WIDTH, _STATE_WIDTH = 10, 6
OUTSIDE = "(outside the home folder)"


class CheckState(StrEnum):
    """``warning``: Minerva works, but something should be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Outcome(msgspec.Struct, frozen=True):
    """How a check ended, and a sentence on what was found."""

    state: CheckState
    words: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check that was made."""

    name: str
    state: CheckState
    words: str
    seconds: float

    @property
    def line(self) -> str:
        """It as a row of the table."""
        state = _SHOWN[self.state]
        return f"{state:<{_STATE_WIDTH}}  {self.name:<{_NAME_WIDTH}}  {self.words}"


class SelfTestReport(msgspec.Struct, frozen=True, kw_only=True):
    """``facts``: what is here, by heading and by name, in the order in which it is shown."""

    version: str
    is_well: bool
    checks: tuple[Check, ...]
    facts: dict[str, dict[str, str]]

    @property
    def verdict(self) -> str:
        """All checks in one sentence."""
        failed = [check.name for check in self.checks if check.state is CheckState.FAILED]
        warned = [check.name for check in self.checks if check.state is CheckState.WARNING]
        if failed:
            return f"{len(failed)} of {len(self.checks)} checks failed: {', '.join(failed)}."
        if warned:
            return f"Minerva works. To be looked at: {', '.join(warned)}."
        return f"Minerva works: all {len(self.checks)} checks are well."

    @property
    def text(self) -> str:
        """All of it, to read and to copy."""
        rows = [check.line for check in self.checks]
        return "\n".join((title(self.version), "", *rows, "", *fact_rows(self.facts), self.verdict))


def title(version: str) -> str:
    """The first line of a report."""
    return f"Minerva Desktop {version}: self-test"


def fact_rows(facts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """A block of lines for each heading, each with an empty line behind it."""
    rows: list[str] = []
    for heading, entries in facts.items():
        width = max((len(name) for name in entries), default=0)
        rows.append(heading)
        rows += [f"  {name:<{width}}  {value}" for name, value in entries.items()]
        rows.append("")
    return rows


class PrivateWords:
    """Takes out of a text what tells who the person is or how they keep their things."""

    def __init__(self, home: Path, user: str, folders: Mapping[str, Path]) -> None:
        """``folders``: what may be named, and must not be shown where it is not below ``home``;
        each key is what stands for it then."""
        self._home = str(home)
        self._folders = sorted(
            ((str(path), name) for name, path in folders.items()),
            key=lambda entry: -len(entry[0]),
        )
        self._user = re.compile(rf"(?<=[/\\]){re.escape(user)}(?=[/\\]|$)") if user else None

    def hide(self, text: str) -> str:
        """``text`` without them."""
        for path, name in self._folders:
            if not self._is_below_home(path):
                text = text.replace(path, name)
        if len(self._home) > 1:  # not "/"
            text = text.replace(self._home, "~")
        return text if self._user is None else self._user.sub("user", text)

    def folder(self, path: Path) -> str:
        """Where a folder is, as far as that may be told."""
        return self.hide(str(path)) if self._is_below_home(str(path)) else OUTSIDE

    def hidden_facts(self, facts: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
        """All values without them."""
        return {
            heading: {name: self.hide(value) for name, value in entries.items()}
            for heading, entries in facts.items()
        }

    def _is_below_home(self, path: str) -> bool:
        return len(self._home) > 1 and Path(path).is_relative_to(self._home)


def worst(states: Iterable[CheckState]) -> CheckState:
    """The most serious of them; ok where there are none."""
    order = list(CheckState)
    return max(states, key=order.index, default=CheckState.OK)
