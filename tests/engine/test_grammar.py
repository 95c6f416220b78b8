"""Which grammars reach llama.cpp, and what the others are told. Real llama.cpp: next door."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minerva_desktop.engine.core.grammar import check_grammar
from minerva_desktop.errors import InvalidRequest


def scattered(count: int) -> str:
    """So many characters for a class, none beside another."""
    return "".join(chr(0x3400 + 2 * number) for number in range(count))


def any_of(count: int) -> str:
    """So many alternatives of a character."""
    return " | ".join(f'"{each}"' for each in scattered(count))


def in_turn(count: int) -> str:
    """Two kinds of text that follow each other, of so many alternatives that stay apart."""
    texts = scattered(2 * count)
    kinds = [" | ".join(f'"{each}"{{1,2}}' for each in texts[first::2]) for first in (0, 1)]
    return f"root ::= (a b)*\na ::= {kinds[0]}\nb ::= {kinds[1]}"


ACCEPTED = [
    f"root ::= a\na ::= {any_of(990)}",
    f"root ::= (a a)*\na ::= {any_of(990)}",
    "root ::= (a a)*\na ::= " + " | ".join(f'"{each}"{{2}}' for each in scattered(490)),
    in_turn(150),
    f"root ::= [{scattered(1000)}]+",
    'root ::= "yes" | "no"',
    "root ::= [^\\r\\n\\u2028]+ # a line\n",
    'root ::= (\n  item\n  ("," item)*\n)?\nitem ::= [a-z]+ "é" . "\\x41"',
    'root ::= ws "x" ws\nws ::= | " " | "\\n" [ \\t]{0,20}',
    'root ::= "(" root ")" | [0-9]{1,3} | "a"{2} | "b"{2,}',
    "root ::= [a-z]* [a-z]* [a-z]*",
    'root ::= ("a"?)?',
    'root ::= ("a" | "a")*',
    "root ::= ("
    + " | ".join(f'" {chr(0x61 + i)}{chr(0x61 + j)}x"' for i in range(20) for j in range(20))
    + ")+",
    'root ::= (num "=" term "\\n")+\nnum ::= [0-9]+ ws\nterm ::= num | "(" num ws ")"\nws ::= " "*',
]
CHAIN = "".join(f'a{i} ::= a{i + 1} "x" | a{i + 1} "y"\n' for i in range(30)) + 'a30 ::= "z"'
DEEP = "".join(f"a{i} ::= a{i + 1}\n" for i in range(300)) + 'a300 ::= "z"'
REFUSED = [
    ("", "no rule named “root”"),
    ('rot ::= "a"', "no rule named “root”"),
    ('root ::= "a', "line 1, column 12: the text ends inside the literal"),
    ("root ::= [a", "the text ends inside the character class"),
    ("root ::= []", "matches nothing"),
    ("root ::= [z-a]", "runs backwards"),
    (r'root ::= "\q"', "is not an escape"),
    (r'root ::= "\x4"', "2 hexadecimal digits"),
    (r'root ::= "\uD800"', "U+D800 is not a character"),
    (r"root ::= [\U00110000]", "U+110000 is not a character"),
    (r'root ::= "\x00"', "cannot hold U+0000"),
    ('root ::= "\0"', "U+0000 cannot stand"),
    ('root ::= "\ud800"', "U+D800 cannot stand"),
    ('root ::= ("a"', "“)” is missing for the “(” of line 1"),
    ('root ::= "a")', "“)” cannot stand here"),
    ('root = "a"', "“::=” should follow"),
    ("root ::= * ", "nothing before it"),
    ('root ::= ""*', "nothing before it"),
    ('root ::= "a"{2', "“}” is missing"),
    ('root ::= "a"{,2}', "a number should stand here"),
    ('root ::= "a"{3,1}', "allows nothing"),
    ('root ::= "a"{99999999999999999999}', "2,000 at most"),
    ('root ::= "a"{0,2001}', "2,000 at most"),
    ('root ::= (("a"{0,50}){0,50}){0,50}', "nested repetitions"),
    ("root ::= a", "“a” is used but not defined"),
    ('root ::= a\na ::= "x"\na ::= "y"', "line 3: rule “a” is defined a second time"),
    ("root ::= <[1000]>", "token literals"),
    ("root ::= !<think>", "token literals"),
    ('root ::= root "a" | "b"', "can begin with itself"),
    ('root ::= a\na ::= b "x" | "c"\nb ::= a', "can begin with itself"),
    ('root ::= e root "x" | "y"\ne ::= f f\nf ::= "" | "a"', "can begin with itself"),
    ('root ::= [ ]* root "x" | "y"', "can begin with itself"),
    ('root ::= "a" root', "can never end"),
    ('root ::= ("a"?)*', "can be empty and so cannot be repeated"),
    ('root ::= ws{2,5}\nws ::= " "*', "can be empty and so cannot be repeated"),
    ('root ::= ("a"+)+', "too ambiguous"),
    ('root ::= ("a" | [a])*', "too ambiguous"),
    ('root ::= ("a" | "aa")*', "too ambiguous"),
    ("root ::= " + "[a-z]? " * 50, "too ambiguous"),
    ('root ::= "a" root "x" | "a" root "y" | "b"', "too ambiguous"),
    (in_turn(200), "would be compared 8,080,200 times"),
    ('root ::= "i" root ("e" root)? | "x"', "each level of nesting"),
    ("root ::= " + "(" * 65 + '"a"' + ")" * 65, "more than 64 deep"),
    ("root ::= a0\n" + CHAIN, "more than 1,000,000 ways"),
    ("root ::= a0\n" + DEEP, "chain of more than 256"),
    ("root ::= " + '"a" ' * 60_000, "200,000"),
    ("root ::= " + '"abcdefgh"{0,100} ' * 150, "elements"),
    (f"root ::= [{scattered(1001)}]+", "line 1: at one place each token would be compared with"),
    (f"root ::= [^{scattered(1001)}]", "characters; at most 1,000 are taken"),
    (f'root ::= "x" (y | [{scattered(501)}])\ny ::= [{scattered(500)}] "z"', "with 1,001 ranges"),
    (f"root ::= list? [{scattered(501)}]\nlist ::= [{scattered(500)}]+", "with 1,001 ranges"),
]

REWRITTEN = [
    # Characters that follow each other are one range.
    (
        "root ::= [" + "".join(chr(code) for code in range(0x4E00, 0x4E00 + 15_000)) + "]+",
        r"root ::= [\u4E00-\u8897]+",
    ),
    (
        'root ::= [^c-e"a-d]? [x-z]{2,}',
        r"root ::= [^\x22a-e]? [x-z]{2,}",
    ),
    # So are those of alternatives with the same behind them.
    (
        'root ::= "a" | "c" "x" | "d" | "da" | [f-h] | [^a] "y" | "b" | [i] | "e" "x" | "e" "z"',
        'root ::= [^a] "y" | [f-i] | ("d" ("" | "a" "") | [a-b] "" | "c" "x" | "e" ("x" | "z"))',
    ),
    # Alternatives share what they begin with, also where that is all of one of them.
    (
        'root ::= "Oslo" | "Parma" | "Paris" | "Par" x | "Par"\nx ::= "q"{3} | [0-9]{1,2}',
        'root ::= ("Oslo" "" | "Par" ((r1 | "") | "is" "" | "ma" ""))\nr1 ::= "q"{3} | [0-9]{1,2}',
    ),
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_a_sound_grammar_is_taken(text: str) -> None:
    check_grammar(text)


@pytest.mark.parametrize(("text", "shorter"), REWRITTEN, ids=range(len(REWRITTEN)))
def test_llama_cpp_has_little_to_compare_with(text: str, shorter: str) -> None:
    assert check_grammar(text) == shorter + "\n"


def test_beginnings_that_are_nested_too_deep_stay_as_they_are() -> None:
    text = "root ::= " + " | ".join(f'"{"a" * length}"' for length in range(1, 100))
    assert check_grammar(text) == text


@pytest.mark.parametrize(("text", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_an_unsound_grammar_is_refused(text: str, says: str) -> None:
    started = time.monotonic()
    with pytest.raises(InvalidRequest) as caught:
        check_grammar(text)
    assert says in caught.value.message
    assert caught.value.param == "grammar"
    assert time.monotonic() - started < 10


PIECES = [
    "root",
    "a",
    "b",
    "::=",
    "\n",
    "|",
    "(",
    ")",
    "*",
    "+",
    "?",
    "{2,5}",
    "{9}",
    '"x"',
    "[a-c]",
]
PIECES += [
    "[^x]",
    ".",
    '""',
    "root ::= a\n",
    "a ::= ",
    "b ::= ",
    " ",
    "#",
    "\\",
    '"',
    "]",
    "<",
    "\r",
]


@settings(max_examples=150, deadline=None, database=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join)))
def test_any_text_is_taken_or_refused(text: str) -> None:
    started = time.monotonic()
    with contextlib.suppress(InvalidRequest):
        check_grammar(text)
    assert time.monotonic() - started < 10


def test_hundreds_of_alternatives_that_repeat_are_counted_within_the_bound() -> None:
    """Each has the same behind it, which is long: what that begins with is looked up once."""
    choices = " | ".join(f'[{chr(0x4E00 + 3 * number)}] "b"+' for number in range(400))
    assert check_grammar(f"root ::= ({choices})+")
