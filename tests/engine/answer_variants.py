"""What models really write: other marks than their family's own, marks left out, unusual arguments,
calls inside of a thought. Values for test_answer_variants.py.

The forms are those that llama.cpp's and vLLM's suites know of; the texts are ours.
"""

from __future__ import annotations

import json
from typing import Any

from tests.engine.answers import F, R

Calls = list[tuple[str, dict[str, Any]]]

UNUSUAL: dict[str, Any] = {
    "quoted": 'She said "no" \\ /',
    "lines": "one\n\ttwo\r\n",
    "letters": "Grüße, 日本 🎉",
    "digits": "00123",
    "empty": "",
    "nested": {"list": [1, -2.5e3, None, {"deep": [[True]]}], "none": {}},
    "brackets": "}]{[",
    "marks": "</tool_call> <tool_call> ``` [TOOL_CALLS] <think>",
}
ESCAPED = json.dumps(UNUSUAL)
INDENTED = json.dumps(UNUSUAL, ensure_ascii=False, indent=2)
NOW: Calls = [("now", {})]
ROME: Calls = [("get_weather", {"city": "Rome"})]
_ROME = '{"name": "get_weather", "arguments": {"city": "Rome"}}'
_NOW = '{"name": "now", "arguments": {}}'
_SECTION = ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>")
_KIMI_ROME = (
    "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
    '{"city": "Rome"}<|tool_call_end|>'
)
_KIMI_NOW = "<|tool_call_begin|>now:1 <|tool_call_argument_begin|> {} <|tool_call_end|>"
_XML_ROME = "<tool_call>\n<function=get_weather>\n<parameter=city>\nRome\n</parameter>\n</function>"
_DEEPSEEK = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>"

