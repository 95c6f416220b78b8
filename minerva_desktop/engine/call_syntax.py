"""The text around tool calls and trains of thought, one entry for each family.

Read by the parent (`answer_parser`) and by the child (grammars, prompts, control tokens). The
facts are from the chat templates that the models bring; llama.cpp 0.3.36 keeps a collection of
them in ``models/templates``. White space in a text is how the models are taught to write it, and
what grammars demand; the parser takes any, or none.
"""

# DeepSeek's tokens hold U+FF5C.
# ruff: noqa: RUF001

from __future__ import annotations

from enum import Enum, auto
from types import MappingProxyType

import msgspec

from minerva_desktop.engine.answer_format import ReasoningFormat, ToolFormat


class Shape(Enum):
    """What stands between a call's opening and its closing."""

    JSON = auto()  # an object of name and arguments, or a list of them
    NAMED = auto()  # the name, something between, the arguments as JSON
    TAGGED = auto()  # the name, then each argument between tags
    HARMONY = auto()  # the recipient and the channel of a message
    MARKED = auto()  # the name, then an object whose texts stand between marks, and its keys bare
    CODE = auto()  # the name, then its arguments in parentheses, as in a line of Python


class CallSyntax(msgspec.Struct, frozen=True):
    """One family's way to write calls.

    ``section`` stands around all of them, ``sections_alike`` are other spellings of its beginning,
    ``call`` stands around each (or around the list of them, where they are ``listed``); ``others``
    are further pairs that models write. ``bare``: an answer, or a line of it, can be a call with
    nothing around it. ``middle`` follows a name that is no JSON. ``parameter`` stands before an
    argument's name, between it and its value, and behind that. ``also``: another shape that the
    family writes. ``said_between``: pairs around what is said to the user. ``quote`` stands before
    and behind a text where that is no JSON.
    """

    shape: Shape
    section: tuple[str, str] = ("", "")
    sections_alike: tuple[str, ...] = ()
    call: tuple[str, str] = ("", "")
    others: tuple[tuple[str, str], ...] = ()
    bare: bool = False
    listed: bool = False
    name_key: str = "name"
    arguments_key: str = "arguments"
    id_before: str = ""  # the key of a number that stands before the name
    id_after: str = ""  # the key of nine characters that may follow the arguments
    also: Shape | None = None
    name_prefix: str = ""
    is_numbered: bool = False  # a colon and the number of the call stand behind a name
    middle: str = ""
    id_between: str = ""  # before an id of the call that may stand before `middle`
    separator: str = "\n"
    parameter: tuple[str, str, str] = ("", "", "")
    quote: str = ""
    said_between: tuple[tuple[str, str], ...] = ()
    content_name: str = ""  # the name that means: no call, text for the user
    single: bool = False  # the templates refuse more than one call in a turn

    @property
    def trigger(self) -> str:
        """The text that only calls begin with; empty where their beginning can be any text."""
        start = (self.section[0] or self.call[0]).split()
        return "" if not start or start[0] in _AMBIGUOUS_STARTS else start[0]


class ThoughtMarks(msgspec.Struct, frozen=True):
    """What stands before and behind a train of thought; ``space``: what models write between the
    opening and its first word."""

    opening: str
    closing: str
    space: str = ""


# What a text can hold without a call: after these alone, nothing may be demanded.
_AMBIGUOUS_STARTS = frozenset({"Action:", ">>>", "functools"})
_TAGS = ("<tool_call>\n", "\n</tool_call>")
_CALL_LIST = ("<tool_calls>", "</tool_calls>")  # Apriel, Hunyuan, Jamba
_FENCE = ("```json\n", "\n```")
_FENCES = (_FENCE, ("```\n", "\n```"))
_ARGS = ("[ARGS]", "[CALL_ID]")
_FUNCTION = ("<function=", "</function>")
_KIMI = ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>")
_DEEPSEEK = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")

