"""The grammars that we let through, in the real llama.cpp, in a process of their own.

Each is sampled from random logits through llama.cpp's grammar sampler over SmolLM2's vocabulary,
so that the texts are what the grammar allows rather than what a model likes to say.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from minerva_desktop.engine.core.grammar import check_grammar
from minerva_desktop.engine.core.json_schema import schema_to_grammar
from minerva_desktop.errors import InvalidRequest

MAX_TOKENS = 60
SEEDS = 2

SAMPLE = r"""
import ctypes, json, random, sys
import numpy as np
from minerva_desktop.engine.core.bindings import llama

llama.llama_backend_init()
parameters = llama.llama_model_default_params()
parameters.vocab_only = True
model = llama.llama_model_load_from_file(sys.argv[1].encode(), parameters)
vocabulary = llama.llama_model_get_vocab(model)
size = llama.llama_vocab_n_tokens(vocabulary)
buffer = ctypes.create_string_buffer(512)
ends = [t for t in range(size) if llama.llama_vocab_is_eog(vocabulary, t)]
tokens = (llama.llama_token_data * size)()
array = llama.llama_token_data_array(tokens, size, -1, False)
fields = np.frombuffer(tokens, dtype=[("id", "i4"), ("logit", "f4"), ("p", "f4")])

def sample(grammar, seed, limit):
    chooser = random.Random(seed)
    sampler = llama.llama_sampler_init_grammar(vocabulary, grammar.encode(), b"root")
    if not sampler:
        return None
    text, ended = b"", False
    for _ in range(limit):
        fields["id"] = np.arange(size)
        fields["logit"] = 0.0
        array.size = size
        llama.llama_sampler_apply(sampler, ctypes.byref(array))
        left = np.flatnonzero(fields["logit"] == 0.0).tolist()
        stop = [t for t in ends if tokens[t].logit == 0.0]
        if not left:
            return None
        # Out at every second chance: most texts would go on for ever otherwise.
        token = stop[0] if stop and chooser.random() < 0.5 else chooser.choice(left)
        if token in ends:
            ended = True
            break
        length = llama.llama_token_to_piece(vocabulary, token, buffer, 512, 0, True)
        text += buffer.raw[:length]
        llama.llama_sampler_accept(sampler, token)
    llama.llama_sampler_free(sampler)
    return [ended, text.decode(errors="replace")]

for grammar, seeds, limit in json.load(sys.stdin):
    print(json.dumps([sample(grammar, seed, limit) for seed in range(seeds)]), flush=True)
