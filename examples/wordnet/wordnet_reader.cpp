// Invariant: a corpus that is returned is whole: every pointer of a noun to a noun leads to a concept that
// was read, and every first sense is one.
#include "readers.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace {

// Names of the lexicographers' files of nouns, from number 3 on: lexnames(5WN).
constexpr std::array<std::string_view, 26> topics = {
    "top",        "act",     "animal",   "artifact", "attribute", "body",   "cognition", "communication", "event",
    "feeling",    "food",    "group",    "location", "motive",    "object", "person",    "phenomenon",    "plant",
    "possession", "process", "quantity", "relation", "shape",     "state",  "substance", "time"};

// A pointer of data.noun that becomes a link. Its converse is the same link walked backwards, so only
// one of the two is kept; an antonym is stored with both nouns and links both ways.
struct PointerKind {
  std::string_view symbol;
  std::string_view type;
};
constexpr std::array<PointerKind, 9> pointer_kinds = {{{"@", "is_a"},
                                                       {"@i", "instance_of"},
                                                       {"#p", "part_of"},
                                                       {"#m", "member_of"},
                                                       {"#s", "substance_of"},
                                                       {"!", "antonym"},
                                                       {";c", "topic"},
                                                       {";r", "region"},
                                                       {";u", "usage"}}};

std::string_view link_type(std::string_view symbol) {
  for (const auto& kind : pointer_kinds)
    if (kind.symbol == symbol) return kind.type;
  return {};
}

struct Pointer {
  std::string_view type;
  std::uint32_t offset = 0;
};

// Splits a line at blanks and remembers where it is, for errors.
class Fields {
 public:
  Fields(std::string_view line, const std::string& where) : rest_(line), where_(where) {}

  std::string_view text() {
    const auto begin = rest_.find_first_not_of(' ');
    if (begin == std::string_view::npos) fail("the line ends too early");
    const auto end = std::min(rest_.find(' ', begin), rest_.size());
    const auto field = rest_.substr(begin, end - begin);
    rest_.remove_prefix(end);
    return field;
  }

  std::uint32_t number(int base = 10) {
    const auto field = text();
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value, base);
    if (error != std::errc{} || end != field.data() + field.size()) fail(fmt::format("\"{}\" is not a number", field));
    return value;
  }

  [[noreturn]] void fail(std::string_view why) const { throw std::runtime_error(fmt::format("{}: {}", where_, why)); }

 private:
  std::string_view rest_;
  const std::string& where_;
};

std::string with_blanks(std::string_view word) {
  std::string text(word);
  for (char& c : text)
    if (c == '_') c = ' ';
  return text;
}

// "offset file type count (word id)... count (symbol offset type source/target)... | gloss"
Concept read_synset(std::string_view line, const std::string& where, std::vector<Pointer>& pointers) {
  const auto bar = line.find(" | ");
  Fields fields(line.substr(0, bar), where);
  Concept item;
  item.key = fields.number();
  const auto topic = fields.number();
  if (topic < 3 || topic - 3 >= topics.size()) fields.fail(fmt::format("file number {} is none of nouns", topic));
  item.topic = topics[topic - 3];
  if (fields.text() != "n") fields.fail("not a noun");
  for (auto left = fields.number(16); left > 0; --left) {
    item.words.push_back(with_blanks(fields.text()));
    fields.text();
  }
  for (auto left = fields.number(); left > 0; --left) {
    const auto type = link_type(fields.text());
    const auto offset = fields.number();
    const bool to_noun = fields.text() == "n";
    fields.text();
    if (!type.empty() && to_noun) pointers.push_back({type, offset});
  }
  if (bar == std::string_view::npos) fields.fail("no gloss");
  const auto gloss = line.substr(bar + 3);
  item.text = gloss.substr(0, gloss.find_last_not_of(" \r") + 1);
  return item;
}

using ByOffset = std::unordered_map<std::uint32_t, std::size_t>;

std::size_t at_offset(const ByOffset& by_offset, std::uint32_t offset, const std::string& where) {
  const auto found = by_offset.find(offset);
  if (found == by_offset.end()) throw std::runtime_error(fmt::format("{}: no noun at offset {}", where, offset));
  return found->second;
}

ByOffset read_data(const std::filesystem::path& file, Corpus& corpus) {
  std::ifstream in(file);
  std::vector<std::vector<Pointer>> pointers;
  ByOffset by_offset;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("  ")) continue;  // the licence
    const std::string where = fmt::format("{}:{}", file.string(), number);
    corpus.concepts.push_back(read_synset(line, where, pointers.emplace_back()));
    by_offset.emplace(corpus.concepts.back().key, corpus.concepts.size() - 1);
  }
  if (in.bad() || corpus.concepts.empty()) throw std::runtime_error(fmt::format("{}: cannot be read", file.string()));

  for (std::size_t i = 0; i < corpus.concepts.size(); ++i) {
    auto& item = corpus.concepts[i];
    for (const auto& pointer : pointers[i]) {
      const auto to = at_offset(by_offset, pointer.offset, file.string());
      item.relate(to, pointer.type);
      const bool upward = pointer.type == "is_a" || pointer.type == "instance_of";
      if (upward && item.parent == no_parent) item.parent = to;
    }
  }
  return by_offset;
}

// "lemma n senses count symbol... senses tagged offset...": the first offset is the most frequent sense.
void read_index(const std::filesystem::path& file, const ByOffset& by_offset, Corpus& corpus) {
  std::ifstream in(file);
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("  ")) continue;
    const std::string where = fmt::format("{}:{}", file.string(), number);
    Fields fields(line, where);
    auto lemma = with_blanks(fields.text());
    fields.text();
    fields.number();
    for (auto left = fields.number(); left > 0; --left) fields.text();
    fields.number();
    fields.number();
    corpus.first_sense.emplace(std::move(lemma), at_offset(by_offset, fields.number(), where));
  }
  if (in.bad() || corpus.first_sense.empty())
    throw std::runtime_error(fmt::format("{}: cannot be read", file.string()));
}

}  // namespace

bool has_wordnet(const std::filesystem::path& directory) {
  std::error_code ignored;  // a folder that cannot be looked into has none
  return std::filesystem::exists(directory / "data.noun", ignored) &&
         std::filesystem::exists(directory / "index.noun", ignored);
}

Corpus read_wordnet(const std::filesystem::path& directory) {
  Corpus corpus;
  corpus.name = "WordNet 3.0, nouns";
  const auto by_offset = read_data(directory / "data.noun", corpus);
  read_index(directory / "index.noun", by_offset, corpus);
  place(corpus);
  return corpus;
}
