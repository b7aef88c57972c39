// Storage conformance: rows, their columns, lists, ranges of keys, expiry and access counts.
#include "storage_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace fractal::conformance {
namespace {

const Space here{"tenant", "rows"};

struct Rows {
  std::shared_ptr<Storage> storage = make_empty_storage();
  Model model;

  void write(const std::function<void(Writer&)>& run) { commit(*storage, model, here, run); }
  std::unique_ptr<ReadView> view() { return storage->read(here).value(); }
  SpaceModel& space() { return model.spaces[here]; }
  Row get(const Coordinate& coordinate, Columns columns = Columns::all) {
    return storage->get(here, coordinate.key(), columns).value().value();
  }
};

Position position_of(const Row& row) {
  return {row.memory.importance, row.memory.created_at.time_since_epoch().count(), row.id, row.memory.coordinate.key()};
}

// Reads a list page by page; checks the size of each.
std::vector<Row> read_pages(ReadView& view, Scan scan) {
  std::vector<Row> out;
  for (;;) {
    auto page = view.list(scan).value();
    REQUIRE(page.size() <= scan.limit);
    out.insert(out.end(), page.begin(), page.end());
    if (page.size() < scan.limit) return out;
    scan.after = position_of(page.back());
  }
}

}  // namespace

TEST_CASE_FIXTURE(Rows, "rows: an empty storage has nothing") {
  CHECK(storage->spaces().value().empty());
  CHECK_FALSE(storage->setting("a").value().has_value());
  CHECK(storage->indexed_fields().value().empty());
  CHECK(storage->verify({}).value().empty());
  CHECK_FALSE(storage->describe().empty());
  CHECK(storage->problems().empty());
  CHECK_FALSE(storage->read_only());
}

TEST_CASE_FIXTURE(Rows, "rows: payload and metadata come back byte for byte") {
  const std::vector<std::string> texts{"{}",
                                       R"({"a": "line\nline", "b" : [1,  2]})",
                                       "{\"a\":\n\t\"x\"\r\n}",
                                       "{\"é\": \"日本語 \U0001F375\"}",
                                       R"({"a":1,"a":2})",
                                       R"({"n": 1.0e400, "quote": "'\"\\"})",
                                       "{\"\x7f\": \"\xef\xbf\xbd\"}",
                                       R"({"big": 18446744073709551615})"};
  write([&](Writer& writer) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Memory memory = make_memory({1, static_cast<double>(i)}, texts[i]);
      memory.metadata = texts[texts.size() - 1 - i];
      writer.store(memory);
    }
  });
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Row row = get({1, static_cast<double>(i)}, Columns::payload);
    CHECK(row.memory.payload == texts[i]);
    CHECK(row.memory.metadata == texts[texts.size() - 1 - i]);
  }
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Rows, "rows: a payload of the greatest size") {
  std::string payload(limits::payload, 'x');
  std::memcpy(payload.data(), "{\"a\":\"", 6);
  payload.replace(payload.size() - 2, 2, "\"}");
  write([&](Writer& writer) { writer.store(make_memory({1}, payload)); });
  CHECK(get({1}).memory.payload == payload);
  CHECK(get({1}, Columns::header).memory.payload == "{}");
}

TEST_CASE_FIXTURE(Rows, "rows: every importance bit for bit") {
  using limits_of = std::numeric_limits<double>;
  std::vector<double> values{0.0,
                             1.0,
                             -1.0,
                             0.1,
                             1.0 / 3,
                             limits_of::max(),
                             limits_of::lowest(),
                             limits_of::min(),
                             limits_of::denorm_min(),
                             -limits_of::denorm_min(),
                             std::nextafter(1.0, 2.0),
                             9007199254740993.0,
                             -9007199254740992.0,
                             9223372036854775807.0,
                             4e15,
                             281474976710656.0,
                             1e15 + 0.5,
                             123456789.0};
  for (int exponent = -1074; exponent < 1024; exponent += 7) {
    values.push_back(std::ldexp(1.0, exponent));
    values.push_back(-std::nextafter(std::ldexp(1.0, exponent), 0.0));
  }
  write([&](Writer& writer) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      Memory memory = make_memory({static_cast<double>(i)});
      memory.importance = values[i];
      writer.store(memory);
    }
  });
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double found = get({static_cast<double>(i)}, Columns::header).memory.importance;
    CHECK(std::bit_cast<std::uint64_t>(found) == std::bit_cast<std::uint64_t>(values[i]));
  }
  compare(*storage, model);
  write([&](Writer& writer) {
    Memory memory = make_memory({-1});
    memory.importance = -0.0;
    writer.transaction().put(writer.number(), {.id = last_id(writer.number()), .memory = memory}, {}).value();
  });
  CHECK(get({-1}).memory.importance == 0.0);  // the sign of a zero need not survive
}

