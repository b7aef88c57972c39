// Indexes on payload fields, verify and repair, purge, backup: what the SQLite storage does besides reads
// and writes.
#include "sqlite_files.h"

#include "backends/sqlite/connection.h"

#include <doctest/doctest.h>

#include <atomic>

using namespace fractal;
using namespace fractal::test;
using sqlite_backend::Access;
using sqlite_backend::Connection;

namespace {

// Changes behind the storage's back.
void sql(const std::string& path, const std::string& text) {
  Connection::open(path, Access::write, std::chrono::milliseconds(0)).value()->execute(text.c_str(), "test").value();
}

std::vector<double> selected(Storage& storage, const Filter& filter, bool exact) {
  const auto view = storage.read({}).value();
  const Selection selection = view->select(filter, {}, 1000).value();
  CHECK(selection.complete);
  CHECK(selection.exact == exact);
  std::vector<double> first;
  for (const Row& row : view->fetch(selection.ids, Columns::payload).value()) {
    if (!exact && !matches(filter, row)) continue;
    CHECK(matches(filter, row));
    first.push_back(row.memory.coordinate[0]);
  }
  return first;
}

using Found = std::vector<double>;

void put_values(Storage& storage) {
  const char* const payloads[] = {R"({"v":1})",
                                  R"({"v":1.0})",
                                  R"({"v":"1"})",
                                  R"({"v":true})",
                                  R"({"v":null})",
                                  R"({})",
                                  R"({"v":[1]})",
                                  R"({"v":9007199254740993})",
                                  R"({"v":18446744073709551615})",
                                  R"({"v":18446744073709551614})",
                                  R"({"v":"tea"})",
                                  R"({"v":false})",
                                  R"({"v":-3.5})",
                                  R"({"v":1,"v":2})"};
  for (std::size_t i = 0; i < std::size(payloads); ++i) put(storage, {static_cast<double>(i)}, payloads[i]);
  put(storage, {20}, "{\"v\":\"" + std::string(300, 'z') + "\"}");
  put(storage, {21}, "{\"v\":\"" + std::string(300, 'z') + "a\"}");
}

}  // namespace

TEST_CASE("an index keeps the kinds, numbers and lengths of values apart") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  for (const bool before : {true, false}) {
    // Filled when made, and kept while written.
    if (before) put_values(*storage);
    storage->create_index("v", {}).value();
    storage->create_index("v", {}).value();
    CHECK(storage->indexed_fields().value() == std::vector<std::string>{"v"});
  }
  Storage& s = *storage;
  CHECK((selected(s, Filter::eq("v", 1), true) == Found{0, 1}));
  CHECK((selected(s, Filter::eq("v", "1"), true) == Found{2}));
  CHECK((selected(s, Filter::eq("v", true), true) == Found{3}));
  CHECK((selected(s, Filter::eq("v", nullptr), true) == Found{4}));
  CHECK((selected(s, Filter::le("v", nullptr), true) == Found{4}));
  CHECK((selected(s, Filter::lt("v", nullptr), true) == Found{}));
  CHECK((selected(s, Filter::eq("v", 2), true) == Found{13}));
  CHECK((selected(s, Filter::eq("v", std::int64_t{9007199254740993}), true) == Found{7}));
  CHECK((selected(s, Filter::eq("v", 9007199254740992.0), true) == Found{}));
  CHECK((selected(s, Filter::eq("v", UINT64_MAX), false) == Found{8}));
  CHECK((selected(s, Filter::lt("v", UINT64_MAX), false) == Found{0, 1, 7, 9, 12, 13}));
  CHECK((selected(s, Filter::gt("v", UINT64_MAX - 1), false) == Found{8}));
  CHECK((selected(s, Filter::lt("v", 18446744073709551616.0), false) == Found{0, 1, 7, 8, 9, 12, 13}));
  CHECK((selected(s, Filter::lt("v", 1), true) == Found{12}));
  CHECK((selected(s, Filter::ge("v", 2), true) == Found{7, 8, 9, 13}));
  CHECK((selected(s, Filter::ge("v", "2"), true) == Found{10, 20, 21}));
  CHECK((selected(s, Filter::lt("v", "2"), true) == Found{2}));
  CHECK((selected(s, Filter::le("v", true), true) == Found{3, 11}));
  CHECK((selected(s, Filter::gt("v", false), true) == Found{3}));
  CHECK((selected(s, Filter::prefix("v", "te"), true) == Found{10}));
  CHECK((selected(s, Filter::prefix("v", ""), true) == Found{2, 10, 20, 21}));
  CHECK((selected(s, Filter::eq("v", std::string(300, 'z')), false) == Found{20}));
  CHECK((selected(s, Filter::gt("v", std::string(300, 'z')), false) == Found{21}));
  CHECK((selected(s, Filter::prefix("v", std::string(290, 'z')), false) == Found{20, 21}));
  CHECK((selected(s, Filter::in("v", {1, "tea", nullptr, true}), true) == Found{0, 1, 3, 4, 10}));
  CHECK((selected(s, Filter::in("v", {}), true) == Found{}));
  CHECK((selected(s, Filter::ne("v", 1), true) == Found{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 20, 21}));
  CHECK((selected(s, !Filter::ge("v", "2") && Filter::lt("$created_at", 10), true) ==
         Found{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13}));
  CHECK((selected(s, Filter::exists("v"), false) == Found{0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 20, 21}));
  CHECK((selected(s, Filter::contains("v", 1), false) == Found{6}));
  CHECK((selected(s, Filter::contains("v", "e"), false) == Found{10}));
  CHECK(storage->verify({}).value().empty());
}

