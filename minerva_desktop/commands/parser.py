"""Arguments of commands: what is wrong with them is said in one line, with exit code 2."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NoReturn, TypeVar

from minerva_desktop.chat.sampling import MAX_TOKENS
from minerva_desktop.library.display_text import one_line
from minerva_desktop.logs import FAILED, terminal_line


class Automatic(Enum):
    """What an option was given as that is to be chosen, whatever the settings say."""

    AUTO = "auto"


AUTO: Final = Automatic.AUTO
NO_LIMIT = "-1"  # of tokens
# Of a number, that are read and shown: what has more is too large for anything all the same, and
# Python makes no number of some thousands.
MAX_DIGITS = 30
NumberT = TypeVar("NumberT", int, float)


class CommandParser(argparse.ArgumentParser):
    """argparse's parser without the usage text before each error: ``--help`` shows it."""

    def error(self, message: str) -> NoReturn:
        """Say ``message`` and leave with exit code 2."""
        self.exit(2, f"{FAILED}{terminal_line(message)}\n")


class Spelled(argparse.Action):
    """Keeps what was given, and in ``spelled`` by which of its names, for what is said of it."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Called by argparse."""
        setattr(namespace, self.dest, self.kept(namespace, values))
        namespace.spelled = {**getattr(namespace, "spelled", {}), self.dest: option_string}

    def kept(self, _namespace: argparse.Namespace, values: object) -> object:
        """What is to be kept."""
        return values


class SpelledAgain(Spelled):
    """The same of an option that can be repeated, with one or more values each time: a list."""

    def kept(self, namespace: argparse.Namespace, values: object) -> object:
        """All that was given so far."""
        more = values if isinstance(values, tuple) else (values,)
        return [*(getattr(namespace, self.dest, None) or ()), *more]


class SpelledFlag(Spelled):
    """The same of an option without a value."""

    def __init__(self, option_strings: list[str], dest: str, **named: Any) -> None:
        """Called by argparse."""
        super().__init__(option_strings, dest, nargs=0, default=False, **named)

    def kept(self, _namespace: argparse.Namespace, _values: object) -> object:
        """Yes."""
        return True


def spelled(given: argparse.Namespace, *names: str) -> str | None:
    """As what the first of these options that was given was written on the command line; None:
    none was."""
    written: dict[str, str] = getattr(given, "spelled", {})
    return next((written[name] for name in names if name in written), None)


def or_automatic(kind: Callable[[str], NumberT]) -> Callable[[str], NumberT | Automatic]:
    """``kind``, or the word for what is to be chosen. A refusal names the word: llama-server has
    numbers in its place, as 0 and -1."""

    def read(text: str) -> NumberT | Automatic:
        if text == AUTO.value:
            return AUTO
        try:
            return kind(text)
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(f"{error}; {AUTO.value} leaves it open") from error

    return read


def _quoted(text: str) -> str:
    return f"“{one_line(text, MAX_DIGITS)}”"


def count(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text[:MAX_DIGITS]) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{_quoted(text)} is no whole number from 1 on")
    return value


def token_limit(text: str) -> int | None:
    """Tokens of an answer from 1 on, of any size, for people mean “no limit” by the largest number
    that they know; None: none, as llama-server's -1 has it. HTTP takes the same."""
    if text == NO_LIMIT:
        return None
    digits = text.lstrip("0")
    is_huge = len(digits) > len(str(MAX_TOKENS))
    value = (MAX_TOKENS if is_huge else int(digits)) if digits.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(
            f"{_quoted(text)} is no whole number from 1 on, nor {NO_LIMIT} for no limit"
        )
    return min(value, MAX_TOKENS)


def whole_number(text: str) -> int:
    """A whole number of either sign."""
    try:
        return int(text[:MAX_DIGITS] if text.removeprefix("-").isdecimal() else text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{_quoted(text)} is no whole number") from None


def number(text: str) -> float:
    """A number, or what a check names that comes behind: nan, inf."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{_quoted(text)} is no number") from None


def prompt(text: str) -> str:
    """A text that can be answered."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; there is nothing to answer")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        before = text[: error.start]
        raise argparse.ArgumentTypeError(
            f"its character {len(before) + 1:,} is none: it is no text in UTF-8"
        ) from error
    return text


def model_name(text: str) -> str:
    """What names a model."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; name a library model or a GGUF file")
    return text


def seconds(text: str) -> float:
    """Seconds, at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{_quoted(text)} is no number of seconds")
    return value