TEST_CASE_FIXTURE(Rows, "rows: every field in every combination") {
  Memory memory = make_memory({1});
  for (std::size_t i = 0; i < 16; ++i) memory.id.bytes[i] = static_cast<std::uint8_t>(i * 17);
  memory.type = MemoryType::semantic;
  memory.created_at = at(1);
  memory.updated_at = at(253402300799999999);  // the last microsecond of the year 9999
  memory.version = std::uint64_t{1} << 62;
  memory.accesses = (std::uint64_t{1} << 62) + 1;
  memory.expires_at = at(253402300799999999);
  Memory plain = make_memory({2});
  plain.id.bytes.fill(0xff);
  Memory zero = make_memory({3});
  zero.created_at = zero.updated_at = at(0);
  zero.expires_at = at(0);
  Memory early = make_memory({4});
  early.expires_at = at(-1);
  write([&](Writer& writer) {
    for (const Memory& each : {memory, plain, zero, early}) writer.store(each);
  });
  CHECK(get({1}).memory == memory);
  CHECK_FALSE(get({2}).memory.expires_at.has_value());
  CHECK(get({3}).memory.expires_at == at(0));
  CHECK(get({4}).memory.expires_at == at(-1));
  compare(*storage, model);
  write([&](Writer& writer) {  // a whole replacement, with expires_at taken away
    Memory other = plain;
    other.coordinate = {1};
    writer.store(other);
  });
  CHECK_FALSE(get({1}).memory.expires_at.has_value());
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Rows, "rows: embeddings bit for bit") {
  using limits_of = std::numeric_limits<float>;
  const std::vector<float> extremes{0.0F,
                                    -0.0F,
                                    limits_of::max(),
                                    limits_of::lowest(),
                                    limits_of::min(),
                                    limits_of::denorm_min(),
                                    -limits_of::denorm_min(),
                                    0.1F,
                                    1.0F,
                                    -1.0F};
  std::vector<float> reversed(extremes.rbegin(), extremes.rend());
  write([&](Writer& writer) {
    Memory memory = make_memory({1});
    memory.embedding = extremes;
    writer.store(memory);
    memory.coordinate = {2};
    memory.embedding = reversed;
    writer.store(memory);
    writer.store(make_memory({3}));
  });
  compare(*storage, model);
  CHECK(get({1}, Columns::payload).memory.embedding.empty());
  CHECK(get({1}, Columns::header).has_vector);
  CHECK_FALSE(get({3}, Columns::header).has_vector);
  CHECK(std::memcmp(get({2}).memory.embedding.data(), reversed.data(), reversed.size() * sizeof(float)) == 0);
}

TEST_CASE_FIXTURE(Rows, "rows: an embedding of the greatest dimension") {
  Random random(3);
  Memory memory = make_memory({1});
  memory.embedding = random.vector(limits::dimension);
  write([&](Writer& writer) { writer.store(memory); });
  CHECK(get({1}).memory.embedding == memory.embedding);
}

