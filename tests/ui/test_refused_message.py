"""A message that lacked room, once the chat is cut for it."""

from __future__ import annotations

import pytest

from minerva_desktop.ui.context_controller import KEEP_NEWEST
from tests.ui.asked_bench import Bench

LONG = "word " * 70  # with all that was said, more than the context has


@pytest.mark.parametrize("more", ["", " more"])
async def test_it_goes_by_itself_unless_it_was_changed(bench: Bench, more: str) -> None:
    for question, words in (("Two", "w " * 250), ("Three", "Drei")):
        await bench.desk.answered(bench.session, question, words)
    bench.type(LONG)
    await bench.until_told("it fits")
    bench.window.composer.set_text(LONG + more)
    bench.press(KEEP_NEWEST)
    if more:
        await bench.until_told("Your message has room now")
        assert bench.window.composer.text == LONG + more
    else:
        await bench.until_started(4)
        assert bench.started[-1] == LONG
        assert bench.window.composer.text == ""
