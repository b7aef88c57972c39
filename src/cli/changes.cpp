// changes.
// Invariant: with --follow each change is printed once, in order, from the first after --after on.
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/records.h"
#include "src/cli/text_width.h"

#include <fractal/format.h>

#include <chrono>
#include <memory>
#include <thread>

namespace fractal::cli {
namespace {

struct Changes {
  std::uint64_t after = 0;
  std::size_t limit = 1000;
  bool follow = false;
};

constexpr auto pause = std::chrono::milliseconds(100);

void print(const Output& out, const Change& change) {
  const bool of_link = !change.to.empty();
  if (out.json()) {
    JsonObject line;
    line.count("sequence", change.sequence).text("kind", to_string(change.kind));
    if (of_link) {
      line.raw("from", json_of(change.coordinate)).raw("to", json_of(change.to)).text("type", change.type);
    } else {
      line.raw("coordinate", json_of(change.coordinate));
    }
    out.line(line.str());
    return;
  }
  const Terminal& terminal = out.terminal();
  const std::string what =
      of_link ? fmt::format("{}", GraphLink{.from = change.coordinate, .to = change.to, .type = change.type})
              : change.coordinate.to_string();
  out.line(fmt::format("{} {} {}", terminal.paint(Style::faint, fmt::format("{:>8}", change.sequence)),
                       fmt::format("{:<8}", to_string(change.kind)), terminal.paint(Style::name, one_line(what))));
}

void changes(Session& session, const Changes& chosen) {
  const FractalMemory memory = session.memory(Access::read);
  const Output out = session.output();
  std::uint64_t after = chosen.after;
  do {
    const auto found = memory.changes(after, chosen.limit).value();
    for (const Change& change : found) {
      print(out, change);
      after = change.sequence;
    }
    out.flush();
    if (found.empty() && chosen.follow) std::this_thread::sleep_for(pause);
  } while (chosen.follow && !interrupted());
  if (interrupted()) throw Failure(exit_interrupted, "");
}

}  // namespace

void add_changes(Commands& commands) {
  const auto chosen = std::make_shared<Changes>();
  CLI::App& command = commands.add({.name = "changes",
                                    .group = "In and out",
                                    .summary = "What changed after a sequence number, and follow it",
                                    .example = "fractal changes --after 0"},
                                   [chosen](Session& session) { changes(session, *chosen); });
  command.add_option("--after", chosen->after, "The last sequence number that is known [0]");
  command.add_option("--limit", chosen->limit, "How many at most; with --follow: at a time [1000]");
  command.add_flag("--follow", chosen->follow, "Wait for more, until Ctrl-C");
}

}  // namespace fractal::cli