TEST_CASE_FIXTURE(Rows, "put: what is not given stays as it was") {
  Memory memory = make_memory({1}, R"({"text": "tea"})");
  memory.embedding = {1, 2, 3};
  const std::string key = memory.coordinate.key();
  write([&](Writer& writer) { writer.store(memory, words("w0 w1", "w7")); });
  write([&](Writer& writer) { writer.patch(key, [](Memory& it) { it.importance = 7, it.payload = R"({"n": 1})"; }); });
  CHECK(get({1}).memory.embedding == memory.embedding);
  CHECK(view()->postings(std::vector<std::string>{"w1"}).value().entries.size() == 1);
  compare(*storage, model);

  const Keywords other = words("w2");
  write([&](Writer& writer) {
    writer.patch(
        key, [](Memory&) {}, &other);
  });
  CHECK(get({1}).memory.embedding == memory.embedding);
  CHECK(view()->postings(std::vector<std::string>{"w1"}).value().entries.empty());
  compare(*storage, model);

  write([&](Writer& writer) { writer.set_vector(key, {4, 5, 6}); });
  CHECK(view()->postings(std::vector<std::string>{"w2"}).value().entries.size() == 1);
  compare(*storage, model);
  write([&](Writer& writer) { writer.set_vector(key, {}); });
  CHECK_FALSE(get({1}).has_vector);
  CHECK(get({1}).memory.embedding.empty());
  compare(*storage, model);
  const Keywords none;
  write([&](Writer& writer) {
    writer.patch(
        key, [](Memory&) {}, &none);
  });
  CHECK(view()->postings(std::vector<std::string>{"w2"}).value().entries.empty());
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Rows, "rows: erased and stored again, within one step and over several") {
  const std::string key = Coordinate{1}.key();
  Memory memory = make_memory({1});
  memory.embedding = {1, 2};
  MemoryId first = 0, second = 0;
  write([&](Writer& writer) { first = writer.store(memory, words("w0")); });
  write([&](Writer& writer) {
    CHECK(writer.remove(key));
    CHECK_FALSE(writer.remove(key));
    second = writer.store(memory, words("w1"));
    writer.check_reads();
  });
  CHECK(second == first + 1);
  compare(*storage, model);
  write([&](Writer& writer) { writer.remove(key); });
  CHECK_FALSE(storage->get(here, key, Columns::all).value().has_value());
  CHECK_FALSE(view()->get(key, Columns::all).value().has_value());
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Rows, "fetch: in the order asked for, without those that are not there") {
  std::vector<MemoryId> ids;
  write([&](Writer& writer) {
    for (int i = 0; i < 2500; ++i) ids.push_back(writer.store(make_memory({1.0 * ((i * 7) % 2500)})));
  });
  write([&](Writer& writer) {
    for (int i = 0; i < 2500; i += 3) writer.remove(Coordinate{1.0 * i}.key());
  });
  ids.insert(ids.begin(), 0);
  ids.push_back(ids.back() + 1);
  ids.push_back(last_id(space().record.number));
  ids.push_back(first_id(space().record.number + 1) | 1);  // of another space
  const auto rows = view()->fetch(ids, Columns::header).value();
  std::vector<Row> wanted;
  for (const auto& [id, row] : space().rows) wanted.push_back(row.row);
  CHECK(difference(rows, wanted, Columns::header) == "");
  CHECK(view()->fetch({}, Columns::all).value().empty());
  const std::vector<MemoryId> some{ids[2], ids[6], ids[900]};
  const auto three = view()->fetch(some, Columns::all).value();
  for (const Row& row : three) CHECK(space().rows.contains(row.id));
}

TEST_CASE_FIXTURE(Rows, "list: three orders, both directions, prefixes and pages of every size") {
  Random random(11);
  const auto fill = [&](Writer& writer) {
    for (int i = 0; i < 60; ++i) {
      Memory memory = random.memory(0);
      memory.created_at = at(static_cast<std::int64_t>(random.below(4)));  // many ties
      memory.importance = std::vector<double>{0, 1, -1, 5e-324}[random.below(4)];
      writer.store(memory);
    }
  };
  write(fill);
  const auto reading = view();
  const std::string max_key = Coordinate{std::numeric_limits<double>::max()}.key();
  const std::vector<std::string> prefixes{
      "",     Coordinate{1}.key(), Coordinate{1, 2}.key(), Coordinate{0}.key(), max_key, max_key.substr(0, 1),
      "\xff", Coordinate{77}.key()};
  for (const auto order : {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance}) {
    for (const bool descending : {false, true}) {
      for (const std::string& prefix : prefixes) {
        Scan scan{
            .order = order, .descending = descending, .prefix = prefix, .limit = no_limit, .columns = Columns::header};
        const auto wanted = space().list(scan);
        for (std::size_t size = 1; size <= wanted.size() + 1; size += 1 + size / 5) {
          scan.limit = size;
          CAPTURE(size);
          CHECK(difference(read_pages(*reading, scan), wanted, Columns::header) == "");
        }
      }
    }
  }
  CHECK(reading->list({.limit = 0}).value().empty());
}

TEST_CASE_FIXTURE(Rows, "list: goes on after a position whose row is gone, or was never there") {
  write([&](Writer& writer) {
    for (int i = 0; i < 20; ++i) {
      Memory memory = make_memory({1.0 * (i % 5), 1.0 * i});
      memory.importance = i % 4;
      memory.created_at = at(i % 3);
      writer.store(memory);
    }
  });
  std::vector<Row> all = view()->list({.columns = Columns::header}).value();
  write([&](Writer& writer) {
    for (int i = 0; i < 20; i += 2) writer.remove(Coordinate{1.0 * (i % 5), 1.0 * i}.key());
  });
  const auto reading = view();
  for (const auto order : {ListOrder::coordinate, ListOrder::created_at, ListOrder::importance}) {
    for (const bool descending : {false, true}) {
      for (const Row& row : all) {
        const Scan scan{.order = order,
                        .descending = descending,
                        .after = position_of(row),
                        .prefix = {},
                        .limit = 100,
                        .columns = Columns::payload};
        CHECK(difference(reading->list(scan).value(), space().list(scan), Columns::payload) == "");
      }
    }
  }
}

