"""Chat templates: rendered as models expect, and harmless when hostile."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from minerva_desktop.chat.message import ChatTurn, Role
from minerva_desktop.engine.answer_format import ToolFormat
from minerva_desktop.engine.core import chat_template
from minerva_desktop.engine.core.chat_template import ChatTemplate, check_template
from minerva_desktop.engine.core.template_messages import MessageStyle, template_messages
from minerva_desktop.engine.frames import encode_frame
from minerva_desktop.engine.messages import ErrorInfo, RequestFailed
from minerva_desktop.engine.template_words import why_broken
from minerva_desktop.errors import InferenceError, InvalidRequest, MinervaError, OutOfMemory

TURNS = [ChatTurn(Role.USER, "Hi <b>&"), ChatTurn(Role.ASSISTANT, "Yes?"), ChatTurn(Role.USER, "Q")]


def _render(source: str | None) -> str:
    messages = template_messages(TURNS, MessageStyle(ToolFormat.GENERIC))
    return ChatTemplate(source, bos="<s>", eos="</s>").render(messages)


# What would be 2**40 characters, or a number of as many digits.
_DOUBLED = (
    "{%% macro twice(x) %%}{{ x }}{{ x }}{%% endmacro %%}{%% set ns = namespace(x='a') %%}"
    "{%% for i in range(40) %%}%s{%% endfor %%}"
)
_NESTED = (
    "{% set ns = namespace(x=[0] * 100000) %}"
    "{% for i in range(900) %}{% set ns.x = [ns.x] %}{% endfor %}"
)
_SQUARED = (
    "{%% set ns = namespace(n=10) %%}{%% for i in range(40) %%}{%% set ns.n = %s %%}{%% endfor %%}"
)


def test_without_a_template_it_is_chatml() -> None:
    assert _render(None) == (
        "<|im_start|>user\nHi <b>&<|im_end|>\n"
        "<|im_start|>assistant\nYes?<|im_end|>\n"
        "<|im_start|>user\nQ<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_what_templates_in_the_wild_use_works() -> None:
    source = (
        "{{ bos_token }}{% for m in messages %}{% if loop.index0 == 1 %}{% continue %}{% endif %}"
        "{% generation %}{{ m | tojson }}{% endgeneration %}{% endfor %}"
        "{{ strftime_now('%Y') | length }}{{ eos_token }}"
    )
    assert _render(source) == (
        '<s>{"role": "user", "content": "Hi <b>&"}{"role": "user", "content": "Q"}4</s>'
    )


def test_a_template_that_has_a_day_of_its_own_tells_todays() -> None:
    source = "{% if not date_string is defined %}{% set date_string = 'once' %}{% endif %}"
    template = ChatTemplate(source + "{{ date_string }}", bos="", eos="")
    days = [f"{datetime.now().astimezone():%d %b %Y}"]
    told = template.render([])
    days.append(f"{datetime.now().astimezone():%d %b %Y}")  # it may be another day by now
    assert told in days
    assert template.render([], variables={"date_string": "1 May"}) == "1 May"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% set ns = namespace(n=1) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}", "2"),
        ("{{ {'b': 1, 'a': '☃'} | tojson(ensure_ascii=True, sort_keys=True) }}", None),
        (
            "{{ [1, 2] | tojson(separators=(',', ':')) }}{{ [1] | tojson(indent=1) }}",
            "[1,2][\n 1\n]",
        ),
        ("{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k ~ v }}{% endfor %}", "a2b1"),
        ("{% for k, v in {'b': 1} | items %}{{ k ~ v }}{% endfor %}", "b1"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "2"),
        (
            "{{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='role') | join }}",
            "assistant",
        ),
        ("{{ messages | map(attribute='role') | tojson }}", '["user", "assistant", "user"]'),
        ("{{ ('<' | safe) + '<&' }}{{ ('{\"a\": 1}' | from_json).a }}", "<<&1"),
        ("{{ '%s=%05.2f' | format('n', 3) }}{{ '%(k)s%%' % {'k': [1]} }}", "n=03.00[1]%"),
        ("{{ 'a\\n\\nb' | indent(1, blank=true) }}", "a\n \n b"),
        ("{{ messages[0].tool_calls is defined }}{{ messages[0].content is string }}", "FalseTrue"),
    ],
)
def test_filters_and_tests_of_templates_in_the_wild(source: str, text: str | None) -> None:
    assert _render(source) == ('{"a": "\\u2603", "b": 1}' if text is None else text)


def test_what_is_joined_counted_and_formatted_is_what_jinja_makes_of_it() -> None:
    source = (
        "{{ 1 ~ none ~ [true, 'a'] ~ {'b': 2.5} }}"
        "|{{ messages | map(attribute='role') | join('+') }}"
        "|{{ messages | join(',', attribute='content') }}|{{ 'x'.join(['a', 'b', 'c']) }}"
        "|{% set b %}{{ 1 + 2 }}{{ missing }}{% endset %}{{ b ~ (b | length) }}"
        "|{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('y') + m(3) }}"
        "|{{ '{:>4}:{a}'.format(7, a=[1]) }}|{{ 'abc'[1:] }}{{ 7 * 6 }}{{ 7 // 2 }}{{ -7 % 4 }}"
        "|{{ [{'n': 1}, {'n': 2.5}] | sum('n') }}{{ 2.345 | round(1) }}{{ [1] | tojson(indent=1) }}"
        "|{{ 'a-b'.split('-') | reverse | list }}|{{ 'abc' | list }}|{{ ' t ' | trim | upper }}"
    )
    assert _render(source) == (
        "1None[True, 'a']{'b': 2.5}|user+assistant+user|Hi <b>&,Yes?,Q|axbxc|31|<y><3>"
        "|   7:[1]|bc4231|3.52.3[\n 1\n]|['b', 'a']|['a', 'b', 'c']|T"
    )


def test_a_template_that_refuses_the_messages_is_the_callers_error() -> None:
    with pytest.raises(InvalidRequest, match="roles must alternate"):
        _render("{{ raise_exception('roles must alternate') }}")


def test_the_words_of_a_refusal_are_bounded_and_can_be_sent() -> None:
    with pytest.raises(InvalidRequest, match="refuses these messages: aaaa") as caught:
        _render("{{ raise_exception('a' * 9999999) }}")
    assert len(caught.value.message) < 2000
    with pytest.raises(InvalidRequest) as caught:
        _render("{{ raise_exception('half \\ud83d') }}")
    frame = encode_frame(RequestFailed(1, ErrorInfo.of(caught.value)))
    assert b"refuses these messages: half ?" in frame


@pytest.mark.parametrize(
    "source",
    [
        "{% for x in %}",
        "{{ messages[99].role.upper() }}",
        "{{ 1 / 0 }}",
        "{{ messages | nosuchfilter }}",
        "{{ 1 + 'a' }}",
    ],
)
def test_a_broken_template_is_an_error_and_not_a_crash(source: str) -> None:
    with pytest.raises(MinervaError):
        _render(source)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("{% break %}", "SyntaxError"),
        ("{% if true %}{% continue %}{% endif %}", "SyntaxError"),
        ("{% for a in [1] %}" * 22 + "{% endfor %}" * 22, "SyntaxError"),
        ("{% if true %}" * 120 + "{% endif %}" * 120, "IndentationError"),
        ("{% macro f(a, a) %}{% endmacro %}", "SyntaxError"),
        ("{{ cycler() }}", "RuntimeError"),
        ("{{ messages[0].missing.also }}", "UndefinedError"),
    ],
)
def test_whatever_python_makes_of_a_template_is_an_error_that_names_it(
    source: str, error: str
) -> None:
    with pytest.raises(MinervaError) as caught:
        _render(source)
    if error != "UndefinedError":  # that one may be the messages' fault
        broken, _, reason = caught.value.message.partition(": ")
        assert broken == "The model's chat template is broken"
        assert (reason or caught.value.detail).startswith(error)


def test_why_a_template_cannot_be_read_is_told_and_what_it_made_of_messages_is_detail() -> None:
    with pytest.raises(InferenceError) as caught:
        _render("{{ messages[0].content }}\n{% for x in %}")
    assert caught.value.message == (
        "The model's chat template is broken:"
        " TemplateSyntaxError: Expected an expression, got 'end of statement block' (line 2)"
    )
    assert not caught.value.detail
    with pytest.raises(InferenceError) as caught:
        _render("{{ messages[0].content + 1 }}")
    assert caught.value.message == "The model's chat template is broken"
    assert "can only concatenate str" in caught.value.detail


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}",
        "{{ self.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(cycler) }}",
        "{{ (raise_exception|attr('__globals__'))['sys'].exit(0) }}",
        "{{ lipsum(n=9) }}",
        "{% include '/etc/passwd' %}",
        "{% import '/etc/passwd' as x %}{{ x }}",
    ],
)
def test_a_template_cannot_reach_out_of_the_sandbox(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MinervaError):
        _render(source)
    assert list(tmp_path.glob("CANARY")) == []


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 10**9 }}",
        "{{ 'aaaaaaaaaa' * 2000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ '%0999999999d' % 1 }}",
        "{{ '%.*f' | format(999999999, 1.5) }}",
        "{{ '%(a(b)c)0999999999d' % {'a(b)c': 1} }}",
        "{{ ('%s' * 3000) | format('a' * 9999999) }}",
        "{{ '{:>999999999}'.format('a') }}",
        "{{ '{:>{}}'.format('a', 999999999) }}",
        "{{ 'a'.ljust(999999999) }}",
        "{{ 'a'.center(999999999) }}",
        "{{ '7'.zfill(999999999) }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        "{{ messages | tojson(indent=999999999) }}",
        "{{ messages | tojson(separators=['a' * 999999, 'b']) }}",
        "{{ ('a' * 16000000) | replace('a', 'b' * 1000) }}",
        "{{ (['a' * 16000] * 16000) | join }}",
        "{{ 'x'.join(['a' * 16000] * 16000) }}",
        "{{ ('a' * 16000000) + ('a' * 16000000) }}",
        "{{ 'a' | center(999999999) }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ '\\t'.expandtabs(999999999) }}",
        "{{ '\\t'.expandtabs(tabsize=999999999) }}",
        "{{ ('\\t' * 16000000).expandtabs(99999) }}",
        "{{ ('a' * 9999999).translate({97: 'b' * 9999999}) }}",
        "{{ (5).to_bytes(999999999, 'big') }}",
        "{{ 'a'.encode() * 999999999 }}",
        "{{ ('{0}' * 3000).format('a' * 9999999) }}",
        "{{ ('{:9999}' * 99999).format('a') }}",
        "{{ ('a ' * 8000000).split() }}",
        "{{ ('a' * 9999999) | list }}",
        "{{ 'a' | indent('b' * 9999999) }}",
        "{{ 1.5 | round(999999999, 'floor') }}",
        "{{ ([[0] * 1000000] * 1000) | sum(start=[]) }}",
        _NESTED + "{{ ns.x | tojson(indent=16) }}",
        "{{ (5).from_bytes([255] * 1000000, 'big') }}",
        _DOUBLED % "{% set ns.x = ns.x ~ ns.x %}",
        _DOUBLED % "{% set b %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = b %}",
        _DOUBLED % "{% set ns.x = twice(ns.x) %}",
        _DOUBLED % "{% call() %}{% endcall %}{% set ns.x = [ns.x] | join + (ns.x | string) %}",
        _DOUBLED % "{% set ns.x = [ns.x, ns.x] %}" + "{{ ns.x }}",
        _DOUBLED % "{% set ns.x = [ns.x, ns.x] %}" + "{{ ns.x | tojson }}",
        _DOUBLED % "{% set ns.x = [ns.x, ns.x] %}" + "{{ ns.x | string }}",
        _DOUBLED % "{% set ns.x = {'a': ns.x, 'b': ns.x} %}" + "{{ 'x' ~ ns.x }}",
        _DOUBLED % "{% set ns.x = [ns.x, ns.x] %}" + "{{ '{}'.format(ns.x) }}",
        _DOUBLED % "{% set ns.x = [ns.x, ns.x] %}" + "{{ ns }}",
        _SQUARED % "ns.n * ns.n",
        _SQUARED % "(ns.n ~ '0') * 9 | int",
        "{{ ('f' * 999999) | int(base=16) }}",
        _DOUBLED % "{% set ns.x = [ns.x, ('a' * 9999999)[1:]] %}",
    ],
)
def test_a_small_template_cannot_build_a_huge_value(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_template, "RENDER_SECONDS", 0.2)
    started = time.thread_time()
    with pytest.raises(MinervaError):
        _render(source)
    assert time.thread_time() - started < 10.0, "refused, not built"


def test_a_template_is_not_blamed_where_its_time_cannot_be_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was called broken when the system had no memory for another thread."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    template = ChatTemplate("{{ messages | length }}", bos="", eos="")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(OutOfMemory, match=r"^Not enough memory to write the prompt") as caught:
            template.render([])
    assert caught.value.detail == "can't start new thread"
    assert template.render([]) == "0"


def test_an_endless_template_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "RENDER_SECONDS", 1.0)
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    started = time.thread_time()
    with pytest.raises(InferenceError, match="longer than 1 s"):
        _render(loops)
    assert time.thread_time() - started < 10.0
    assert _render(None).endswith("assistant\n"), "the next render works"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("one\n{% if x %}\n{{ y ", "(line 3)"),
        ("one\ntwo {{ messages | nosuch }}", "No filter named 'nosuch'. (line 2)"),
        ("{% for m in messages %}\n{{ m.content }}\n{{ cycler() }}{% endfor %}", "(line 3)"),
        ("{{ 'a' * 999999999 }}", "SecurityError: a repeated value is too long (line 1)"),
        ("{% if true %}" * 120 + "{% endif %}" * 120, "IndentationError"),
        ("{{ " + "(" * 100_000 + " }}", "RecursionError"),
    ],
)
def test_a_template_is_checked_with_its_line(source: str, why: str) -> None:
    with pytest.raises(InferenceError) as caught:
        check_template(source)
    assert why in why_broken(caught.value)


@pytest.mark.parametrize(
    "source",
    ["{{ messages[0].content }}", "{{ raise_exception('a system turn, please') }}", "words"],
)
def test_a_template_that_works_for_some_messages_passes(source: str) -> None:
    check_template(source)
