// Invariant: nothing about a route is written here; all of it comes from operations() and the schemas they name.
#include "src/server/openapi.h"

#include "src/json.h"
#include "src/server/operations.h"
#include "src/server/schemas.h"
#include "src/server/shapes.h"

#include <fractal/version.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

namespace fractal::server {
namespace {

std::string schema_link(std::string_view name) { return fmt::format(R"({{"$ref": "#/components/schemas/{}"}})", name); }
std::string schema_link(const Schema& schema) { return schema_link(schema.name); }

std::string type_name(FieldType type) {
  switch (type) {
    case FieldType::text: return "string";
    case FieldType::integer: return "integer";
    case FieldType::number: return "number";
    case FieldType::flag: return "boolean";
    case FieldType::object: return "object";
    default: return "";
  }
}

std::string shape_schema(const Field& field) {
  if (!field.nullable) return schema_link(field.shape);
  return fmt::format(R"({{"anyOf": [{}, {{"type": "null"}}]}})", schema_link(field.shape));
}

// A component of a vector is a float.
constexpr std::string_view component_schema =
    R"({"type": "number", "minimum": -3.4028234663852886e38, "maximum": 3.4028234663852886e38})";

std::string choices_of(const Field& field, bool nullable) {
  std::vector<std::string> choices;
  for (const std::string_view choice : field.choices) choices.push_back(json::quote(choice));
  if (nullable) choices.emplace_back("null");
  return array_of(choices);
}

std::string element_schema(const Field& field) {
  if (field.type == FieldType::vector) return std::string(component_schema);
  if (field.of != nullptr) return schema_link(*field.of);
  Object object;
  if (const std::string type = type_name(field.element); !type.empty()) object.text("type", type);
  if (!field.pattern.empty()) object.text("pattern", field.pattern);
  if (!field.choices.empty()) object.raw("enum", choices_of(field, false));
  return object.str();
}

// The JSON schema of a field's value. As an answer a list or number has no bounds.
std::string value_schema(const Field& field) {
  if (field.type == FieldType::schema) return schema_link(*field.of);
  if (!field.shape.empty()) return shape_schema(field);
  Object object;
  const bool list = field.type == FieldType::list || field.type == FieldType::vector;
  const std::string type = list ? "array" : type_name(field.type);
  if (!type.empty()) {
    object.raw("type", field.nullable ? fmt::format(R"(["{}", "null"])", type) : json::quote(type));
  }
  if (list) object.raw("items", element_schema(field));
  if (!field.about.empty()) object.text("description", field.about);
  if (!field.otherwise.empty()) object.raw("default", field.otherwise);
  if (field.least) object.raw(list ? "minItems" : "minimum", fmt::to_string(*field.least));
  if (field.most) object.raw("maximum", fmt::to_string(*field.most));
  if (field.longest != 0) object.count(list ? "maxItems" : "maxLength", field.longest);
  if (!field.format.empty()) object.text("format", field.format);
  if (!field.pattern.empty() && !list) object.text("pattern", field.pattern);
  if (!field.choices.empty() && !list) object.raw("enum", choices_of(field, field.nullable));
  return object.str();
}

std::string object_schema(const Schema& schema) {
  if (!schema.one_of.empty()) {
    std::vector<std::string> links;
    for (const Schema* one : schema.one_of) links.push_back(schema_link(*one));
    return Object().text("title", schema.name).raw("anyOf", array_of(links)).str();
  }
  Object properties;
  std::vector<std::string> required;
  for (const Field& field : schema.fields) {
    properties.raw(field.name, value_schema(field));
    if (field.required) required.push_back(json::quote(field.name));
  }
  Object object;
  object.text("type", "object").text("title", schema.name).raw("properties", properties.str());
  if (!required.empty()) object.raw("required", array_of(required));
  return object.str();
}

void collect(const Schema& schema, std::map<std::string_view, const Schema*>& all) {
  if (!all.emplace(schema.name, &schema).second) return;
  for (const Field& field : schema.fields) {
    if (field.of != nullptr) collect(*field.of, all);
  }
  for (const Schema* one : schema.one_of) collect(*one, all);
}

std::string parameter(std::string_view where, const Field& field) {
  Object object;
  object.text("name", field.name).text("in", where).flag("required", field.required);
  if (!field.about.empty()) object.text("description", field.about);
  // A JSON object in a query is a text that holds JSON.
  if (field.type == FieldType::object) {
    const std::string schema = value_schema(field);
    return object.raw("content", fmt::format(R"({{"application/json": {{"schema": {}}}}})", schema)).str();
  }
  return object.raw("schema", value_schema(field)).str();
}

bool has_coordinate(const Operation& operation) { return operation.path.ends_with("{coord}"); }

std::string parameters_of(const Operation& operation) {
  std::vector<std::string> parameters;
  if (has_coordinate(operation)) {
    parameters.push_back(parameter("path", {.name = "coord",
                                            .type = FieldType::text,
                                            .about = "Numbers separated by commas",
                                            .required = true,
                                            .pattern = coordinate_pattern}));
  } else if (operation.path.ends_with("{id}")) {
    parameters.push_back(parameter("path", {.name = "id", .type = FieldType::text, .required = true}));
  }
  if (operation.query != nullptr) {
    for (const Field& field : operation.query->fields) parameters.push_back(parameter("query", field));
  }
  if (operation.guard != Guard::open && operation.of_a_space) {
    parameters.emplace_back(R"({"$ref": "#/components/parameters/tenant"})");
    parameters.emplace_back(R"({"$ref": "#/components/parameters/namespace"})");
  }
  if (operation.types.front() == "text/event-stream") {
    parameters.emplace_back(R"({"$ref": "#/components/parameters/last_event"})");
  }
  return array_of(parameters);
}

std::string_view meaning_of(unsigned status) {
  static const std::map<unsigned, std::string_view> meanings{
      {200, "Done"},
      {400, "Malformed JSON or coordinate"},
      {401, "No token, or not a valid one"},
      {403, "The token does not permit this, or not for this tenant or namespace"},
      {404, "There is none"},
      {409, "Another version than the one expected"},
      {410, "What changed since then is forgotten"},
      {413, "The body is too large"},
      {422, "A value is missing or wrong"},
      {429, "Too many requests for this token and tenant"},
      {431, "The headers, with the path, are too large"},
      {500, "The fault is here"},
      {503, "Busy, or not healthy"}};
  return meanings.at(status);
}

// What an answer can be followed by.
struct Link {
  std::string_view from, to;    // operationIds
  std::string_view parameters;  // of the second one, found in the answer of the first
};
constexpr std::array links{
    Link{"store_memory", "get_memory", R"({"coord": "$response.body#/coord"})"},
    Link{"store_memory", "patch_memory", R"({"coord": "$response.body#/coord"})"},
    Link{"store_memory", "delete_memory", R"({"coord": "$response.body#/coord"})"},
    Link{"patch_memory", "get_memory", R"({"coord": "$response.body#/coord"})"},
    Link{"delete_memory", "get_memory", R"({"coord": "$response.body#/coord"})"},
    Link{"store_link", "get_neighbors", R"({"coord": "$response.body#/from_coord"})"},
    Link{"store_link", "get_path",
         R"({"from_coord": "$response.body#/from_coord", "to_coord": "$response.body#/to_coord"})"},
    Link{"store_link", "delete_link",
         R"({"from_coord": "$response.body#/from_coord", "to_coord": "$response.body#/to_coord"})"},
};

std::string links_of(const Operation& operation) {
  Object object;
  for (const Link& link : links) {
    if (link.from != operation.id) continue;
    object.raw(link.to, Object().text("operationId", link.to).raw("parameters", link.parameters).str());
  }
  return object.str();
}

// Those of the limit are only there if the server has one.
std::string headers_of(unsigned status, bool limited) {
  const auto header = [](std::string_view about, bool required = false) {
    return Object()
        .text("description", about)
        .flag("required", required)
        .raw("schema", R"({"type": "integer", "minimum": 0})")
        .str();
  };
  Object headers;
  if (status == 401) headers.raw("WWW-Authenticate", R"({"required": true, "schema": {"type": "string"}})");
  if (limited) {
    headers.raw("X-RateLimit-Limit", header("Requests at once at most"))
        .raw("X-RateLimit-Remaining", header("Of them left now"))
        .raw("X-RateLimit-Reset", header("Seconds until all of them are there again"));
  }
  if (status == 429) headers.raw("Retry-After", header("Seconds until there is one", true));
  if (status == 503) headers.raw("Retry-After", header("Seconds to wait", true));
  return headers.str();
}

std::string response(unsigned status, const Schema* schema, const std::vector<std::string_view>& types, bool limited,
                     std::string_view following = {}) {
  Object content;
  for (const std::string_view type : types) {
    content.raw(type, fmt::format(R"({{"schema": {}}})", schema ? schema_link(*schema) : "{}"));
  }
  Object object;
  object.text("description", meaning_of(status)).raw("content", content.str());
  if (const std::string headers = headers_of(status, limited); headers != "{}") object.raw("headers", headers);
  if (!following.empty() && following != "{}") object.raw("links", following);
  return object.str();
}

std::set<unsigned> refusals_of(const Operation& operation) {
  std::set<unsigned> statuses(operation.refusals.begin(), operation.refusals.end());
  statuses.insert({403, 431, 500, 503});
  if (operation.guard != Guard::open) statuses.insert({401, 422, 429});
  if (operation.body != nullptr) statuses.insert({400, 413});
  if (operation.query != nullptr || has_coordinate(operation)) statuses.insert(400);
  return statuses;
}

std::string responses_of(const Operation& operation) {
  const bool limited = operation.guard != Guard::open;
  Object responses;
  responses.raw("200", response(200, operation.reply, operation.types, limited, links_of(operation)));
  for (const unsigned status : refusals_of(operation)) {
    const Schema& schema = status == 422 ? schemas::validation_response : schemas::error_response;
    responses.raw(fmt::to_string(status), response(status, &schema, {"application/json"}, limited));
  }
  return responses.str();
}

std::string body_of(const Operation& operation) {
  const std::string schema = operation.body ? schema_link(*operation.body) : R"({"type": "string"})";
  return fmt::format(R"({{"required": {}, "content": {{"{}": {{"schema": {}}}}}}})", !operation.uploads,
                     operation.uploads ? "application/x-ndjson" : "application/json", schema);
}

std::string operation_text(const Operation& operation) {
  Object object;
  object.text("operationId", operation.id)
      .text("summary", operation.summary)
      .raw("tags", array_of({json::quote(operation.tag)}))
      .raw("parameters", parameters_of(operation));
  if (operation.body != nullptr || operation.uploads) object.raw("requestBody", body_of(operation));
  object.raw("responses", responses_of(operation));
  if (operation.guard == Guard::token || operation.guard == Guard::bearer) {
    object.raw("security", R"([{"StandaloneAuth": []}])");
  }
  return object.str();
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string make_openapi() {
  std::map<std::string_view, const Schema*> all;
  collect(schemas::error_response, all);
  collect(schemas::validation_response, all);
  std::vector<std::pair<std::string_view, Object>> paths;
  for (const Operation& operation : operations()) {
    if (!operation.described) continue;
    for (const Schema* schema : {operation.body, operation.reply}) {
      if (schema != nullptr) collect(*schema, all);
    }
    auto at = std::find_if(paths.begin(), paths.end(), [&](const auto& path) { return path.first == operation.path; });
    if (at == paths.end()) at = paths.insert(paths.end(), {operation.path, Object()});
    at->second.raw(lower(name_of(operation.method)), operation_text(operation));
  }
  Object path_objects, schema_objects;
  for (auto& [path, object] : paths) path_objects.raw(path, object.str());
  for (const auto& [name, schema] : all) schema_objects.raw(name, object_schema(*schema));
  for (const Shape& shape : shapes()) schema_objects.raw(shape.name, shape.json);
  const auto header = [](std::string_view name, std::string_view about, std::string_view schema) {
    return Object()
        .text("name", name)
        .text("in", "header")
        .flag("required", false)
        .text("description", about)
        .raw("schema", schema)
        .str();
  };
  constexpr std::string_view of_name = R"({"type": "string", "maxLength": 255, "pattern": "^[\\t -~]*$"})";
  const std::string parameters =
      Object()
          .raw("tenant", header("X-Soma-Tenant", "Whose memories; else the token's", of_name))
          .raw("namespace", header("X-Soma-Namespace", "Which of them; else \"default\"", of_name))
          .raw("last_event", header("Last-Event-ID", "The id of the last event seen",
                                    fmt::format(R"({{"type": "string", "pattern": "{}"}})", event_pattern)))
          .str();
  const std::string security =
      R"({"StandaloneAuth": {"type": "http", "scheme": "bearer", "description": "A token of the server"}})";
  return Object()
      .text("openapi", "3.1.0")
      .raw("info", Object()
                       .text("title", "FractalMemory API")
                       .text("version", version())
                       .text("description", "A long-term memory over HTTP")
                       .str())
      .raw("paths", path_objects.str())
      .raw("components", Object()
                             .raw("schemas", schema_objects.str())
                             .raw("parameters", parameters)
                             .raw("securitySchemes", security)
                             .str())
      .str();
}

}  // namespace

const std::string& openapi() {
  static const std::string text = make_openapi();
  return text;
}

}  // namespace fractal::server