TEST_CASE("field values follow updates and removals") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  storage->create_index("v", {}).value();
  put(*storage, {1}, R"({"v":1})");
  put(*storage, {2}, R"({"v":2})");
  write(*storage, [](WriteTransaction& t) -> Result<void> {
    SpaceRecord* const space = t.space({}).value();
    Row row = *t.find(space->number, Coordinate{1}.key(), Columns::all).value();
    row.memory.payload = R"({"v":7})";
    row.sequence = ++space->sequence;
    t.put(space->number, row, {.created = false, .vector = false, .keywords = nullptr}).value();
    --space->memories;
    return t.erase(space->number, *t.find(space->number, Coordinate{2}.key(), Columns::header).value());
  }).value();
  CHECK((selected(*storage, Filter::eq("v", 7), true) == Found{1}));
  CHECK(selected(*storage, Filter::in("v", {1, 2}), true).empty());
  CHECK(storage->verify({}).value().empty());
}

TEST_CASE("create_index stops when told to, and then there is no index") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  write(*storage, [](WriteTransaction& t) -> Result<void> {
    for (int i = 0; i < 2000; ++i) put(t, {}, {.coordinate = {1.0 * i}, .payload = R"({"v":1})"}, {}).value();
    return {};
  }).value();
  std::atomic<bool> cancel{false};
  Control control;
  control.cancel = &cancel;
  control.progress = [&](std::uint64_t done, std::uint64_t total) {
    CHECK(total == 2000);
    if (done > 0) cancel = true;
  };
  const auto made = storage->create_index("v", control);
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().code == Errc::unavailable);
  CHECK(made.error().message.find("cancelled") != std::string::npos);
  CHECK(storage->indexed_fields().value().empty());
  Control late;
  late.deadline = std::chrono::steady_clock::now();
  CHECK(storage->create_index("v", late).error().message.find("deadline exceeded") != std::string::npos);
  put(*storage, {-1}, "{}");
  CHECK(storage->verify({}).value().empty());
}

