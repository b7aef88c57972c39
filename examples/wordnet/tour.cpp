// Invariant: each answer is checked against what was asked before the next question: a tour that ends
// without an exception has shown right answers.
#include "tour.h"

#include <fractal/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <utility>

const Questions wordnet_questions = {
    .by_words = {"where is food stored at low temperatures?", "refrigerator"},
    .by_meaning = {{"a device for keeping food cold", "refrigerator"}, {"a doctor for animals", "veterinarian"}},
    .by_both = {"somebody who bakes bread", "baker"},
    .subtree = "phobia",
    .in_subtree = {"fear of being shut in", "claustrophobia"},
    .topic = "person",
    .of_topic = {"plays the violin for a living", "violinist"},
    .around = "guitar",
    .from = "dog",
    .to = "guitar",
};

const Questions outline_questions = {
    .by_words = {"a device for keeping food cold", "refrigerator"},
    .by_meaning = {{"a place to sleep for two kids", "bunk bed"}},
    .by_both = {"where do the clothes get clean?", "wash the clothes"},
    .subtree = "thing",
    .in_subtree = {"strings played with a bow", "violin"},
    .topic = "being",
    .of_topic = {"who brings the letters?", "postman"},
    .around = "guitar",
    .from = "bruno",
    .to = "guitar",
};

namespace {

void require(bool right, std::string_view what) {
  if (!right) throw std::runtime_error(fmt::format("wrong answer: {}", what));
}

// False if Graphviz is not there.
bool draw(const std::filesystem::path& dot, const std::filesystem::path& svg) {
  if (std::system("command -v dot >/dev/null 2>&1") != 0) return false;
  const std::string command = fmt::format("dot -Tsvg -o '{}' '{}'", svg.string(), dot.string());
  require(dot.string().find('\'') == std::string::npos && std::system(command.c_str()) == 0, "dot draws no picture");
  return true;
}

std::string arrow(std::string_view type, bool forward) {
  return forward ? fmt::format("-{}->", type) : fmt::format("<-{}-", type);
}

class Guide {
 public:
  Guide(const fractal::FractalMemory& memory, const Corpus& corpus, const Questions& questions, Report& report)
      : memory_(memory), corpus_(corpus), questions_(questions), report_(report) {}

  void by_words() const;
  void by_meaning() const;
  void by_both() const;
  void in_subtree() const;
  void by_topic() const;
  void broadest() const;
  void around() const;
  void way() const;
  void minds() const;
  void picture(const std::filesystem::path& dot) const;
  void condition() const;

