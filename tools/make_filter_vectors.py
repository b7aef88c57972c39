#!/usr/bin/env python3
"""Writes tests/data/filter_vectors.jsonl: filters, memories, and whether the one passes the other.

    tools/make_filter_vectors.py > tests/data/filter_vectors.jsonl

The expected values come from the evaluator below, which shares nothing with the library: it works on Python's
values, whose integers are exact, and on the JSON form of a filter. The cases in BY_HAND state the answer as well,
so that the evaluator is itself tested. tests/data/README.md describes the format. Deterministic.
"""
import datetime
import json
import random
import sys

HERE = object()  # an object or array: it is there, and equals nothing


# ---- the evaluator ------------------------------------------------------------------------------

def number(text):
    value = int(text)
    return value if -(2**63) <= value < 2**64 else float(value)


def load(text):
    return json.loads(text, parse_int=number)


def split(path):
    keys, key, escaped = [], "", False
    for character in path:
        if escaped:
            key, escaped = key + character, False
        elif character == "\\":
            escaped = True
        elif character == ".":
            keys.append(key)
            key = ""
        else:
            key += character
    return keys + [key]


MISSING = object()


def microseconds(text):
    moment = datetime.datetime.fromisoformat(text)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def look_up(memory, path):
    if path.startswith("$metadata."):
        value, keys = memory["metadata"], split(path[len("$metadata."):])
    elif path.startswith("$"):
        name = path[1:]
        if name in ("created_at", "updated_at", "expires_at"):
            return microseconds(memory[name]) if name in memory else MISSING
        return memory[name]
    else:
        value, keys = memory["payload"], split(path)
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def kind(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "text"
    return "container"


def same(left, right):
    return kind(left) == kind(right) != "container" and left == right


def below(left, right):
    """left < right, for values of one kind."""
    if kind(left) == "text":
        return left.encode() < right.encode()
    return kind(left) != "null" and left < right


def ordered(left, right, test):
    return kind(left) == kind(right) != "container" and test(left, right)


OPERATORS = {
    "$eq": same,
    "$ne": lambda value, operand: not same(value, operand),
    "$lt": lambda value, operand: ordered(value, operand, below),
    "$lte": lambda value, operand: ordered(value, operand, lambda a, b: not below(b, a)),
    "$gt": lambda value, operand: ordered(value, operand, lambda a, b: below(b, a)),
    "$gte": lambda value, operand: ordered(value, operand, lambda a, b: not below(a, b)),
    "$in": lambda value, operand: any(same(value, each) for each in operand),
    "$prefix": lambda value, operand: isinstance(value, str) and value.encode().startswith(operand.encode()),
    "$contains": lambda value, operand: any(same(each, operand) for each in value) if isinstance(value, list)
    else isinstance(value, str) and isinstance(operand, str) and operand.encode() in value.encode(),
}


def passes_test(memory, path, operator, operand):
    value = look_up(memory, path)
    if operator == "$exists":
        return (value is not MISSING) == operand
    if value is MISSING:
        return operator == "$ne"
    if path in ("$created_at", "$updated_at", "$expires_at"):
        convert = lambda each: microseconds(each) if isinstance(each, str) else each
        operand = [convert(each) for each in operand] if operator == "$in" else convert(operand)
    return OPERATORS[operator](value, operand)


def passes(memory, condition):
    def member(name, value):
        if name == "$and":
            return all(passes(memory, each) for each in value)
        if name == "$or":
            return any(passes(memory, each) for each in value)
        if name == "$not":
            return not passes(memory, value)
        if isinstance(value, dict):
            return all(passes_test(memory, name, operator, operand) for operator, operand in value.items())
        return passes_test(memory, name, "$eq", value)

    return all(member(name, value) for name, value in condition.items())


# ---- the memories -------------------------------------------------------------------------------

# One memory for each value of the member "v", as JSON text.
VALUES = [
    "null", "true", "false", "0", "-0", "-0.0", "1", "1.0", "-1", "1e0", "10e-1", "2", "9", "10", "0.1", "1.5", "-1.5",
    "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740993.0", "-9007199254740993",
    "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551615", "18446744073709551616",
    "1e300", "5e-324", "123456789012345678901234567890", '""', '"1"', '"10"', '"9"', '"true"', '"null"', '"tea"', '"Tea"',
    '"green tea"', '"te"', '"t\\u0065a"', '"\\u00e9t\\u00e9"', '"e\\u0301te\\u0301"', '"\\uffff"', '"\\ud83c\\udf75"',
    '"%"', '"_"', '"a\\"b\\\\c"', '"line\\nbreak"', "[]", '[1, "tea", null, true]', "[1.0, 2]", "[[1]]", '[{"a": 1}]',
    '["9007199254740993", 9007199254740993]', "{}", '{"$eq": 1}', '{"w": 1}',
]

# Whole memories, for paths and built-in fields. `raw`: the payload as text.
SPECIAL = [
    dict(raw='{"topic": "tea", "year": 2024, "user": {"name": "Ada", "age": 36, "tags": ["a", "b"]}}', type="semantic",
         importance=0.75),
    dict(raw='{"topic": "coffee", "year": 2023.5, "user": {"name": "Bob"}, "draft": null}', importance=-1),
    dict(raw='{"year": "2024", "user": "Ada", "draft": false}', importance=0.1, metadata='{"source": {"kind": "mail"}}'),
    dict(raw='{"user": [{"name": "Ada"}], "name": "Ada"}', metadata='{"source": {"kind": "chat", "n": 3}, "a.b": 1}'),
    dict(raw='{"a.b": 1, "a": {"b": 2}}'),
    dict(raw='{"a\\\\b": 1, "a": {"b": null}}'),
    dict(raw='{"$type": "own", "$": 1, "a$b": 2}', type="semantic"),
    dict(raw='{"$and": [1], "$or": "x", "$not": false}'),
    dict(raw='{"k": 1, "k": "last", "o": {"x": 1}, "o": {"y": 2}}'),
    dict(raw='{"o": {"x": 1, "x": 2}, "\\u006b": "escaped key"}'),
    dict(raw='{"k": "first", "\\u006b": "second"}'),
    dict(raw='{"schl\\u00fcssel": "wert", "\\u6771\\u4eac": {"\\u5854": 333}}'),
    dict(raw='{"": 1, " ": 2, "x y": {"z w": 3}}'),
    dict(raw='{}', importance=1e308, metadata="{}"),
    dict(raw=' {\n "deep" : { "deep" : { "deep" : [ { } , "x" ] , "end" : 1 } } \t}\r'),
    dict(raw='{"quote": "{\\"v\\": 1}", "v2": "]}", "list": ["{", "}", "\\\\"]}'),
    dict(raw='{"t": 1}', version=7, expires_at="2100-01-01T00:00:00+00:00"),
    dict(raw='{"t": 2}', version=18446744073709551615, expires_at="2200-06-01T12:30:00.000001+00:00",
         created_at="2024-05-01T10:00:00.250000+00:00", updated_at="2025-01-01T00:00:00+00:00"),
    dict(raw='{"t": 3}', created_at="1970-01-01T00:00:00+00:00", updated_at="1970-01-01T00:00:00.000001+00:00"),
]


def build():
    memories = []
    for i, given in enumerate([dict(raw=f'{{"v": {value}}}') for value in VALUES] + SPECIAL):
        metadata = given.get("metadata", "{}")
        fields = {
            "coordinate": f"{i}.0,0.5",
            "type": given.get("type", "episodic"),
            "importance": given.get("importance", 0),
            "id": f"018f3a2b-0000-7000-8000-{i:012x}",
            "created_at": given.get("created_at", "2024-05-01T10:00:00+00:00"),
            "updated_at": given.get("updated_at", "2024-05-02T10:00:00+00:00"),
            "version": given.get("version", 1),
        }
        if "expires_at" in given:
            fields["expires_at"] = given["expires_at"]
        raw = given["raw"].replace("\n", " ").replace("\r", " ")  # one case a line
        if i < len(VALUES):
            text = f'{{"coordinate": "{fields["coordinate"]}", "payload": {raw}}}'
        else:
            text = json.dumps(fields)[:-1] + f', "metadata": {metadata}, "payload": {raw}}}'
        memories.append((text, {**fields, "metadata": load(metadata), "payload": load(given["raw"])}))
    return memories


# ---- the cases ----------------------------------------------------------------------------------

def special(n):
    return len(VALUES) + n


def value(text):
    return VALUES.index(text)


# (filter, number of the memory, the answer)
BY_HAND = [
    ({}, 0, True),
    ({"v": None}, value("null"), True),
    ({"v": None}, special(0), False),
    ({"v": {"$ne": None}}, special(0), True),
    ({"v": {"$exists": True}}, value("null"), True),
    ({"v": {"$exists": True}}, special(0), False),
    ({"v": {"$exists": True}}, value("{}"), True),
    ({"v": {"$exists": False}}, special(0), True),
    ({"v": 1}, value("true"), False),
    ({"v": True}, value("1"), False),
    ({"v": 0}, value("-0.0"), True),
    ({"v": 1}, value("1.0"), True),
    ({"v": 1.0}, value("1"), True),
    ({"v": "1"}, value("1"), False),
    ({"v": {"$gt": 9}}, value('"10"'), False),
    ({"v": {"$gt": 9}}, value("10"), True),
    ({"v": {"$gt": "9"}}, value('"10"'), False),
    ({"v": 9007199254740992.0}, value("9007199254740993"), False),
    ({"v": {"$gt": 9007199254740992.0}}, value("9007199254740993"), True),
    ({"v": 9007199254740992}, value("9007199254740993.0"), True),
    ({"v": {"$lt": 9223372036854775807.0}}, value("9223372036854775807"), True),
    ({"v": 9223372036854775807}, value("9223372036854775807"), True),
    ({"v": {"$lt": 18446744073709551616.0}}, value("18446744073709551615"), True),
    ({"v": 18446744073709551616.0}, value("18446744073709551616"), True),
    ({"v": {"$gte": -9223372036854775808}}, value("-9223372036854775808"), True),
    ({"v": {"$gt": "tea"}}, value('"\\uffff"'), True),
    ({"v": {"$lt": "\U0001f375"}}, value('"\\uffff"'), True),
    ({"v": "tea"}, value('"t\\u0065a"'), True),
    ({"v": "tea"}, value('"Tea"'), False),
    ({"v": "\u00e9t\u00e9"}, value('"e\\u0301te\\u0301"'), False),
    ({"v": {"$prefix": ""}}, value('""'), True),
    ({"v": {"$prefix": ""}}, value("1"), False),
    ({"v": {"$prefix": "te"}}, value('"tea"'), True),
    ({"v": {"$prefix": "tea"}}, value('"te"'), False),
    ({"v": {"$contains": "tea"}}, value('"green tea"'), True),
    ({"v": {"$contains": "%"}}, value('"tea"'), False),
    ({"v": {"$contains": "tea"}}, value('[1, "tea", null, true]'), True),
    ({"v": {"$contains": None}}, value('[1, "tea", null, true]'), True),
    ({"v": {"$contains": "te"}}, value('[1, "tea", null, true]'), False),
    ({"v": {"$contains": 1}}, value("[1.0, 2]"), True),
    ({"v": {"$contains": 1}}, value("[[1]]"), False),
    ({"v": {"$contains": 1}}, value('"10"'), False),
    ({"v": {"$ne": 1}}, value("[]"), True),
    ({"v": {"$eq": 1}}, value('{"$eq": 1}'), False),
    ({"v": {"$in": []}}, value("1"), False),
    ({"v": {"$in": [1, "tea"]}}, value('"tea"'), True),
    ({"v": {"$in": ["1"]}}, value("1"), False),
    ({"v": {"$lt": True}}, value("false"), True),
    ({"v": {"$lte": None}}, value("null"), True),
    ({"v": {"$lt": None}}, value("null"), False),
    ({"user.name": "Ada"}, special(0), True),
    ({"user.name": "Ada"}, special(2), False),
    ({"user.name": "Ada"}, special(3), False),
    ({"user.name": {"$ne": "Ada"}}, special(3), True),
    ({"a.b": 2}, special(4), True),
    ({"a\\.b": 1}, special(4), True),
    ({"a\\.b": 1}, special(5), False),
    ({"a\\\\b": 1}, special(5), True),
    ({"\\$type": "own"}, special(6), True),
    ({"$type": "own"}, special(6), False),
    ({"$type": "semantic"}, special(6), True),
    ({"\\$": 1}, special(6), True),
    ({"a$b": 2}, special(6), True),
    ({"\\$and": {"$contains": 1}}, special(7), True),
    ({"k": "last"}, special(8), True),
    ({"k": 1}, special(8), False),
    ({"o.x": {"$exists": True}}, special(8), False),
    ({"o.x": 2}, special(9), True),
    ({"k": "escaped key"}, special(9), True),
    ({"k": "second"}, special(10), True),
    ({"schl\u00fcssel": "wert"}, special(11), True),
    ({"\u6771\u4eac.\u5854": 333}, special(11), True),
    ({" ": 2, "x y.z w": 3}, special(12), True),
    ({"deep.deep.end": 1, "deep.deep.deep": {"$contains": "x"}}, special(14), True),
    ({"v": 1}, special(15), False),
    ({"v2": "]}", "list": {"$contains": "\\"}}, special(15), True),
    ({"$importance": {"$gte": 0.75}}, special(0), True),
    ({"$importance": 0.1}, special(2), True),
    ({"$importance": {"$lt": 0}}, special(1), True),
    ({"$metadata.source.kind": "mail"}, special(2), True),
    ({"$metadata.a\\.b": 1}, special(3), True),
    ({"source.kind": "mail"}, special(2), False),
    ({"$expires_at": {"$exists": False}}, special(0), True),
    ({"$expires_at": {"$exists": True}}, special(16), True),
    ({"$expires_at": {"$gt": "2100-01-01T00:00:00Z"}}, special(16), False),
    ({"$expires_at": {"$gt": "2100-01-01T00:00:00Z"}}, special(0), False),
    ({"$expires_at": {"$ne": "2100-01-01T00:00:00Z"}}, special(0), True),
    ({"$created_at": "2024-05-01T12:00:00.25+02:00"}, special(17), True),
    ({"$created_at": 0}, special(18), True),
    ({"$updated_at": {"$gt": 0, "$lte": 1}}, special(18), True),
    ({"$version": 18446744073709551615}, special(17), True),
    ({"$version": {"$lt": 18446744073709551615}}, special(16), True),
    ({"$and": []}, 0, True),
    ({"$or": []}, 0, False),
    ({"$not": {}}, 0, False),
    ({"$not": {"$not": {"topic": "tea"}}}, special(0), True),
    ({"$or": [{"topic": "tea"}, {"year": 2023.5}]}, special(1), True),
    ({"$and": [{"topic": "tea"}, {"year": 2023.5}]}, special(1), False),
    ({"topic": "tea", "year": {"$gte": 2024}, "$not": {"draft": {"$exists": True}}}, special(0), True),
    ({"topic": "tea", "year": {"$gte": 2024}, "$not": {"draft": {"$exists": True}}}, special(1), False),
]

OPERANDS = [None, True, False, 0, 1, 1.0, 9, 0.1, -1.5, 9007199254740993, 9007199254740992.0, 9223372036854775807,
            9223372036854775808.0, 18446744073709551615, -9223372036854775808, "", "1", "tea", "t", "\u00e9t\u00e9", "\uffff",
            "%", 'a"b\\c', "line\nbreak"]
LISTS = [[1, "tea"], [None, False], [0.1, 9007199254740993, "\uffff"], ["1", "10", 2], [True, 18446744073709551615]]
SPECIAL_FILTERS = [
    {"user.age": {"$gt": 30}}, {"user.tags": {"$contains": "b"}}, {"user": {"$exists": True}}, {"user": "Ada"},
    {"user.name": {"$prefix": "A"}}, {"year": {"$gte": 2023, "$lt": 2024}}, {"year": {"$in": [2024, "2024"]}},
    {"draft": None}, {"draft": {"$ne": False}}, {"draft": {"$exists": True}}, {"$type": "episodic"},
    {"$type": {"$ne": "semantic"}}, {"$type": {"$in": ["semantic", "x"]}}, {"$importance": {"$gt": -1, "$lte": 0.75}},
    {"$importance": {"$gt": 1e300}}, {"$version": {"$gte": 7}}, {"$version": 1}, {"$metadata.source.n": {"$lte": 3}},
    {"$metadata.source": {"$exists": True}}, {"$metadata.source.kind": {"$ne": "chat"}},
    {"$coordinate": {"$prefix": "6"}}, {"$coordinate": "60.0,0.5"}, {"$id": {"$contains": "-00000000003"}},
    {"$id": {"$exists": True}}, {"$created_at": {"$lt": "2024-05-01T10:00:00.250001Z"}},
    {"$created_at": {"$in": ["1970-01-01T00:00:00Z", 1714557600250000]}}, {"$updated_at": {"$gte": "2025-01-01T01:00:00+01:00"}},
    {"$expires_at": {"$lt": "2200-06-01T12:30:00.000002Z"}}, {"$expires_at": {"$lte": 4102444800000000}},
    {"$or": [{"k": "last"}, {"$and": [{"t": {"$gte": 2}}, {"t": {"$lt": 3}}]}, {"$not": {"$type": "episodic"}}]},
    {"$not": {"$or": [{"t": {"$exists": True}}, {"user": {"$exists": True}}]}},
    {"$and": [{"$not": {"a.b": 2}}, {"$or": [{"a.b": None}, {"a\\.b": 1}, {"$importance": {"$lt": 0}}]}]},
]


def main():
    memories = build()
    source = random.Random(20260502)
    cases = []
    for condition, index, expected in BY_HAND:
        answer = passes(memories[index][1], condition)
        if answer != expected:
            sys.exit(f"the evaluator says {answer}: {condition} on {memories[index][0]}")
        cases.append((condition, index))
    for operator in ("$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$contains", "$prefix"):
        for operand in OPERANDS:
            if operator == "$prefix" and not isinstance(operand, str):
                continue
            near = [i for i in range(len(VALUES)) if kind(memories[i][1]["payload"]["v"]) == kind(operand)]
            if operator == "$contains":
                near = [i for i in range(len(VALUES)) if kind(memories[i][1]["payload"]["v"]) in ("container", "text")]
            for i in source.sample(near, min(8, len(near))) + source.sample(range(len(memories)), 3):
                cases.append(({"v": {operator: operand}}, i))
    for operand in LISTS:
        cases += [({"v": {"$in": operand}}, i) for i in source.sample(range(len(VALUES)), 15)]
    for condition in SPECIAL_FILTERS:
        cases += [(condition, special(i)) for i in range(len(SPECIAL))]
    for condition, index in dict.fromkeys((json.dumps(condition), index) for condition, index in cases):
        text, memory = memories[index]
        answer = json.dumps(passes(memory, json.loads(condition)))
        sys.stdout.write(f'{{"filter": {condition}, "matches": {answer}, "memory": {text}}}\n')


main()