TEST_CASE("reads stop when told to") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  write(*storage, [](WriteTransaction& t) -> Result<void> {
    for (int i = 0; i < 2000; ++i) put(t, {}, {.coordinate = {1.0 * i}}, {}).value();
    return {};
  }).value();
  const auto view = storage->read({}).value();
  Control late;
  late.deadline = std::chrono::steady_clock::now();
  view->obey(&late);
  const auto rows = view->list({.limit = 10'000});
  REQUIRE_FALSE(rows.has_value());
  CHECK(rows.error().code == Errc::unavailable);
  CHECK(rows.error().message.find("deadline exceeded") != std::string::npos);
  view->obey(nullptr);
  CHECK(view->list({.limit = 10'000}).value().size() == 2000);
}

TEST_CASE("verify finds each disagreement, repair mends it") {
  const std::string damages[] = {
      "UPDATE sfm_namespaces SET memories = memories + 1",
      "UPDATE sfm_namespaces SET semantic = 3, links = 4",
      "UPDATE sfm_namespaces SET words0 = 0",
      "UPDATE sfm_namespaces SET vectors = 0",
      "UPDATE sfm_namespaces SET last_id = 0",
      "UPDATE sfm_namespaces SET sequence = 0",
      "UPDATE sfm_namespaces SET audit_records = 9",
      "UPDATE sfm_memories SET has_vector = 0",
      "UPDATE sfm_vector_embeddings SET sequence = 77",
      "INSERT INTO sfm_vector_embeddings VALUES ((1 << 40) + 99, 1, zeroblob(8))",
      "DELETE FROM sfm_vector_embeddings WHERE id = (1 << 40) + 1",
      "DELETE FROM sfm_field_values WHERE id = (1 << 40) + 1",
      "INSERT INTO sfm_field_values VALUES (1, 1, 'coffee', (1 << 40) + 1)",
      "INSERT INTO sfm_keywords(rowid, c0) VALUES ((1 << 40) + 99, 'ghost')",
      "DELETE FROM sfm_namespaces",
  };
  for (const std::string& damage : damages) {
    CAPTURE(damage);
    const Folder folder;
    const auto storage = open_storage(folder.file("a.db"));
    storage->create_index("v", {}).value();
    for (int i = 0; i < 3; ++i) put(*storage, {1.0 * i}, R"({"v":"tea"})", "tea", {1, 2});
    CHECK(storage->verify({}).value().empty());
    sql(folder.file("a.db"), damage);
    CHECK_FALSE(storage->verify({}).value().empty());
    CHECK_FALSE(storage->repair({}).value().empty());
    const auto left = storage->verify({}).value();
    CHECK_MESSAGE(left.empty(), (left.empty() ? std::string() : left.front()));
  }
}

TEST_CASE("verify finds keywords that are missing or are not those of the index") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  for (int i = 0; i < 3; ++i) put(*storage, {1.0 * i}, "{}", "tea time");
  sql(folder.file("a.db"), "DELETE FROM sfm_keywords WHERE rowid = (1 << 40) + 1");
  CHECK(storage->verify({}).value() == std::vector<std::string>{"1 memories lack their keywords"});
}

TEST_CASE("after a purge no erased byte is in any file") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  const Space gone{.tenant = "goldfish", .name = "bowl"};
  write(*storage, [&](WriteTransaction& t) -> Result<void> {
    for (int i = 0; i < 500; ++i) {
      put(t, {}, {.coordinate = {1.0 * i}, .payload = R"({"secret":"marimba"})"}, "marimba").value();
      put(t, gone, {.coordinate = {1.0 * i}, .payload = R"({"secret":"xylophonist"})"}, "xylophonist").value();
    }
    return {};
  }).value();
  write(*storage, [&](WriteTransaction& t) { return t.erase_space(t.space(gone).value()->number); }).value();
  CHECK(storage->spaces().value().size() == 1);
  const auto anywhere = [&](const std::string& word) {
    for (const auto& [name, bytes] : folder.contents()) {
      if (bytes.find(word) != std::string::npos) return true;
    }
    return false;
  };
  CHECK(anywhere("marimba"));
  {
    const auto view = storage->read({}).value();  // holds on to the old state
    const auto purged = storage->maintain(true, {});
    REQUIRE_FALSE(purged.has_value());
    CHECK(purged.error().code == Errc::unavailable);
  }
  CHECK(storage->maintain(true, {}).value() > 0);
  CHECK(anywhere("marimba"));
  CHECK_FALSE(anywhere("xylophonist"));
  CHECK_FALSE(anywhere("goldfish"));
  CHECK(storage->verify({}).value().empty());
  CHECK(storage->maintain(false, {}).has_value());
  // The number of the space is not given again.
  put(*storage, {9999}, "{}");
  write(*storage, [&](WriteTransaction& t) -> Result<void> {
    CHECK(t.space(gone).value()->number == 3);
    return {};
  }).value();
}

TEST_CASE("a backup is a database of its own, and overwrites nothing") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  for (int i = 0; i < 300; ++i) put(*storage, {1.0 * i}, "{\"text\":\"" + std::string(900, 'x') + "\"}", "tea");
  std::uint64_t reports = 0, last_total = 0;
  Control control;
  control.progress = [&](std::uint64_t done, std::uint64_t total) {
    ++reports;
    CHECK(done <= total);
    last_total = total;
    if (reports == 1) put(*storage, {1000}, "{}");  // others write meanwhile
  };
  storage->backup(folder.file("b.db"), control).value();
  CHECK(reports > 0);
  CHECK(last_total > 0);
  {
    const auto copy = open_storage(folder.file("b.db"));
    CHECK(copy->read({}).value()->space().memories == 300);
    CHECK(copy->verify({}).value().empty());
    put(*copy, {2000}, "{}");
  }
  const auto again = storage->backup(folder.file("b.db"), {});
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().code == Errc::io);
  CHECK_FALSE(storage->backup(folder.file("nowhere/c.db"), {}).has_value());

  std::atomic<bool> cancel{true};
  Control stopped;
  stopped.cancel = &cancel;
  CHECK(storage->backup(folder.file("c.db"), stopped).error().code == Errc::unavailable);
  for (const auto& [name, bytes] : folder.contents()) CHECK(name.find("c.db") == std::string::npos);
}
