"""What is said beneath an answer that failed."""

from __future__ import annotations

import pytest

from minerva_desktop.app.answer_words import CrowdedContext, crowded, with_way_out
from minerva_desktop.errors import ContextLimitExceeded, InferenceError, MinervaError

TOO_LONG = ContextLimitExceeded.of(512, 700)


def test_a_context_that_is_small_for_the_sake_of_others_is_told_with_the_one_it_gets_alone() -> (
    None
):
    error = crowded(TOO_LONG, 8192)
    assert isinstance(error, CrowdedContext)
    assert (error.code, error.param) == (TOO_LONG.code, "messages")
    assert with_way_out(error) == (
        "Context limit exceeded: max 512, required 700 tokens, because other models held memory "
        "when this one was loaded: alone it gets 8,192. Eject the model and try again to have it "
        "loaded anew, shorten the message, or give the model a larger context in its load options "
        "(Ctrl+Shift+L)."
    )


@pytest.mark.parametrize(
    ("error", "n_ctx_alone"),
    [(TOO_LONG, None), (TOO_LONG, 699), (InferenceError("It required 5"), 8192)],
)
def test_where_more_memory_would_not_have_helped_nothing_is_said_of_it(
    error: MinervaError, n_ctx_alone: int | None
) -> None:
    assert crowded(error, n_ctx_alone) is error
    assert "alone" not in with_way_out(error)
