"""What is chosen for a model where memory is plenty, short, or not enough."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace

from minerva_desktop.library.estimate_options import EstimateOptions, GpuShare
from minerva_desktop.library.fit import (
    LEAST_N_CTX,
    LONG_N_CTX,
    Choice,
    Fit,
    Free,
    choose_options,
)
from minerva_desktop.library.gguf import parse_header
from minerva_desktop.library.memory_estimate import Estimator
from tests.library.gguf_writer import Tensor, Value, gguf_bytes

WISHED = EstimateOptions(n_ctx=8192, n_seq_max=8)
GPU = (GpuShare("GPU0", 1.0),)
ALL = Free()


def _model(head: int = 64, n_ctx_train: int = 131_072, **keys: Value) -> Estimator:
    """8 layers, 512 wide, with 8 heads for queries and keys."""
    sizes: dict[str, Value] = {
        "block_count": 8,
        "context_length": n_ctx_train,
        "embedding_length": 512,
        "attention.head_count": 8,
        "attention.key_length": head,
        "attention.value_length": head,
        "feed_forward_length": 2048,
    }
    own = {name.replace("__", "."): value for name, value in keys.items()}
    metadata: dict[str, Value] = {"general.architecture": "llama"}
    metadata |= {f"llama.{key}": value for key, value in (sizes | own).items()}
    tensors = [
        Tensor("token_embd.weight", (512, 1000)),
        *(Tensor(f"blk.{index}.ffn_up.weight", (512, 2048)) for index in range(8)),
        Tensor("output_norm.weight", (512,)),
    ]
    # Only a header: the file that it pretends to begin is large enough.
    data = gguf_bytes(metadata, tensors)
    return Estimator(parse_header(io.BytesIO(data), 1 << 30, "test.gguf"))


def _room(model: Estimator, options: EstimateOptions, more: int = 0) -> dict[str, int]:
    """Just what ``options`` take, and ``more`` bytes."""
    return {each.device: each.total_bytes + more for each in model.estimate(options).devices}


def _choose(model: Estimator, room: dict[str, int], free: Free = ALL) -> Choice:
    return choose_options(model, WISHED, room, free)


def test_a_smaller_kv_cache_comes_before_a_shorter_context() -> None:
    model = _model()
    q8 = replace(WISHED, kv_type_k="q8_0", kv_type_v="q8_0")
    choice = _choose(model, _room(model, q8))
    assert (choice.fit, choice.options) == (Fit.SMALLER_KV, q8)
    shorter = replace(q8, n_ctx=4096)
    choice = _choose(model, _room(model, shorter))
    assert (choice.fit, choice.options) == (Fit.SMALLER_CONTEXT, shorter)


def test_a_cache_is_not_quantised_where_a_head_is_no_multiple_of_32() -> None:
    model = _model(head=80)
    choice = _choose(model, _room(model, replace(WISHED, n_ctx=4096)))
    assert choice.options == replace(WISHED, n_ctx=4096)
    assert choice.fit is Fit.SMALLER_CONTEXT
    odd = _model(attention__value_length=48)
    assert _choose(odd, _room(odd, replace(WISHED, n_ctx=4096))).options.kv_type_v == "f16"


def test_a_cache_is_not_quantised_without_flash_attention() -> None:
    model = _model()
    wished = replace(WISHED, flash_attention=False)
    room = _room(model, replace(wished, n_ctx=4096))
    assert choose_options(model, wished, room, ALL).options == replace(wished, n_ctx=4096)


def test_with_much_room_the_context_gets_longer() -> None:
    model = _model()
    for n_ctx in LONG_N_CTX:
        (half,) = _room(model, replace(WISHED, n_ctx=n_ctx)).values()
        choice = _choose(model, {"CPU": 2 * half})
        assert (choice.fit, choice.options.n_ctx, choice.reasons) == (Fit.FITS, n_ctx, ())
        assert "no more than half of the memory for models" in choice.notes[0]
        assert _choose(model, {"CPU": 2 * half - 2}).options.n_ctx < n_ctx
    shortest = _choose(model, _room(model, WISHED))
    assert (shortest.options.n_ctx, shortest.notes) == (8192, ())


def test_a_context_never_gets_longer_than_trained_or_asked() -> None:
    plenty = {"CPU": 1 << 40}
    assert _choose(_model(n_ctx_train=20_000), plenty).options.n_ctx == 20_224
    assert _choose(_model(n_ctx_train=8192), plenty).options.n_ctx == 8192
    assert _choose(_model(), plenty, Free(n_ctx=False)).options.n_ctx == 8192
    embedding = replace(WISHED, n_ctx=2048, n_seq_max=64, is_embedding=True)
    assert choose_options(_model(), embedding, plenty, ALL).options.n_ctx == 2048


def test_the_context_of_an_embedding_model_may_be_short() -> None:
    model = _model()
    wished = replace(WISHED, n_ctx=2048, n_seq_max=64, is_embedding=True)
    q8 = replace(wished, kv_type_k="q8_0", kv_type_v="q8_0", n_ctx=512)
    choice = choose_options(model, wished, _room(model, q8), ALL)
    assert (choice.fit, choice.options.n_ctx) == (Fit.SMALLER_CONTEXT, 512)


def test_what_does_not_fit_at_all_comes_as_near_as_it_can() -> None:
    model = _model()
    wished = replace(WISHED, gpus=GPU)
    # The GPU holds half of the layers, the CPU not even the table of tokens.
    half = replace(wished, n_ctx=LEAST_N_CTX, kv_type_k="q8_0", kv_type_v="q8_0", n_gpu_layers=5)
    room = {"CPU": 100, "GPU0": _room(model, half)["GPU0"]}
    choice = choose_options(model, wished, room, ALL)
    assert (choice.fit, choice.options) == (Fit.WONT_FIT, half)
    assert choice.estimate == model.estimate(half)
    too_large, *given_up = choice.reasons
    assert too_large.startswith("it takes ")
    assert too_large.endswith("of this computer's memory, and there are 100 bytes for models")
    assert [reason.split(":")[0] for reason in given_up] == [
        "KV cache in q8_0",
        "context of 1,024 tokens instead of 8,192",
        "5 of 9 layers on the GPU, the others on the CPU",
    ]


def test_what_was_asked_for_is_not_touched_even_then() -> None:
    model = _model()
    asked = Free(n_ctx=False, kv_type=False, n_gpu_layers=False)
    wished = replace(WISHED, gpus=GPU)
    choice = choose_options(model, wished, {"CPU": 1, "GPU0": 1}, asked)
    assert (choice.fit, choice.options) == (Fit.WONT_FIT, wished)
    assert len(choice.reasons) == 2


def test_a_context_that_is_too_long_says_which_would_fit() -> None:
    model = _model(n_ctx_train=8192)
    long = replace(WISHED, n_ctx=100_000)
    room = _room(model, replace(long, n_ctx=20_480, kv_type_k="q8_0", kv_type_v="q8_0"))
    choice = choose_options(model, long, room, Free(n_ctx=False))
    assert (choice.fit, choice.options.n_ctx) == (Fit.WONT_FIT, 100_000)
    assert choice.reasons[-1] == "a context of up to 20,480 tokens would fit"
    plenty = _room(model, long, 1 << 30)
    assert model.largest_n_ctx(long, plenty) == 100_000  # no less than what fits as it was asked
    assert model.largest_n_ctx(WISHED, plenty) == 8192


@pytest.mark.parametrize("n_layers", [1, 5, 8])
def test_layers_go_to_the_cpu_where_the_gpu_is_too_small(n_layers: int) -> None:
    model = _model()
    wished = replace(WISHED, gpus=GPU)
    q8 = replace(wished, kv_type_k="q8_0", kv_type_v="q8_0", n_gpu_layers=n_layers)
    room = {"CPU": 1 << 30, "GPU0": _room(model, q8)["GPU0"]}
    choice = choose_options(model, wished, room, Free(n_ctx=False))
    assert (choice.fit, choice.options) == (Fit.NEEDS_OFFLOAD, q8)
