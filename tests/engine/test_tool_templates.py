"""Tools, calls and reasoning in the prompts of each family, and of templates that know none."""

from __future__ import annotations

import json

import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.chat.tools import ChatOptions, Tool, ToolCall, ToolMode
from minerva_desktop.engine.core.chat_renderer import ChatRenderer
from minerva_desktop.engine.core.tool_calls import answer_format, control_marks, knows_tools
from minerva_desktop.errors import InvalidRequest
from tests.engine import templates
from tests.engine.answers import TOOLS, F, R

SYSTEM = ChatTurn(Role.SYSTEM, "Be brief.")
ASKED = ChatTurn(Role.USER, "How hot is <Paris>?")
CALL = ToolCall("call_1", "get_weather", '{"city": "Paris", "days": 1}')
CALLED = ChatTurn(Role.ASSISTANT, "", reasoning="I look.", tool_calls=(CALL,))
RESULT = ChatTurn(Role.TOOL, "20 degrees", tool_call_id="call_1")
CHAT = ChatOptions(tools=TOOLS)


def render(source: str | None, turns: list[ChatTurn], chat: ChatOptions = CHAT) -> str:
    found = answer_format(source)
    return ChatRenderer(source, None, answer_format=found, bos="<s>", eos="</s>").render(
        turns, chat
    )


