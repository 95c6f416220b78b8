"""What models of each family write, and what is in it. Values for test_answer_parser.py."""

from __future__ import annotations

from tests.engine.answers import F, R

PARIS = ["get_weather", '{"city": "Paris"}']
NOW = ["now", "{}"]
DEEPSEEK_OPEN = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"

# What a model writes, and the content, reasoning and calls in it.
SAMPLES: list[tuple[F, R, str, tuple[str, str, list[list[str]]]]] = [
    (
        F.HERMES,
        R.THINK,
        (
            "<think>\nHm <tool_call>\n</think>\n\nLet me see.\n<tool_ca"
            'll>\n{"name": "get_weather", '
            '"arguments": {"city": "Paris"}}\n</tool_call>\n<tool_call>'
            '\n{"name": "now", "arguments": '
            "{}}\n</tool_call>"
        ),
        ("Let me see.", "Hm <tool_call>", [PARIS, NOW]),
    ),
    (F.HERMES, R.NONE, '{"name": "now"}', ("", "", [NOW])),
    (
        F.QWEN_XML,
        R.THINK,
        (
            "Sure.\n<tool_call>\n<function=get_weather>\n<parameter=cit"
            "y>\nNew\nYork\n</parameter>\n"
            "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
        ),
        ("Sure.", "", [["get_weather", '{"city": "New\\nYork", "days": 3}']]),
    ),
    (
        F.QWEN_XML,
        R.NONE,
        "<function=now>\n</function>\n</tool_call>",
        ("", "", [NOW]),
    ),
    (
        F.SEED,
        R.SEED_THINK,
        (
            "<seed:think>q</seed:think><seed:tool_call>\n<function=get_weather>\n"
            '<parameter=city>Paris</parameter>\n<parameter=tags>["a"]</parameter>\n</function>\n'
            "</seed:tool_call>"
        ),
        ("", "q", [["get_weather", '{"city": "Paris", "tags": ["a"]}']]),
    ),
    (
        F.GLM,
        R.THINK,
        (
            "<think></think>\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris"
            "</arg_value>\n</tool_call><tool_call>now</tool_call>"
        ),
        ("", "", [PARIS, NOW]),
    ),
    (
        F.LLAMA,
        R.NONE,
        (
            '{"name": "get_weather", "parameters": {"city": "Paris"}};'
            ' {"name": "now", "parameters": '
            "{}}"
        ),
        ("", "", [PARIS, NOW]),
    ),
    (
        F.LLAMA,
        R.NONE,
        '<|python_tag|>{"type": "function", "name": "now", "parameters": {}}',
        ("", "", [NOW]),
    ),
    (
        F.MISTRAL,
        R.NONE,
        (
            'Hi[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}, "id": '
            '"abcdefghi"}, {"name": "now", "arguments": {}, "id": "abcdefghj"}]'
        ),
        ("Hi", "", [PARIS, NOW]),
    ),
    (
        F.MISTRAL_ARGS,
        R.THINK_BRACKETS,
        (
            "[THINK]a[/THINK]Hi[TOOL_CALLS]get_weather[CALL_ID]a1b[ARGS"
            ']{"city": "Paris"}[TOOL_CALLS]'
            "now[ARGS]{}"
        ),
        ("Hi", "a", [PARIS, NOW]),
    ),
    (
        F.COMMAND_R,
        R.NONE,
        (
            'Plan: x\nAction: ```json\n[\n    {\n        "tool_name": "get_weather",\n        '
            '"parameters": {"city": "Paris"}\n    }\n]```\n'
        ),
        ("Plan: x", "", [PARIS]),
    ),
    (
        F.COMMAND_R7B,
        R.START_THINKING,
        (
            '<|START_THINKING|>I will<|END_THINKING|><|START_ACTION|>[\n    {"tool_call_id": "0", '
            '"tool_name": "get_weather", "parameters": {"city": "Paris"}}\n]<|END_ACTION|>'
        ),
        ("", "I will", [PARIS]),
    ),
    (
        F.DEEPSEEK,
        R.THINK,
        (
            f"<think>a</think>\n\n{DEEPSEEK_OPEN}function<｜tool▁sep｜>get_weather\n```json\n"
            '{"city": "Paris"}\n```<｜tool▁call▁end｜>\n'
            "<｜tool▁call▁begin｜>function<｜tool▁sep｜>now\n"
            "```json\n{}\n```\n<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        ("", "a", [PARIS, NOW]),
    ),
    (
        F.DEEPSEEK_V31,
        R.THINK,
        (
            f'ok{DEEPSEEK_OPEN}get_weather<｜tool▁sep｜>{{"city": "Paris"}}<｜tool▁call▁end｜>'
            "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
        ),
        ("ok", "", [PARIS, NOW]),
    ),
    (
        F.KIMI,
        R.THINK,
        (
            "<think>a</think>ok<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather"
            ':0<|tool_call_argument_begin|>{"city": "Paris"}<|tool_call_end|><|tool_call_begin|>'
            "functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
            "<|tool_calls_section_end|>"
        ),
        ("ok", "a", [PARIS, NOW]),
    ),
    (
        F.FUNCTIONARY_V31,
        R.NONE,
        'Hm <function=get_weather>{"city": "Paris"}</function><function=now>{}</function> tail',
        ("Hmtail", "", [PARIS, NOW]),
    ),
    (
        F.FUNCTIONARY_V32,
        R.NONE,
        '>>>all\nHello >>> you\n>>>get_weather\n{"city": "Paris"}>>>now\n{}',
        ("Hello >>> you", "", [PARIS, NOW]),
    ),
    (
        F.GRANITE,
        R.NONE,
        '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Paris"}}]',
        ("", "", [PARIS]),
    ),
    (
        F.PHI,
        R.NONE,
        '<|tool_call|>[{"name": "now", "arguments": {}}]<|/tool_call|>',
        ("", "", [NOW]),
    ),
    (
        F.NEMOTRON,
        R.THINK,
        (
            '<think>\nx\n</think>\n<TOOLCALL>[{"name": "now", "argument'
            's": {}}, {"name": "get_weather",'
            ' "arguments": {"city": "Paris"}}]</TOOLCALL>'
        ),
        ("", "x", [NOW, PARIS]),
    ),
    (
        F.HARMONY,
        R.HARMONY,
        (
            "<|channel|>analysis<|message|>think<|end|><|start|>assistant<|channel|>commentary"
            "<|message|>I look.<|end|><|start|>assistant<|channel|>comm"
            "entary to=functions.get_weather "
            '<|constrain|>json<|message|>{"city": "Paris"}<|call|>'
        ),
        ("I look.", "think", [PARIS]),
    ),
    (
        F.HARMONY,
        R.HARMONY,
        " to=functions.now<|channel|>commentary json<|message|>{}",
        ("", "", [NOW]),
    ),
    (
        F.HARMONY,
        R.HARMONY,
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|"
            "channel|>final<|message|>Hello\n"
            " there<|return|>"
        ),
        ("Hello\n there", "a", []),
    ),
    (
        F.GENERIC,
        R.CHANNEL,
        '<|channel>thought\nt\n<channel|>```json\n{"name": "now", "arguments": {}}\n```\nDone',
        ("Done", "t", [NOW]),
    ),
    (
        F.GEMMA,
        R.CHANNEL,
        (
            '<|channel>thought\nt\n<channel|>I look.<|tool_call>call:get_weather{city:<|"|>Paris'
            '<|"|>}<tool_call|><|tool_call>call:now{}<tool_call|>'
        ),
        ("I look.", "t", [PARIS, NOW]),
    ),
    (
        F.LFM,
        R.THINK,
        (
            "<think>t</think>I look.<|tool_call_start|>[get_weather(city='Paris'), now()]"
            "<|tool_call_end|>"
        ),
        ("I look.", "t", [PARIS, NOW]),
    ),
    (
        F.FIREFUNCTION,
        R.NONE,
        (
            'I look. functools[{"name": "get_weather", "arguments": {"city": "Paris"}}, '
            '{"name": "now", "arguments": {}}]'
        ),
        ("I look.", "", [PARIS, NOW]),
    ),
    (F.GENERIC, R.THINKING, "<thinking>a</thinking> b <thinking>", ("b <thinking>", "a", [])),
    (F.NONE, R.REASONING, "\n<reasoning>\n a\n</reasoning>\n\nb\n", ("b\n", "a", [])),
]

