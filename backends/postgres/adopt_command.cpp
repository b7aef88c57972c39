// adopt: of the program fractal, which this file is compiled into.
// Invariant: without --yes nothing is changed.
#include "src/cli/commands.h"
#include "src/cli/place.h"
#include "src/cli/records.h"

#include <fractal/format.h>
#include <fractal/postgres.h>

#include <algorithm>
#include <memory>

namespace fractal::cli {
namespace {

std::string json_of(const AdoptReport::Refused& refused) {
  return JsonObject()
      .text("table", refused.table)
      .text("reason", refused.reason)
      .count("rows", refused.rows)
      .text("example", refused.example)
      .str();
}

void print_json(const Output& out, const AdoptReport& report, bool done, std::uint64_t indexed) {
  std::vector<std::string> refused;
  for (const auto& one : report.refused) refused.push_back(json_of(one));
  out.line(JsonObject()
               .flag("adopted", done || report.adopted_before)
               .flag("adopted_before", report.adopted_before)
               .count("memories", report.memories)
               .count("links", report.links)
               .count("tenants", report.tenants)
               .count("spaces", report.spaces)
               .raw("changes", json_texts(report.changes))
               .raw("refused", fmt::format("[{}]", fmt::join(refused, ",")))
               .count("indexed", indexed)
               .str());
}

void print(const Output& out, const AdoptReport& report, bool done) {
  if (report.adopted_before) out.line("it is ours already");
  out.line(fmt::format("{} memories and {} links {} taken over; there are {} spaces of {} tenants", report.memories,
                       report.links, done ? "are" : "would be", report.spaces, report.tenants));
  for (const std::string& change : report.changes) out.line("- " + change);
  for (const auto& one : report.refused) {
    out.line(fmt::format("- {} of {} left alone: {} ({})", one.rows, one.table, one.reason, one.example));
  }
}

// Words and vectors of what is there. Stopped, it goes on with the next maintain, or adopt. What was taken over just now
// is indexed when maintain() is through: some of it by open(), which counts for nobody.
std::uint64_t index_all(const Session& session, const std::string& url, std::uint64_t taken_over) {
  Session database({.db = url, .space = session.settings().space, .json = session.settings().json});
  Progress progress("indexing", "memories");
  const FractalMemory memory = database.memory(Access::write);
  return std::max(taken_over, memory.maintain({.control = Session::control(&progress)}).value().indexed);
}

void adopt(Session& session, const std::string& url, bool sure) {
  check_place(url);
  PostgresOptions options;
  options.url = url;
  const AdoptReport report = adopt_postgres(options, {.dry_run = !sure, .control = Session::control()}).value();
  const Output out = session.output();
  if (!out.json()) print(out, report, sure);
  out.flush();
  const std::uint64_t indexed = sure ? index_all(session, url, report.memories) : 0;
  if (out.json()) return print_json(out, report, sure, indexed);
  out.line(sure ? fmt::format("{} memories are indexed", indexed)
                : fmt::format("nothing was changed; to do it: fractal adopt {} --yes", shown(url)));
}

void add_adopt(Commands& commands) {
  const auto url = std::make_shared<std::string>();
  const auto sure = std::make_shared<bool>(false);
  CLI::App& command = commands.add({.name = "adopt",
                                    .group = "Care",
                                    .summary = "Take over a database of SomaFractalMemory's service, in place",
                                    .example = "fractal adopt postgres://soma@db.example/somadb"},
                                   [url, sure](Session& session) { adopt(session, *url, *sure); });
  command.add_option("url", *url, "The service's PostgreSQL database")->required()->type_name("URL");
  command.add_flag("--yes", *sure, "Do it; else only what would be done is told");
}

const bool added = add_commands(&add_adopt);

}  // namespace
}  // namespace fractal::cli