def test_a_template_that_knows_tools_gets_them_as_openai_has_them() -> None:
    text = render(templates.HERMES, [SYSTEM, ASKED, CALLED, RESULT])
    listed = text.split("Tools:\n")[1].split("\n\nCall")[0].split("\n")
    assert [json.loads(line)["function"]["name"] for line in listed] == ["get_weather", "now"]
    assert json.loads(listed[0]) == {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather <now>",
            "parameters": json.loads(TOOLS[0].parameters),
        },
    }
    assert text.endswith(
        "<|im_start|>assistant\n<think>\nI look.\n</think>\n\n\n<tool_call>\n"
        '{"name": "get_weather", "arguments": {"city": "Paris", "days": 1}}\n</tool_call>'
        "<|im_end|>\n<|im_start|>user\n<tool_response>\n20 degrees\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_tools_are_not_shown_when_they_must_not_be_called() -> None:
    chat = ChatOptions(tools=TOOLS, mode=ToolMode.NONE)
    assert render(templates.HERMES, [ASKED], chat) == render(
        templates.HERMES, [ASKED], ChatOptions()
    )
    assert "get_weather" not in render(templates.GEMMA, [ASKED], chat)


def test_arguments_are_an_object_or_a_text_as_the_template_takes_them() -> None:
    text = render(templates.DEEPSEEK_R1, [ASKED, CALLED, RESULT])
    assert (
        "<A><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n" in text
    )
    assert (
        '```json\n{"city": "Paris", "days": 1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>' in text
    )
    text = render(templates.LLAMA, [ASKED, CALLED, RESULT])
    assert '"parameters": {"city": "Paris", "days": 1}} city=Paris days=1<ipython>20' in text
    broken = ChatTurn(Role.ASSISTANT, "", tool_calls=(ToolCall("i", "now", '{"a": '),))
    assert '"arguments": {"a": }\n</tool_call>' in render(templates.HERMES, [ASKED, broken])


def test_tools_are_put_in_words_where_a_template_only_writes_calls() -> None:
    text = render(templates.DEEPSEEK_R1, [SYSTEM, ASKED, CALLED, RESULT])
    assert text.startswith("<system>Be brief.\n\nYou can call functions.")
    assert json.dumps(json.loads(TOOLS[0].parameters)) in text
    assert "function<｜tool▁sep｜>function_name\n```json\n" in text, "in the model's own syntax"


def test_a_call_is_not_lost_where_its_turn_also_says_something() -> None:
    both = ChatTurn(Role.ASSISTANT, "I look it up.", tool_calls=(CALL,))
    text = render(templates.DEEPSEEK_R1, [ASKED, both, RESULT])
    said, called = text.index("I look it up."), text.index('{"city": "Paris", "days": 1}')
    assert said < called < text.index("20 degrees")


def test_mistral_gets_ids_that_it_takes_and_the_same_ones_for_the_results() -> None:
    text = render(templates.MISTRAL, [SYSTEM, ASKED, CALLED, RESULT])
    call_id = text.split('"id": "')[1].split('"')[0]
    assert len(call_id) == 9
    assert f"[TOOL_RESULTS]20 degrees {call_id}[/TOOL_RESULTS]" in text
    assert text.startswith("[AVAILABLE_TOOLS]["), "and no turn of the system"
    assert "[INST]Be brief.\n\nHow hot" in text


@pytest.mark.parametrize("template", [templates.LLAMA, templates.HARMONY])
def test_templates_that_take_one_call_a_turn_get_them_one_by_one(template: str) -> None:
    second = ToolCall("call_2", "now", "{}")
    called = ChatTurn(Role.ASSISTANT, "", reasoning="I look.", tool_calls=(CALL, second))
    later = ChatTurn(Role.TOOL, "noon", tool_call_id="call_2")
    stray = ChatTurn(Role.TOOL, "lost", tool_call_id="call_9", name="now")
    text = render(template, [ASKED, called, later, RESULT, stray, ASKED], ChatOptions())
    marks = ["get_weather", "20 degrees", "now", "noon", "lost", "How hot"]
    places = [text.rindex(mark) if mark == "How hot" else text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert text.count("I look.") <= 1


def test_tools_are_put_in_words_where_the_template_cannot_write_a_schema() -> None:
    picky = templates.HERMES.replace(
        "{%- for message in messages %}",
        "{%- for tool in tools or () %}{{ tool.function.parameters.need.it }}{% endfor %}"
        "{%- for message in messages %}",
    )
    probed = picky.replace(
        ".need.it",
        "['properties']['a' if 'a' in tool.function.parameters.properties else 'b'].type",
    )
    text = render(probed, [SYSTEM, ASKED])
    assert "Be brief.\n\nYou can call functions." in text
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        render(templates.MISTRAL, [ASKED, ASKED])


def test_tools_are_put_in_words_where_a_schema_makes_the_template_call_itself_for_ever() -> None:
    deep = templates.HERMES.replace(
        "{%- for message in messages %}",
        "{%- macro kind(t) %}{% if t is string %}{{ t }}{% else %}{{ kind(t) }}{% endif %}"
        "{% endmacro %}{%- for tool in tools or () %}"
        "{{ kind((tool.function.parameters.properties.values() | first).type) }}{% endfor %}"
        "{%- for message in messages %}",
    )
    tool = Tool("count", "", '{"properties": {"n": {"type": ["integer", "null"]}}}')
    text = render(deep, [SYSTEM, ASKED], ChatOptions(tools=(tool,)))
    assert "Be brief.\n\nYou can call functions." in text


def test_minimax_calls_are_no_json_so_its_tools_are_put_in_words() -> None:
    found = answer_format("<mm:think> <tool_call> <invoke name=")
    assert (found.tools, found.reasoning) == (F.GENERIC, R.MINIMAX_THINK)


def test_kimi_gets_ids_that_say_what_is_called() -> None:
    second = ToolCall("call_2", "now", "{}")
    later = ChatTurn(Role.TOOL, "noon", tool_call_id="call_2")
    called = [ChatTurn(Role.ASSISTANT, "", tool_calls=(call,)) for call in (CALL, second)]
    text = render(templates.KIMI, [ASKED, called[0], RESULT, called[1], later])
    assert "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{" in text
    assert "<|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}" in text
    assert "Return of functions.get_weather:0\n20 degrees" in text
    assert "Return of functions.now:1\nnoon" in text


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (templates.KIMI, "Return of functions.{name}:{number}\n{result}"),
        (templates.HARMONY, "<|start|>functions.{name}<|message|>{result}"),
        (templates.GEMMA, "The function {name} returned:\n{result}"),
        (templates.GEMMA4, 'response:{name}{{value:<|"|>{result}'),
    ],
)
def test_a_result_belongs_to_the_last_call_of_its_id(template: str, told: str) -> None:
    """Some clients count their calls anew in each turn."""
    again = ToolCall(CALL.id, "now", "{}")
    called = [ChatTurn(Role.ASSISTANT, "", tool_calls=(call,)) for call in (CALL, again)]
    later = ChatTurn(Role.TOOL, "noon", tool_call_id=CALL.id)
    text = render(template, [ASKED, called[0], RESULT, called[1], later])
    assert told.format(name="get_weather", number=0, result="20 degrees") in text
    assert told.format(name="now", number=1, result="noon") in text


