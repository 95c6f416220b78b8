"""Reading headers: `bench.py library`.

The file has a vocabulary of 262,144 tokens, as Gemma's, and the tensor table of a model of 48
layers. The peer is the ``gguf`` package, which llama.cpp's own scripts use.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

from bench_report import Figure, Target
from minerva_desktop.library.gguf import read_header

N_VOCAB = 262_144
N_LAYERS = 48
WIDTH = 64  # numbers in a tensor's row; only the table counts
WEIGHTS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down", "ffn_gate")


def measure(runs: int) -> list[Figure]:
    """How long it takes to read the header of a file that the system has in its cache."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large-vocabulary.gguf"
        _write(path)
        ours: list[float] = []
        theirs: list[float] = []
        for _ in range(runs):
            ours.append(_milliseconds(lambda: _read_ours(path)))
            theirs.append(_milliseconds(lambda: gguf.GGUFReader(path)))
    name = f"header of a file with {N_VOCAB:,} tokens"
    return [Figure(name, "ms", tuple(ours), Target(30.0), tuple(theirs))]


def _write(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("Large vocabulary")
    writer.add_block_count(N_LAYERS)
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"token{number}" for number in range(N_VOCAB)])
    writer.add_token_scores([0.0] * N_VOCAB)
    writer.add_token_types([gguf.TokenType.NORMAL] * N_VOCAB)
    writer.add_tensor("token_embd.weight", np.zeros((N_VOCAB, WIDTH), dtype=np.float16))
    writer.add_tensor("output_norm.weight", np.zeros(WIDTH, dtype=np.float32))
    square = np.zeros((WIDTH, WIDTH), dtype=np.float16)
    for layer in range(N_LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.zeros(WIDTH, dtype=np.float32))
        for name in WEIGHTS:
            writer.add_tensor(f"blk.{layer}.{name}.weight", square)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _read_ours(path: Path) -> None:
    if read_header(path).n_vocab != N_VOCAB:
        raise RuntimeError("The header was not read")


def _milliseconds(read: Callable[[], object]) -> float:
    started = time.perf_counter()
    read()
    return (time.perf_counter() - started) * 1000.0
