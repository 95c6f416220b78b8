"""Lets a small model write as slowly as a large one."""

from __future__ import annotations

import sys

import pytest

from minerva_desktop.engine import spare
from minerva_desktop.engine.child_version import child_arguments


def slow_child_command() -> tuple[str, ...]:
    """How to start `tests.slow_child` as an engine's child."""
    return (sys.executable, "-m", "tests.slow_child", *child_arguments())


def slow_engines(patch: pytest.MonkeyPatch) -> None:
    """Let the engines that start from now on have such a child: for tests that do something while a
    model writes."""
    patch.setattr(spare, "child_command", slow_child_command)
