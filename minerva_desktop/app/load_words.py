"""How a load is told to a person: what was chosen, with why, and nothing twice.

Used by `model_actions` for what a load would take, and by the window for what is loaded. Pure
functions, any thread.
"""

from __future__ import annotations

from collections.abc import Sequence

from minerva_desktop.errors import MinervaError, OutOfMemory


def begun(text: str) -> str:
    """``text`` as a sentence begins."""
    return text[:1].upper() + text[1:]


def told_once(facts: Sequence[str], sentences: Sequence[str]) -> str:
    """One text of short ``facts`` (``context of 4,096 tokens``) and the ``sentences`` of
    `library.fit.Choice` on what is not as usual (``context of 4,096 tokens instead of 8,192: as
    wished it would take 9.0 GB``). A sentence that begins as a fact does takes its place, and a
    reason that several sentences share is said once, at the end."""
    whats, whys, others = list(facts), list[str](), list[str]()
    for sentence in sentences:
        what, _, why = sentence.partition(": ")
        if not why and what not in facts:
            others.append(begun(sentence))
            continue
        place = next((at for at, fact in enumerate(whats) if what.startswith(fact)), None)
        if place is None:
            whats.append(what)
        else:
            whats[place] = what
        if why and why not in whys:
            whys.append(why)
    told = ", ".join(whats)
    if whys:
        told += f": {'; '.join(whys)}"
    return ". ".join((told, *others))


def refused_needs(error: MinervaError) -> str:
    """What a budget that refuses a load says of it, in a sentence; empty for other errors, such as
    those of llama.cpp itself, which allowing more does not help."""
    return f"{begun(error.needs)}." if isinstance(error, OutOfMemory) and error.needs else ""