TEST_CASE_FIXTURE(Rows, "keys: ranges, in rising order, until the visitor stops") {
  Random random(5);
  write([&](Writer& writer) {
    for (int i = 0; i < 80; ++i) writer.store(random.memory(0));
  });
  const auto reading = view();
  std::map<std::string, MemoryId> sorted;
  for (const auto& [id, row] : space().rows) sorted.emplace(row.key, id);
  const auto read = [&](const std::string& first, const std::string& last, std::size_t most) {
    std::vector<std::pair<std::string, MemoryId>> out;
    reading
        ->keys(first, last,
               [&](const KeyRow& row) {
                 out.emplace_back(row.key, row.id);
                 return out.size() < most;
               })
        .value();
    return out;
  };
  std::vector<std::string> bounds{
      "", "\xff", std::string(8, '\0'), "\x80", Coordinate{0.25}.key(), std::string(9, '\xff')};
  for (const auto& [key, id] : sorted) bounds.push_back(key);
  for (const std::string& first : bounds) {
    for (const std::string& last : bounds) {
      std::vector<std::pair<std::string, MemoryId>> wanted;
      for (const auto& entry : sorted) {
        if (entry.first >= first && (last.empty() || entry.first < last)) wanted.emplace_back(entry);
      }
      CHECK(read(first, last, no_limit) == wanted);
      if (wanted.size() > 3) CHECK(read(first, last, 3).size() == 3);
    }
  }
}

TEST_CASE_FIXTURE(Rows, "expired: up to and with the moment, in views and steps") {
  write([&](Writer& writer) {
    for (int i = 0; i < 30; ++i) {
      Memory memory = make_memory({1.0 * i});
      if (i % 3 != 0) memory.expires_at = at(100 - i / 2);
      writer.store(memory);
    }
  });
  for (const std::int64_t now : {84, 85, 86, 92, 99, 100, 101}) {
    const auto wanted = space().expired(at(now));
    const auto rows = view()->expired(at(now)).value();
    std::vector<MemoryId> found;
    for (const Row& row : rows) {
      found.push_back(row.id);
      CHECK(row.memory.coordinate.key() == space().rows[row.id].key);
      CHECK(row.memory.expires_at == space().rows[row.id].row.memory.expires_at);
    }
    std::sort(found.begin(), found.end());
    CHECK(found == wanted);
    write([&](Writer& writer) {
      const auto some = writer.transaction().expired(writer.number(), at(now), 4).value();
      CHECK(some.size() == std::min<std::size_t>(4, wanted.size()));
      for (std::size_t i = 0; i < some.size(); ++i) {
        CHECK(std::binary_search(wanted.begin(), wanted.end(), some[i].id));
        if (i > 0) CHECK(some[i - 1].id < some[i].id);
        CHECK(difference(some[i], space().rows[some[i].id].row, Columns::header) == "");
      }
    });
  }
  write([&](Writer& writer) {  // what a step does to expiry shows in it
    writer.patch(Coordinate{1}.key(), [](Memory& memory) { memory.expires_at.reset(); });
    writer.patch(Coordinate{3}.key(), [](Memory& memory) { memory.expires_at = at(5); });
    writer.remove(Coordinate{2}.key());
    writer.check_reads();
  });
  compare(*storage, model);
}

TEST_CASE_FIXTURE(Rows, "scan: pages of rows by id inside a step") {
  write([&](Writer& writer) {
    for (int i = 0; i < 25; ++i) {
      Memory memory = make_memory({1.0 * i});
      memory.embedding = {1.0F * static_cast<float>(i)};
      writer.store(memory);
    }
  });
  write([&](Writer& writer) {
    writer.remove(Coordinate{7}.key());
    for (const std::size_t limit : {std::size_t{1}, std::size_t{4}, std::size_t{24}, std::size_t{25}, no_limit}) {
      std::vector<Row> rows;
      for (MemoryId after = 0;;) {
        const auto page = writer.transaction().scan(writer.number(), after, limit, Columns::payload).value();
        REQUIRE(page.size() <= limit);
        rows.insert(rows.end(), page.begin(), page.end());
        if (page.size() < limit) break;
        after = page.back().id;
      }
      std::vector<Row> wanted;
      for (const auto& [id, row] : writer.model().rows) wanted.push_back(row.row);
      CHECK(difference(rows, wanted, Columns::payload) == "");
    }
  });
}

TEST_CASE_FIXTURE(Rows, "add_accesses: counts, and changes nothing else") {
  write([&](Writer& writer) { writer.store(make_memory({1})); });
  const auto before = view();
  write([&](Writer& writer) {
    writer.add_accesses(Coordinate{1}.key(), 3);
    writer.add_accesses(Coordinate{1}.key(), 4);
    writer.add_accesses(Coordinate{2}.key(), 5);  // nothing there: nothing to count
    writer.check_reads();
  });
  CHECK(get({1}).memory.accesses == 7);
  CHECK(before->get(Coordinate{1}.key(), Columns::header).value()->memory.accesses == 0);
  compare(*storage, model);
}

}  // namespace fractal::conformance
