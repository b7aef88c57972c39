// Invariant: what a request says of a link is what is stored; its metadata decides nothing.
#include "src/server/operations.h"

#include "src/server/metrics.h"
#include "src/server/records.h"

#include <algorithm>

namespace fractal::server {
namespace {

const std::vector<std::string> body_place{"body", "req"};

Direction direction_of(const Fields& fields) {
  const std::string direction = fields.text("direction").value_or("outgoing");
  if (direction == "incoming") return Direction::incoming;
  return direction == "both" ? Direction::both : Direction::outgoing;
}

// How every answer about a link begins.
Object link_named(const Fields& fields, std::string_view type) {
  Object object;
  object.text("from_coord", *fields.text("from_coord")).text("to_coord", *fields.text("to_coord"));
  object.text("link_type", type);
  return object;
}

// The nearest first, of those the newest link first, as clients of the service expect it.
bool comes_before(const Neighbor& left, const Neighbor& right) {
  if (left.hops != right.hops) return left.hops < right.hops;
  if (left.link.created_at != right.link.created_at) return left.link.created_at > right.link.created_at;
  return left.coordinate < right.coordinate;
}

}  // namespace

Reply store_link(Call& call) {
  GraphLink link = link_of(call.body, body_place);
  const std::string type = link.type;
  (void)accepted(call.memory.link(std::move(link)), body_place);
  call.service.metrics.wrote("link");
  return {.body = link_named(call.body, type).flag("ok", true).str()};
}

Reply delete_link(Call& call) {
  const std::string type = link_type_of(call.query, "related");
  const bool deleted = accepted(call.memory.unlink(coordinate_at(call.query, "from_coord", {"query"}),
                                                   coordinate_at(call.query, "to_coord", {"query"}), type),
                                {"query"});
  if (deleted) call.service.metrics.wrote("unlink");
  return {.body = link_named(call.query, type).flag("deleted", deleted).str()};
}

Reply get_neighbors(Call& call) {
  const Coordinate start = coordinate_at(call.query, "coord", {"query"});
  NeighborOptions options{.hops = static_cast<std::size_t>(call.query.integer("k_hop").value_or(1)),
                          .direction = direction_of(call.query),
                          .type = link_type_of(call.query, ""),
                          .limit = limits::top_k,
                          .control = call.control};
  auto found = accepted(call.memory.neighbors(start, options), {"query"});
  const auto size = found.size();
  const auto begin = std::min(static_cast<std::size_t>(call.query.integer("offset").value_or(0)), size);
  const auto end = std::min(begin + static_cast<std::size_t>(call.query.integer("limit").value_or(10)), size);
  std::partial_sort(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(end), found.end(), comes_before);
  std::vector<std::string> neighbors;
  for (std::size_t i = begin; i < end; ++i) {
    neighbors.push_back(Object()
                            .raw("coordinate", numbers_of(found[i].coordinate))
                            .text("link_type", found[i].link.type)
                            .number("strength", found[i].link.strength)
                            .count("hops", found[i].hops)
                            .str());
  }
  return {.body = Object().text("coord", *call.query.text("coord")).raw("neighbors", array_of(neighbors)).str()};
}

Reply get_path(Call& call) {
  const Coordinate from = coordinate_at(call.query, "from_coord", {"query"}),
                   to = coordinate_at(call.query, "to_coord", {"query"});
  const std::int64_t nodes = call.query.integer("max_length").value_or(10);
  std::vector<std::string> path, types;
  const bool possible = nodes > 1 || (nodes == 1 && from == to);
  if (possible) {
    PathOptions options{.max_hops = static_cast<std::size_t>(std::max<std::int64_t>(nodes - 1, 1)),
                        .direction = direction_of(call.query),
                        .type = link_type_of(call.query, ""),
                        .weighted = call.query.flag("weighted").value_or(false),
                        .control = call.control};
    const auto way = call.memory.path(from, to, options);
    if (way || way.error().code != Errc::not_found) {
      Coordinate at = from;
      path.push_back(quoted(at.to_string()));
      for (const GraphLink& link : accepted(way, {"query"})) {
        at = link.from == at ? link.to : link.from;
        path.push_back(quoted(at.to_string()));
        types.push_back(quoted(link.type));
      }
    }
  }
  return {.body = Object()
                      .text("from_coord", *call.query.text("from_coord"))
                      .text("to_coord", *call.query.text("to_coord"))
                      .raw("path", array_of(path))
                      .raw("link_types", array_of(types))
                      .flag("found", !path.empty())
                      .str()};
}

}  // namespace fractal::server
