"""How a model writes tool calls and trains of thought, as its chat template tells.

Detected in the engine child (`core/tool_calls.py`), used on both sides: `answer_parser` takes
answers apart, the child's grammars force calls. Values only; `call_syntax` spells them out.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ToolFormat(StrEnum):
    """The families of call syntax. `GENERIC` is our own, for templates that know no tools."""

    NONE = "none"
    GENERIC = "generic"
    HERMES = "hermes"  # and Qwen 2.5, Qwen 3, Granite 4
    QWEN_XML = "qwen_xml"  # Qwen3-Coder, Nemotron 3
    SEED = "seed"
    GLM = "glm"
    LLAMA = "llama"  # 3.1 to 3.3
    MISTRAL = "mistral"  # Nemo, Small 3.1
    MISTRAL_ARGS = "mistral_args"  # Small 3.2, Devstral, Magistral, Ministral
    COMMAND_R = "command_r"
    COMMAND_R7B = "command_r7b"
    DEEPSEEK = "deepseek"  # V3, R1
    DEEPSEEK_V31 = "deepseek_v31"
    KIMI = "kimi"  # K2
    FUNCTIONARY_V31 = "functionary_v31"
    FUNCTIONARY_V32 = "functionary_v32"
    GRANITE = "granite"  # 3
    PHI = "phi"  # 4 mini
    NEMOTRON = "nemotron"  # Nano 2
    HARMONY = "harmony"  # gpt-oss
    GEMMA = "gemma"  # 4
    LFM = "lfm"  # 2 and 2.5
    FIREFUNCTION = "firefunction"  # 2


class ReasoningFormat(StrEnum):
    """What stands around a train of thought."""

    NONE = "none"
    THINK = "think"
    THINK_BRACKETS = "think_brackets"
    START_THINKING = "start_thinking"
    SEED_THINK = "seed_think"
    THINKING = "thinking"
    REASONING = "reasoning"
    CHANNEL = "channel"  # Gemma 4
    MINIMAX_THINK = "minimax_think"  # M3
    INNER = "inner"  # Apertus
    FINAL_RESPONSE = "final_response"  # Apriel
    HARMONY = "harmony"


class AnswerFormat(msgspec.Struct, frozen=True):
    """What to look for in the text of an answer that messages asked for."""

    tools: ToolFormat = ToolFormat.NONE
    reasoning: ReasoningFormat = ReasoningFormat.NONE