def test_harmony_has_its_own_names_and_refusals() -> None:
    text = render(templates.HARMONY, [ASKED, CALLED, RESULT])
    assert "<|channel|>analysis<|message|>I look.<|end|>" in text
    assert "<|start|>functions.get_weather<|message|>20 degrees<|end|>" in text
    both = ChatTurn(Role.ASSISTANT, "Wait.", reasoning="I look.", tool_calls=(CALL,))
    assert "I look." not in render(templates.HARMONY, [ASKED, both, RESULT])


def test_a_template_that_knows_no_tools_is_told_of_them_and_roles_alternate() -> None:
    second = ToolCall("call_2", "now", "{}")
    called = ChatTurn(Role.ASSISTANT, "Wait.", tool_calls=(CALL, second))
    later = ChatTurn(Role.TOOL, "noon", tool_call_id="call_2")
    text = render(templates.GEMMA, [SYSTEM, ASKED, called, RESULT, later, ASKED])
    user, model, results = text.split("<start_of_turn>")[1:4]
    assert user.startswith("user\nBe brief.\n\nYou can call functions.")
    assert user.endswith("How hot is <Paris>?<end_of_turn>\n")
    assert model == (
        'assistant\nWait.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris", '
        '"days": 1}}\n</tool_call>\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
        "<end_of_turn>\n"
    )
    assert results == (
        "user\nThe function get_weather returned:\n20 degrees\n\nThe function now returned:\nnoon"
        "\n\nHow hot is <Paris>?<end_of_turn>\n"
    )
    assert text.endswith("<start_of_turn>model\n")


def test_tools_reach_a_model_whose_template_leaves_the_system_out() -> None:
    text = render(templates.NO_SYSTEM, [SYSTEM, ASKED])
    assert text.startswith("[user]Be brief.\n\nYou can call functions.")
    assert "get_weather" in text


def test_what_the_system_says_later_is_not_lost() -> None:
    first_only = (
        "{% for m in messages %}{% if m.role != 'system' or loop.first %}"
        "<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}"
    )
    later, answer = ChatTurn(Role.SYSTEM, "In French."), ChatTurn(Role.ASSISTANT, "Hot.")
    turns = [SYSTEM, ASKED, answer, later, ASKED]
    told = "<system>Be brief.<user>How hot is <Paris>?<assistant>Hot.<user>In French.\n\nHow hot"
    assert render(first_only, turns, ChatOptions()).startswith(told)
    assert "<user>In French.<assistant>" in render(
        first_only, [SYSTEM, later, answer], ChatOptions()
    )


def test_a_systems_turn_is_merged_only_where_the_template_refuses_it() -> None:
    plain = ChatOptions()
    text = render(templates.GEMMA, [SYSTEM, ASKED], plain)
    assert text.startswith("<start_of_turn>user\nBe brief.\n\nHow hot")
    assert render(templates.NO_SYSTEM, [SYSTEM, ASKED], plain) == f"[user]{ASKED.text}"
    with pytest.raises(InvalidRequest, match="System role not supported"):
        render(templates.GEMMA, [SYSTEM, ASKED, ASKED], plain)
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        render(templates.GEMMA, [ASKED, ASKED], plain)


def test_the_template_for_tools_is_taken_for_tools_and_calls() -> None:
    found = answer_format(templates.GEMMA, templates.HERMES)
    assert found.tools is F.HERMES
    renderer = ChatRenderer(
        templates.GEMMA, templates.HERMES, answer_format=found, bos="<s>", eos="</s>"
    )
    plain = ChatOptions()
    assert renderer.render([ASKED], plain).startswith("<start_of_turn>")
    assert "Tools:" in renderer.render([ASKED], CHAT)
    assert "<tool_response>" in renderer.render([ASKED, CALLED, RESULT], plain)


def test_variables_reach_the_template_but_hide_nothing() -> None:
    chat = ChatOptions(variables='{"enable_thinking": false}')
    assert render(templates.HERMES, [ASKED], chat).endswith("<think>\n\n</think>\n\n")
    for variables, sentence in [
        ('{"messages": []}', "cannot set “messages”"),
        ('{"tools": 1}', "cannot set “tools”"),
        ("[1]", "should be a JSON object"),
        ("{", "no JSON"),
        ('{"a": ' + "[" * 100 + "]" * 100 + "}", "over 64 levels"),
    ]:
        with pytest.raises(InvalidRequest, match=sentence) as caught:
            render(templates.HERMES, [ASKED], ChatOptions(variables=variables))
        assert caught.value.param == "chat_template_kwargs"