# What looks like a call and is none: it stays as it is.
CONTENT = [
    (F.HERMES, 'a <tool_call>\n{"name": "nope", "arguments": {}}\n</tool_call> b'),
    (F.HERMES, "the tag <tool_call> opens\n\n a call "),
    (F.HERMES, "<tool_call><tool_call"),
    (F.HERMES, '<tool_call>{"name": 5}'),
    (F.HERMES, '<tool_call>{"arguments": {}}</tool_call>'),
    (F.HERMES, '<tool_call>{"name": "now", "arguments": [1]}</tool_call>'),
    (F.HERMES, '{"name": "now", "colour": "red"}'),
    (F.HERMES, '[{"a": 1}]'),
    (F.HERMES, 'In a line: {"name": "now", "arguments": {}}'),
    (F.HERMES, 'if (x)\n{\n  {"name": 1}\n}\n{"name": "now"'),
    (F.LLAMA, '{"type": "function", "function": "nope", "parameters": {}}'),
    (F.LLAMA, '{"function": {"a": {}}, "name": "now"}'),
    (F.LLAMA, 'Like this:\n```json\n{"city": "Paris"}\n```\nyes'),
    (F.HERMES, ' { "name" : "now'),
    (F.LLAMA, '<|python_tag|>brave_search.call(query="x")'),
    (F.LLAMA, '{"result": 3}'),
    (F.MISTRAL, "[TOOL_CALLS] nothing"),
    (F.MISTRAL_ARGS, "[TOOL_CALLS]nope[ARGS]{}"),
    (F.MISTRAL_ARGS, "[TOOL_CALLS]nope"),
    (F.MISTRAL_ARGS, "[TOOL_CALLS]now and then"),
    (F.GEMMA, '<|tool_call>call:nope{a:<|"|>b<|"|>}<tool_call|>'),
    (F.GEMMA, "<|tool_call>call:now()<tool_call|>"),
    (F.LFM, "<|tool_call_start|>[nope()]<|tool_call_end|>"),
    (F.LFM, "<|tool_call_start|>[now(1)]<|tool_call_end|>"),
    (F.LFM, "See [the page](https://example.org)."),
    (F.FIREFUNCTION, "Python's functools[cache] is no call"),
    (F.COMMAND_R, "Action: I run.\nAction: ```json\n[]\n```"),
    (
        F.DEEPSEEK,
        f"{DEEPSEEK_OPEN}function<｜tool▁sep｜>nope\n```json\n{{}}\n```<｜tool▁call▁end｜>",
    ),
    (F.DEEPSEEK, f"{DEEPSEEK_OPEN} no"),
    (F.FUNCTIONARY_V31, "<function=nope>{}</function>"),
    (F.FUNCTIONARY_V31, "<function=now>text</function>"),
    (F.FUNCTIONARY_V32, "Python's prompt is >>>\n>>> x\n"),
    (F.QWEN_XML, "<tool_call>\n<function=nope>\n</function>\n</tool_call>"),
    (F.QWEN_XML, "<tool_call>\n<function=get_weather_of_a_city>\n</function>\n</tool_call> b"),
    (F.QWEN_XML, "<tool_call>\n<function=nop"),
    (F.GLM, "<tool_call>get_weather_of_a_city\n</tool_call>\nIt rains."),
    (F.SEED, "I look.\n<function=functions.get_weather>\n</function>"),
    (F.GENERIC, '```json\n{"a": "now"}\n```\nDone'),
    (F.GENERIC, "   "),
    (F.NONE, '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'),
]