# The family, what a model writes, and the content, reasoning and calls in it.
VARIANTS: list[tuple[F, R, str, tuple[str, str, Calls]]] = [
    # Qwen 2.5 Coder
    (F.HERMES, R.NONE, f"<tools>{_ROME}</tools><tools>{_NOW}</tools>", ("", "", ROME + NOW)),
    (F.HERMES, R.NONE, f"Hm.\n<tools>\n{_ROME}\n</tools>\nSo.", ("Hm.So.", "", ROME)),
    (F.HERMES, R.NONE, f"<function_call>\n{_NOW}\n</function_call>", ("", "", NOW)),
    (F.HERMES, R.NONE, f"```xml\n<tool_call>\n{_ROME}\n</tool_call>\n```", ("", "", ROME)),
    (F.HERMES, R.NONE, f"I look.\n```\n{_ROME}\n```", ("I look.", "", ROME)),
    (F.LLAMA, R.NONE, f"```\n{_NOW}\n```\n", ("", "", NOW)),
    (F.GENERIC, R.NONE, f"```json\n{_NOW}\n```", ("", "", NOW)),
    # Hunyuan, Jamba and Apriel: all calls in one list
    (
        F.GENERIC,
        R.NONE,
        f"I look.<tool_calls>[\n{_ROME},\n{_NOW}]\n</tool_calls>",
        ("I look.", "", ROME + NOW),
    ),
    (
        F.HERMES,
        R.FINAL_RESPONSE,
        f"Here are my reasoning steps:\na\n[BEGIN FINAL RESPONSE]<tool_calls>[{_NOW}]</tool_calls>",
        ("", "a", NOW),
    ),
    # Mistral: the other generation's form, and no [ARGS]
    (F.MISTRAL, R.NONE, '[TOOL_CALLS]get_weather[ARGS]{"city": "Rome"}', ("", "", ROME)),
    (F.MISTRAL_ARGS, R.NONE, f"Hi[TOOL_CALLS] [{_ROME}, {_NOW}]", ("Hi", "", ROME + NOW)),
    (
        F.MISTRAL_ARGS,
        R.NONE,
        '[TOOL_CALLS]get_weather{"city": "Rome"}[TOOL_CALLS]now{}',
        ("", "", ROME + NOW),
    ),
    # Nothing behind the name of what needs nothing
    (F.MISTRAL_ARGS, R.NONE, "[TOOL_CALLS]now", ("", "", NOW)),
    (F.MISTRAL_ARGS, R.NONE, "Hi[TOOL_CALLS]now[ARGS]", ("Hi", "", NOW)),
    (
        F.MISTRAL,
        R.NONE,
        '[TOOL_CALLS]now[TOOL_CALLS]nope[TOOL_CALLS]get_weather[ARGS]{"city": "Rome"}',
        ("[TOOL_CALLS]nope", "", NOW + ROME),
    ),
    # Phi 4 mini
    (F.PHI, R.NONE, f"Well.\nfunctools[{_ROME},\n {_NOW}]", ("Well.", "", ROME + NOW)),
    # Kimi K2
    (
        F.KIMI,
        R.NONE,
        f"Hi{_SECTION[0]}{_KIMI_ROME}{_KIMI_NOW}{_SECTION[1]}",
        ("Hi", "", ROME + NOW),
    ),
    (F.KIMI, R.THINK, f"<think>a</think>{_KIMI_ROME}", ("", "a", ROME)),
    # A thought that calls end, without its own mark
    (
        F.KIMI,
        R.THINK,
        f"<think>I call.{_SECTION[0]}{_KIMI_ROME}{_KIMI_NOW}{_SECTION[1]}",
        ("", "I call.", ROME + NOW),
    ),
    (F.HERMES, R.THINK, f"<think>\n<tool_call>\n{_NOW}\n</tool_call>\n", ("", "", NOW)),
    (F.QWEN_XML, R.THINK, f"<think>\na\n\n{_XML_ROME}\n</tool_call>", ("", "a", ROME)),
    (
        F.HERMES,
        R.THINK,
        (
            f"<think>Is <tool_call> right? <tool_call>{_ROME}</tool_call> it is.\n"
            f"<tool_call>{_NOW}</tool_call>"
        ),
        (
            "",
            f"Is <tool_call> right? <tool_call>{_ROME}</tool_call> it is.",
            NOW,
        ),
    ),
    # One that only speaks of calls
    (
        F.MISTRAL_ARGS,
        R.THINK_BRACKETS,
        "[THINK]a [TOOL_CALLS]now[ARGS]{} b[/THINK][TOOL_CALLS]now[ARGS]{}",
        ("", "a [TOOL_CALLS]now[ARGS]{} b", NOW),
    ),
    (
        F.HERMES,
        R.THINK,
        f"<think><tool_call>{_NOW}</tool_call></think>No.",
        ("No.", f"<tool_call>{_NOW}</tool_call>", []),
    ),
    (F.HERMES, R.THINK, "<think>a <tool_call>", ("", "a <tool_call>", [])),
    # Empty and cut thoughts
    (F.HERMES, R.THINK, f"<think>\n\n</think>\n\n{_NOW}", ("", "", NOW)),
    (F.HERMES, R.THINK, "<think>\n\n</think>\n\n", ("", "", [])),
    (F.HERMES, R.THINK, "<think>\nso far\n", ("", "so far", [])),
    (F.HERMES, R.THINK, "<think>so </thin", ("", "so </thin", [])),
    (F.COMMAND_R7B, R.START_THINKING, "<|START_THINKING|><|END_THINKING|>a", ("a", "", [])),
    # Marks around what is said
    (
        F.COMMAND_R7B,
        R.START_THINKING,
        "<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Hi, all.<|END_RESPONSE|>",
        ("Hi, all.", "a", []),
    ),
    (F.COMMAND_R7B, R.START_THINKING, "more.<|END_RESPONSE|>", ("more.", "", [])),
    (F.GRANITE, R.THINK, "<think>a</think><response>Hi</response>", ("Hi", "a", [])),
    (
        F.GRANITE,
        R.THINK,
        "Tags like </response> are text",
        ("Tags like </response> are text", "", []),
    ),
    # gpt-oss
    (
        F.HARMONY,
        R.HARMONY,
        (
            "<|channel|>commentary to=assistant<|channel|>analysis<|message|>a<|end|>"
            "<|start|>assistant<|channel|>commentary to=assistant<|channel|>final<|message|>Hi"
            "<|return|>"
        ),
        ("Hi", "a", []),
    ),
    (
        F.HARMONY,
        R.HARMONY,
        (
            '<|channel|>analysis to=functions.get_weather code<|message|>{"city": "Rome"}<|call|>'
            "<|start|>assistant to=now<|channel|>commentary<|message|>{}<|call|>"
        ),
        ("", "", ROME + NOW),
    ),
    (
        F.HARMONY,
        R.NONE,
        "<|channel|>analysis<|message|>a\n<|end|><|start|>assistant<|channel|>final<|message|>Hi",
        ("<|channel|>analysis<|message|>a\n<|end|>Hi", "", []),
    ),
    # Gemma 4: white space, JSON's quotes, none, no word before the name, a last comma
    (
        F.GEMMA,
        R.NONE,
        '<|tool_call>call: get_weather { "city" : "Rome", } <tool_call|> So.',
        ("So.", "", ROME),
    ),
    (
        F.GEMMA,
        R.CHANNEL,
        "<|channel>thought\na<|tool_call>now{}<tool_call|><|tool_call>call:get_weather{city:Rome}",
        ("", "a", NOW + ROME),
    ),
    (
        F.GEMMA,
        R.CHANNEL,
        (
            "<|channel>thought\n<channel|><|tool_call>call:get_weather{days:3,"
            'tags:[<|"|>a<|"|>,null],deep:{x:-1.5e3,y:{},z:[[],true]}}<tool_call|>'
        ),
        (
            "",
            "",
            [
                (
                    "get_weather",
                    {
                        "days": 3,
                        "tags": ["a", None],
                        "deep": {"x": -1.5e3, "y": {}, "z": [[], True]},
                    },
                )
            ],
        ),
    ),
    # LFM2: JSON, both spellings of constants, Python's quotes, and those that its template leaves
    (F.LFM, R.NONE, f"<|tool_call_start|>[{_ROME}, {_NOW}]<|tool_call_end|>", ("", "", ROME + NOW)),
    (
        F.LFM,
        R.NONE,
        (
            "A<|tool_call_start|>[ now( ) , get_weather( city = 'Rome', ) ] <|tool_call_end|>\nB"
            "<|tool_call_start|>now()<|tool_call_end|>"
        ),
        ("AB", "", [*NOW, *ROME, *NOW]),
    ),
    (
        F.LFM,
        R.NONE,
        (
            "<|tool_call_start|>[get_weather(city='it's \"fine\", is it', a=True, b=false, c=None, "
            "d={'k': [1, .5, 1_000], 2: null}, e=celsius, "
            'f="""a "b" c""", g=\'\')]<|tool_call_end|>'
        ),
        (
            "",
            "",
            [
                (
                    "get_weather",
                    {
                        "city": 'it\'s "fine", is it',
                        "a": True,
                        "b": False,
                        "c": None,
                        "d": {"k": [1, 0.5, 1000], "2": None},
                        "e": "celsius",
                        "f": 'a "b" c',
                        "g": "",
                    },
                )
            ],
        ),
    ),
    (
        F.LFM,
        R.NONE,
        r"""<|tool_call_start|>[get_weather(city="\"\\\n\x41\u00e9\U0001F389\ud83c\udf89\d\u12\/")]""",
        ("", "", [("get_weather", {"city": '"\\\nAé🎉🎉\\d\\u12/'})]),
    ),
    # White space and marks that differ
    (
        F.DEEPSEEK,
        R.THINK,
        (
            "<think>a</think><｜tool_calls_begin｜>function<｜tool▁sep｜>now\n```json\n{}\n```"
            f"<｜tool▁call▁end｜>{_DEEPSEEK}get_weather\n```json\n"
            '{"city": "Rome"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
        ),
        ("", "a", NOW + ROME),
    ),
    (F.DEEPSEEK_V31, R.NONE, "<｜tool▁calls▁begin｜>now<｜tool▁sep｜>{}", ("", "", NOW)),
    (F.KIMI, R.NONE, f"{_SECTION[0]}now:0<|tool_call_argument_begin|>{{}}", ("", "", NOW)),
    (F.DEEPSEEK, R.NONE, f"{_DEEPSEEK}now\n```json\n{{}}```<｜tool▁call▁end｜>", ("", "", NOW)),
    (
        F.GLM,
        R.THINK,
        (
            "<think>a</think>\n<tool_call>get_weather<arg_key>city</arg_key><arg_value>Rome</arg_value>"
            "</tool_call>\n    <tool_call>now\n    </tool_call>"
        ),
        ("", "a", ROME + NOW),
    ),
    (
        F.GRANITE,
        R.NONE,
        '<|tool_call|> [\n  {"arguments": {"city": "Rome"}, "name": "get_weather"}\n]',
        ("", "", ROME),
    ),
]

