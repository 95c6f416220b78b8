"""A JSON schema as a GBNF grammar, so that an answer can only be what the schema allows.

Called in the engine child (a desk thread) for `response_format`; pure, needs no model. Every text
of the grammar satisfies the schema. Not every valid text is in it: properties come in declared
order, no extra ones where `additionalProperties` is not named, and no items beyond `prefixItems`
where `items` is not; without a `type`, what is said of one is said of all values. But no keyword is
ignored: what cannot be honoured raises InvalidRequest(param="response_format") with its JSON
pointer. Only who says that the schema is not strict gets a grammar without the keywords that none
can express; these are noted by their pointers. What is wrong in a schema, or too large, is refused
either way.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from minerva_desktop.engine.core.grammar import check_grammar, check_plain
from minerva_desktop.engine.core.grammar_parser import MAX_TEXT
from minerva_desktop.engine.core.grammar_readings import MAX_READINGS
from minerva_desktop.engine.core.json_schema_arrays import ArrayRules
from minerva_desktop.engine.core.json_schema_blame import unsafe
from minerva_desktop.engine.core.json_schema_check import ValueCheck, constant_texts
from minerva_desktop.engine.core.json_schema_choices import Around, ChoiceRules
from minerva_desktop.engine.core.json_schema_conditions import Never, conditions, without_values
from minerva_desktop.engine.core.json_schema_maps import (
    NamePattern,
    declared_counts,
    free_counts,
    name_pattern,
    with_names,
)
from minerva_desktop.engine.core.json_schema_merge import (
    CHOICES,
    Given,
    merged,
    possible,
    says_no_more,
    spread,
)
from minerva_desktop.engine.core.json_schema_notation import JSON, Notation
from minerva_desktop.engine.core.json_schema_numbers import number_expression
from minerva_desktop.engine.core.json_schema_objects import additional, members, without_never
from minerva_desktop.engine.core.json_schema_one_of import with_tag
from minerva_desktop.engine.core.json_schema_references import followed, placed, resolved
from minerva_desktop.engine.core.json_schema_sameness import size
from minerva_desktop.engine.core.json_schema_text import PRIMITIVES, one_of
from minerva_desktop.engine.core.json_schema_values import (
    COUNTS,
    MAX_DEPTH,
    TYPE_KEYWORDS,
    Inexpressible,
    Schema,
    SchemaError,
    counts,
    keywords,
    pointer,
    refused,
    takes_null,
)
from minerva_desktop.engine.core.json_schema_ways import Ways
from minerva_desktop.errors import InvalidRequest

MAX_SCHEMAS = 2_000
_ROOM = MAX_SCHEMAS // 2  # schemas that hold together, more with what has no conditions
_LONG = frozenset({"format", "minLength", "maxLength"})
MAX_JOINED = 4_000_000  # characters of schemas that hold together, each time that they do
MAX_COUNTED = 10_000  # repetitions in all; a grammar has 20,000 rules at most


def schema_to_grammar(schema: object, *, strict: bool = True) -> str:
    """GBNF that passes check_grammar; raises InvalidRequest(param="response_format"). Without
    ``strict``, that is of the schema less its `inexpressible_keywords`."""
    rules = SchemaRules(schema, strict=strict)
    try:
        grammar = _read(rules, schema)
        rules.check(grammar)
    except SchemaError as error:
        raise placed(schema, error) from error.__cause__
    except InvalidRequest as error:
        raise unsafe(
            schema, lambda part: _read(SchemaRules(schema, strict=strict), part), error
        ) from error
    return grammar


def _read(rules: SchemaRules, part: object) -> str:
    root = rules.visit(part, "#")
    return "\n".join([f"root ::= {root}", *rules.rules, PRIMITIVES.strip(), ""])


def inexpressible_keywords(schema: object) -> tuple[str, ...]:
    """The JSON pointers of what a grammar of ``schema`` leaves out that is not strict; none of one
    that is refused all the same. Writes no grammar, which could take seconds."""
    rules = SchemaRules(schema, strict=False, is_draft=True)
    with suppress(InvalidRequest):
        rules.visit(schema, "#")
        return tuple(rules.left_out)
    return ()


class SchemaRules:
    """Rules of one schema, beside `PRIMITIVES`. Methods return expressions for anywhere in it."""

    def __init__(
        self,
        schema: object,
        prefix: str = "",
        *,
        notation: Notation = JSON,
        strict: bool = True,
        is_draft: bool = False,
    ) -> None:
        """``schema`` is where references lead into; each of several in one grammar has a
        ``prefix`` of its own for the names of its rules. Where it is not ``strict``, what cannot
        be expressed is left out. A draft finds out what that is, and is no grammar."""
        self.rules: list[str] = []
        self.prefix = prefix
        self.strict = strict
        self.left_out: dict[str, None] = {}  # JSON pointers, in the order in which they were met
        self._root = schema
        self._patterns: dict[str, None] = {}  # expressions of such strings
        self._ways = Ways(notation.shortest_member)
        self._references: dict[tuple[str, str], str] = {}  # names of rules
        self._texts: dict[str, str] = {}  # names of rules
        self._is_draft = is_draft
        self._arrays = ArrayRules(self.visit, self._item_texts, self.new_rule, is_draft=is_draft)
        self._objects = notation.objects(self.new_rule)
        self._notation = notation
        self._followed = partial(followed, schema)
        around = Around(self.visit, self._reference, self._followed, self._types, self._left_out)
        self._choices = ChoiceRules(around, self._ways)
        self._check = ValueCheck(partial(followed, schema, alone=True))
        self._given = Given(schema, lambda: self._parts < _ROOM, self._part, self._check.narrowed)
        self._n_counted = self._schemas = self._depth = self._parts = self._written = 0
        self._joined_size = 0  # characters

    @property
    def is_plain(self) -> bool:
        """Whether no text can be read in so many ways that the grammar is costly, whatever else
        the schema says. Without patterns, only choices that begin alike can do it."""
        return not self._patterns and self._ways.most <= MAX_READINGS

    def check(self, grammar: str) -> None:
        """`check_grammar`, in parts where these tell: in the seconds that it can take for the
        whole, others wait for their next token."""
        if self._ways.most > MAX_READINGS:
            check_grammar(grammar)
        else:
            check_plain(grammar)
            self._ways.check(self._patterns)

    def new_rule(self, body: str) -> str:
        """Add a rule; its name."""
        name = f"{self.prefix}r{len(self.rules)}"
        self._add(name, body)
        return name

    def _add(self, name: str, body: str) -> None:
        self._written += len(body)
        if self._written > MAX_TEXT:  # which could take seconds, and be refused all the same
            sentence = f"it is too large: its grammar has more than {MAX_TEXT:,} characters"
            raise refused("#", sentence)
        self.rules.append(f"{name} ::= {body}")

    def visit(self, schema: object, where: str) -> str:
        """The expression of ``schema``, which stands at the JSON pointer ``where``; raises
        InvalidRequest(param="response_format")."""
        depth = self._depth
        self._schemas += 1
        if depth == MAX_DEPTH:
            raise refused(where, f"schemas are nested more than {MAX_DEPTH} deep")
        if self._schemas > MAX_SCHEMAS:
            raise refused(where, f"there are more than {MAX_SCHEMAS:,} schemas")
        while True:
            self._depth = depth + 1
            try:
                return self._expression(schema, where)
            except Inexpressible as error:
                schema = self._without(schema, where, error)
            finally:
                self._depth = depth

    def _without(self, schema: object, where: str, error: Inexpressible) -> Schema:
        """``schema`` less what cannot be expressed; raises ``error`` where it has to be."""
        steps = error.where.removeprefix(f"{where}/").split("/")
        keyword = steps[0].replace("~1", "/").replace("~0", "~")
        if self.strict or not isinstance(schema, dict) or keyword not in schema:
            raise error
        self.left_out[pointer(where, keyword)] = None
        return {key: value for key, value in schema.items() if key != keyword}

    def _expression(self, schema: object, where: str) -> str:
        schema = {} if schema is True else schema
        if not isinstance(schema, dict):
            raise refused(where, "a schema that allows something should stand here")
        if not keywords(schema):
            return self._notation.any_value
        if schema.get("nullable") is not None:
            return self._nullable(schema, where)
        return self._by_keyword(schema, where)

    def _by_keyword(self, schema: Schema, where: str) -> str:
        said = keywords(schema)
        if "$ref" in schema and said == {"$ref"}:
            return self._reference(schema["$ref"], pointer(where, "$ref"))
        if sometimes := conditions(schema):
            return self._conditional(schema, where, sometimes[0])
        if keyword := next((word for word in CHOICES if word in schema), ""):
            if said != {keyword}:  # which hold for each of them
                schemas = spread(self._given, schema, keyword, where)
                schema = {**schema, keyword: schemas}
            at = pointer(where, keyword)
            return self._choice(self._choices.expressions(schema, keyword, at))
        if "$ref" in schema or "allOf" in schema:
            return self._joined(schema, where)
        schema = without_values(schema, where)
        if "const" in schema or "enum" in schema:
            return self._constants(schema, where)
        return self._of_types(schema, where)

    def _joined(self, schema: Schema, where: str) -> str:
        """What holds together with a reference, or because of an `allOf`."""
        parts = schema.get("allOf")
        if isinstance(parts, list) and len(parts) == 1 and keywords(schema) == {"allOf"}:
            return self.visit(parts[0], pointer(where, "allOf", 0))
        whole = merged(self._given, schema, where)
        reference = {"$ref": schema.get("$ref")}
        if "$ref" in schema and says_no_more(self._given, whole, reference, where):
            return self._reference(schema["$ref"], pointer(where, "$ref"))
        return self.visit(whole, where)

    def _conditional(self, schema: Schema, where: str, keyword: str) -> str:
        """What a condition decides about. The words in which it can be written are not those of
        the schema: where they cannot, its ``keyword`` is what cannot be expressed."""
        strict, self.strict = self.strict, True
        known = len(self.rules), {**self._references}, {**self._texts}
        try:
            whole = merged(self._given, schema, where)
            return self.visit(possible(self._given, whole, where), where)
        except (Inexpressible, Never) as error:
            n_rules, self._references, self._texts = known
            del self.rules[n_rules:]
            raise Inexpressible(pointer(where, keyword), error.sentence) from error
        finally:
            self.strict = strict

    def _part(self, schema: Schema, where: str, allowed: set[str]) -> Schema:
        """`_only` for one of the schemas that hold together, which may be met over and over."""
        self._parts += 1
        self._joined_size += size(schema)
        if self._parts > MAX_SCHEMAS:
            raise refused(where, f"more than {MAX_SCHEMAS:,} schemas hold together with others")
        if self._joined_size > MAX_JOINED:  # large ones to which many references lead
            raise refused(where, f"what holds together has over {MAX_JOINED:,} characters in all")
        return self._only(schema, where, allowed)

    def _nullable(self, schema: Schema, where: str) -> str:
        """OpenAPI's word for what may be null, too."""
        if not isinstance(schema["nullable"], bool):
            raise refused(pointer(where, "nullable"), "there should be true or false")
        rest = {key: value for key, value in schema.items() if key != "nullable"}
        if not schema["nullable"] or not keywords(rest) or takes_null(rest):
            return self._expression(rest, where)
        return self._choice([self._by_keyword(rest, where), "null"])

    def _of_types(self, schema: Schema, where: str) -> str:
        types = self._types(schema, where)
        schema = self._only(schema, where, {"type"}.union(*(TYPE_KEYWORDS[t] for t in types)))
        if not types:
            return self._notation.any_value
        return self._choice([self._typed(name, schema, where) for name in types])

    def _only(self, schema: Schema, where: str, allowed: set[str]) -> Schema:
        """``schema`` where it says nothing else, or else, where it is not strict, without that."""
        for keyword in sorted(keywords(schema) - allowed):
            at = pointer(where, keyword)
            error = Inexpressible(at, f"“{keyword}” is not supported here")
            schema = self._without(schema, where, error)
        return schema

    def _choice(self, expressions: list[str]) -> str:
        return expressions[0] if len(expressions) == 1 else f"({' | '.join(expressions)})"

    def _types(self, schema: Schema, where: str) -> list[str]:
        named = schema.get("type")
        if named is None:
            found = [name for name, words in TYPE_KEYWORDS.items() if words & schema.keys()]
            if not found:
                self._only(schema, where, set())
                return []
            return found[:1] if found[0] != "integer" else ["number"]
        types = named if isinstance(named, list) else [named]
        for name in types:
            if not isinstance(name, str) or name not in TYPE_KEYWORDS:
                raise refused(pointer(where, "type"), f"“{name}” is not a type")
        if not types or len(set(types)) != len(types):
            raise refused(pointer(where, "type"), "the list of types is empty or repeats one")
        return [name for name in types if name != "integer" or "number" not in types]

    def _typed(self, name: str, schema: Schema, where: str) -> str:
        if not self.strict and name in COUNTS:
            self._count(schema, where, COUNTS[name])
        if name == "object":
            return self._object(schema, where)
        if name == "array":
            return self._arrays.expression(schema, where)
        if name == "string":
            text = self._notation.string(schema, where)
            if "pattern" in schema:
                self._patterns[text] = None
            return self._once(text) if schema.keys() & _LONG else text
        if name in {"integer", "number"}:
            return number_expression(name, schema, where, is_draft=self._is_draft)
        return name

    def _once(self, body: str) -> str:
        """The name of the one rule of ``body``, which makes hundreds wherever it is written."""
        if body not in self._texts:
            self._texts[body] = self.new_rule(body)
        return self._texts[body]

    def _count(self, schema: Schema, where: str, words: tuple[str, str]) -> None:
        """Bounds that are too many together would make a grammar that is refused as a whole."""
        _, most = found = counts(schema, where, *words, is_counted="format" not in schema)
        bound = max(each or 0 for each in found)
        if self._n_counted + bound > MAX_COUNTED:
            at = pointer(where, words[1 if most else 0])
            raise Inexpressible(at, f"all bounds together are over {MAX_COUNTED:,}")
        self._n_counted += bound

    def _reference(self, target: object, where: str, tag: str = "") -> str:
        """The name of the rule of what stands there, with a property ``tag`` if that is named."""
        target = str(target)
        if name := self._references.get((target, tag)):
            self._ways.again(name)
            return name
        schema = resolved(self._root, target, where)
        name = self._references[target, tag] = f"{self.prefix}ref{len(self._references)}"
        schema = with_tag(schema, tag) if tag else schema
        expression = self._ways.of(name, lambda: self.visit(schema, target))
        self._add(name, expression)
        return name

    def _constants(self, schema: Schema, where: str) -> str:
        texts = self._constant_texts(schema, where)
        return "" if self._is_draft else one_of([(text, "") for text in texts])

    def _constant_texts(self, schema: Schema, where: str) -> list[str]:
        return constant_texts(self._check.narrowed(schema, where), where, self._notation.constant)

    def _item_texts(self, schema: object, where: str) -> list[str]:
        """`_constant_texts` of what an item may be; none where that is no list of values."""
        items = followed(self._root, schema, where, alone=True)
        items = items if isinstance(items, dict) and items.get("nullable") is not True else {}
        if items.keys() & {"const", "enum"}:
            return self._constant_texts(self._check.narrowed(items, where, kept=frozenset()), where)
        is_boolean = keywords(items) == {"type"} and items["type"] == "boolean"
        return ["true", "false"] if is_boolean else []

    def _left_out(self, where: str, error: Inexpressible) -> None:
        if self.strict:
            raise error
        self.left_out[where] = None

    def _object(self, schema: Schema, where: str) -> str:
        schema = without_never(schema, where)
        schema = with_names(schema, where, partial(followed, self._root, where=where, alone=True))
        pattern = name_pattern(schema, where, is_written=bool(self._objects.opening))
        properties, required = members(schema, where)
        keyword, others = additional(schema)
        if pattern or not properties:
            at = pointer(where, keyword)
            return self._map(schema, where, pattern, NamePattern({}, where, others, at))
        n = declared_counts(schema, where, properties, required, others)
        is_open = n[2] if n else others is not False
        other = self.visit(others, pointer(where, keyword)) if is_open else ""
        values = {
            key: self.visit(value, pointer(where, "properties", key))
            for key, value in properties.items()
        }
        if self._is_draft:
            return ""
        if n:
            return self._objects.counted(values, required, other, n[0], n[1])
        return self._objects.expression(values, required, other)

    def _map(
        self, schema: Schema, where: str, pattern: NamePattern | None, free: NamePattern
    ) -> str:
        """An object that declares no property: its names match the ``pattern``, or are ``free``."""
        least, most = free_counts(schema, where)
        found = pattern or free
        if found.value is False:
            if least:
                raise refused(pointer(where, "minProperties"), "no property may be there")
            return '"{" ws "}"'
        name = self.visit(found.name, found.name_at) if pattern else ""
        value = self.visit(found.value, found.value_at)
        return "" if self._is_draft else self._objects.map(name, value, least, most)
