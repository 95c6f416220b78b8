"""A JSON schema as a GBNF grammar, so that an answer can only be what the schema allows.

Called in the engine child (a desk thread) for `response_format`; pure, needs no model. Every text
of the grammar satisfies the schema. Not every valid text is in it (properties come in declared
order, no extra ones where `additionalProperties` is not named), but no keyword is ignored: what
cannot be honoured raises InvalidRequest(param="response_format") with its JSON pointer.
"""

from __future__ import annotations

import json

from minerva_desktop.engine.core.grammar import check_grammar
from minerva_desktop.engine.core.json_schema_blame import unsafe
from minerva_desktop.engine.core.json_schema_distinct import MAX_DISTINCT, DistinctItems
from minerva_desktop.engine.core.json_schema_numbers import number_expression
from minerva_desktop.engine.core.json_schema_one_of import tag_of, with_tag
from minerva_desktop.engine.core.json_schema_text import PRIMITIVES, one_of, other_key
from minerva_desktop.engine.core.json_schema_values import (
    Schema,
    counts,
    is_type,
    keywords,
    pointer,
    refused,
    repeated,
    string_expression,
)
from minerva_desktop.errors import InvalidRequest

MAX_DEPTH = 32  # schemas within schemas
MAX_SCHEMAS = 2_000
MAX_CHOICES = 500  # of an enum, and properties of an object
MAX_KEY = 200  # characters

_NUMBER_KEYWORDS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}
)
_TYPE_KEYWORDS = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset(
        {"items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems"}
    ),
    "string": frozenset({"minLength", "maxLength", "pattern", "format"}),
    "integer": _NUMBER_KEYWORDS,
    "number": _NUMBER_KEYWORDS,
    "boolean": frozenset[str](),
    "null": frozenset[str](),
}


def schema_to_grammar(schema: object) -> str:
    """GBNF that passes check_grammar; raises InvalidRequest(param="response_format")."""

    def written(part: object) -> str:
        rules = SchemaRules(schema)
        root = rules.visit(part, "#")
        return "\n".join([f"root ::= {root}", *rules.rules, PRIMITIVES.strip(), ""])

    grammar = written(schema)
    try:
        check_grammar(grammar)
    except InvalidRequest as error:
        raise unsafe(schema, written, error) from error
    return grammar