# How each family writes a call of ``deep`` whose arguments are JSON, around them.
AROUND = [
    (F.HERMES, '<tool_call>\n{"name": "deep", "arguments": ', "}\n</tool_call>"),
    (F.GENERIC, 'So:\n```json\n{"name": "deep", "arguments": ', "}\n```"),
    (F.LLAMA, '{"name": "deep", "parameters": ', "}"),
    (F.MISTRAL, '[TOOL_CALLS][{"name": "deep", "arguments": ', ', "id": "123456789"}]'),
    (F.MISTRAL_ARGS, "[TOOL_CALLS]deep[CALL_ID]a[ARGS]", ""),
    (F.COMMAND_R, 'Action: ```json\n[{"tool_name": "deep", "parameters": ', "}]```"),
    (F.COMMAND_R7B, '<|START_ACTION|>[{"tool_name": "deep", "parameters": ', "}]<|END_ACTION|>"),
    (F.DEEPSEEK, f"<｜tool▁calls▁begin｜>{_DEEPSEEK}deep\n```json\n", "\n```<｜tool▁call▁end｜>"),
    (F.DEEPSEEK_V31, "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>deep<｜tool▁sep｜>", ""),
    (F.KIMI, f"{_SECTION[0]}<|tool_call_begin|>deep:0<|tool_call_argument_begin|>", _SECTION[1]),
    (F.FUNCTIONARY_V31, "<function=deep>", "</function>"),
    (F.FUNCTIONARY_V32, ">>>deep\n", ""),
    (F.GRANITE, '<|tool_call|>[{"name": "deep", "arguments": ', "}]"),
    (F.PHI, '<|tool_call|>[{"name": "deep", "arguments": ', "}]<|/tool_call|>"),
    (F.NEMOTRON, '<TOOLCALL>[{"name": "deep", "arguments": ', "}]</TOOLCALL>"),
    (F.HARMONY, "<|channel|>commentary to=functions.deep <|constrain|>json<|message|>", "<|call|>"),
]
# And the families that write arguments between tags: before a name, between, and behind a value.
TAGGED = [
    (
        F.QWEN_XML,
        "<tool_call>\n<function=deep>\n",
        ("<parameter=", ">\n", "\n</parameter>\n"),
        "</function>\n</tool_call>",
    ),
    (
        F.SEED,
        "<seed:tool_call>\n<function=deep>\n",
        ("<parameter=", ">", "</parameter>\n"),
        "</function>\n</seed:tool_call>",
    ),
    (
        F.GLM,
        "<tool_call>deep\n",
        ("<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n"),
        "</tool_call>",
    ),
]
