"""Arguments of commands: what is wrong with them is said in one line, with exit code 2."""

from __future__ import annotations

import argparse
from typing import NoReturn

from minerva_desktop.logs import terminal_line


class CommandParser(argparse.ArgumentParser):
    """argparse's parser without the usage text before each error: ``--help`` shows it."""

    def error(self, message: str) -> NoReturn:
        """Say ``message`` and leave with exit code 2."""
        self.exit(2, f"{self.prog}: {terminal_line(message)}\n")


def count(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"“{text}” is no whole number from 1 on")
    return value


def whole_number(text: str) -> int:
    """A whole number of either sign."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is no whole number") from None


def number(text: str) -> float:
    """A number, or what a check names that comes behind: nan, inf."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"“{text}” is no number") from None


def prompt(text: str) -> str:
    """A text that can be answered."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; there is nothing to answer")
    return text


def seconds(text: str) -> float:
    """Seconds, at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"“{text}” is no number of seconds")
    return value
