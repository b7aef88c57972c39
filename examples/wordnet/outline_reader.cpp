// Invariant: a corpus that is returned is whole: titles are unique and every link leads to one of them.
#include "readers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <set>
#include <stdexcept>
#include <utility>

namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \r") + 1 - begin);
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(at);
    parts.push_back(trimmed(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Link types live as long as the program: a Relation only refers to its type.
std::string_view kept(std::string_view type) {
  static std::set<std::string, std::less<>> types;
  return *types.emplace(type).first;
}

struct Line {
  std::string where;
  std::size_t depth = 0;
  std::string title;
  std::string text;
  std::string links;
};

std::vector<Line> read_lines(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<Line> lines;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    const std::string where = fmt::format("{}:{}", file.string(), number);
    const auto parts = split(line, '|');
    if (parts.size() < 2 || parts.size() > 3) throw std::runtime_error(where + ": not \"title | text | links\"");
    lines.push_back({where, line.find_first_not_of(' ') / 2, std::string(parts[0]), std::string(parts[1]),
                     std::string(parts.size() == 3 ? parts[2] : "")});
  }
  if (lines.empty()) throw std::runtime_error(fmt::format("{}: cannot be read", file.string()));
  return lines;
}

void add_relations(Corpus& corpus, std::size_t from, const Line& line) {
  auto& item = corpus.concepts[from];
  if (item.parent != no_parent) item.relate(item.parent, "belongs_to");
  if (line.links.empty()) return;
  for (const auto group : split(line.links, ';')) {
    const auto colon = group.find(':');
    if (colon == std::string_view::npos) throw std::runtime_error(line.where + ": links are \"type: title, title\"");
    for (const auto title : split(group.substr(colon + 1), ',')) {
      const auto to = corpus.first_sense.find(lower(title));
      if (to == corpus.first_sense.end()) throw std::runtime_error(fmt::format("{}: no \"{}\"", line.where, title));
      item.relate(to->second, kept(trimmed(group.substr(0, colon))));
    }
  }
}

}  // namespace

Corpus read_outline(const std::filesystem::path& file) {
  Corpus corpus;
  corpus.name = "a small corpus: the world of a household robot";
  const auto lines = read_lines(file);
  std::vector<std::size_t> above;  // the concept last seen at each depth
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].depth > above.size()) throw std::runtime_error(lines[i].where + ": indented too far");
    above.resize(lines[i].depth);
    Concept item;
    item.key = static_cast<std::uint32_t>(i + 1);
    item.words = {lines[i].title};
    item.text = lines[i].text;
    item.parent = above.empty() ? no_parent : above.back();
    above.push_back(i);
    item.topic = lines[above.size() > 1 ? above[1] : above[0]].title;
    corpus.concepts.push_back(std::move(item));
    if (!corpus.first_sense.emplace(lower(lines[i].title), i).second)
      throw std::runtime_error(lines[i].where + ": the title is not the only one of this name");
  }
  for (std::size_t i = 0; i < lines.size(); ++i) add_relations(corpus, i, lines[i]);
  place(corpus);
  return corpus;
}
