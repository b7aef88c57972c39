// Invariant: phrase i of the MATCH expression is term i, so the counts of a row are those of the terms.
#include "backends/sqlite/postings.h"

#include "backends/sqlite/pending_keywords.h"
#include "src/error.h"

#include <exception>

namespace fractal::sqlite_backend {
namespace {

constexpr const char* pointer_type = "fractal_postings";

struct Collector {
  Postings postings;
  std::size_t terms = 0;
};

int collect(const Fts5ExtensionApi* api, Fts5Context* fts, Collector& collector) {
  Postings::Entry& entry = collector.postings.entries.emplace_back();
  entry.id = static_cast<MemoryId>(api->xRowid(fts));
  for (int column = 0; column < static_cast<int>(weight_classes); ++column) {
    int words = 0;
    if (const int code = api->xColumnSize(fts, column, &words); code != SQLITE_OK) return code;
    entry.words[static_cast<std::size_t>(column)] = static_cast<std::uint32_t>(words);
  }
  const std::size_t begin = collector.postings.counts.size();
  collector.postings.counts.resize(begin + collector.terms);
  for (std::size_t term = 0; term < collector.terms; ++term) {
    Fts5PhraseIter place;
    int column = -1, offset = -1;
    int code = api->xPhraseFirst(fts, static_cast<int>(term), &place, &column, &offset);
    if (code != SQLITE_OK) return code;
    auto& counts = collector.postings.counts[begin + term];
    for (; column >= 0; api->xPhraseNext(fts, &place, &column, &offset)) {
      if (column >= static_cast<int>(weight_classes)) return SQLITE_CORRUPT_VTAB;
      ++counts[static_cast<std::size_t>(column)];
    }
  }
  return SQLITE_OK;
}

void on_row(const Fts5ExtensionApi* api, Fts5Context* fts, sqlite3_context* context, int count,
            sqlite3_value** values) {
  auto* const collector =
      count == 1 ? static_cast<Collector*>(sqlite3_value_pointer(values[0], pointer_type)) : nullptr;
  if (collector == nullptr) return sqlite3_result_error(context, "fractal_postings is not for SQL", -1);
  int code = SQLITE_NOMEM;
  try {
    code = collect(api, fts, *collector);
  } catch (const std::exception&) {  // out of memory: reported through SQLite
  }
  if (code != SQLITE_OK) sqlite3_result_error_code(context, code);
}

Result<fts5_api*> fts5_of(Connection& connection) {
  fts5_api* api = nullptr;
  Query query(connection, "SELECT fts5(?1)", "look for FTS5");
  query.bind_pointer(1, &api, "fts5_api_ptr");
  auto row = query.step();
  if (!row || api == nullptr) return make_error(Errc::unsupported, "sqlite: this SQLite was built without FTS5");
  return api;
}

// A word as FTS5 query text: quoted, so that nothing in it has a meaning.
void append_quoted(std::string& text, std::string_view word) {
  std::string stored;
  append_words_as_stored(stored, word);
  text += '"';
  for (const char c : stored) {
    if (c == '"') text += '"';
    text += c;
  }
  text += '"';
}

}  // namespace

Result<void> register_postings(Connection& connection) {
  FRACTAL_TRY_INTO(fts5_api* const api, fts5_of(connection));
  const int code = api->xCreateFunction(api, "fractal_postings", nullptr, &on_row, nullptr);
  if (code != SQLITE_OK) return connection.error(code, "open");
  return {};
}

Result<Postings> read_postings(Connection& connection, std::span<const std::string> terms, MemoryId first,
                               MemoryId last) {
  Collector collector{{}, terms.size()};
  if (terms.empty()) return std::move(collector.postings);
  std::string match;
  for (const std::string& term : terms) {
    if (!match.empty()) match += " OR ";
    append_quoted(match, term);
  }
  Query query(connection, Sql::postings, TextValue{match}, first, last);
  query.bind_pointer(4, &collector, pointer_type);
  FRACTAL_TRY(query.run());
  return std::move(collector.postings);
}

}  // namespace fractal::sqlite_backend
