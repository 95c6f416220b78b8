"""Which family's tool calls and trains of thought a chat template is for. Pure Python.

Decided by the marks in the template's source, called once at load.
"""

from __future__ import annotations

import re

from minerva_desktop.engine.answer_format import AnswerFormat, ReasoningFormat, ToolFormat
from minerva_desktop.engine.call_syntax import HARMONY_MARKS, SYNTAXES, THOUGHTS

# The first family counts whose marks are all there: those of a later one may be in an earlier one.
_TOOL_MARKS = (
    (ToolFormat.HARMONY, ("<|channel|>", "<|message|>", "<|start|>assistant")),
    (ToolFormat.GEMMA, ("<|tool_call>call:",)),
    (ToolFormat.LFM, ("<|tool_call_start|>",)),
    (ToolFormat.LFM, ("<|tool_list_start|>",)),
    (ToolFormat.SEED, ("<seed:tool_call>",)),
    (ToolFormat.GLM, ("<arg_key>",)),
    (ToolFormat.QWEN_XML, ("<function=", "<parameter=")),
    (ToolFormat.FUNCTIONARY_V32, (">>>all",)),
    (ToolFormat.FUNCTIONARY_V31, ("<function=",)),
    (ToolFormat.DEEPSEEK, ("<｜tool▁calls▁begin｜>", "```json")),  # noqa: RUF001 - a token's text
    (ToolFormat.DEEPSEEK_V31, ("<｜tool▁calls▁begin｜>",)),  # noqa: RUF001
    (ToolFormat.KIMI, ("<|tool_calls_section_begin|>", "<|tool_call_argument_begin|>")),
    (ToolFormat.MISTRAL_ARGS, ("[TOOL_CALLS]", "[ARGS]")),
    (ToolFormat.MISTRAL, ("[TOOL_CALLS]",)),
    (ToolFormat.COMMAND_R7B, ("<|START_ACTION|>",)),
    (ToolFormat.COMMAND_R, ("Action:", "tool_name")),
    (ToolFormat.NEMOTRON, ("<TOOLCALL>",)),
    (ToolFormat.PHI, ("<|/tool|>",)),
    (ToolFormat.FIREFUNCTION, ("functools[", "functions")),
    (ToolFormat.GRANITE, ("<|tool_call|>",)),
    (ToolFormat.LLAMA, ('"parameters": ', "ipython")),
    (ToolFormat.LLAMA, ("<|python_tag|>",)),
    (ToolFormat.GENERIC, ("<invoke name=", "<tool_call>")),  # MiniMax M3: the call is no JSON
    (ToolFormat.HERMES, ("<tool_call>",)),
    (ToolFormat.LFM, ("List of tools: [",)),  # those of 2.5 that do not show how to call
)
_THOUGHT_MARKS = (
    (ReasoningFormat.HARMONY, "<|channel|>analysis"),
    (ReasoningFormat.START_THINKING, "<|START_THINKING|>"),
    (ReasoningFormat.THINK_BRACKETS, "[THINK]"),
    (ReasoningFormat.SEED_THINK, "<seed:think>"),
    (ReasoningFormat.THINK, "<think>"),
    (ReasoningFormat.THINK, "</think>"),
    (ReasoningFormat.CHANNEL, "<|channel>thought"),
    (ReasoningFormat.MINIMAX_THINK, "<mm:think>"),
    (ReasoningFormat.INNER, "<|inner_prefix|>"),
    (ReasoningFormat.FINAL_RESPONSE, "[BEGIN FINAL RESPONSE]"),
    (ReasoningFormat.THINKING, "<thinking>"),
    (ReasoningFormat.REASONING, "<reasoning>"),
)


def answer_format(template: str | None, tool_template: str | None = None) -> AnswerFormat:
    """How a model with these templates answers; ``tool_template`` is the one that its GGUF has for
    requests with tools. A template that knows no tools, or none, is told of them in our words."""
    sources = [source for source in (tool_template, template) if source]
    tools = next(
        (found for source in sources if (found := _tool_format(source)) is not None),
        ToolFormat.GENERIC,
    )
    whole = "\n".join(sources)
    thought = next((found for found, mark in _THOUGHT_MARKS if mark in whole), ReasoningFormat.NONE)
    return AnswerFormat(tools, thought)


def knows_tools(template: str | None, tool_template: str | None = None) -> bool:
    """Whether these templates have a place for tools of their own."""
    source = f"{template or ''}\n{tool_template or ''}"
    return bool(re.search(r"\btools\b", source)) or _tool_format(source) is not None


def control_marks(found: AnswerFormat) -> tuple[str, ...]:
    """The texts that structure an answer of this format. Those that are control tokens of the
    model have to be written out, for the tokeniser gives them no text."""
    marks: list[str] = []
    syntax = SYNTAXES.get(found.tools)
    if found.tools is ToolFormat.HARMONY:
        marks += HARMONY_MARKS
    elif syntax is not None:
        pairs = (
            syntax.section,
            syntax.call,
            *syntax.others,
            *syntax.said_between,
            syntax.parameter,
        )
        texts = [text for pair in pairs for text in pair]
        marks += " ".join([*texts, syntax.middle, syntax.id_between, syntax.quote]).split()
    if found.reasoning in THOUGHTS:
        thought = THOUGHTS[found.reasoning]
        marks += [thought.opening, thought.closing]
    return tuple(marks)


def _tool_format(source: str) -> ToolFormat | None:
    for found, marks in _TOOL_MARKS:
        if all(mark in source for mark in marks):
            return found
    return None
