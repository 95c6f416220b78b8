"""What is said of a message that was not sent for the files with it."""

from __future__ import annotations

from minerva_desktop.chat.parts import FilePart
from tests.ui.asked_bench import Bench


async def test_a_refusal_has_the_tokens_that_the_cards_of_its_files_say(bench: Bench) -> None:
    """No more is counted than shows that they are too many: "more than 32,766" it said."""
    huge = FilePart("a.md", "w " * 50_000, 100_000, n_tokens=50_000)
    bench.window.composer.attachments.put_back((huge,))
    bench.type("Well?")
    await bench.until_told("was not sent")
    assert "it takes more than 50,000 tokens" in bench.notice
