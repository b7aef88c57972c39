// Storage conformance: changes, removals and their pruning, vectors to catch up with, audit, settings.
#include "storage_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>

namespace fractal::conformance {
namespace {

const Space here{"tenant", "history"}, other{"tenant", "other"};

struct History {
  std::shared_ptr<Storage> storage = make_empty_storage();
  Model model;
  const std::string a = Coordinate{1}.key(), b = Coordinate{2}.key();

  void write(const std::function<void(Writer&)>& run) { commit(*storage, model, here, run); }
  std::unique_ptr<ReadView> view() { return storage->read(here).value(); }
  SpaceModel& space() { return model.spaces[here]; }

  std::vector<std::uint64_t> sequences(std::uint64_t after, std::size_t limit) {
    std::vector<std::uint64_t> out;
    const auto rows = view()->changes(after, limit).value();
    for (const ChangeRow& row : rows) out.push_back(row.sequence);
    return out;
  }
};

AuditRecord record(std::int64_t time, std::string subject) {
  return {.at = at(time), .action = "create", .subject = std::move(subject), .version = 3, .payload = {}};
}

}  // namespace

TEST_CASE_FIXTURE(History, "changes: the last one of each memory and link, and every removal noted") {
  Memory memory = make_memory({1});
  memory.embedding = {1, 2};
  write([&](Writer& writer) {
    writer.store(memory);                                                             // 1, replaced by 4
    writer.link({.from = a, .to = b, .type = "x", .metadata = "{}"});                 // 2, gone at 6
    writer.link({.from = b, .to = b, .type = "y", .metadata = "{}"});                 // 3, replaced by 5
    writer.patch(a, [](Memory& it) { it.importance = 1; });                           // 4, gone at 7
    writer.link({.from = b, .to = b, .type = "y", .strength = 2, .metadata = "{}"});  // 5
  });
  CHECK(sequences(0, 100) == std::vector<std::uint64_t>{2, 4, 5});
  write([&](Writer& writer) { writer.remove(a); });
  CHECK(sequences(0, 100) == std::vector<std::uint64_t>{5, 6, 7});
  write([&](Writer& writer) { writer.store(memory); });  // 8: the removal is told as well
  CHECK(sequences(0, 100) == std::vector<std::uint64_t>{5, 6, 7, 8});
  compare(*storage, model);
  const auto rows = view()->changes(5, 2).value();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].kind == ChangeKind::unlinked);
  CHECK(std::tie(rows[0].key, rows[0].to, rows[0].type) == std::tuple(a, b, "x"));
  CHECK(rows[1].kind == ChangeKind::removed);
  CHECK(std::tie(rows[1].key, rows[1].to, rows[1].type) == std::tuple(a, "", ""));
}

TEST_CASE_FIXTURE(History, "changes: pages of every size, from every sequence, and a horizon") {
  Random random(23);
  write([&](Writer& writer) {
    for (int i = 0; i < 80; ++i) {
      switch (random.below(4)) {
        case 0: writer.remove(random.key()); break;
        case 1: writer.link(random.link()); break;
        default: writer.store(random.memory(random.below(2) * 3)); break;
      }
    }
  });
  const auto check = [&] {
    for (std::uint64_t after = 0; after <= space().record.sequence + 1; after += 3) {
      const auto wanted = space().changes(after);
      for (const std::size_t limit : {std::size_t{1}, std::size_t{2}, std::size_t{7}, wanted.size(), no_limit}) {
        const auto found = sequences(after, limit);
        REQUIRE(found.size() == std::min(limit, wanted.size()));
        for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == wanted[i].sequence);
      }
    }
    CHECK(sequences(0, 0).empty());
    compare(*storage, model);
  };
  check();
  const std::size_t removals = space().removals.size();
  write([&](Writer& writer) { writer.prune_removals(writer.model().record.sequence / 2); });
  CHECK(space().removals.size() < removals);
  CHECK_FALSE(space().removals.empty());
  check();
  write([&](Writer& writer) { writer.prune_removals(writer.model().record.sequence); });
  check();
}

TEST_CASE_FIXTURE(History, "vectors: what changed or went, and nothing else") {
  const auto found = [&](std::uint64_t after) {
    std::map<std::uint64_t, std::vector<float>> out;  // by sequence
    view()
        ->vectors(
            after, VectorColumns::vector,
            [&](const VectorChange& change) {
              CHECK(change.id == (first_id(space().record.number) | 1));
              CHECK(
                  out.emplace(change.sequence, std::vector<float>(change.vector.begin(), change.vector.end())).second);
              return true;
            })
        .value();
    return out;
  };
  using Changes = std::map<std::uint64_t, std::vector<float>>;
  Memory memory = make_memory({1});
  memory.embedding = {1, 2};
  write([&](Writer& writer) { writer.store(memory); });  // 1
  CHECK(found(0) == Changes{{1, {1, 2}}});
  write([&](Writer& writer) { writer.patch(a, [](Memory& it) { it.importance = 2; }); });  // 2: not the vector
  CHECK(found(0) == Changes{{1, {1, 2}}});
  CHECK(found(1).empty());
  write([&](Writer& writer) { writer.set_vector(a, {3, 4}); });  // 3
  CHECK(found(0) == Changes{{3, {3, 4}}});
  CHECK(found(2) == Changes{{3, {3, 4}}});
  write([&](Writer& writer) { writer.set_vector(a, {}); });  // 4
  CHECK(found(0) == Changes{{4, {}}});
  CHECK(found(3) == Changes{{4, {}}});
  write([&](Writer& writer) { writer.patch(a, [](Memory&) {}); });  // 5
  CHECK(found(3) == Changes{{4, {}}});
  CHECK(found(4).empty());
  write([&](Writer& writer) { writer.store(memory); });  // 6
  CHECK(found(4) == Changes{{6, {1, 2}}});
  write([&](Writer& writer) { writer.remove(a); });  // 7
  CHECK(found(0) == Changes{{7, {}}});
  CHECK(found(6) == Changes{{7, {}}});
  CHECK(found(7).empty());
  compare(*storage, model);
}

