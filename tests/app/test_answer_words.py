"""What is said beneath an answer that failed."""

from __future__ import annotations

import pytest

from minerva_desktop.app.answer_words import (
    OWN_OPTIONS,
    CrowdedContext,
    crowded,
    is_of_options,
    with_way_out,
)
from minerva_desktop.app.model_actions import overridden
from minerva_desktop.chat.sampling import SamplingParameters
from minerva_desktop.engine.load_options import LoadOptions
from minerva_desktop.errors import (
    ContextLimitExceeded,
    InferenceError,
    InvalidRequest,
    MinervaError,
)
from minerva_desktop.settings import ModelOverrides

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


def test_a_load_refused_for_a_models_options_leads_to_these() -> None:
    overrides = ModelOverrides(kv_type="q8_0", flash_attention="off")
    with pytest.raises(InvalidRequest) as refused:
        overridden(LoadOptions(), overrides).check()
    assert is_of_options(refused.value)
    assert with_way_out(refused.value).endswith(
        " in f16. Change that in the model's load options (Ctrl+Shift+L)."
    )
    assert is_of_options(InvalidRequest("It is too large", param="rope.freq_base"))


@pytest.mark.parametrize("param", [None, "messages", "lora", "model", "max_tokens"])
def test_what_is_wrong_with_a_request_does_not(param: str | None) -> None:
    error = InvalidRequest("It is none", param=param)
    assert not is_of_options(error)
    assert with_way_out(error) == "It is none"


def test_no_request_has_an_option_of_loads() -> None:
    assert set(LoadOptions.__struct_fields__) >= OWN_OPTIONS
    assert OWN_OPTIONS.isdisjoint(SamplingParameters.__struct_fields__)
