// link, unlink, neighbors, path.
#include "src/cli/arguments.h"
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/payload_text.h"
#include "src/cli/records.h"
#include "src/cli/text_width.h"

#include <fractal/format.h>
#include <fractal/json_lines.h>

#include <memory>

namespace fractal::cli {
namespace {

struct Link {
  std::string from, to, type = "related", metadata = "{}";
  double strength = 1;
};

struct Walk {
  std::string from, to, type, direction = "outgoing";
  std::size_t hops = 1, limit = 100, most_hops = 16;
  bool weighted = false;

  Direction chosen_direction() const {
    if (direction == "incoming") return Direction::incoming;
    return direction == "both" ? Direction::both : Direction::outgoing;
  }
  void add_to(CLI::App& command) {
    command.add_option("--type", type, "Only links of this type");
    command.add_option("--direction", direction, "outgoing, incoming or both")
        ->check(CLI::IsMember({"outgoing", "incoming", "both"}));
  }
};

JsonObject ends_json(const GraphLink& link) {
  JsonObject line;
  return line.raw("from", json_of(link.from)).raw("to", json_of(link.to)).text("type", link.type);
}

void make_link(Session& session, const Link& chosen) {
  const GraphLink link{.from = coordinate_of(chosen.from),
                       .to = coordinate_of(chosen.to),
                       .type = chosen.type,
                       .strength = chosen.strength,
                       .metadata = chosen.metadata};
  const Written written = session.memory(Access::create).link(link).value();
  const Output out = session.output();
  out.line(out.json() ? ends_json(link).count("sequence", written.sequence).flag("created", written.created).str()
                      : one_line(fmt::format("{} {}", written.created ? "linked" : "changed", link)));
}

void unlink(Session& session, const Link& chosen) {
  const GraphLink link{.from = coordinate_of(chosen.from), .to = coordinate_of(chosen.to), .type = chosen.type};
  const bool removed = session.memory(Access::write).unlink(link.from, link.to, link.type).value();
  const Output out = session.output();
  if (out.json()) {
    out.line(ends_json(link).flag("removed", removed).str());
  } else if (removed) {
    out.line(one_line(fmt::format("unlinked {}", link)));
  }
  if (!removed) throw Failure(exit_not_found, fmt::format("there is no link {}", link));
}

// What the memories at these coordinates say; empty where there is none.
std::vector<std::string> texts_at(const FractalMemory& memory, const std::vector<Coordinate>& coordinates) {
  std::vector<std::string> texts;
  for (const auto& found : memory.retrieve_many(coordinates, {.embeddings = false}).value()) {
    texts.push_back(found ? payload_text(found->payload) : "");
  }
  return texts;
}

void neighbors(Session& session, const Walk& walk) {
  const Coordinate from = coordinate_of(walk.from);
  const FractalMemory memory = session.memory(Access::read);
  const auto found = memory
                         .neighbors(from, {.hops = walk.hops,
                                           .direction = walk.chosen_direction(),
                                           .type = walk.type,
                                           .limit = walk.limit,
                                           .control = Session::control()})
                         .value();
  const Output out = session.output();
  if (out.json()) {
    for (const Neighbor& each : found) {
      out.line(JsonObject()
                   .raw("coordinate", json_of(each.coordinate))
                   .count("hops", each.hops)
                   .raw("link", to_json(each.link))
                   .str());
    }
    return;
  }
  std::vector<Coordinate> coordinates;
  coordinates.reserve(found.size());
  for (const Neighbor& each : found) coordinates.push_back(each.coordinate);
  const std::vector<std::string> texts = texts_at(memory, coordinates);
  Table table({{.title = "hops", .right = true},
               {.title = "coordinate", .style = Style::name},
               {.title = "by", .flexible = true, .style = Style::faint},
               {.title = "strength", .right = true, .optional = true},
               {.title = "text", .flexible = true}});
  for (std::size_t i = 0; i < found.size(); ++i) {
    table.row({std::to_string(found[i].hops), coordinates[i].to_string(), fmt::format("{}", found[i].link),
               fmt::format("{}", found[i].link.strength), texts[i]});
  }
  out.text(table.empty() ? "no neighbors\n" : table.text(out.terminal()));
}

void path(Session& session, const Walk& walk) {
  const Coordinate from = coordinate_of(walk.from), to = coordinate_of(walk.to);
  const FractalMemory memory = session.memory(Access::read);
  const auto links = memory
                         .path(from, to,
                               {.max_hops = walk.most_hops,
                                .direction = walk.chosen_direction(),
                                .type = walk.type,
                                .weighted = walk.weighted,
                                .control = Session::control()})
                         .value();
  const Output out = session.output();
  if (out.json()) {
    for (const GraphLink& link : links) out.line(to_json(link));
    return;
  }
  std::vector<Coordinate> stops{from};
  std::vector<std::string> types{""};
  for (const GraphLink& link : links) {
    const bool forward = link.from == stops.back();  // else the link was walked against its direction
    stops.push_back(forward ? link.to : link.from);
    types.push_back(forward ? "-" + link.type + "->" : "<-" + link.type + "-");
  }
  const std::vector<std::string> texts = texts_at(memory, stops);
  Table table({{.title = "by", .right = true, .style = Style::faint},
               {.title = "coordinate", .style = Style::name},
               {.title = "text", .flexible = true}});
  for (std::size_t i = 0; i < stops.size(); ++i) table.row({types[i], stops[i].to_string(), texts[i]});
  out.text(table.text(out.terminal()));
}

}  // namespace

void add_links(Commands& commands) {
  const auto made = std::make_shared<Link>();
  CLI::App& link_command = commands.add({.name = "link",
                                         .group = "Graph",
                                         .summary = "Link two coordinates, or change a link",
                                         .example = "fractal link 1,2,3 1,2 --type part_of --strength 0.8"},
                                        [made](Session& session) { make_link(session, *made); });
  link_command.add_option("from", made->from, "Where it begins")->required();
  link_command.add_option("to", made->to, "Where it ends")->required();
  link_command.add_option("--type", made->type, "What kind it is [related]");
  link_command.add_option("--strength", made->strength, "Any number [1]");
  link_command.add_option("--metadata", made->metadata, "A JSON object")->type_name("JSON");

  const auto gone = std::make_shared<Link>();
  CLI::App& unlink_command = commands.add({.name = "unlink",
                                           .group = "Graph",
                                           .summary = "Remove a link",
                                           .example = "fractal unlink 1,2,3 1,2 --type part_of"},
                                          [gone](Session& session) { unlink(session, *gone); });
  unlink_command.add_option("from", gone->from, "Where it begins")->required();
  unlink_command.add_option("to", gone->to, "Where it ends")->required();
  unlink_command.add_option("--type", gone->type, "What kind it is [related]");

  const auto around = std::make_shared<Walk>();
  CLI::App& neighbors_command = commands.add({.name = "neighbors",
                                              .group = "Graph",
                                              .summary = "What links lead to, the nearest first",
                                              .example = "fractal neighbors 1,2,3 --hops 2 --direction both"},
                                             [around](Session& session) { neighbors(session, *around); });
  neighbors_command.add_option("coordinate", around->from, "Where to begin")->required();
  neighbors_command.add_option("--hops", around->hops, "How far, in links: 1 to 64 [1]")->check(CLI::Range(1, 64));
  neighbors_command.add_option("--limit", around->limit, "How many at most [100]");
  around->add_to(neighbors_command);

  const auto way = std::make_shared<Walk>();
  CLI::App& path_command = commands.add({.name = "path",
                                         .group = "Graph",
                                         .summary = "The shortest way along links",
                                         .example = "fractal path 1,2,3 1,2"},
                                        [way](Session& session) { path(session, *way); });
  path_command.add_option("from", way->from, "Where to begin")->required();
  path_command.add_option("to", way->to, "Where to end")->required();
  path_command.add_option("--max-hops", way->most_hops, "Give up beyond so many links [16]")->check(CLI::Range(1, 64));
  path_command.add_flag("--weighted", way->weighted, "Least sum of 1/strength instead of fewest links");
  way->add_to(path_command);
}

}  // namespace fractal::cli