@pytest.mark.parametrize(
    ("tools", "sentence", "field"),
    [
        ((Tool("no space"),), "letters, digits", "tools[0].function.name"),
        ((Tool("a"), Tool("a")), "Two tools", "tools[1].function.name"),
        ((Tool("a", parameters="nope"),), "no JSON", "tools[0].function.parameters"),
        ((Tool("a", parameters="[]"),), "JSON object", "tools[0].function.parameters"),
        (
            (Tool("a", parameters='{"a":' + "[" * 9000 + "]" * 9000 + "}"),),
            "JSON",
            "tools[0].function.parameters",
        ),
        (
            (Tool("a", parameters=f'"{"x" * 200_000}"'),),
            "characters",
            "tools[0].function.parameters",
        ),
        (tuple(Tool(f"t{n}") for n in range(129)), "at most 128", "tools"),
    ],
)
def test_tools_that_cannot_be_are_refused(
    tools: tuple[Tool, ...], sentence: str, field: str
) -> None:
    with pytest.raises(InvalidRequest, match=sentence) as caught:
        ChatOptions(tools=tools).check()
    assert caught.value.param == field


def test_choices_that_cannot_be_are_refused() -> None:
    for chat in (
        ChatOptions(mode=ToolMode.REQUIRED),
        ChatOptions(tools=TOOLS, mode=ToolMode.REQUIRED, only_tool="nope"),
        ChatOptions(tools=TOOLS, only_tool="now"),
    ):
        with pytest.raises(InvalidRequest) as caught:
            chat.check()
        assert caught.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("source", "tools", "reasoning"),
    [
        (None, F.GENERIC, R.NONE),
        (templates.HERMES, F.HERMES, R.THINK),
        (templates.DEEPSEEK_R1, F.DEEPSEEK, R.THINK),
        (templates.MISTRAL, F.MISTRAL, R.NONE),
        (templates.MISTRAL + "[ARGS][THINK]", F.MISTRAL_ARGS, R.THINK_BRACKETS),
        (templates.LLAMA, F.LLAMA, R.NONE),
        (templates.HARMONY, F.HARMONY, R.HARMONY),
        (templates.GEMMA, F.GENERIC, R.NONE),
        ("<tool_call><function=<parameter=", F.QWEN_XML, R.NONE),
        ("<seed:tool_call><function=<parameter= <seed:think>", F.SEED, R.SEED_THINK),
        ("<tool_call><arg_key></think>", F.GLM, R.THINK),
        (">>>all <function=", F.FUNCTIONARY_V32, R.NONE),
        ("<function=", F.FUNCTIONARY_V31, R.NONE),
        ("<｜tool▁calls▁begin｜>", F.DEEPSEEK_V31, R.NONE),
        ("<|START_ACTION|><|START_THINKING|>", F.COMMAND_R7B, R.START_THINKING),
        ("Action: tool_name", F.COMMAND_R, R.NONE),
        ("<TOOLCALL>", F.NEMOTRON, R.NONE),
        ("<|tool_call|><think>", F.GRANITE, R.THINK),
        ("<|tool_calls_section_begin|><|tool_call_argument_begin|>", F.KIMI, R.NONE),
        ("<|tool|><|/tool|>", F.PHI, R.NONE),
        ("<|channel>thought", F.GENERIC, R.CHANNEL),
        ("<|channel>thought '<|tool_call>call:'", F.GEMMA, R.CHANNEL),
        ("<|tool_call_start|>", F.LFM, R.NONE),
        ("<|tool_list_start|>", F.LFM, R.NONE),
        (templates.LFM, F.LFM, R.THINK),
        ("List of tools: [ <tool_call>", F.HERMES, R.NONE),
        (templates.FIREFUNCTION, F.FIREFUNCTION, R.NONE),
        ("[BEGIN FINAL RESPONSE] <thinking>", F.GENERIC, R.FINAL_RESPONSE),
        ("<|inner_prefix|>", F.GENERIC, R.INNER),
    ],
)
def test_a_family_is_known_by_its_marks(source: str | None, tools: F, reasoning: R) -> None:
    found = answer_format(source)
    assert (found.tools, found.reasoning) == (tools, reasoning)
    assert knows_tools(source) is (tools is not F.GENERIC)
    assert all(mark and mark == mark.strip() for mark in control_marks(found))
