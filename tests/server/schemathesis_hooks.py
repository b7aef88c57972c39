"""What schemathesis has to know of this server. It is loaded into schemathesis, by SCHEMATHESIS_HOOKS."""

import copy
import json
import os
import re
import urllib.parse

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


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    return value if isinstance(value, bytes) else value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


@schemathesis.hook
def before_load_schema(_context, document):
    # A stream of events has no end to wait for.
    for operations in document["paths"].values():
        for method in [name for name, operation in operations.items()
                       if any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())]:
            del operations[method]
    # In a sequence "the same memory" is one of the same tenant, and has not expired: schemathesis sees the path alone.
    if os.environ.get("FRACTAL_ONE_SPACE"):
        for schema in document["components"]["schemas"].values():
            schema.get("properties", {}).pop("expires_at", None)
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["parameters"] = [one for one in operation["parameters"] if "$ref" not in one]


def is_unsayable(response):
    if response.status_code in (413, 431):  # the size of the request as a whole
        return True
    if response.request.headers.get("Content-Type") == "application/x-ndjson":  # what stands in each line
        return response.status_code in (400, 422)
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


def is_lax(case, response):
    """Whether nothing but body and query are wrong with the request, and only by such values."""
    wrong = [place for place, component in case.meta.components.items() if component.mode.is_negative]
    places = {str(getattr(place, "value", place)).lower() for place in wrong}
    document = copy.deepcopy(case.operation.schema.raw_schema)
    operation = document["paths"][case.operation.path][case.operation.method.lower()]

    def fits(value, schema):
        whole = {**relaxed(schema), "components": relaxed(document["components"])}
        return jsonschema_rs.validator_for(whole).is_valid(value)

    def query_fits():
        # Of several values the last one counts.
        sent = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(response.request.url).query, keep_blank_values=True))
        for parameter in operation["parameters"]:
            if parameter.get("in") != "query":
                continue
            if parameter["name"] not in sent:
                if parameter["required"]:
                    return False
                continue
            value = sent[parameter["name"]]
            if "content" in parameter:
                value, schema = json.loads(value), parameter["content"]["application/json"]["schema"]
            else:
                schema = parameter["schema"]
            if not fits(value, schema):
                return False
        return True

    if not places or not places <= {"body", "query"}:
        return False
    if "query" in places and not query_fits():
        return False
    if "body" not in places:
        return True
    content = operation["requestBody"]["content"].get("application/json")
    return content is not None and fits(case.body, content["schema"])


@schemathesis.check
def other_data_is_rejected(ctx, response, case):
    try:
        negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        if response.status_code not in (413, 431) and not is_lax(case, response):  # too large, which is also a refusal
            raise