 private:
  fractal::SearchResult ask(const Asked& asked, const fractal::SearchOptions& options) const;
  std::string title_at(const fractal::Coordinate& coordinate) const {
    return field(memory_.retrieve(coordinate).value(), "title");
  }
  const fractal::FractalMemory& memory_;
  const Corpus& corpus_;
  const Questions& questions_;
  Report& report_;
};

// Searches, shows the hits, and looks for the answer among them.
fractal::SearchResult Guide::ask(const Asked& asked, const fractal::SearchOptions& options) const {
  const Stopwatch watch;
  auto found = memory_.search(asked.question, options).value();
  report_.hits(found, watch);
  const bool there = std::any_of(found.hits.begin(), found.hits.end(), [&](const fractal::Hit& hit) {
    return field(hit.memory, "title").find(asked.answer) != std::string::npos;
  });
  require(there, fmt::format("\"{}\" does not find \"{}\"", asked.question, asked.answer));
  return found;
}

void Guide::by_words() const {
  report_.heading(fmt::format("By words alone: \"{}\"", questions_.by_words.question));
  ask(questions_.by_words, {.top_k = 5, .mode = fractal::SearchMode::keyword});
}

void Guide::by_meaning() const {
  for (const Asked& asked : questions_.by_meaning) {
    report_.heading(fmt::format("By meaning alone: \"{}\"", asked.question));
    ask(asked, {.top_k = 5, .mode = fractal::SearchMode::vector});
  }
}

void Guide::by_both() const {
  report_.heading(fmt::format("By both, as search() does: \"{}\"", questions_.by_both.question));
  const auto found = ask(questions_.by_both, {.top_k = 5, .explain = true});
  double sum = 0;
  std::string parts;
  for (const auto& part : found.hits.at(0).explain) {
    sum += part.contribution;
    parts +=
        fmt::format("{}{} {:.3f} gives {:.3f}", parts.empty() ? "" : ", ", part.name, part.value, part.contribution);
  }
  report_.line(fmt::format("the first score: {}", parts));
  require(std::abs(sum - found.hits[0].score) < 1e-9, "the parts of a score do not add up to it");
}

void Guide::in_subtree() const {
  const auto& root = corpus_.find(questions_.subtree);
  report_.heading(fmt::format("Below one concept: \"{}\" among {} kinds of \"{}\"", questions_.in_subtree.question,
                              root.below, questions_.subtree));
  report_.line(fmt::format("the subtree of {}", root.coordinate));
  const auto found = ask(questions_.in_subtree, {.top_k = 5, .within = root.coordinate});
  for (const auto& hit : found.hits)
    require(hit.memory.coordinate.within(root.coordinate), "a hit outside the subtree");
}

void Guide::by_topic() const {
  report_.heading(
      fmt::format("Filtered: \"{}\", where topic is \"{}\"", questions_.of_topic.question, questions_.topic));
  const auto found = ask(questions_.of_topic, {.top_k = 5, .filter = fractal::Filter::eq("topic", questions_.topic)});
  for (const auto& hit : found.hits)
    require(field(hit.memory, "topic") == questions_.topic, "a hit that the filter forbids");
}

void Guide::broadest() const {
  report_.heading("Listed by importance: the broadest concepts");
  const Stopwatch watch;
  const auto page = memory_.list({.order = fractal::ListOrder::importance, .descending = true, .limit = 5}).value();
  for (const auto& item : page.memories) {
    report_.line(fmt::format("{:6.3f}  {} {:>6} below  at {}", item.importance, fitted(field(item, "title"), 30),
                             grouped(std::stoull(field(item, "below"))), item.coordinate));
  }
  report_.took(fmt::format("{} of {}", page.memories.size(), grouped(memory_.stats().value().memories)), watch);
  require(!page.next.empty(), "the list ends after one page");
}

void Guide::around() const {
  report_.heading(fmt::format("Walk: what lies within two links of \"{}\"?", questions_.around));
  const auto& start = corpus_.find(questions_.around);
  const Stopwatch watch;
  const auto reached =
      memory_.neighbors(start.coordinate, {.hops = 2, .direction = fractal::Direction::both, .limit = 1000}).value();
  const double spent = watch.milliseconds();
  constexpr std::size_t shown = 6;  // of each hop
  std::size_t of_hop[2] = {0, 0};
  for (const auto& next : reached) {
    require(next.hops == 1 || next.hops == 2, "a neighbour further off than asked for");
    if (++of_hop[next.hops - 1] > shown) continue;
    const bool forward = next.link.to == next.coordinate;
    const auto& before = forward ? next.link.from : next.link.to;
    report_.line(fmt::format("{}  {} {:<16} {}", next.hops, fitted(title_at(before), 34),
                             arrow(next.link.type, forward), cut(title_at(next.coordinate), 34)));
  }
  report_.line(fmt::format("{} concepts after one link, {} more after two{}", of_hop[0], of_hop[1],
                           report_.measures() ? fmt::format("; {:.2f} ms", spent) : ""));
  require(of_hop[0] > 0, "no neighbour");
}

void Guide::way() const {
  report_.heading(fmt::format("The shortest way from \"{}\" to \"{}\"", questions_.from, questions_.to));
  const auto& goal = corpus_.find(questions_.to);
  auto here = corpus_.find(questions_.from).coordinate;
  const Stopwatch watch;
  const auto links =
      memory_.path(here, goal.coordinate, {.max_hops = 32, .direction = fractal::Direction::both}).value();
  const double spent = watch.milliseconds();
  report_.line(title_at(here));
  for (const auto& link : links) {
    const bool forward = link.from == here;
    require(forward || link.to == here, "the links of the way do not hang together");
    here = forward ? link.to : link.from;
    report_.line(fmt::format("  {:<16} {}", arrow(link.type, forward), cut(title_at(here), 70)));
  }
  report_.line(fmt::format("{} links{}", links.size(), report_.measures() ? fmt::format("; {:.2f} ms", spent) : ""));
  require(here == goal.coordinate, "the way does not end where it should");
}

void Guide::minds() const {
  report_.heading(fmt::format("What comes to mind with \"{}\" and \"{}\"?", questions_.from, questions_.around));
  const fractal::Coordinate seeds[] = {corpus_.find(questions_.from).coordinate,
                                       corpus_.find(questions_.around).coordinate};
  const Stopwatch watch;
  const auto active = memory_.activate(seeds, {.limit = 7}).value();
  const double spent = watch.milliseconds();
  for (const auto& one : active) report_.line(fmt::format("{:.4f}  {}", one.amount, cut(title_at(one.coordinate), 60)));
  const auto counts = memory_.reach(seeds[0], {.hops = 3, .direction = fractal::Direction::both}).value();
  report_.line(fmt::format("\"{}\" has {} concepts within three links{}", questions_.from,
                           std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}),
                           report_.measures() ? fmt::format("; {:.2f} ms", spent) : ""));
  require(active.size() > 2 && active[0].amount >= 0.25, "the seeds are not what is most active");
}

