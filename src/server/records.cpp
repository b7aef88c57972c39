// Invariant: a payload goes out byte for byte as it came in.
#include "src/server/records.h"

#include "src/server/call.h"
#include "src/server/lookups.h"

#include <utility>

namespace fractal::server {

std::string record_of(const Memory& memory) {
  constexpr std::size_t all_the_rest = 480;
  Object object(memory.payload.size() + memory.metadata.size() + all_the_rest);
  const std::string created_at = iso_time(memory.created_at);
  object.raw("coordinate", numbers_of(memory.coordinate))
      .raw("payload", memory.payload)
      .plain("memory_type", to_string(memory.type))
      .raw("metadata", memory.metadata)
      .number("importance", memory.importance)
      .plain("created_at", created_at)
      .plain("updated_at", memory.updated_at == memory.created_at ? created_at : iso_time(memory.updated_at))
      .count("version", memory.version)
      .plain("id", memory.id.to_string());
  if (memory.expires_at) object.plain("expires_at", iso_time(*memory.expires_at));
  return object.str();
}

Coordinate coordinate_at(const Fields& fields, std::string_view name, std::vector<std::string> place) {
  place.emplace_back(name);
  const auto text = fields.text(name);
  if (!text) throw Invalid{{{"missing", std::move(place), Say::field_required}}};
  return coordinate_of(*text, place);
}

std::string link_type_of(const Fields& fields, std::string_view otherwise) {
  const std::string type = fields.text("link_type").value_or("");
  return type.empty() ? std::string(otherwise) : type;
}

GraphLink link_of(const Fields& fields, const std::vector<std::string>& place) {
  GraphLink link{.from = coordinate_at(fields, "from_coord", place),
                 .to = coordinate_at(fields, "to_coord", place),
                 .type = link_type_of(fields, "related"),
                 .strength = fields.number("strength").value_or(1)};
  if (fields.has("metadata")) link.metadata = fields.raw("metadata");
  return link;
}

Filter filter_of(const Fields& fields, std::string_view where) {
  std::vector<std::string> place{std::string(where)};
  if (where == "body") place.emplace_back("req");
  const auto take = [&](std::string_view name, Result<Filter> filter) {
    if (filter) return std::move(*filter);
    place.emplace_back(name);
    refuse_value(place, filter.error().message);
  };
  Filter all;
  if (const auto type = fields.text("memory_type")) all = Filter::eq("$type", *type);
  if (fields.has("filters")) all = all && take("filters", filter_of_lookups(fields.raw("filters")));
  if (fields.has("filter")) all = all && take("filter", Filter::parse(fields.raw("filter")));
  return all;
}

}  // namespace fractal::server
