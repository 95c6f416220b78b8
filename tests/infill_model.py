"""A model that fills in the middle: the embedded one, with three of its control tokens declared to
stand around a gap. What it writes there is as good as a guess; that and how it is asked is real."""

from __future__ import annotations

import struct
from pathlib import Path
from types import MappingProxyType

from tests.library.gguf_writer import text, typed

# Control tokens of SmolLM2 in the place of a code model's.
INFILL = MappingProxyType({"fim_pre": 11, "fim_suf": 12, "fim_mid": 13})
ALIGNMENT = 32
HEAD = struct.Struct("<4sIQQ")  # magic, version, tensors, keys


def write_infill_model(path: Path, source: Path) -> None:
    """Copy the GGUF at ``source`` with more keys at the start of its list. Blocks for 0.2 s."""
    whole = source.read_bytes()
    magic, version, n_tensors, n_keys = HEAD.unpack_from(whole)
    added = b"".join(
        text(f"tokenizer.ggml.{name}_token_id") + typed(token) for name, token in INFILL.items()
    )
    # The tensors must stay aligned: what is added is filled up with a text.
    filler = text("general.tags.filler") + typed("")
    filler = text("general.tags.filler") + typed("x" * (-len(added + filler) % ALIGNMENT))
    with path.open("wb") as stream:
        stream.write(HEAD.pack(magic, version, n_tensors, n_keys + len(INFILL) + 1))
        stream.write(added + filler)
        stream.write(memoryview(whole)[HEAD.size :])