// What lies within two links, copied into a small memory of its own, which draws itself.
void Guide::picture(const std::filesystem::path& dot) const {
  report_.heading(fmt::format("A picture of what is around \"{}\"", questions_.around));
  const auto& start = corpus_.find(questions_.around);
  const auto drawn = fractal::FractalMemory::open({.embedder = nullptr}).value();
  const auto copy = [&](const fractal::Coordinate& coordinate) {
    auto item = memory_.retrieve(coordinate).value();
    item.embedding.clear();
    drawn.store(std::move(item)).value();
  };
  copy(start.coordinate);
  const auto reached =
      memory_.neighbors(start.coordinate, {.hops = 2, .direction = fractal::Direction::both, .limit = 40}).value();
  for (const auto& next : reached) {
    copy(next.coordinate);
    drawn.link(next.link).value();
  }
  std::ofstream out(dot, std::ios::binary);
  drawn.export_graph(out, fractal::GraphFormat::dot).value();
  out.close();
  if (!out) throw std::runtime_error(fmt::format("{}: cannot be written", dot.string()));
  auto svg = dot;
  svg.replace_extension(".svg");
  const bool made = draw(dot, svg);
  report_.line(fmt::format("{} concepts and {} links as DOT{}", reached.size() + 1, reached.size(),
                           made ? fmt::format(", and as SVG of {} bytes", std::filesystem::file_size(svg))
                                : "; Graphviz, which would make an SVG of it, is not installed"));
}

void Guide::condition() const {
  report_.heading("The condition of the file");
  const auto stats = memory_.stats().value();
  const auto health = memory_.health().value();
  report_.entry("memories", grouped(stats.memories));
  report_.entry("links", grouped(stats.links));
  report_.entry("vectors", fmt::format("{} of {} components", grouped(stats.vectors), stats.dimension));
  report_.entry("made by", stats.embedder);
  report_.entry("changes so far", grouped(stats.sequence));
  report_.entry("fields with an index", fmt::format("{}", fmt::join(stats.indexed_fields, ", ")));
  if (report_.measures()) {
    report_.entry("file", fmt::format("{:.1f} MB", static_cast<double>(stats.file_bytes) / 1e6));
    report_.entry("vector index in memory", fmt::format("{:.1f} MB", static_cast<double>(stats.index_bytes) / 1e6));
  }
  report_.entry("storage", health.backend);
  report_.entry("vector instructions", health.simd);
  report_.entry("health", health.ok ? "good" : fmt::format("{}", fmt::join(health.problems, "; ")));
  const Stopwatch watch;
  const auto verified = memory_.verify().value();
  for (const auto& problem : verified.problems) report_.line(problem);
  report_.took(fmt::format("verified {} memories, {} links, {} vectors", grouped(verified.memories),
                           grouped(verified.links), grouped(verified.vectors)),
               watch);
  require(health.ok && verified.ok(), "the file is not sound");
}

}  // namespace

void tour(const fractal::FractalMemory& memory, const Corpus& corpus, const Questions& questions, Report& report,
          const std::filesystem::path& dot) {
  const Guide guide(memory, corpus, questions, report);
  guide.by_words();
  guide.by_meaning();
  guide.by_both();
  guide.in_subtree();
  guide.by_topic();
  guide.broadest();
  guide.around();
  guide.way();
  guide.minds();
  guide.picture(dot);
  guide.condition();
}
