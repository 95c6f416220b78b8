"""Presets and snippets: ways to answer, and texts to begin with, that a person keeps. Values."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
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
_VARIABLE = re.compile(r"\{\{\s*([^{}\s][^{}\n]{0,59}?)\s*\}\}")


class Preset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A system prompt, sampling parameters, or both; None leaves a chat's own as it is."""

    name: _Name
    system_prompt: _Text | None = None
    sampling: SamplingParameters | None = None

    def applied_to(
        self, system_prompt: str, sampling: SamplingParameters
    ) -> tuple[str, SamplingParameters]:
        """What a chat with these has once the preset was chosen."""
        return (
            system_prompt if self.system_prompt is None else self.system_prompt,
            sampling if self.sampling is None else self.sampling,
        )

    def is_in_force(self, system_prompt: str, sampling: SamplingParameters) -> bool:
        """Whether choosing it would change nothing."""
        return self.applied_to(system_prompt, sampling) == (system_prompt, sampling)


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
        for a name that is none, too long a text, and parameters out of range."""
        _check_preset(preset)
        return msgspec.structs.replace(self, presets=_put(self.presets, preset))

    def without_preset(self, name: str) -> PromptLibrary:
        """All but the preset of that name."""
        kept = tuple(each for each in self.presets if each.name != name)
        return msgspec.structs.replace(self, presets=kept)

    def with_snippet(self, snippet: Snippet) -> PromptLibrary:
        """``snippet`` in the place of the one with its name, or at the end. Raises `InvalidRequest`
        for a name that “/” cannot find, and for too long a text."""
        _check_snippet(snippet)
        return msgspec.structs.replace(self, snippets=_put(self.snippets, snippet))

    def without_snippet(self, name: str) -> PromptLibrary:
        """All but the snippet of that name."""
        kept = tuple(each for each in self.snippets if each.name != name)
        return msgspec.structs.replace(self, snippets=kept)

    def renamed_preset(self, old: str, new: str) -> PromptLibrary:
        """The preset ``old`` with the name ``new``, in its place. Raises `InvalidRequest` for a
        name that is none, or taken."""
        _check_name(new)
        _check_free(old, new, self.presets)
        return msgspec.structs.replace(self, presets=_renamed(self.presets, old, new))

    def renamed_snippet(self, old: str, new: str) -> PromptLibrary:
        """The same for a snippet."""
        _check_snippet_name(new)
        _check_free(old, new, self.snippets)
        return msgspec.structs.replace(self, snippets=_renamed(self.snippets, old, new))

    def put_back_preset(self, preset: Preset, place: int) -> PromptLibrary:
        """A preset that was taken out, at its ``place`` again, unless its name is taken now: then
        with a number."""
        free = _with_free_name(preset, {each.name for each in self.presets}, " ")
        presets = (*self.presets[:place], free, *self.presets[place:])
        return msgspec.structs.replace(self, presets=presets)

    def put_back_snippet(self, snippet: Snippet, place: int) -> PromptLibrary:
        """The same for a snippet."""
        free = _with_free_name(snippet, {each.name for each in self.snippets}, "-")
        snippets = (*self.snippets[:place], free, *self.snippets[place:])
        return msgspec.structs.replace(self, snippets=snippets)

    def joined(self, other: PromptLibrary) -> PromptLibrary:
        """This and ``other``, where what is the same is there once; another thing of a taken name
        gets a number. Raises `InvalidRequest` as the ``with_`` methods do, and says of which."""
        for number, preset in enumerate(other.presets, 1):
            with _naming(f"preset {number}, “{preset.name}”"):
                _check_preset(preset)
        for number, snippet in enumerate(other.snippets, 1):
            with _naming(f"snippet {number}, “{snippet.name}”"):
                _check_snippet(snippet)
        return msgspec.structs.replace(
            self,
            presets=_joined(self.presets, other.presets, " "),
            snippets=_joined(self.snippets, other.snippets, "-"),
        )

    def free_snippet_name(self, wished: str) -> str:
        """``wished``, or that with a number where it is taken."""
        return _free_name(wished, {each.name for each in self.snippets}, "-")


class Filled(msgspec.Struct, frozen=True):
    """A snippet's text as it is put in. ``places`` are those left to fill in: from and to, in
    characters of ``text``."""

    text: str
    places: tuple[tuple[int, int], ...]


def variables(text: str) -> frozenset[str]:
    """The names of the places to fill in, as `filled` looks for them."""
    return frozenset(match[1].casefold() for match in _VARIABLE.finditer(text))


def filled(text: str, values: Mapping[str, str]) -> Filled:
    """``text`` with the places that ``values`` names filled in, whatever the case of the names.
    What looks like a place in a value is none."""
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    length = done = 0

    def add(part: str) -> None:
        nonlocal length
        parts.append(part)
        length += len(part)

    for match in _VARIABLE.finditer(text):
        add(text[done : match.start()])
        value = values.get(match[1].casefold())
        if value is None:
            places.append((length, length + len(match[0])))
        add(match[0] if value is None else value)
        done = match.end()
    add(text[done:])
    return Filled("".join(parts), tuple(places))


def _put(items: tuple[Named, ...], item: Named) -> tuple[Named, ...]:
    if any(each.name == item.name for each in items):
        return tuple(item if each.name == item.name else each for each in items)
    return tuple(itertools.chain(items, (item,)))


def _renamed(items: tuple[Named, ...], old: str, new: str) -> tuple[Named, ...]:
    return tuple(
        msgspec.structs.replace(each, name=new) if each.name == old else each for each in items
    )


def _joined(ours: tuple[Named, ...], others: tuple[Named, ...], gap: str) -> tuple[Named, ...]:
    found = {each.name: each for each in ours}
    for each in others:
        name = each.name
        for name in _names(each.name, gap):
            taken = found.get(name)
            if taken is None or msgspec.structs.replace(taken, name=each.name) == each:
                break  # also where it came before, and got a number then
        found.setdefault(name, msgspec.structs.replace(each, name=name))
    return tuple(found.values())


def _names(name: str, gap: str) -> Iterator[str]:
    """``name``, and the same with numbers."""
    yield name
    for number in itertools.count(2):
        end = f"{gap}{number}"
        yield name[: MAX_NAME - len(end)] + end


def _with_free_name(item: Named, taken: set[str], gap: str) -> Named:
    return msgspec.structs.replace(item, name=_free_name(item.name, taken, gap))


def _free_name(name: str, taken: set[str], gap: str) -> str:
    return next(each for each in _names(name, gap) if each not in taken)


def _check_free(old: str, new: str, items: Iterable[Preset | Snippet]) -> None:
    if new != old and any(each.name == new for each in items):
        raise InvalidRequest(f"There is a “{new}” already: take another name", param="name")


@contextmanager
def _naming(what: str) -> Iterator[None]:
    """Errors of the block are of ``what``."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"{what}: {error.message}", param=error.param) from error


def _check_preset(preset: Preset) -> None:
    _check_name(preset.name)
    _check_text(preset.system_prompt or "", "system prompt")
    if preset.sampling is not None:
        preset.sampling.check()


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise InvalidRequest(
            f"A preset's name has 1 to {MAX_NAME} characters on one line", param="name"
        )


def _check_snippet(snippet: Snippet) -> None:
    _check_snippet_name(snippet.name)
    _check_text(snippet.text, "snippet")


def _check_text(text: str, what: str) -> None:
    """What is kept has to be understood when it is read again."""
    if len(text) > MAX_TEXT:
        raise InvalidRequest(
            f"A {what} has at most {MAX_TEXT:,} characters, not {len(text):,}", param="text"
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"A {what} cannot hold half a character", param="text") from error


def _check_snippet_name(name: str) -> None:
    if not _SNIPPET_NAME.fullmatch(name):
        raise InvalidRequest(
            f"“{name}” cannot be a snippet's name: letters, digits, - and _, at most"
            f" {MAX_NAME} of them, and no spaces",
            param="name",
        )
