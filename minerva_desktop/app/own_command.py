"""How this app is started once more, for what needs a process of its own. Any thread."""

from __future__ import annotations

import sys


def is_frozen() -> bool:
    """Whether this is the installed app rather than a checkout."""
    return bool(getattr(sys, "frozen", False))


def own_command(*arguments: str) -> tuple[str, ...]:
    """A command line: this Python's, or that of the installed app's own executable."""
    if is_frozen():
        return (sys.executable, *arguments)
    return (sys.executable, "-m", "minerva_desktop", *arguments)