SYNTAXES = MappingProxyType(
    {
        ToolFormat.GENERIC: CallSyntax(
            Shape.JSON, call=_TAGS, others=(_CALL_LIST, *_FENCES), bare=True
        ),
        ToolFormat.HERMES: CallSyntax(
            Shape.JSON,
            call=_TAGS,
            # Qwen 2.5 Coder writes the first of these rather than its own.
            others=(
                ("<tools>\n", "\n</tools>"),
                ("<function_call>\n", "\n</function_call>"),
                ("```xml\n<tool_call>\n", "\n</tool_call>\n```"),
                _CALL_LIST,
                *_FENCES,
            ),
            bare=True,
        ),
        ToolFormat.QWEN_XML: CallSyntax(
            Shape.TAGGED,
            call=("<tool_call>\n<function=", "</function>\n</tool_call>"),
            others=(("<function=", "</function>\n</tool_call>"),),
            middle=">\n",
            parameter=("<parameter=", ">\n", "\n</parameter>\n"),
        ),
        ToolFormat.SEED: CallSyntax(
            Shape.TAGGED,
            call=("<seed:tool_call>\n<function=", "</function>\n</seed:tool_call>"),
            others=(("<function=", "</function>\n</seed:tool_call>"),),
            middle=">\n",
            parameter=("<parameter=", ">", "</parameter>\n"),
        ),
        ToolFormat.GLM: CallSyntax(
            Shape.TAGGED,
            call=("<tool_call>", "</tool_call>"),
            middle="\n",
            parameter=("<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n"),
        ),
        ToolFormat.LLAMA: CallSyntax(
            Shape.JSON,
            others=(("<|python_tag|>", ""), *_FENCES),
            bare=True,
            arguments_key="parameters",
            single=True,
        ),
        ToolFormat.MISTRAL: CallSyntax(
            Shape.JSON,
            call=("[TOOL_CALLS]", ""),
            listed=True,
            id_after="id",
            also=Shape.NAMED,
            middle=_ARGS[0],
            id_between=_ARGS[1],
        ),
        ToolFormat.MISTRAL_ARGS: CallSyntax(
            Shape.NAMED,
            call=("[TOOL_CALLS]", ""),
            middle=_ARGS[0],
            id_between=_ARGS[1],
            separator="",
            also=Shape.JSON,
        ),
        ToolFormat.COMMAND_R: CallSyntax(
            Shape.JSON,
            call=("Action:\n```json\n", "\n```"),
            listed=True,
            name_key="tool_name",
            arguments_key="parameters",
        ),
        ToolFormat.COMMAND_R7B: CallSyntax(
            Shape.JSON,
            call=("<|START_ACTION|>", "<|END_ACTION|>"),
            listed=True,
            name_key="tool_name",
            arguments_key="parameters",
            id_before="tool_call_id",
            said_between=(
                ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
                ("<|START_TEXT|>", "<|END_TEXT|>"),
            ),
        ),
        ToolFormat.DEEPSEEK: CallSyntax(
            Shape.NAMED,
            section=_DEEPSEEK,
            # The smaller models that R1 taught have no token for it, and spell it.
            sections_alike=("<｜tool_calls_begin｜>", "<｜tool▁calls｜>"),
            call=("<｜tool▁call▁begin｜>function<｜tool▁sep｜>", "\n```<｜tool▁call▁end｜>"),
            middle="\n```json\n",
        ),
        ToolFormat.DEEPSEEK_V31: CallSyntax(
            Shape.NAMED,
            section=_DEEPSEEK,
            call=("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"),
            middle="<｜tool▁sep｜>",
            separator="",
        ),
        ToolFormat.KIMI: CallSyntax(
            Shape.NAMED,
            section=_KIMI,
            call=("<|tool_call_begin|>", "<|tool_call_end|>"),
            name_prefix="functions.",
            is_numbered=True,
            middle="<|tool_call_argument_begin|>",
            separator="",
        ),
        ToolFormat.FUNCTIONARY_V31: CallSyntax(Shape.NAMED, call=_FUNCTION, middle=">"),
        ToolFormat.FUNCTIONARY_V32: CallSyntax(
            Shape.NAMED, call=(">>>", ""), middle="\n", separator="", content_name="all"
        ),
        ToolFormat.GRANITE: CallSyntax(
            Shape.JSON,
            call=("<|tool_call|>", ""),
            others=(_TAGS,),
            listed=True,
            said_between=(("<response>", "</response>"),),
        ),
        ToolFormat.PHI: CallSyntax(
            Shape.JSON,
            call=("<|tool_call|>", "<|/tool_call|>"),
            others=(("functools", ""),),
            listed=True,
        ),
        ToolFormat.NEMOTRON: CallSyntax(
            Shape.JSON, call=("<TOOLCALL>", "</TOOLCALL>"), listed=True
        ),
        ToolFormat.HARMONY: CallSyntax(Shape.HARMONY, single=True),
        ToolFormat.GEMMA: CallSyntax(
            Shape.MARKED,
            call=("<|tool_call>", "<tool_call|>"),
            name_prefix="call:",
            quote='<|"|>',
            separator="",
        ),
        ToolFormat.LFM: CallSyntax(
            Shape.CODE, call=("<|tool_call_start|>", "<|tool_call_end|>"), listed=True
        ),
        ToolFormat.FIREFUNCTION: CallSyntax(Shape.JSON, call=("functools", ""), listed=True),
    }
)

THOUGHTS = MappingProxyType(
    {
        ReasoningFormat.THINK: ThoughtMarks("<think>", "</think>", "\n"),
        ReasoningFormat.THINK_BRACKETS: ThoughtMarks("[THINK]", "[/THINK]"),
        ReasoningFormat.START_THINKING: ThoughtMarks("<|START_THINKING|>", "<|END_THINKING|>"),
        ReasoningFormat.SEED_THINK: ThoughtMarks("<seed:think>", "</seed:think>"),
        ReasoningFormat.THINKING: ThoughtMarks("<thinking>", "</thinking>"),
        ReasoningFormat.CHANNEL: ThoughtMarks("<|channel>thought", "<channel|>", "\n"),
        ReasoningFormat.REASONING: ThoughtMarks("<reasoning>", "</reasoning>"),
        ReasoningFormat.MINIMAX_THINK: ThoughtMarks("<mm:think>", "</mm:think>"),
        ReasoningFormat.INNER: ThoughtMarks("<|inner_prefix|>", "<|inner_suffix|>"),
        ReasoningFormat.FINAL_RESPONSE: ThoughtMarks(
            "Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]", "\n"
        ),
    }
)
# Not among the others: `harmony_reader` reads it.
HARMONY_THOUGHT = ThoughtMarks("<|channel|>analysis<|message|>", "<|end|>")

HARMONY_MARKS = (
    "<|start|>",
    "<|channel|>",
    "<|constrain|>",
    "<|message|>",
    "<|end|>",
    "<|call|>",
    "<|return|>",
)