TEST_CASE_FIXTURE(History, "vectors: stop when the visitor says so; links removed are no vectors") {
  write([&](Writer& writer) {
    for (int i = 0; i < 10; ++i) {
      Memory memory = make_memory({1.0 * i});
      memory.embedding = {1};
      writer.store(memory);
      writer.link({.from = a, .to = Coordinate{1.0 * i}.key(), .type = "x", .metadata = "{}"});
    }
    for (int i = 0; i < 5; ++i) writer.remove(Coordinate{1.0 * i}.key());
  });
  for (std::size_t most = 1; most <= 10; ++most) {
    std::size_t visits = 0;
    view()->vectors(0, VectorColumns::vector, [&](const VectorChange&) { return ++visits < most; }).value();
    CHECK(visits == most);
  }
  std::size_t visits = 0;
  view()
      ->vectors(0, VectorColumns::vector, [&](const VectorChange& change) { return change.id != 0 && ++visits > 0; })
      .value();
  CHECK(visits == 10);
}

TEST_CASE_FIXTURE(History, "audit: newest first, in pages, numbers rising over the whole database") {
  const auto records = [](Writer& writer) {
    for (int i = 0; i < 10; ++i) {
      AuditRecord each = record(100 + i, fmt::format("subject {} \xc3\xa9\n", i));
      if (i % 2 == 0) each.payload = "{\"a\": \"\\n\"}";
      writer.audit(each);
    }
  };
  write(records);
  commit(*storage, model, other, records);
  write(records);
  compare(*storage, model);
  const auto reading = view();
  const auto all = reading->audit(no_limit, 0).value();
  REQUIRE(all.size() == 20);
  std::set<std::uint64_t> numbers;
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].number > 0);
    numbers.insert(all[i].number);
    if (i > 0) CHECK(all[i].number < all[i - 1].number);
  }
  const auto others = storage->read(other).value()->audit(no_limit, 0).value();
  for (const AuditRecord& each : others) numbers.insert(each.number);
  CHECK(numbers.size() == 30);
  CHECK(all.front().number > others.front().number);
  CHECK(all.back().number < others.back().number);

  for (std::size_t size = 1; size <= 21; size += 4) {
    std::vector<std::uint64_t> found;
    for (std::uint64_t before = 0;;) {
      const auto page = reading->audit(size, before).value();
      for (const AuditRecord& each : page) found.push_back(each.number);
      if (page.size() < size) break;
      before = page.back().number;
    }
    REQUIRE(found.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(found[i] == all[i].number);
  }
  CHECK(reading->audit(5, all.back().number).value().empty());
  CHECK(reading->audit(0, 0).value().empty());
}

TEST_CASE_FIXTURE(History, "prune_audit: by count and by age, of one space alone") {
  const auto records = [](Writer& writer) {
    for (const int time : {10, 20, 30, 25, 40, 15, 50}) writer.audit(record(time, fmt::format("at {}", time)));
  };
  write(records);
  commit(*storage, model, other, records);
  write([&](Writer& writer) {
    writer.prune_audit(100, at(10));
    CHECK(writer.model().audit.size() == 7);
    writer.prune_audit(100, at(21));  // three of them, also the one written later
    CHECK(writer.model().audit.size() == 4);
    writer.prune_audit(2, at(0));
    CHECK(writer.model().audit.size() == 2);
  });
  compare(*storage, model);
  const std::uint64_t newest = view()->audit(1, 0).value().at(0).number;
  write([&](Writer& writer) { writer.prune_audit(0, at(0)); });
  CHECK(view()->audit(10, 0).value().empty());
  write([&](Writer& writer) { writer.audit(record(60, "after")); });
  CHECK(view()->audit(10, 0).value().at(0).number > newest);
  compare(*storage, model);
}

TEST_CASE_FIXTURE(History, "settings: any text, the last value counts, no space needed") {
  commit(*storage, [](WriteTransaction& transaction) {
    transaction.set_setting("name", "first").value();
    transaction.set_setting("name", "second").value();
    transaction.set_setting("empty", "").value();
    transaction.set_setting("odd 'name\"", "line\nline; -- '\xc3\xa9").value();
  });
  CHECK(storage->setting("name").value() == "second");
  CHECK(storage->setting("empty").value() == "");
  CHECK(storage->setting("odd 'name\"").value() == "line\nline; -- '\xc3\xa9");
  CHECK_FALSE(storage->setting("nam").value().has_value());
  CHECK_FALSE(storage->setting("Name").value().has_value());
  CHECK(storage->spaces().value().empty());
}

}  // namespace fractal::conformance
