// Invariant: the page loads nothing from anywhere: it works without a network.
#include "src/server/openapi.h"

#include "src/server/operations.h"

#include <fmt/format.h>

namespace fractal::server {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string_view type_of(const Field& field) {
  switch (field.type) {
    case FieldType::text: return "text";
    case FieldType::integer: return "integer";
    case FieldType::number: return "number";
    case FieldType::flag: return "true or false";
    case FieldType::vector: return "list of numbers";
    case FieldType::list: return "list";
    default: return "object";
  }
}

std::string rows_of(const Schema& schema) {
  std::string rows;
  for (const Field& field : schema.fields) {
    std::string about = escaped(field.about);
    for (const std::string_view choice : field.choices) about += fmt::format(" <code>{}</code>", escaped(choice));
    if (!field.otherwise.empty()) about += fmt::format(" (else <code>{}</code>)", escaped(field.otherwise));
    if (field.of != nullptr) about += fmt::format(" <a href=\"#{0}\">{0}</a>", field.of->name);
    rows += fmt::format("<tr><td><code>{}</code>{}<td>{}<td>{}\n", field.name, field.required ? " *" : "",
                        type_of(field), about);
  }
  return rows;
}

std::string table_of(std::string_view title, const Schema* schema) {
  if (schema == nullptr || schema->fields.empty()) return {};
  return fmt::format("<h3 id=\"{}\">{}</h3><table>{}</table>\n", schema->name, title, rows_of(*schema));
}

std::string make_page() {
  std::string page =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>FractalMemory API</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<style>body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 "
      "1em}table{border-collapse:collapse;"
      "width:100%}td{border-top:1px solid #ccc;padding:.2em .6em;vertical-align:top}code{background:#eee;padding:0 "
      ".2em}"
      "h2{border-bottom:2px solid #333;margin-top:2em}h3{font-size:1em;margin-bottom:.2em}</style>\n"
      "<h1>FractalMemory API</h1>\n<p>JSON over HTTP; <code>Authorization: Bearer &lt;token&gt;</code>; "
      "<code>X-Soma-Tenant</code> and <code>X-Soma-Namespace</code> say whose memories. For programs: "
      "<a href=\"/openapi.json\">/openapi.json</a>. * must be given.</p>\n";
  for (const Operation& operation : operations()) {
    if (!operation.described) continue;
    page += fmt::format("<h2><code>{} {}</code></h2><p>{}.</p>\n", name_of(operation.method), escaped(operation.path),
                        escaped(operation.summary));
    page += table_of("Query", operation.query);
    page += table_of("Body", operation.body);
    page += table_of("Answer", operation.reply);
  }
  return page;
}

}  // namespace

const std::string& docs_page() {
  static const std::string page = make_page();
  return page;
}

}  // namespace fractal::server
