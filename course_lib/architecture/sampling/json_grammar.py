"""JSON values of a schema, as a language over bytes (RFC 8259), for constrained decoding.

Of JSON Schema: type (null, boolean, integer, number, string, array, object), enum, anyOf, items,
minItems, maxItems, minLength, maxLength, properties, minimum and maximum of integers (both). White
space is as `json.dumps` writes it, and an object holds all its properties in the schema's order:
one layout, so that the model's probability isn't spread over several.
"""

import json
from collections.abc import Mapping
from math import inf

from course_lib.architecture.sampling.grammar import (
    EMPTY,
    Language,
    either,
    literal,
    one_of,
    repeat,
    then,
)

KEYWORDS = {
    "null": set(),
    "boolean": set(),
    "integer": {"minimum", "maximum"},
    "number": set(),
    "string": {"minLength", "maxLength"},
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties"},
}
_LARGEST_RANGE = 10_000  # integers between two bounds are written out one by one

_DIGIT, _DIGIT_1_9 = one_of(b"0123456789"), one_of(b"123456789")
_HEX, _TAIL = one_of(b"0123456789abcdefABCDEF"), one_of(range(0x80, 0xC0))


def json_language(schema: Mapping) -> Language:
    """Every JSON text of a value that the schema accepts.

    Raises ValueError that names what it doesn't know: a constraint that is silently left out would
    let wrong values through.
    """
    if "enum" in schema or "anyOf" in schema:
        keyword = "enum" if "enum" in schema else "anyOf"
        _only(schema, {keyword, "type"} if keyword == "enum" else {keyword})
        if not schema[keyword]:
            raise ValueError(f"{keyword} is empty: no value is possible")
        if keyword == "anyOf":
            return either(*map(json_language, schema["anyOf"]))
        return either(*(literal(json.dumps(v, ensure_ascii=False)) for v in schema["enum"]))
    kind = schema.get("type")
    if kind not in KEYWORDS:
        raise ValueError(f"type is {kind!r}, expected one of {', '.join(KEYWORDS)}, enum or anyOf")
    _only(schema, KEYWORDS[kind] | {"type"})
    return _WRITERS[kind](schema)


def _only(schema: Mapping, known: set[str]) -> None:
    unknown = sorted(set(schema) - known)
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: unknown here, expected {', '.join(sorted(known))}")


def _integer(schema: Mapping) -> Language:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and high is None:
        return _whole_number()
    if low is None or high is None or not 0 <= high - low < _LARGEST_RANGE:
        raise ValueError(
            f"minimum is {low} and maximum {high}, expected both, with at most {_LARGEST_RANGE} "
            "values between them"
        )
    return either(*(literal(str(n)) for n in range(low, high + 1)))


def _whole_number() -> Language:
    sign = either(EMPTY, literal("-"))
    return then(sign, either(literal("0"), then(_DIGIT_1_9, repeat(_DIGIT))))


def _number(schema: Mapping) -> Language:
    fraction = then(literal("."), repeat(_DIGIT, 1))
    sign = either(EMPTY, one_of(b"+-"))
    exponent = then(one_of(b"eE"), sign, repeat(_DIGIT, 1))
    return then(_whole_number(), either(EMPTY, fraction), either(EMPTY, exponent))


def _string(schema: Mapping) -> Language:
    least, most = schema.get("minLength", 0), schema.get("maxLength", inf)
    return then(literal('"'), repeat(_character(), least, most), literal('"'))


def _character() -> Language:
    """One character between the quotes: plain, escaped, or several bytes of valid UTF-8."""
    plain = one_of(set(range(0x20, 0x80)) - set(b'"\\'))
    # A \\u escape of half a surrogate pair is no character.
    first_two = either(
        then(one_of(b"0123456789abcABCefEF"), _HEX), then(one_of(b"dD"), one_of(b"01234567"))
    )
    escape = either(one_of(b'"\\/bfnrt'), then(literal("u"), first_two, _HEX, _HEX))
    return either(plain, then(literal("\\"), escape), _multibyte())


def _multibyte() -> Language:
    """UTF-8 of two to four bytes: the table 3-7 of the Unicode standard, row by row."""
    two = then(one_of(range(0xC2, 0xE0)), _TAIL)
    three = either(
        then(one_of([0xE0]), one_of(range(0xA0, 0xC0)), _TAIL),
        then(one_of([*range(0xE1, 0xED), 0xEE, 0xEF]), _TAIL, _TAIL),
        then(one_of([0xED]), one_of(range(0x80, 0xA0)), _TAIL),
    )
    four = either(
        then(one_of([0xF0]), one_of(range(0x90, 0xC0)), _TAIL, _TAIL),
        then(one_of(range(0xF1, 0xF4)), _TAIL, _TAIL, _TAIL),
        then(one_of([0xF4]), one_of(range(0x80, 0x90)), _TAIL, _TAIL),
    )
    return either(two, three, four)


def _array(schema: Mapping) -> Language:
    if "items" not in schema:
        raise ValueError("an array needs items: the schema of its values")
    least, most = schema.get("minItems", 0), schema.get("maxItems", inf)
    if least < 0 or most < least:
        raise ValueError(f"minItems is {least} and maxItems {most}, expected 0 <= least <= most")
    if most == 0:
        return literal("[]")
    item = json_language(schema["items"])
    filled = then(item, repeat(then(literal(", "), item), max(least - 1, 0), most - 1))
    inside = either(EMPTY, filled) if least == 0 else filled
    return then(literal("["), inside, literal("]"))


def _object(schema: Mapping) -> Language:
    parts = []
    for name, value in schema.get("properties", {}).items():
        comma = ", " if parts else ""
        key = json.dumps(name, ensure_ascii=False)
        parts.append(then(literal(f"{comma}{key}: "), json_language(value)))
    return then(literal("{"), *parts, literal("}"))


_WRITERS = {
    "null": lambda schema: literal("null"),
    "boolean": lambda schema: either(literal("true"), literal("false")),
    "integer": _integer,
    "number": _number,
    "string": _string,
    "array": _array,
    "object": _object,
}
