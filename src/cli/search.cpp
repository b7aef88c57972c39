// search.
// Invariant: hits come in the order of the library, with its scores; nothing is ranked here.
#include "src/cli/arguments.h"
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/payload_text.h"
#include "src/cli/records.h"

#include <fractal/format.h>
#include <fractal/json_lines.h>

#include <memory>
#include <utility>

namespace fractal::cli {
namespace {

struct Search {
  std::vector<std::string> words, tests, seeds;
  std::string vector, within, mode = "automatic";
  std::size_t limit = 10, offset = 0;
  double recall = 0.98, diversity = 0;
  bool exact = false, explain = false;

  std::string text() const { return fmt::format("{}", fmt::join(words, " ")); }
};

SearchOptions options_of(const Search& chosen) {
  SearchOptions options{.top_k = chosen.limit, .offset = chosen.offset};
  options.filter = filter_of(chosen.tests);
  options.within = optional_coordinate(chosen.within);
  if (chosen.mode == "vector") options.mode = SearchMode::vector;
  if (chosen.mode == "keyword") options.mode = SearchMode::keyword;
  if (chosen.mode == "hybrid") options.mode = SearchMode::hybrid;
  options.recall = chosen.recall;
  options.diversity = chosen.diversity;
  options.exact = chosen.exact;
  options.explain = chosen.explain;
  for (const std::string& seed : chosen.seeds) options.association.seeds.push_back(coordinate_of(seed));
  options.control = Session::control();
  return options;
}

std::string parts_json(const Hit& hit) {
  std::string parts = "[";
  for (const ScorePart& part : hit.explain) {
    if (parts.size() > 1) parts += ',';
    parts += JsonObject()
                 .text("name", part.name)
                 .number("value", part.value)
                 .number("contribution", part.contribution)
                 .str();
  }
  return parts + "]";
}

void print_json(const Output& out, const SearchResult& found, bool explain) {
  for (const Hit& hit : found.hits) {
    JsonObject line;
    line.number("score", hit.score).raw("memory", to_json(hit.memory));
    if (explain) line.raw("explain", parts_json(hit));
    out.line(line.str());
  }
  if (!explain) return;
  out.line(JsonObject()
               .text("plan", found.plan)
               .text("mode", to_string(found.mode))
               .flag("exact", found.exact)
               .count("matched", found.matched)
               .count("visited", found.visited)
               .count("sequence", found.sequence)
               .str());
}

void print_table(const Output& out, const SearchResult& found, const std::string& question) {
  const Terminal& terminal = out.terminal();
  Table table({{.title = "score", .right = true, .style = Style::strong},
               {.title = "coordinate", .style = Style::name},
               {.title = "text", .flexible = true}});
  table.paint(2, [&](const std::string& text) { return terminal.with_matches(text, question); });
  for (const Hit& hit : found.hits) {
    table.row({fmt::format("{:.3f}", hit.score), hit.memory.coordinate.to_string(), payload_text(hit.memory.payload)});
  }
  out.text(table.empty() ? "nothing found\n" : table.text(terminal));
}

// Each hit's parts, which add up to its score, and how the answer was found.
void print_explanation(const Output& out, const SearchResult& found) {
  const Terminal& terminal = out.terminal();
  Table table({{.title = "coordinate", .style = Style::name},
               {.title = "part", .flexible = true},
               {.title = "value", .right = true},
               {.title = "of the score", .right = true, .style = Style::strong}});
  for (const Hit& hit : found.hits) {
    std::string coordinate = hit.memory.coordinate.to_string();
    for (const ScorePart& part : hit.explain) {
      table.row({std::exchange(coordinate, ""), part.name, fmt::format("{:.3f}", part.value),
                 fmt::format("{:.3f}", part.contribution)});
    }
  }
  if (!table.empty()) out.text("\n" + table.text(terminal));
  const std::string how = fmt::format("{}{}; {} matched: {}", to_string(found.mode), found.exact ? ", exact" : "",
                                      found.matched, found.plan);
  out.line(terminal.paint(Style::faint, how));
}

void search(Session& session, const Search& chosen) {
  const std::string text = chosen.text();
  if (text.empty() && chosen.vector.empty()) throw usage_error("search wants words, or --vector");
  const std::vector<float> vector = chosen.vector.empty() ? std::vector<float>() : vector_of(chosen.vector);
  const SearchOptions options = options_of(chosen);
  const SearchResult found =
      session.memory(Access::read).search(Query{.text = text, .vector = vector}, options).value();
  const Output out = session.output();
  if (out.json()) {
    print_json(out, found, chosen.explain);
  } else {
    print_table(out, found, text);
    if (chosen.explain) print_explanation(out, found);
  }
}

}  // namespace

void add_search(Commands& commands) {
  const auto chosen = std::make_shared<Search>();
  CLI::App& command = commands.add({.name = "search",
                                    .group = "Memories",
                                    .summary = "Search by meaning, by words, or both",
                                    .example = R"(fractal search "what does Ada drink?" --explain)"},
                                   [chosen](Session& session) { search(session, *chosen); });
  command.add_option("words", chosen->words, "What to look for");
  command.add_option("--vector", chosen->vector, "What to look for, as a vector: [0.1, 0.2, ...]");
  command.add_option("--limit,-k", chosen->limit, "How many at most");
  command.add_option("--offset", chosen->offset, "How many to skip");
  command.add_option("--where", chosen->tests, where_help)->allow_extra_args(false);
  command.add_option("--within", chosen->within, "Only this coordinate and what is below it");
  command.add_option("--mode", chosen->mode, "automatic, vector, keyword or hybrid")
      ->check(CLI::IsMember({"automatic", "vector", "keyword", "hybrid"}));
  command.add_option("--seed", chosen->seeds, "Rank higher what is linked with these coordinates")
      ->type_name("COORDINATE")
      ->allow_extra_args(false);
  command.add_option("--diversity", chosen->diversity, "0 by score alone to 1 by difference alone")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--recall", chosen->recall, "Wanted share of the true nearest, in large spaces: 0.5 to 0.999")
      ->check(CLI::Range(0.5, 0.999));
  command.add_flag("--exact", chosen->exact, "Compare every vector");
  command.add_flag("--explain", chosen->explain, "Show where each score comes from");
}

}  // namespace fractal::cli
