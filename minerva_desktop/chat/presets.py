"""Presets and snippets: ways to answer, and texts to begin with, that a person keeps. Values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.errors import InvalidRequest

MAX_NAME = 60  # characters
MAX_TEXT = 200_000  # characters of a system prompt or snippet
FORMAT = "minerva-presets"
VERSION = 1

_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Text = Annotated[str, Meta(max_length=MAX_TEXT)]
# What follows “/” in the composer: one word.
_SNIPPET_NAME = re.compile(r"[\w-]{1,60}")
_VARIABLE = re.compile(r"\{\{\s*([^{}\n]{1,60}?)\s*\}\}")


class Preset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A system prompt, sampling parameters, or both; None leaves a chat's own as it is."""

    name: _Name
    system_prompt: _Text | None = None
    sampling: SamplingParameters | None = None


class Snippet(msgspec.Struct, frozen=True, kw_only=True):
    """A text that ``/name`` puts into the composer. ``{{words}}`` in it are places to fill in."""

    name: _Name
    text: _Text


Named = TypeVar("Named", Preset, Snippet)


class PromptLibrary(msgspec.Struct, frozen=True, kw_only=True):
    """All that a person keeps, in the order in which it is shown; also an exported file's shape."""

    format: str = FORMAT
    version: int = VERSION
    presets: tuple[Preset, ...] = ()
    snippets: tuple[Snippet, ...] = ()

    def preset(self, name: str) -> Preset | None:
        """The preset of that name."""
        return next((each for each in self.presets if each.name == name), None)

    def snippet(self, name: str) -> Snippet | None:
        """The snippet of that name."""
        return next((each for each in self.snippets if each.name == name), None)

    def with_preset(self, preset: Preset) -> PromptLibrary:
        """``preset`` in the place of the one with its name, or at the end. Raises `InvalidRequest`
        for a name that is none, and for parameters out of range."""
        _check_name(preset.name)
        if preset.sampling is not None:
            preset.sampling.check()
        return msgspec.structs.replace(self, presets=_put(self.presets, preset))

    def without_preset(self, name: str) -> PromptLibrary:
        """All but the preset of that name."""
        kept = tuple(each for each in self.presets if each.name != name)
        return msgspec.structs.replace(self, presets=kept)

    def with_snippet(self, snippet: Snippet) -> PromptLibrary:
        """``snippet`` in the place of the one with its name, or at the end. Raises `InvalidRequest`
        for a name that “/” cannot find."""
        if not _SNIPPET_NAME.fullmatch(snippet.name):
            raise InvalidRequest(
                f"“{snippet.name}” cannot be a snippet's name: letters, digits, - and _, at most"
                f" {MAX_NAME} of them, and no spaces",
                param="name",
            )
        return msgspec.structs.replace(self, snippets=_put(self.snippets, snippet))

    def without_snippet(self, name: str) -> PromptLibrary:
        """All but the snippet of that name."""
        kept = tuple(each for each in self.snippets if each.name != name)
        return msgspec.structs.replace(self, snippets=kept)

    def joined(self, other: PromptLibrary) -> PromptLibrary:
        """This and ``other``, where what is the same is there once; another thing of a taken name
        gets a number. Raises `InvalidRequest` as the ``with_`` methods do."""
        library = self
        for preset in other.presets:
            if preset not in library.presets:
                name = _free_name(preset.name, (each.name for each in library.presets), " ")
                library = library.with_preset(msgspec.structs.replace(preset, name=name))
        for snippet in other.snippets:
            if snippet not in library.snippets:
                name = _free_name(snippet.name, (each.name for each in library.snippets), "-")
                library = library.with_snippet(msgspec.structs.replace(snippet, name=name))
        return library


def variables(text: str) -> tuple[tuple[int, int], ...]:
    """Where the places to fill in are: from and to, in characters."""
    return tuple(match.span() for match in _VARIABLE.finditer(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """``text`` with the places that ``values`` names filled in, whatever the case of the names."""

    def value(match: re.Match[str]) -> str:
        return values.get(match[1].casefold(), match[0])

    return _VARIABLE.sub(value, text)


def _put(items: tuple[Named, ...], item: Named) -> tuple[Named, ...]:
    if any(each.name == item.name for each in items):
        return tuple(item if each.name == item.name else each for each in items)
    return tuple(chain(items, (item,)))


def _free_name(name: str, taken: Iterable[str], gap: str) -> str:
    names = set(taken)
    candidate, number = name, 2
    while candidate in names:
        end = f"{gap}{number}"
        candidate = name[: MAX_NAME - len(end)] + end
        number += 1
    return candidate


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidRequest(
            f"A preset's name has 1 to {MAX_NAME} characters on one line", param="name"
        )
