"""What a model can do, as far as its header tells. Pure, any thread.

For models that are not loaded; of a loaded one the engine knows more (`ContextInfo`). The words
are those of ``GET /v1/models``.
"""

from __future__ import annotations

import re

from minerva_desktop.library.gguf import GgufHeader

# What chat templates call a train of thought, in the families that have one.
_REASONING_MARKS = (
    "think>",
    "[THINK]",
    "<|START_THINKING|>",
    "<thinking>",
    "<reasoning>",
    "reasoning_content",
    "<|channel|>",
)
_TEMPLATE = "tokenizer.chat_template"
_TOOL_TEMPLATE = f"{_TEMPLATE}.tool_use"  # the converter's name for a second one


def header_capabilities(header: GgufHeader, template: str | None = None) -> tuple[str, ...]:
    """Of ``chat``, ``tools``, ``reasoning`` and ``embeddings``, those that ``header`` speaks for;
    a ``template`` takes the place of those in it. A model that does not say how to pool token
    embeddings writes text."""
    if header.metadata.get(f"{header.architecture}.pooling_type") is not None:
        return ("embeddings",)
    brought = f"{header.text(_TEMPLATE)}\n{header.text(_TOOL_TEMPLATE)}"
    templates = brought if template is None else template
    found = ["chat"]
    if re.search(r"\btools\b", templates):
        found.append("tools")
    if any(mark in templates for mark in _REASONING_MARKS):
        found.append("reasoning")
    return tuple(found)
