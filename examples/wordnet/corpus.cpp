// Invariant: after place() each coordinate is the parent's coordinate and one more number, so a concept's
// subtree in the corpus is the subtree of its coordinate in the memory.
#include "corpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace {

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// The concepts in an order in which a parent comes before its children.
std::vector<std::size_t> from_the_roots(const std::vector<Concept>& concepts) {
  std::vector<std::vector<std::size_t>> children(concepts.size());
  std::vector<std::size_t> order;
  order.reserve(concepts.size());
  for (std::size_t i = 0; i < concepts.size(); ++i) {
    if (concepts[i].parent == no_parent)
      order.push_back(i);
    else
      children[concepts[i].parent].push_back(i);
  }
  for (std::size_t i = 0; i < order.size(); ++i)
    order.insert(order.end(), children[order[i]].begin(), children[order[i]].end());
  if (order.size() != concepts.size()) throw std::runtime_error("the parents of some concepts form a circle");
  return order;
}

}  // namespace

std::string Concept::title() const { return fmt::format("{}", fmt::join(words, ", ")); }

void Concept::relate(std::size_t to, std::string_view type) {
  for (const auto& relation : relations)
    if (relation.to == to && relation.type == type) return;
  relations.push_back({to, type});
}

const Concept& Corpus::find(const std::string& word) const {
  const auto found = first_sense.find(word);
  if (found == first_sense.end()) throw std::runtime_error(fmt::format("{} has no \"{}\"", name, word));
  return concepts[found->second];
}

std::size_t Corpus::count_relations() const {
  std::size_t count = 0;
  for (const auto& item : concepts) count += item.relations.size();
  return count;
}

void place(Corpus& corpus) {
  auto& concepts = corpus.concepts;
  const auto order = from_the_roots(concepts);
  std::vector<std::size_t> numbered(concepts.size());
  std::size_t roots = 0;
  for (const std::size_t i : order) {
    std::vector<double> way;
    std::size_t& number = concepts[i].parent == no_parent ? roots : numbered[concepts[i].parent];
    if (concepts[i].parent != no_parent) {
      const auto above = concepts[concepts[i].parent].coordinate.components();
      way.assign(above.begin(), above.end());
    }
    way.push_back(static_cast<double>(++number));
    concepts[i].coordinate = fractal::Coordinate(way);
    concepts[i].coordinate.check().value();
    concepts[i].below = 0;
  }
  std::for_each(order.rbegin(), order.rend(), [&](std::size_t i) {
    if (concepts[i].parent != no_parent) concepts[concepts[i].parent].below += concepts[i].below + 1;
  });
}

fractal::Memory to_memory(const Corpus& corpus, const Concept& item) {
  fractal::Memory memory;
  memory.coordinate = item.coordinate;
  memory.payload =
      fmt::format(R"({{"title": {}, "text": {}, "topic": {}, "key": {}, "below": {}}})", json_text(item.title()),
                  json_text(item.text), json_text(item.topic), item.key, item.below);
  memory.type = fractal::MemoryType::semantic;
  // From 0 for a leaf to 1 for what has everything below it.
  memory.importance =
      std::log1p(static_cast<double>(item.below)) / std::log1p(static_cast<double>(corpus.concepts.size()));
  return memory;
}
