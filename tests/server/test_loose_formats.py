"""JSON schemas that are not strict: what of them the answer says that it is not held to."""

from __future__ import annotations

from typing import Any

from minerva_desktop.server.parameters.chat import ChatParameters, chat_parameters


def parse(**fields: Any) -> ChatParameters:
    return chat_parameters({"messages": [{"role": "user", "content": "hi"}], **fields}, None)


def test_what_no_grammar_expresses_of_a_loose_schema_is_named_with_its_path() -> None:
    tags = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    either = {"anyOf": [{"not": {"pattern": "a"}}, {}]}
    schema = {"type": "object", "properties": {"tags": tags, "n": either}}
    paths = "properties.tags.uniqueItems", "properties.n.anyOf[0].not"
    for strict, n_named in ((None, 2), (False, 2), (True, 0)):
        named = {"name": "n", "schema": schema, "strict": strict}
        parameters = parse(response_format={"type": "json_schema", "json_schema": named})
        where = "response_format.json_schema.schema"
        found = parameters.headers.get("X-Minerva-Ignored-Fields", "")
        assert found == ", ".join(f"{where}.{path}" for path in paths[:n_named])
        assert parameters.sampling.strict_schema is bool(strict)
        function = {"name": "w", "parameters": schema, "strict": strict}
        parameters = parse(tools=[{"type": "function", "function": function}])
        where = "tools[0].function.parameters"
        found = parameters.headers.get("X-Minerva-Ignored-Fields", "")
        assert found == ", ".join(f"{where}.{path}" for path in paths[:n_named])
    plain = parse(response_format={"type": "json_object", "schema": schema})
    assert not plain.sampling.strict_schema
    assert plain.headers["X-Minerva-Ignored-Fields"].startswith("response_format.schema.prop")
    # llama-server's own field is held to.
    strict_field = parse(json_schema=schema)
    assert strict_field.sampling.strict_schema
    assert strict_field.headers == {}


def test_the_header_of_what_is_ignored_is_one_that_clients_take() -> None:
    texts = {"é" * 60 + str(n): {"type": "string", "not": {}} for n in range(40)}
    form = {"type": "json_object", "schema": {"type": "object", "properties": texts}}
    (value,) = parse(response_format=form).headers.values()
    assert 1000 < len(value) < 4100
    assert value.endswith("more")
