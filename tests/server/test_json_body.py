from __future__ import annotations

import pytest

from minerva_desktop.errors import InvalidRequest
from minerva_desktop.server.json_body import (
    MAX_KEYS,
    MAX_PARTS,
    has_too_many_parts,
    parse_json_object,
)

SMALL = "minerva_desktop.server.json_body.MAX_SMALL_BYTES"


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body is read in one of two ways, which differ in nothing that can be seen."""
    if request.param == "large":
        monkeypatch.setattr(SMALL, -1)


@pytest.mark.usefixtures("size")
def test_an_object_is_read() -> None:
    assert parse_json_object(b'{"a": [1, "\\ud83d\\ude00"]}') == {"a": [1, "😀"]}
    assert parse_json_object("\ufeff{}".encode()) == {}
    assert parse_json_object(b'{"a": [1e300, 1e-999, "1e999"]}') == {"a": [1e300, 0.0, "1e999"]}


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The body is empty"),
        (b"{", "not valid JSON: in line 1, column 2 a name in double quotes is missing"),
        (b'{"a": 1}\n{}', "not valid JSON: in line 2, column 1 something follows the end"),
        (b'{"a": tru}', "in line 1, column 7 a value is missing"),
        (b'{"a": "b', "in line 1, column 7 a string begins that does not end"),
        (b'{"a": "\xff"}', "its byte 7 is no UTF-8"),
        (b'{"a": "\x00"}', "not valid JSON"),
        (b'{"a": "\xff"}', "not valid JSON"),
        ("{}".encode("utf-16"), "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a": [1e999]}', "too large"),
        (b'{"a": {"b": -1E+309}}', "too large"),
        (b'{"a": ' + b"9" * 309 + b".5}", "too large"),
        (b'{"a": ' + b"9" * 250 + b"e99}", "too large"),
        (b'{"a": -0.' + b"0" * 250 + b"1e561}", "too large"),
        (b'{"a": 1e' + b"9" * 5000 + b"}", "too large"),
        (b'{"a": {"parameters": {"default": 1.8e308}}}', "too large"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' more than once"),
        (b'{"a": {"b": 1, "b": 1}}', "'b' more than once"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "more than once"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\uDFFF": 1}', "surrogate"),
        (b'{"a": ["\\ude00\\ud83d"]}', "surrogate"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)
def test_what_other_readers_may_understand_differently_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason) as caught:
        parse_json_object(body)
    caught.value.message.encode()
    assert len(caught.value.message) < 200


@pytest.mark.usefixtures("size")
def test_numbers_keep_their_value() -> None:
    written = ["1.7976931348623157e308", "5e-324", "-0.0", "0.1", "1E5", "0e999"]
    written += ["0." + "0" * 400 + "1e500", "9" * 308 + ".5"]
    found = parse_json_object(f'{{"a": [{", ".join(written)}]}}'.encode())["a"]
    assert [repr(each) for each in found] == [repr(float(each)) for each in written]
    assert parse_json_object(b'{"a": [-7, ' + b"9" * 400 + b"]}") == {"a": [-7, 10**400 - 1]}


@pytest.mark.usefixtures("size")
def test_many_keys_of_which_the_last_is_double() -> None:
    keys = ",".join(f'"k{number}":1' for number in range(MAX_KEYS - 1))
    assert len(parse_json_object(f'{{{keys},"k":2}}'.encode())) == MAX_KEYS
    with pytest.raises(InvalidRequest, match="'k9998' more than once"):
        parse_json_object(f'{{{keys},"k9998":2}}'.encode())
    with pytest.raises(InvalidRequest, match="more than 10,000 keys"):
        parse_json_object(f'{{{keys},"k":2,"l":3}}'.encode())


@pytest.mark.parametrize("part", ["1,", "{},", "[],", '"a,b",', '"\\\\\\"[",', '"\\\\",'])
def test_a_body_of_too_many_parts_is_refused_before_it_is_read(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minerva_desktop.server.json_body.MAX_PARTS", 1000)
    each = 1 + part.count("{}") + part.count("[]")
    n_more = 997 // each  # beside the brackets and the colon around them
    fits = '{"a":[' + part * n_more + "1]}"
    assert not has_too_many_parts(fits.encode())
    over = fits.replace("[", "[" + "1," * each, 1).encode()
    assert has_too_many_parts(over)
    with pytest.raises(InvalidRequest, match="more than 1,000 parts"):
        parse_json_object(over)


def test_what_stands_in_strings_is_no_part() -> None:
    text = ',:[{\\"' * MAX_PARTS
    assert not has_too_many_parts(f'{{"a": "{text}"}}'.encode())
    assert parse_json_object(f'{{"a": "{text}"}}'.encode()) == {"a": ',:[{"' * MAX_PARTS}
    assert not has_too_many_parts(f'{{"a": "{text}'.encode())
