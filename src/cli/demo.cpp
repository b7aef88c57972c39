// demo: a short tour over a database in memory.
// Invariant: what is shown is what these commands print, run here and now.
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/line_words.h"

#include <fmt/format.h>

namespace fractal::cli {
namespace {

struct Step {
  std::string_view says;
  std::vector<std::string_view> lines;
};

const std::vector<Step>& steps() {
  static const std::vector<Step> all{
      {"A memory is a payload at a coordinate. Coordinates are addresses: 1,2 is above 1,2,1.",
       {R"(store 1 --text "Ada's household")", R"(store 1,1 --text "Ada likes green tea, never coffee" --importance 2)",
        R"(store 1,2 --text "The refrigerator hums at night" --importance 0.5)",
        R"(store 1,3 --text "On Tuesdays the gardener comes at nine")",
        R"(store 2,1 --text "The robot charges beside the kitchen door")",
        R"(store 2,2 '{"text": "The left wheel slips on wet tiles", "part": "wheel", "year": 2026}')"}},
      {"Found by what they mean: no word of the question is in the first answer.",
       {R"(search "what keeps food cold?" --limit 2)"}},
      {"Or by words, with a filter.", {R"(search slips --mode keyword --where "year>=2025" --explain)"}},
      {"Links make a graph.",
       {"link 2,2 1,2 --type near", "link 1,2 1,1 --type same_room --strength 0.7", "neighbors 2,2 --hops 2",
        "path 2,2 1,1"}},
      {"A change keeps what it does not name.", {R"(update 1,1 '{"since": 2024}')", "get 1,1"}},
      {"Everything below a coordinate; then the whole space.", {"list --within 1", "verify"}},
  };
  return all;
}

void demo(Session& session) {
  Session scratch({.db = ":memory:", .json = session.settings().json});
  scratch.memory(Access::create);
  const Output out = session.output();
  for (const Step& step : steps()) {
    if (!out.json()) out.line("\n" + out.terminal().paint(Style::strong, step.says));
    for (const std::string_view line : step.lines) {
      if (!out.json()) out.line(out.terminal().paint(Style::faint, fmt::format("$ fractal {}", line)));
      const int code = run_line(scratch, words_of(line).value());
      if (code != exit_ok) throw Failure(static_cast<ExitCode>(code), "");
    }
  }
}

}  // namespace

void add_demo(Commands& commands) {
  commands.add(
      {.name = "demo", .group = "More", .summary = "A tour of a minute; nothing is kept", .example = "fractal demo"},
      demo);
}

}  // namespace fractal::cli
