"""How this app is started once more, for what needs a process of its own. Any thread."""

from __future__ import annotations

import sys


def own_command(*arguments: str) -> tuple[str, ...]:
    """A command line: this Python's, or that of the installed app's own executable."""
    if getattr(sys, "frozen", False):
        return (sys.executable, *arguments)
    return (sys.executable, "-m", "minerva_desktop", *arguments)