"""


def _sample(model: Path, grammars: list[str], *, seeds: int, limit: int) -> list[list[Any]]:
    """For each grammar what each seed gave: [came to an end, text]."""
    done = subprocess.run(
        [sys.executable, "-c", SAMPLE, str(model)],
        input=json.dumps([[grammar, seeds, limit] for grammar in grammars]),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


ARITHMETIC = r"""
root ::= (expr "=" ws term "\n")+
expr ::= term ([-+*/] term)*
term ::= num | "(" ws expr ")" ws
num ::= [0-9]+ ws
ws ::= [ \t\n]*
"""
GRAMMARS = [
    'root ::= ("yes" | "no") "."?',
    ARITHMETIC,
    'root ::= ("- " [^\\r\\n\\u2028]{1,40} "\\n"){1,5}',
    "root ::= [a-z]* [a-z]* [a-z]* [a-z]*",
    'root ::= (("a"?)? "b"){3} .',
    "root ::= " + "(" * 60 + '"deep"' + ")" * 60,
    'root ::= "x"{0,2000}',
    "root ::= [ぁ-ゟ]+ [^a-z]",
    'root ::= ("the" | "then" s "a"? | "that"{2} | "th" [aeiou] | "t" | "t" s "."){1,2}\ns ::= " "',
]
HOSTILE = [
    'root ::= root "a" | "b"',
    'root ::= a\na ::= b\nb ::= a "x" | a',
    'root ::= e root | "x"\ne ::= f f\nf ::= ""',
    "root ::= nothing",
    'root ::= ("a"?)*',
    'root ::= ((("a"*)*)*)*',
    "root ::= " + "(" * 100_000,
    "root ::= " + "(" * 5_000 + '"a"' + ")" * 5_000,
    'root ::= "a"{99999999999}',
    'root ::= "a"{5,2}',
    'root ::= ((("a"{0,999}){0,999}){0,999}){0,999}',
    "root ::= " + "[a-z]? " * 60,
    'root ::= ("a"+)+',
    'root ::= "a" root "x" | "a" root "y" | "b"',
    "root ::= a0\n" + "".join(f"a{i} ::= a{i + 1} | a{i + 1}\n" for i in range(40)) + 'a40 ::= "z"',
    "root ::= a0\n" + "".join(f"a{i} ::= a{i + 1}\n" for i in range(9000)) + 'a9000 ::= "z"',
    r'root ::= "\uD800"',
    "root ::= []",
    "root ::= <[4294967295]>",
]


def test_llama_cpp_follows_what_we_let_through(model_path: Path) -> None:
    """And what is written anew allows the same tokens at each place: so the same are drawn."""
    shorter = [check_grammar(grammar) for grammar in GRAMMARS]
    runs = _sample(model_path, [*GRAMMARS, *shorter], seeds=1, limit=20)
    for index, grammar in enumerate(GRAMMARS):
        assert None not in runs[index], grammar
        assert runs[index] == runs[len(GRAMMARS) + index], grammar


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_would_kill_llama_cpp_never_reaches_it(text: str) -> None:
    with pytest.raises(InvalidRequest):
        check_grammar(text)


def _is_person(value: Any) -> bool:
    return (
        list(value) in (["name", "age"], ["name", "age", "note"])
        and 1 <= len(value["name"]) <= 8
        and 7 <= value["age"] <= 130
        and value.get("note", None) is None
    )


SCHEMAS: list[tuple[Any, Callable[[Any], bool]]] = [
    (
        {
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "maxLength": 8},
                "age": {"type": "integer", "minimum": 7, "maximum": 130},
                "note": {"type": "null"},
            },
            "required": ["name", "age"],
        },
        _is_person,
    ),
    ({"type": "integer", "minimum": -17, "maximum": 2050}, lambda v: -17 <= v <= 2050),
    ({"type": "integer", "exclusiveMinimum": 98, "maximum": 10_001}, lambda v: 98 < v <= 10_001),
    ({"type": "number", "minimum": -2, "maximum": 3}, lambda v: -2 <= v <= 3),
    ({"enum": ["red", "reddish", 1, 12, None]}, lambda v: v in ["red", "reddish", 1, 12, None]),
    ({"const": 'a "b" \\ c'}, lambda v: bool(v == 'a "b" \\ c')),
    (
        {"type": "string", "pattern": r'^[A-C]{2}-\d{3,5}(?:\.x|"y")?$'},
        lambda v: re.fullmatch(r'[A-C]{2}-\d{3,5}(?:\.x|"y")?', v) is not None,
    ),
    ({"type": "string", "format": "date"}, lambda v: bool(date.fromisoformat(v))),
    ({"type": "string", "format": "date-time"}, lambda v: bool(datetime.fromisoformat(v).tzinfo)),
    ({"type": "string", "format": "uuid"}, lambda v: str(UUID(v)) == v),
    ({"type": "string", "format": "ipv4"}, lambda v: str(IPv4Address(v)) == v),
    (
        {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
        lambda v: 2 <= len(v) <= 4 and all(isinstance(item, bool) for item in v),
    ),
    (
        {"prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3}, "maxItems": 4},
        lambda v: v == [1, 2, 3, 3][: len(v)],
    ),
    (
        {
            "properties": {"a": {"const": 1}, "ab": {"const": 2}},
            "additionalProperties": {"type": "null"},
        },
        lambda v: all(x == {"a": 1, "ab": 2}.get(k) for k, x in v.items()),
    ),
]


def test_what_a_schema_lets_through_satisfies_it(model_path: Path) -> None:
    grammars = [schema_to_grammar(schema) for schema, _ in SCHEMAS]
    answers = _sample(model_path, grammars, seeds=SEEDS, limit=MAX_TOKENS)
    for (schema, holds), runs in zip(SCHEMAS, answers, strict=True):
        assert None not in runs, schema
        texts = [text for ended, text in runs if ended]
        assert texts, f"no answer to {schema} came to an end: {runs}"
        for text in texts:
            assert holds(json.loads(text)), f"{text} does not satisfy {schema}"


def test_json_mode_gives_objects(model_path: Path) -> None:
    anything = schema_to_grammar({"type": "object"})
    [runs] = _sample(model_path, [anything], seeds=SEEDS, limit=MAX_TOKENS)
    assert None not in runs
    assert all(text.startswith("{") for _, text in runs)
    assert all(isinstance(json.loads(text), dict) for ended, text in runs if ended)
