// Invariant: what these schemas allow is what lookups.cpp and Filter::parse() take, up to the limits on their size.
#include "src/server/shapes.h"

#include <array>

namespace fractal::server {
namespace {

constexpr std::array table{
    Shape{"Scalar", R"({"type": ["string", "number", "boolean", "null"]})"},
    Shape{"Lookups", R"({"type": "object",
      "description": "Payload members and their values; a name may end with a lookup such as __gte",
      "patternProperties": {
        "^.+__(gt|gte|lt|lte|contains)$": {"$ref": "#/components/schemas/Scalar"},
        "^.+__in$": {"type": "array", "items": {"$ref": "#/components/schemas/Scalar"}},
        "^.+__isnull$": {"type": "boolean"},
        "^.+__startswith$": {"type": "string"},
        "^.+__has_key$": {"type": "string", "minLength": 1}},
      "propertyNames": {"minLength": 1, "maxLength": 512},
      "additionalProperties": {"$ref": "#/components/schemas/LookupValue"}})"},
    Shape{"LookupValue", R"({"anyOf": [
      {"$ref": "#/components/schemas/Scalar"},
      {"type": "object", "propertyNames": {"minLength": 1, "maxLength": 512},
       "additionalProperties": {"$ref": "#/components/schemas/LookupValue"}}]})"},
    Shape{"Filter", R"({"type": "object",
      "description": "All of its members hold: {\"year\": {\"$gte\": 2024}, \"$or\": [..], \"$metadata.by\": \"a\"}",
      "properties": {
        "$and": {"type": "array", "items": {"$ref": "#/components/schemas/Filter"}},
        "$or": {"type": "array", "items": {"$ref": "#/components/schemas/Filter"}},
        "$not": {"$ref": "#/components/schemas/Filter"}},
      "patternProperties": {
        "^[$](type|importance|version|id|coordinate)$": {"$ref": "#/components/schemas/FilterTest"},
        "^[$](created_at|updated_at|expires_at)$": {"$ref": "#/components/schemas/FilterTimeTest"},
        "^([$]metadata[.])?([^.\\\\$]|\\\\[.\\\\$])([^.\\\\]|\\\\[.\\\\])*([.]([^.\\\\]|\\\\[.\\\\])+)*$":
          {"$ref": "#/components/schemas/FilterTest"}},
      "additionalProperties": false})"},
    Shape{"FilterTest", R"({"anyOf": [
      {"$ref": "#/components/schemas/Scalar"},
      {"type": "object", "minProperties": 1, "additionalProperties": false, "properties": {
        "$eq": {"$ref": "#/components/schemas/Scalar"},
        "$ne": {"$ref": "#/components/schemas/Scalar"},
        "$lt": {"$ref": "#/components/schemas/Scalar"},
        "$lte": {"$ref": "#/components/schemas/Scalar"},
        "$gt": {"$ref": "#/components/schemas/Scalar"},
        "$gte": {"$ref": "#/components/schemas/Scalar"},
        "$in": {"type": "array", "maxItems": 10000, "items": {"$ref": "#/components/schemas/Scalar"}},
        "$contains": {"$ref": "#/components/schemas/Scalar"},
        "$prefix": {"type": "string"},
        "$exists": {"type": "boolean"}}}]})"},
    Shape{"FilterTime", R"({"description": "A time, or microseconds since 1970", "anyOf": [
      {"type": "string", "format": "date-time"}, {"type": ["number", "boolean", "null"]}]})"},
    Shape{"FilterTimeTest", R"({"anyOf": [
      {"$ref": "#/components/schemas/FilterTime"},
      {"type": "object", "minProperties": 1, "additionalProperties": false, "properties": {
        "$eq": {"$ref": "#/components/schemas/FilterTime"},
        "$ne": {"$ref": "#/components/schemas/FilterTime"},
        "$lt": {"$ref": "#/components/schemas/FilterTime"},
        "$lte": {"$ref": "#/components/schemas/FilterTime"},
        "$gt": {"$ref": "#/components/schemas/FilterTime"},
        "$gte": {"$ref": "#/components/schemas/FilterTime"},
        "$in": {"type": "array", "maxItems": 10000, "items": {"$ref": "#/components/schemas/FilterTime"}},
        "$exists": {"type": "boolean"}}}]})"},
};

}  // namespace

std::span<const Shape> shapes() { return table; }

}  // namespace fractal::server
