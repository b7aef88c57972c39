// Invariant: each answer is checked against what was asked before the next question: a tour that ends
// without an exception has shown right answers.
#include "tour.h"

#include <fractal/format.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

const Questions wordnet_questions = {
    .keywords = "where is food stored at low temperatures?",
    .like = "guitar",
    .hybrid = "drink made from leaves",
    .hybrid_like = "coffee",
    .subtree = "musical instrument",
    .in_subtree = "strings played with a bow",
    .topic = "person",
    .topic_like = "music",
    .around = "guitar",
    .from = "dog",
    .to = "guitar",
    .picture = "guitar",
};

const Questions outline_questions = {
    .keywords = "a device for keeping food cold",
    .like = "bird seed",
    .hybrid = "who is afraid of the dog?",
    .hybrid_like = "bruno",
    .subtree = "thing",
    .in_subtree = "strings played with a bow",
    .topic = "being",
    .topic_like = "violin",
    .around = "guitar",
    .from = "bruno",
    .to = "guitar",
    .picture = "instrument",
};

namespace {

void require(bool right, std::string_view what) {
  if (!right) throw std::runtime_error(fmt::format("wrong answer: {}", what));
}

std::string arrow(std::string_view type, bool forward) {
  return forward ? fmt::format("-{}->", type) : fmt::format("<-{}-", type);
}

class Guide {
 public:
  Guide(const fractal::FractalMemory& memory, const Corpus& corpus, const Questions& questions, Report& report)
      : memory_(memory), corpus_(corpus), questions_(questions), report_(report) {}

  void by_words() const;
  void by_vector() const;
  void by_both() const;
  void in_subtree() const;
  void by_topic() const;
  void broadest() const;
  void around() const;
  void way() const;
  void picture(const std::filesystem::path& dot) const;
  void condition() const;

 private:
  fractal::Memory recall(const std::string& word) const {
    return memory_.retrieve(corpus_.find(word).coordinate).value();
  }
  std::string title_at(const fractal::Coordinate& coordinate) const {
    return field(memory_.retrieve(coordinate).value(), "title");
  }
  std::vector<float> vector_of(const std::string& word) const {
    auto vector = recall(word).embedding;
    require(!vector.empty(), fmt::format("\"{}\" has no vector", word));
    return vector;
  }

  const fractal::FractalMemory& memory_;
  const Corpus& corpus_;
  const Questions& questions_;
  Report& report_;
};

void Guide::by_words() const {
  report_.heading(fmt::format("Search by words: \"{}\"", questions_.keywords));
  const Stopwatch watch;
  const auto found = memory_.search(questions_.keywords, {.top_k = 5}).value();
  report_.hits(found, watch);
  require(found.hits.size() == 5, "fewer hits by words than asked for");
}

void Guide::by_vector() const {
  report_.heading(fmt::format("Search by vector: what is near \"{}\"?", questions_.like));
  const auto start = recall(questions_.like);
  const auto vector = vector_of(questions_.like);
  const Stopwatch watch;
  const auto found = memory_.search(vector, {.top_k = 6}).value();
  report_.hits(found, watch);
  require(found.exact && found.hits.at(0).memory.coordinate == start.coordinate,
          "a memory is not the nearest to itself");
}

void Guide::by_both() const {
  report_.heading(
      fmt::format("Both at once: words \"{}\", vector of \"{}\"", questions_.hybrid, questions_.hybrid_like));
  const auto vector = vector_of(questions_.hybrid_like);
  const Stopwatch watch;
  const auto found =
      memory_.search({.text = questions_.hybrid, .vector = vector}, {.top_k = 5, .alpha = 0.4, .explain = true})
          .value();
  report_.hits(found, watch);
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
  report_.heading(fmt::format("Below one concept: \"{}\" among {} kinds of \"{}\"", questions_.in_subtree, root.below,
                              questions_.subtree));
  report_.line(fmt::format("the subtree of {}", root.coordinate));
  const Stopwatch watch;
  const auto found = memory_.search(questions_.in_subtree, {.top_k = 5, .within = root.coordinate}).value();
  report_.hits(found, watch);
  require(!found.hits.empty(), "nothing found below the concept");
  for (const auto& hit : found.hits)
    require(hit.memory.coordinate.within(root.coordinate), "a hit outside the subtree");
}

void Guide::by_topic() const {
  report_.heading(fmt::format("Filtered: near \"{}\", where topic is \"{}\"", questions_.topic_like, questions_.topic));
  const auto vector = vector_of(questions_.topic_like);
  const Stopwatch watch;
  const auto found =
      memory_.search(vector, {.top_k = 5, .filter = fractal::Filter::eq("topic", questions_.topic)}).value();
  report_.hits(found, watch);
  require(!found.hits.empty(), "nothing found with the filter");
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

void Guide::picture(const std::filesystem::path& dot) const {
  report_.heading(fmt::format("A picture of \"{}\" and what lies below it", questions_.picture));
  const auto& root = corpus_.find(questions_.picture);
  std::ostringstream text;
  const Stopwatch watch;
  memory_.export_graph(text, fractal::GraphFormat::dot, {.within = root.coordinate}).value();
  report_.took(fmt::format("exported {} concepts", root.below + 1), watch);
  std::ofstream out(dot, std::ios::binary);
  out << text.str() << std::flush;
  if (!out) throw std::runtime_error(fmt::format("{}: cannot be written", dot.string()));
  std::istringstream lines(text.str());
  std::size_t shown = 0;
  for (std::string line; std::getline(lines, line) && shown < 6; ++shown) { report_.line(cut(line, 96)); }
  report_.line("...");
  require(shown > 1, "the picture is empty");
}

void Guide::condition() const {
  report_.heading("The condition of the file");
  const auto stats = memory_.stats().value();
  const auto health = memory_.health().value();
  report_.entry("memories", grouped(stats.memories));
  report_.entry("links", grouped(stats.links));
  report_.entry("vectors", fmt::format("{} of {} components", grouped(stats.vectors), stats.dimension));
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
  guide.by_vector();
  guide.by_both();
  guide.in_subtree();
  guide.by_topic();
  guide.broadest();
  guide.around();
  guide.way();
  guide.picture(dot);
  guide.condition();
}
