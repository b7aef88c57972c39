// Invariant: a memory's row has each of its different words once, with how often it stands in each column.
#include "backends/postgres/keywords.h"

#include "backends/postgres/statements.h"
#include "src/error.h"

#include <algorithm>
#include <map>

namespace fractal::postgres_backend {
namespace {

using Counts = std::array<std::uint32_t, weight_classes>;

std::string prefix_of(std::uint64_t space) { return fmt::format("{}:", space); }

std::vector<std::string> stored_terms(std::uint64_t space, std::span<const std::string> terms) {
  std::vector<std::string> stored;
  stored.reserve(terms.size());
  for (const std::string& term : terms) stored.push_back(prefix_of(space) + term);
  return stored;
}

std::vector<Text> texts_of(const std::vector<std::string>& strings) {
  std::vector<Text> texts;
  texts.reserve(strings.size());
  for (const std::string& one : strings) texts.push_back({one});
  return texts;
}

}  // namespace

Result<void> put_keywords(Connection& connection, std::uint64_t space, MemoryId id, const Keywords& keywords,
                          bool created) {
  std::map<std::string_view, Counts> words;
  std::array<std::uint32_t, weight_classes> lengths{};
  for (std::size_t column = 0; column < weight_classes; ++column) {
    std::string_view text = keywords.text[column];
    while (!text.empty()) {
      const auto end = std::min(text.find(' '), text.size());
      if (end > 0) ++words[text.substr(0, end)][column], ++lengths[column];
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  if (words.empty()) return created ? Result<void>{} : connection.queue(sql::erase_keywords, Values(id));
  const std::string prefix = prefix_of(space);
  std::vector<std::string> terms;
  std::array<std::vector<std::uint32_t>, weight_classes> counts;
  for (const auto& [word, in_columns] : words) {
    terms.push_back(prefix + std::string(word));
    for (std::size_t column = 0; column < weight_classes; ++column) counts[column].push_back(in_columns[column]);
  }
  Values values(id, texts_of(terms));
  for (const auto& column : counts) values.add(std::span<const std::uint32_t>(column));
  for (const std::uint32_t length : lengths) values.add(length);
  return connection.queue(sql::put_keywords, values);
}

Values postings_wanted(std::uint64_t space, std::span<const std::string> terms) {
  return Values(texts_of(stored_terms(space, terms)));
}

Postings postings_of(const Rows& rows, std::uint64_t space, std::span<const std::string> terms) {
  Postings postings;
  const std::vector<std::string> wanted = stored_terms(space, terms);
  for (int at = 0; at < rows.count(); ++at) {
    const MemoryId id = rows.natural(at, 0);
    if (postings.entries.empty() || postings.entries.back().id != id) {
      Postings::Entry& entry = postings.entries.emplace_back();
      entry.id = id;
      for (int column = 0; column < static_cast<int>(weight_classes); ++column) {
        entry.words[static_cast<std::size_t>(column)] = static_cast<std::uint32_t>(rows.integer(at, 1 + column));
      }
      postings.counts.resize(postings.counts.size() + terms.size());
    }
    const std::size_t first = postings.counts.size() - terms.size();
    for (std::size_t term = 0; term < wanted.size(); ++term) {
      if (rows.bytes(at, 5) != wanted[term]) continue;
      for (int column = 0; column < static_cast<int>(weight_classes); ++column) {
        postings.counts[first + term][static_cast<std::size_t>(column)] =
            static_cast<std::uint32_t>(rows.integer(at, 6 + column));
      }
    }
  }
  return postings;
}

}  // namespace fractal::postgres_backend
