"""Headers that contradict themselves: each of these ends llama.cpp's process, or is refused by it.

What llama.cpp does with each was tried with version 0.3.36 of the bindings.
"""

from __future__ import annotations

import io

import pytest

from minerva_desktop.errors import ModelLoadError
from minerva_desktop.library.gguf import GgufHeader, parse_header
from tests.library.gguf_writer import F32, LLAMA, TENSORS, Tensor, Value, gguf_bytes

F16 = 1
I32 = 26
EMBEDDING, NORM = TENSORS
LAYER_NORM = Tensor("blk.0.attn_norm.weight", (32,), F32)
HEADS = {"llama.attention.head_count": 4}
BERT: dict[str, Value] = {
    "general.architecture": "bert",
    "tokenizer.ggml.model": "bert",
    "tokenizer.ggml.tokens": ["[CLS]", "[SEP]", "a"],
}


def parse(content: bytes) -> GgufHeader:
    return parse_header(io.BytesIO(content), len(content), "“x.gguf”")


def refusal(content: bytes) -> str:
    with pytest.raises(ModelLoadError) as caught:
        parse(content)
    return caught.value.message


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"llama.block_count": 0}, "0 layers (1 to 512)"),
        ({"llama.block_count": 513}, "513 layers (1 to 512)"),
        ({"llama.embedding_length": 0}, "its embedding is 0 wide"),
        ({"llama.nextn_predict_layers": 3}, "3 of its 2 layers"),
        ({"llama.rope.scaling.type": "bogus"}, "scales positions by “bogus” (known: linear,"),
        ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, "is nan"),
        ({"llama.attention.layer_norm_rms_epsilon": -1.0}, "is -1.0"),
        (HEADS | {"llama.attention.head_count_kv": 3}, "its 4 heads cannot share 3"),
        ({"llama.expert_count": 1025, "llama.expert_used_count": 1}, "1,025 experts (limit 1,024)"),
        ({"llama.expert_count": 2, "llama.expert_used_count": 4}, "it uses 4 of 2 experts"),
        ({"llama.expert_count": 2, "llama.expert_used_count": [1, 3]}, "it uses 3 of 2 experts"),
        ({"llama.expert_used_count": 4}, "it uses 4 of 0 experts"),
        ({"llama.expert_count": 2}, "it uses none of its 2 experts"),
        ({"llama.expert_group_count": 4}, "4 groups of 0 experts"),
        (
            {
                "llama.expert_count": 4,
                "llama.expert_used_count": 2,
                "llama.expert_group_count": 3,
                "llama.expert_group_used_count": 1,
            },
            "4 experts do not make 3 equal groups",
        ),
        (
            {
                "llama.expert_count": 4,
                "llama.expert_used_count": 2,
                "llama.expert_group_count": 2,
            },
            "it uses 0 of 2 groups",
        ),
        (BERT, "its tokenizer needs a bos token, and none of its 3 tokens is it"),
        (BERT | {"tokenizer.ggml.bos_token_id": 0}, "needs a separator token"),
        (
            {"tokenizer.ggml.model": "t5", "tokenizer.ggml.add_bos_token": True},
            "needs a bos token",
        ),
    ],
)
def test_numbers_that_llama_cpp_dies_of(change: dict[str, Value], what: str) -> None:
    message = refusal(gguf_bytes({**LLAMA, **change}))
    assert message.startswith("“x.gguf” is damaged: ")
    assert what in message


@pytest.mark.parametrize(
    ("tensors", "what"),
    [
        ([EMBEDDING._replace(shape=(5, 32), type_number=F32), NORM], "is 5 × 32, but"),
        ([EMBEDDING._replace(shape=(32, 6)), NORM], "is 32 × 6, but its metadata say 32 × 5"),
        ([EMBEDDING, NORM._replace(shape=(31,))], "“output_norm.weight” is 31, but"),
        ([EMBEDDING, Tensor("output.weight", (31, 5))], "is 31 × 5, but its metadata say 32 × …"),
        ([EMBEDDING, LAYER_NORM._replace(shape=(32, 2))], "is 32 × 2, but its metadata say 32"),
        ([EMBEDDING._replace(shape=(32, 0)), NORM], "is 32 × 0, but"),
        ([EMBEDDING, LAYER_NORM._replace(name="blk.2.attn_norm.weight")], "is of layer 2, but"),
        ([EMBEDDING, LAYER_NORM._replace(name=f"blk.{'9' * 40}.x")], "has 2 layers, from 0 on"),
        ([EMBEDDING, NORM._replace(type_number=F16)], "stored as F16"),
        ([EMBEDDING._replace(type_number=I32), NORM], "stored as I32"),
        ([EMBEDDING, Tensor("blk.0.attn_q.weight", (32, 32), I32)], "stored as I32"),
        ([EMBEDDING, Tensor("rope_freqs.weight", (8,), I32)], "stored as I32"),
    ],
)
def test_tensors_that_do_not_fit(tensors: list[Tensor], what: str) -> None:
    message = refusal(gguf_bytes(tensors=tensors))
    assert message.startswith("“x.gguf” is damaged: the tensor “")
    assert what in message


@pytest.mark.parametrize(
    "change",
    [
        # llama.cpp gives a meaning to each of these, or refuses it in words of its own.
        {"llama.context_length": 0},
        {"llama.block_count": 2.5},
        {"llama.attention.head_count": 0},
        {"llama.attention.head_count": [4, 0], "llama.attention.head_count_kv": [3, 0]},
        {"general.architecture": "wavtokenizer-dec", "wavtokenizer-dec.embedding_length": 7},
        {"general.architecture": "clip", "clip.block_count": 0},
        {"general.type": "adapter", "llama.block_count": 0},
        {"general.architecture": "hunyuan-dense", "hunyuan-dense.expert_count": 1},
        {"tokenizer.ggml.bos_token_id": 99},
    ],
)
def test_what_is_not_ours_to_judge(change: dict[str, Value]) -> None:
    assert parse(gguf_bytes({**LLAMA, **change})).tensors


def test_trailing_ones_and_a_layer_within_the_model() -> None:
    tensors = [EMBEDDING, NORM._replace(shape=(32, 1)), LAYER_NORM]
    assert len(parse(gguf_bytes(tensors=tensors)).tensors) == 3


def test_a_draft_may_share_a_larger_vocabulary() -> None:
    metadata = {**LLAMA, "general.architecture": "eagle3", "eagle3.embedding_length": 32}
    tensors = [EMBEDDING._replace(shape=(32, 9)), NORM]
    assert parse(gguf_bytes(metadata, tensors)).n_vocab == 5
