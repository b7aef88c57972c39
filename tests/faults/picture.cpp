// Invariant: a picture is made of public calls alone; if one of them fails there is no picture.
#include "tests/faults/picture.h"

#include "src/error.h"

#include <fractal/format.h>

#include <algorithm>
#include <sstream>

namespace fractal::testing {
namespace {

std::string without_ids(std::string text) {
  constexpr std::string_view member = "\"id\":\"";
  constexpr std::size_t uuid_characters = 36;
  for (std::size_t at = text.find(member); at != text.npos; at = text.find(member, at + 1)) {
    text.replace(at + member.size(), uuid_characters, uuid_characters, '0');
  }
  return text;
}

Result<void> add_search(std::string& text, const FractalMemory& space, const Query& query) {
  FRACTAL_TRY_INTO(const SearchResult found, space.search(query, {.top_k = 1000}));
  text += fmt::format("search \"{}\" vector {}: matched {}\n", query.text, query.vector.size(), found.matched);
  // Equal scores are in the order of first storing, which a picture does not tell.
  std::vector<std::string> lines;
  for (const Hit& hit : found.hits) lines.push_back(fmt::format("  {:a} {}\n", hit.score, hit.memory.coordinate));
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) text += line;
  return {};
}

Result<std::string> picture_of(const FractalMemory& space) {
  std::ostringstream lines;
  FRACTAL_TRY_INTO(const auto written, space.export_memories(lines));
  if (written == 0) return std::string();
  std::string text = without_ids(lines.str());
  FRACTAL_TRY(add_search(text, space, {.text = "common", .vector = {}}));
  FRACTAL_TRY(add_search(text, space, {.text = numbered_word(3), .vector = {}}));
  FRACTAL_TRY_INTO(const Stats stats, space.stats());
  if (stats.vectors > 0) {
    const std::vector<float> vector = numbered_vector(2);
    FRACTAL_TRY(add_search(text, space, {.text = {}, .vector = vector}));
    FRACTAL_TRY(add_search(text, space, {.text = "common", .vector = vector}));
  }
  return text + fmt::format("memories {} links {} vectors {}\n", stats.memories, stats.links, stats.vectors);
}

}  // namespace

Result<std::string> picture(const FractalMemory& memory) {
  FRACTAL_TRY_INTO(auto spaces, memory.spaces());
  std::sort(spaces.begin(), spaces.end());
  std::string text;
  for (const Space& space : spaces) {
    FRACTAL_TRY_INTO(const std::string own, picture_of(memory.in(space)));
    if (!own.empty()) text += fmt::format("space {}\n{}", space, own);
  }
  FRACTAL_TRY_INTO(Stats stats, memory.stats());
  std::sort(stats.indexed_fields.begin(), stats.indexed_fields.end());
  for (const std::string& path : stats.indexed_fields) text += fmt::format("index {}\n", path);
  return text;
}

Result<void> verified(const FractalMemory& memory) {
  FRACTAL_TRY_INTO(const VerifyReport report, memory.verify());
  if (report.ok()) return {};
  return make_error(Errc::corruption, "verify: {}", fmt::join(report.problems, "; "));
}

std::string numbered_word(int number) { return fmt::format("word{}", number % 10); }

std::vector<float> numbered_vector(int number) {
  std::vector<float> vector(8);
  for (std::size_t i = 0; i < vector.size(); ++i) {
    vector[i] = static_cast<float>((static_cast<std::size_t>(number) * 31 + i * i * 7) % 23) - 11.0F;
  }
  vector[0] = static_cast<float>(number % 7) + 1;
  return vector;
}

Memory numbered_memory(int number) {
  return {
      .coordinate = {static_cast<double>(number), static_cast<double>(number % 3)},
      .payload = fmt::format(R"({{"text":"common {} of {}","year":{}}})", numbered_word(number), number, 2000 + number),
      .type = number % 2 == 0 ? MemoryType::episodic : MemoryType::semantic,
      .embedding = numbered_vector(number),
      .importance = number / 4.0};
}

Options standing_clock(Options options) {
  options.embedder = nullptr;
  options.clock = [] { return Time(std::chrono::microseconds(1'700'000'000'000'000)); };
  return options;
}

}  // namespace fractal::testing
