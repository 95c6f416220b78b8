"""What load options are called where people read of them. Pure text; any thread."""

from __future__ import annotations

from types import MappingProxyType

# Why an option for rotary positions may have no effect.
UNSTRETCHED = "without a stretch factor nothing is stretched"
# By their fields in `LoadOptions`; those of a part of it follow its name and a dot.
_WORDS = MappingProxyType(
    {
        "n_ctx": "The context size in tokens",
        "n_gpu_layers": "The number of layers on the GPU",
        "n_threads": "The number of CPU threads",
        "n_threads_batch": "The number of CPU threads for prompts",
        "n_batch": "The batch size in tokens",
        "n_parallel": "The number of requests computed together",
        "tensor_split": "A GPU's share in the split of the model",
        "lora": "The scale of a LoRA adapter",
        "rope.scaling": "RoPE scaling",
        "rope.freq_base": "The base frequency of RoPE",
        "rope.freq_scale": "The frequency scale of RoPE",
        "rope.yarn_ext_factor": "YaRN's extrapolation factor",
        "rope.yarn_attn_factor": "YaRN's attention factor",
        "rope.yarn_beta_fast": "YaRN's fast beta",
        "rope.yarn_beta_slow": "YaRN's slow beta",
        "rope.yarn_orig_ctx": "YaRN's original context in tokens",
        "speculation.n_draft": "The number of tokens guessed ahead",
        "speculation.p_min": "The least probability of a guess",
    }
)


def option_words(name: str) -> str:
    """What begins a sentence about the option of this field."""
    return _WORDS[name]