class SchemaRules:
    """Rules of one schema, beside `PRIMITIVES`. Methods return expressions for anywhere in it."""

    def __init__(self, schema: object, prefix: str = "") -> None:
        """``schema`` is where references lead into; each of several in one grammar has a
        ``prefix`` of its own for the names of its rules."""
        self.rules: list[str] = []
        self.prefix = prefix
        self._root = schema
        # No text can be read in two ways that differ for more than a few characters, so that
        # nothing that the schema says can make the grammar costly. Without patterns, choices do it.
        self.is_plain = True
        self._references: dict[str, str] = {}
        self._schemas = 0
        self._depth = 0

    def _new_rule(self, body: str) -> str:
        name = f"{self.prefix}r{len(self.rules)}"
        self.rules.append(f"{name} ::= {body}")
        return name

    def visit(self, schema: object, where: str) -> str:
        """The expression of ``schema``, which stands at the JSON pointer ``where``; raises
        InvalidRequest(param="response_format")."""
        self._schemas += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise refused(where, f"schemas are nested more than {MAX_DEPTH} deep")
        if self._schemas > MAX_SCHEMAS:
            raise refused(where, f"there are more than {MAX_SCHEMAS:,} schemas")
        expression = self._expression(schema, where)
        self._depth -= 1
        return expression

    def _expression(self, schema: object, where: str) -> str:
        if schema is True:
            schema = {}
        if not isinstance(schema, dict):
            raise refused(where, "a schema that allows something should stand here")
        if not keywords(schema):
            return "value"
        if "$ref" in schema:
            self._only(schema, where, {"$ref"})
            return self._reference(schema["$ref"], pointer(where, "$ref"))
        if "const" in schema or "enum" in schema:
            return self._constants(schema, where)
        if keyword := next((word for word in ("anyOf", "oneOf") if word in schema), ""):
            self._only(schema, where, {keyword})
            return self._choices(schema, keyword, pointer(where, keyword))
        if "allOf" in schema:
            return self.visit(self._merged(schema, where), where)
        return self._of_types(schema, where)

    def _of_types(self, schema: Schema, where: str) -> str:
        types = self._types(schema, where)
        self._only(schema, where, {"type"}.union(*(_TYPE_KEYWORDS[name] for name in types)))
        return self._choice([self._typed(name, schema, where) for name in types])

    def _only(self, schema: Schema, where: str, allowed: set[str]) -> None:
        for keyword in keywords(schema) - allowed:
            raise refused(pointer(where, keyword), f"“{keyword}” is not supported here")

    def _choice(self, expressions: list[str]) -> str:
        return expressions[0] if len(expressions) == 1 else f"({' | '.join(expressions)})"

    def _types(self, schema: Schema, where: str) -> list[str]:
        named = schema.get("type")
        if named is None:
            found = [name for name, words in _TYPE_KEYWORDS.items() if words & schema.keys()]
            if not found:
                self._only(schema, where, set())
            return found[:1] if found[0] != "integer" else ["number"]
        types = named if isinstance(named, list) else [named]
        for name in types:
            if not isinstance(name, str) or name not in _TYPE_KEYWORDS:
                raise refused(pointer(where, "type"), f"“{name}” is not a type")
        if not types or len(set(types)) != len(types):
            raise refused(pointer(where, "type"), "the list of types is empty or repeats one")
        return [name for name in types if name != "integer" or "number" not in types]

    def _typed(self, name: str, schema: Schema, where: str) -> str:
        if name == "object":
            return self._object(schema, where)
        if name == "array":
            return self._array(schema, where)
        if name == "string":
            self.is_plain = self.is_plain and "pattern" not in schema
            return string_expression(schema, where)
        if name in {"integer", "number"}:
            return number_expression(name, schema, where)
        return name

    def _reference(self, target: object, where: str) -> str:
        known = self._references.get(str(target))
        if known:
            return known
        schema = self._resolve(target, where)
        name = f"{self.prefix}ref{len(self._references)}"
        self._references[str(target)] = name
        expression = self.visit(schema, str(target))
        self.rules.append(f"{name} ::= {expression}")
        return name

    def _resolve(self, target: object, where: str) -> object:
        start, *steps = str(target).split("/")
        if start != "#":
            raise refused(where, f"“{target}” is not in this schema (#/…)")
        found = self._root
        for step in steps:
            key = step.replace("~1", "/").replace("~0", "~")
            if (
                isinstance(found, list)
                and key.isdecimal()
                and len(key) < 10
                and int(key) < len(found)
            ):
                found = found[int(key)]
            elif isinstance(found, dict) and key in found:
                found = found[key]
            else:
                raise refused(where, f"“{target}” does not exist")
        return found

    def _constants(self, schema: Schema, where: str) -> str:
        return one_of([(text, "") for text in self._constant_texts(schema, where)])

    def _constant_texts(self, schema: Schema, where: str) -> list[str]:
        """The values of `const` or `enum` as JSON, each once."""
        keyword = "const" if "const" in schema else "enum"
        self._only(schema, where, {keyword, "type"})
        values = [schema["const"]] if keyword == "const" else schema["enum"]
        where = pointer(where, keyword)
        if not isinstance(values, list) or not 0 < len(values) <= MAX_CHOICES:
            raise refused(where, f"there should be a list of 1 to {MAX_CHOICES} values")
        if "type" in schema:
            types = self._types(schema, where)
            values = [value for value in values if any(is_type(value, name) for name in types)]
            if not values:
                raise refused(where, "no value is of the type that the schema names")
        try:
            # 1 and 1.0 are one number.
            plain = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
            texts = [json.dumps(v, ensure_ascii=False, allow_nan=False) for v in plain]
        except (ValueError, TypeError, RecursionError) as error:
            raise refused(where, "a value cannot be written as JSON") from error
        return list(dict.fromkeys(texts))

    def _one_of_these(self, schemas: list[object], where: str) -> str:
        self.is_plain = self.is_plain and self._starts_differ(schemas, where)
        return self._choice([self.visit(s, pointer(where, i)) for i, s in enumerate(schemas)])

    def _choices(self, schema: Schema, keyword: str, where: str) -> str:
        """Those of `oneOf` are of different types, or objects that a property tells apart."""
        schemas = self._schema_list(schema[keyword], where)
        if keyword == "anyOf":
            return self._one_of_these(schemas, where)
        found = [self._followed(each, where) for each in schemas]
        if tag := tag_of(schema, found, lambda each: self._followed(each, where)):
            return self._one_of_these([with_tag(each, tag) for each in found], where)
        kinds = [self._kinds(each, where) for each in schemas]
        if sum(len(kind) for kind in kinds) != len(frozenset[str]().union(*kinds)):
            raise refused(where, "the schemas may overlap; use “anyOf”")
        return self._one_of_these(schemas, where)

    def _schema_list(self, schemas: object, where: str) -> list[object]:
        if not isinstance(schemas, list) or not 0 < len(schemas) <= MAX_CHOICES:
            raise refused(where, f"there should be a list of 1 to {MAX_CHOICES} schemas")
        return schemas

    def _followed(self, schema: object, where: str) -> object:
        for _ in range(MAX_DEPTH):
            if isinstance(schema, dict) and "$ref" in schema:
                schema = self._resolve(schema["$ref"], where)
        return schema

    def _starts_differ(self, schemas: list[object], where: str) -> bool:
        """Whether the first character of a value tells which of the schemas it is for."""
        try:
            kinds = [self._kinds(schema, where) for schema in schemas]
        except InvalidRequest:
            return len(schemas) == 1
        firsts = [{name.partition(" ")[0] for name in kind} for kind in kinds]
        return sum(map(len, firsts)) == len(set().union(*firsts))

    def _kinds(self, schema: object, where: str) -> frozenset[str]:
        """Names of which two schemas that no value satisfies both have none in common."""
        schema = self._followed(schema, where)
        if isinstance(schema, dict) and ("const" in schema or "enum" in schema):
            values = schema.get("enum", [schema.get("const")])
            if isinstance(values, list) and all(isinstance(value, str) for value in values):
                return frozenset(f"string {value}" for value in values)
        elif isinstance(schema, dict) and "type" in schema:
            types = self._types(schema, where)
            return frozenset("number" if name == "integer" else name for name in types)
        raise refused(where, "“oneOf” needs schemas that name different types or string constants")

    def _merged(self, schema: Schema, where: str) -> Schema:
        """The schema and all of its `allOf`, which have to be objects, as one."""
        parts = schema["allOf"]
        if not isinstance(parts, list) or not 0 < len(parts) <= MAX_CHOICES:
            raise refused(pointer(where, "allOf"), "there should be a list of schemas")
        if len(parts) == 1 and keywords(schema) == {"allOf"}:
            return {"anyOf": parts}
        properties: Schema = {}
        required: list[object] = []
        own = {key: value for key, value in schema.items() if key != "allOf"}
        for index, part in enumerate([own, *parts]):
            at = where if not index else pointer(where, "allOf", index - 1)
            found = part
            if isinstance(found, dict) and "$ref" in found:
                self._only(found, at, {"$ref"})
                found = self._resolve(found["$ref"], at)
            if not isinstance(found, dict):
                raise refused(at, "only objects can be merged")
            self._only(found, at, {"type", "properties", "required"})
            if found.get("type", "object") != "object":
                raise refused(at, "only objects can be merged")
            for key, value in self._properties(found, at).items():
                if properties.setdefault(key, value) != value:
                    raise refused(at, f"“{key}” is in two of the merged schemas")
            required.extend(self._required(found, at))
        return {"type": "object", "properties": properties, "required": required}

    def _properties(self, schema: Schema, where: str) -> Schema:
        properties = schema.get("properties", {})
        if not isinstance(properties, dict) or len(properties) > MAX_CHOICES:
            at = pointer(where, "properties")
            raise refused(at, f"there should be an object of at most {MAX_CHOICES} properties")
        for key in properties:
            if not isinstance(key, str) or len(key) > MAX_KEY:
                raise refused(where, f"a property's name is over {MAX_KEY} characters long")
        return properties

    def _required(self, schema: Schema, where: str) -> list[str]:
        required = schema.get("required", [])
        if not isinstance(required, list) or not all(isinstance(key, str) for key in required):
            raise refused(pointer(where, "required"), "there should be a list of names")
        return required

    def _object(self, schema: Schema, where: str) -> str:
        properties = self._properties(schema, where)
        required = set(self._required(schema, where))
        if missing := sorted(required - properties.keys()):
            at = pointer(where, "required")
            raise refused(at, f"“{missing[0]}” is required but not among the properties")
        keys = [json.dumps(key, ensure_ascii=False)[1:] for key in properties]
        extra = self._extra(schema, where, keys)
        if extra and not properties:
            tail = f'("," ws "\\"" {extra})*'
            return self._new_rule(f'"{{" ws ("\\"" {extra} {tail} ws)? "}}"')
        more = self._new_rule(f'("," ws "\\"" {extra})*') if extra else ""
        # From the last property to the first: what may come after it, and the keys to choose from.
        options: list[tuple[str, str]] = []
        optional = True
        tail, head = more, ""
        for index, (key, value) in reversed(list(enumerate(properties.items()))):
            expression = self.visit(value, pointer(where, "properties", key))
            entry = self._new_rule(f'":" ws {expression} {tail}')
            if key in required:
                options, optional = [], False
            options.append((keys[index], entry))
            extras = f"{extra} {more}" if optional and extra else ""
            head = self._members(options, extras)
            tail = self._new_rule(f'("," ws {head}){"?" if optional else ""}') if index else ""
        if not properties:
            return '"{" ws "}"'
        return self._new_rule(f'"{{" ws ({head} ws){"?" if optional else ""} "}}"')

    def _members(self, options: list[tuple[str, str]], extras: str) -> str:
        found = one_of(options)
        return f'"\\"" ({found} | {extras})' if extras else f'"\\"" {found}'

    def _extra(self, schema: Schema, where: str, keys: list[str]) -> str:
        """One more property after its opening quote, or "" where there may be none."""
        allowed = schema.get("additionalProperties", not schema.keys() & {"properties"})
        if allowed is False:
            return ""
        value = self.visit(allowed, pointer(where, "additionalProperties"))
        key = other_key(keys, self._new_rule) if keys else 'char* "\\""'
        return self._new_rule(f'{key} ":" ws {value}')

    def _array(self, schema: Schema, where: str) -> str:
        least, most = counts(schema, where, "minItems", "maxItems")
        if schema.get("uniqueItems", False) is not False and (most is None or most > 1):
            return self._distinct(schema, where, least, most)
        is_old = isinstance(schema.get("items"), list)  # as JSON Schema was until 2019-09
        first, rest = ("items", "additionalItems") if is_old else ("prefixItems", "items")
        prefix = schema.get(first, [])
        if not isinstance(prefix, list) or len(prefix) > MAX_CHOICES:
            raise refused(pointer(where, first), "there should be a list of schemas")
        fixed = [
            self.visit(part, pointer(where, first, index)) for index, part in enumerate(prefix)
        ][:most]
        further = ""
        if most is None or most > len(prefix):
            items = schema.get(rest, not prefix)
            further = "" if items is False else self.visit(items, pointer(where, rest))
        if not further and least > len(fixed):
            raise refused(pointer(where, "minItems"), f"{least} items cannot be had")
        left = None if most is None else most - len(fixed)
        body = self._more_items(further, max(least - len(fixed), 0), left, first=not fixed)
        # From the last to the first: each may be the last one once there are enough.
        for index in range(len(fixed) - 1, -1, -1):
            comma = '"," ws ' if index else ""
            body = f"{comma}{fixed[index]} {body}"
            body = self._new_rule(body if index < least else f"({body})?")
        return self._new_rule(f'"[" ws {body} ws "]"') if body else '"[" ws "]"'

    def _distinct(self, schema: Schema, where: str, least: int, most: int | None) -> str:
        items = self._followed(schema.get("items"), where)
        texts: list[str] = []
        if isinstance(items, dict) and items.keys() & {"const", "enum"}:
            texts = self._constant_texts(items, pointer(where, "items"))
        elif isinstance(items, dict) and items.get("type") == "boolean":
            texts = ["true", "false"]
        if not texts or len(texts) > MAX_DISTINCT or "prefixItems" in schema:
            raise refused(
                pointer(where, "uniqueItems"),
                f"it can be demanded only of items that are one of up to {MAX_DISTINCT} constants; "
                "leave it out and drop the repeated ones",
            )
        if least > len(texts):
            raise refused(pointer(where, "minItems"), f"{least} items cannot be had")
        some = DistinctItems(texts, self._new_rule).some(0, least, most or len(texts))
        return self._new_rule(f'"[" ws {some}{"" if least else "?"} ws "]"')

    def _more_items(self, item: str, least: int, most: int | None, *, first: bool) -> str:
        if not item or most == 0:
            return ""
        if not first:
            return repeated(f'"," ws {item}', least, most)
        rest = repeated(f'"," ws {item}', max(least - 1, 0), None if most is None else most - 1)
        return f"({item} {rest}){'' if least else '?'}"
