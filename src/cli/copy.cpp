// copy: from one database to another.
// Invariant: what the target holds when a copy stops is whole batches, and the same command goes on.
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/place.h"
#include "src/cli/records.h"

#include <fractal/copy.h>
#include <fractal/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

namespace fractal::cli {
namespace {

// A copy does not search: what the index would keep is of no use to it.
constexpr std::uint64_t memory_budget = limits::least_memory_budget;

struct Copy {
  std::string from, to;
  bool mirror = false;
  std::size_t batch = 1000;
  // Given on the line; else what the settings say counts only where it is not the default.
  bool tenant = false, name = false;
};

void check_places(const Copy& chosen) {
  std::error_code missing;
  const bool files = !is_url(chosen.from) && !is_url(chosen.to);
  if (chosen.from == chosen.to || (files && std::filesystem::equivalent(chosen.from, chosen.to, missing))) {
    throw usage_error(fmt::format("FROM and TO are both {}", shown(chosen.from)));
  }
}

std::vector<Space> chosen_spaces(const FractalMemory& from, const Copy& chosen, const Space& settings) {
  std::vector<Space> spaces = from.spaces().value();
  const Space usual;
  const bool tenant = chosen.tenant || settings.tenant != usual.tenant;
  const bool name = chosen.name || settings.name != usual.name;
  std::erase_if(spaces, [&](const Space& space) {
    return (tenant && space.tenant != settings.tenant) || (name && space.name != settings.name);
  });
  std::sort(spaces.begin(), spaces.end());
  if (spaces.empty() && (tenant || name)) {
    throw Failure(exit_not_found, fmt::format("{} has no space {}/{}", shown(chosen.from),
                                              tenant ? settings.tenant : "*", name ? settings.name : "*"));
  }
  return spaces;
}

// A new database gets what belongs to all spaces of the source: text fields and indexed fields.
FractalMemory open_target(Session& session, const Copy& chosen, const FractalMemory& from) {
  Options options{.memory_budget = memory_budget};
  FractalMemory to = session.open(chosen.to, Access::create, options);
  if (in_process(chosen.to) || !to.spaces().value().empty()) return to;
  const Stats source = from.stats().value();
  options.text_fields = source.text_fields;
  options.indexed_fields = source.indexed_fields;
  return session.open(chosen.to, Access::create, std::move(options));
}

void print(const Output& out, const Space& space, const CopyReport& report) {
  if (out.json()) {
    out.line(JsonObject()
                 .text("tenant", space.tenant)
                 .text("namespace", space.name)
                 .flag("ok", report.ok())
                 .count("memories", report.memories)
                 .count("links", report.links)
                 .count("written", report.written)
                 .count("removed", report.removed)
                 .count("kept", report.kept)
                 .flag("resumed", report.resumed)
                 .count("sequence", report.sequence)
                 .text("sha256", report.digest)
                 .count("different", report.different)
                 .raw("differences", json_texts(report.differences))
                 .str());
    return;
  }
  std::string line = fmt::format("{}: {} memories and {} links are the same; {} written", space, report.memories,
                                 report.links, report.written);
  if (report.removed > 0) line += fmt::format(", {} removed", report.removed);
  if (report.kept > 0) line += fmt::format(", {} more kept", report.kept);
  out.line(line);
  for (const std::string& difference : report.differences) {
    out.line(out.terminal().paint(Style::bad, "- ") + difference);
  }
}

CopyReport copy_one(const FractalMemory& from, const FractalMemory& to, const Copy& chosen) {
  Progress progress(fmt::format("copying {}", from.space()), "rows");
  auto report =
      copy_space(from, to, {.mirror = chosen.mirror, .batch = chosen.batch, .control = Session::control(&progress)});
  progress.done();
  if (report) return *std::move(report);
  const std::string space = fmt::format("{}", from.space());
  if (interrupted()) {
    throw Failure(exit_interrupted, fmt::format("stopped in {}; the same command goes on from there", space));
  }
  const Error& error = report.error();
  const bool later = error.code == Errc::unavailable || error.code == Errc::io;
  throw Failure(exit_code(error.code),
                fmt::format("{}: {}{}", space, error.message, later ? "; the same command goes on from there" : ""));
}

void copy(Session& session, const Copy& chosen) {
  if (chosen.batch == 0 || chosen.batch > limits::batch_entries) {
    throw usage_error(fmt::format("--batch is 1 to {}", limits::batch_entries));
  }
  check_places(chosen);
  const FractalMemory from = session.open(chosen.from, Access::read, {.memory_budget = memory_budget});
  const std::vector<Space> spaces = chosen_spaces(from, chosen, session.settings().space);
  const FractalMemory to = open_target(session, chosen, from);
  const Output out = session.output();
  std::uint64_t different = 0;
  for (const Space& space : spaces) {
    const CopyReport report = copy_one(from.in(space), to.in(space), chosen);
    print(out, space, report);
    out.flush();
    different += report.different;
  }
  if (different == 0) return;
  throw Failure(exit_backend, fmt::format("{} differences; the same command copies anew where they are", different));
}

}  // namespace

void add_copy(Commands& commands) {
  const auto chosen = std::make_shared<Copy>();
  const CLI::App& root = commands.root();
  CLI::App& command = commands.add({.name = "copy",
                                    .group = "In and out",
                                    .summary = "Copy spaces from one database to another, and compare",
                                    .example = "fractal copy fractal.db other.db"},
                                   [chosen, &root](Session& session) {
                                     if (root.count("--db") > 0) throw usage_error("copy takes FROM and TO, no --db");
                                     chosen->tenant = root.count("--tenant") > 0;
                                     chosen->name = root.count("--namespace") > 0;
                                     copy(session, *chosen);
                                   });
  command.add_option("from", chosen->from, "A file, or the URL of a server")->required();
  command.add_option("to", chosen->to, "The same; made if need be")->required();
  command.add_flag("--mirror", chosen->mirror, "Remove what TO has and FROM has not; without it that stays");
  command.add_option("--batch", chosen->batch, "Memories and links in one transaction [1000]");
}

}  // namespace fractal::cli
