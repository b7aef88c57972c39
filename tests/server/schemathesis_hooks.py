"""What schemathesis has to know of this server. It is loaded into schemathesis, by SCHEMATHESIS_HOOKS."""

import copy
import os
import re

import jsonschema_rs
import schemathesis
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import RejectedPositiveData

load_all_checks()
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance  # noqa: E402

# What no JSON schema can say of a request that it allows, and what is answered to it.
UNSAYABLE = (
    r"top_k \d+ \+ offset \d+ is more than",  # a sum of two fields
    r"after: not the end of a page",          # only an answer can tell one
    r"mode \w+ needs",                        # of another field
    r"is not a time such as",                 # a 30th of February
    r"is not in the years",                   # before 1970, by its offset from UTC
    r"has \d+ components?, the space has",      # depends on what is stored
    r"(embedding|vector) has length 0",       # all of it is 0
    r"longer than 512 bytes",                 # a schema counts characters
    r"link type has \d+ bytes, more than",
    r"more than 256 tests",                   # of the whole filter
    r"nested deeper than 32",
)
NUMBER = r"^[ ]*[+-]?([0-9_]+\.?[0-9_]*|\.[0-9_]+)([eE][+-]?[0-9]+)?[ ]*$"
LAX = {"integer": [{"type": "boolean"}, {"type": "string", "pattern": NUMBER}],
       "number": [{"type": "boolean"}, {"type": "string", "pattern": NUMBER}],
       "boolean": [{"enum": [0, 1, "0", "1", "true", "false"]}]}


@schemathesis.hook
def before_load_schema(_context, document):
    # A stream of events has no end to wait for.
    for operations in document["paths"].values():
        for method in [name for name, operation in operations.items()
                       if any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())]:
            del operations[method]
    # In a sequence "the same memory" is one of the same tenant: schemathesis sees that in the path alone.
    if os.environ.get("FRACTAL_ONE_SPACE"):
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["parameters"] = [one for one in operation["parameters"] if "$ref" not in one]


def is_unsayable(response):
    if response.status_code in (413, 431):  # the size of the request as a whole
        return True
    if response.status_code != 422:
        return False
    return all(item["type"] == "string_too_long" and item["ctx"] == {"max_length": 512}  # a coordinate in its plain form
               or item["type"] == "value_error" and any(re.search(words, item["msg"]) for words in UNSAYABLE)
               for item in response.json()["detail"])


@schemathesis.check
def allowed_data_is_accepted(ctx, response, case):
    try:
        positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        if not is_unsayable(response):
            raise


def relaxed(schema):
    """The same, where "3" and true are numbers, and 1 is true: clients of the Python service may send that."""
    if isinstance(schema, list):
        return [relaxed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    types = schema.get("type", [])
    lax = [one for name in ([types] if isinstance(types, str) else types) for one in LAX.get(name, [])]
    inner = {key: relaxed(value) for key, value in schema.items()}
    return {"anyOf": [inner, *lax]} if lax else inner


def is_lax(case):
    """Whether nothing but the body is wrong with the request, and only by such values."""
    wrong = [place for place, component in case.meta.components.items() if component.mode.is_negative]
    if [str(getattr(place, "value", place)).lower() for place in wrong] != ["body"]:
        return False
    document = copy.deepcopy(case.operation.schema.raw_schema)
    content = document["paths"][case.operation.path][case.operation.method.lower()]["requestBody"]["content"]
    schema = {**relaxed(content["application/json"]["schema"]), "components": relaxed(document["components"])}
    return jsonschema_rs.validator_for(schema).is_valid(case.body)


@schemathesis.check
def other_data_is_rejected(ctx, response, case):
    try:
        negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        if response.status_code not in (413, 431) and not is_lax(case):  # too large, which is also a refusal
            raise
