// Ids, times, names, batches and results: the small values of types.h and result.h.
#include "uuid.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using namespace std::chrono_literals;

namespace {
Time at(std::int64_t microseconds) { return Time(std::chrono::microseconds(microseconds)); }
}  // namespace

TEST_CASE("an id is a UUID of version 7 that carries its time") {
  const Time now = *parse_time("2031-02-03T04:05:06.789Z");
  const Uuid id = make_uuid(now);
  const std::string text = id.to_string();
  REQUIRE(text.size() == 36);
  CHECK(text[14] == '7');
  CHECK(std::string("89ab").find(text[19]) != std::string::npos);
  std::int64_t milliseconds = 0;
  for (int i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | id.bytes[static_cast<std::size_t>(i)];
  CHECK(milliseconds == now.time_since_epoch().count() / 1000);
  CHECK(Uuid::parse(text).value() == id);
  CHECK_FALSE(id.empty());
  CHECK(Uuid().empty());
}

TEST_CASE("ids rise while the clock stands still, goes on, or steps back a little") {
  const Time start = *parse_time("2040-01-01T00:00:00Z");
  Uuid last = make_uuid(start);
  for (int i = 0; i < 20'000; ++i) {
    const Time now = start + std::chrono::microseconds(i * 7) - (i % 100 == 0 ? 3s : 0s);
    const Uuid next = make_uuid(now);
    REQUIRE(next > last);
    last = next;
  }
}

TEST_CASE("an id follows a clock that was set back, and clamps impossible times") {
  make_uuid(*parse_time("2050-01-01T00:00:00Z"));
  const Uuid earlier = make_uuid(*parse_time("2020-01-01T00:00:00Z"));
  CHECK(earlier < make_uuid(*parse_time("2049-01-01T00:00:00Z")));
  const Uuid before_epoch = make_uuid(at(-5));
  CHECK(std::all_of(before_epoch.bytes.begin(), before_epoch.bytes.begin() + 6, [](int byte) { return byte == 0; }));
}

TEST_CASE("ids of many threads are different") {
  std::vector<std::vector<Uuid>> made(4);
  std::vector<std::thread> threads;
  for (auto& mine : made) {
    threads.emplace_back([&mine] {
      for (int i = 0; i < 3000; ++i) mine.push_back(make_uuid(at(1'700'000'000'000'000)));
    });
  }
  for (auto& thread : threads) thread.join();
  std::set<Uuid> all;
  for (const auto& mine : made) {
    CHECK(std::is_sorted(mine.begin(), mine.end()));
    all.insert(mine.begin(), mine.end());
  }
  CHECK(all.size() == 12'000);
}

TEST_CASE("UUID texts") {
  CHECK(Uuid::parse("018F3A2B-0000-7000-8000-00000000000A")->to_string() == "018f3a2b-0000-7000-8000-00000000000a");
  for (const char* bad : {"", "018f3a2b00007000800000000000000a", "018f3a2b-0000-7000-8000-00000000000",
                          "018f3a2b-0000-7000-8000-00000000000g", "018f3a2b_0000-7000-8000-00000000000a",
                          "018f3a2b-0000-7000-8000-00000000000a ", "{18f3a2b-0000-7000-8000-00000000000a"}) {
    CAPTURE(bad);
    const auto id = Uuid::parse(bad);
    REQUIRE_FALSE(id);
    CHECK(id.error().code == Errc::invalid_argument);
  }
}

TEST_CASE("times as text") {
  CHECK(to_string(at(0)) == "1970-01-01T00:00:00.000000Z");
  CHECK(to_string(at(1'777'629'600'250'000)) == "2026-05-01T10:00:00.250000Z");
  CHECK(to_string(at(253'402'300'799'999'999)) == "9999-12-31T23:59:59.999999Z");
  CHECK(to_string(at(-1)) == "1969-12-31T23:59:59.999999Z");
  CHECK(to_string(Time::max()) == "294247-01-10T04:00:54.775807Z");
  CHECK(to_string(Time::min()) == "-290308-12-21T19:59:05.224192Z");

  CHECK(*parse_time("2026-05-01T10:00:00Z") == at(1'777'629'600'000'000));
  CHECK(*parse_time("2026-05-01T10:00:00.25Z") == at(1'777'629'600'250'000));
  CHECK(*parse_time("2026-05-01t12:00:00.000001+02:00") == at(1'777'629'600'000'001));
  CHECK(*parse_time("2026-05-01 04:30:00-05:30") == at(1'777'629'600'000'000));
  CHECK(*parse_time("1970-01-01T00:00:00-00:00") == at(0));
  CHECK(*parse_time("1969-12-31T23:00:00-01:00") == at(0));
  CHECK(*parse_time("2024-02-29T00:00:00z") == at(1'709'164'800'000'000));
}

TEST_CASE("texts that are no time are refused") {
  for (const char* bad : {"",
                          "2026",
                          "2026-05-01",
                          "2026-05-01T10:00Z",
                          "2026-05-01T10:00:00",
                          "2026-13-01T10:00:00Z",
                          "2026-00-01T10:00:00Z",
                          "2023-02-29T10:00:00Z",
                          "2026-05-32T10:00:00Z",
                          "2026-05-01T24:00:00Z",
                          "2026-05-01T10:60:00Z",
                          "2026-05-01T10:00:60Z",
                          "2026-05-01T10:00:00.Z",
                          "2026-05-01T10:00:00.1234567Z",
                          "2026-05-01T10:00:00+25:00",
                          "2026-05-01T10:00:00+0200",
                          "2026-05-01T10:00:00Z ",
                          " 2026-05-01T10:00:00Z",
                          "+026-05-01T10:00:00Z",
                          "2026-5-1T10:00:00Z",
                          "10000-01-01T00:00:00Z",
                          "1969-12-31T23:59:59Z",
                          "1970-01-01T00:00:00+00:01",
                          "9999-12-31T23:59:59-00:01",
                          "2026-05-01T10:00:00Zjunk",
                          "2026-05-01T-1:00:00Z"}) {
    CAPTURE(bad);
    const auto time = parse_time(bad);
    REQUIRE_FALSE(time);
    CHECK(time.error().code == Errc::invalid_argument);
  }
}

TEST_CASE("random times survive their text; random bytes never crash the parsers") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed ", seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const Time time = at(static_cast<std::int64_t>(random() % 253'402'300'800'000'000));
    REQUIRE(*parse_time(to_string(time)) == time);
  }
  const std::string alphabet = "0123456789-:.+TZ tz\xff";
  for (int i = 0; i < 20'000; ++i) {
    std::string text = i % 2 == 0 ? "2026-05-01T10:00:00.25Z" : "018f3a2b-0000-7000-8000-00000000000a";
    for (int changes = 0; changes < 3; ++changes) text[random() % text.size()] = alphabet[random() % alphabet.size()];
    text.resize(random() % (text.size() + 1));
    if (const auto time = parse_time(text)) CHECK(*parse_time(to_string(*time)) == *time);
    if (const auto id = Uuid::parse(text)) CHECK(*Uuid::parse(id->to_string()) == *id);
  }
}

TEST_CASE("names of enumerators") {
  for (const MemoryType type : {MemoryType::episodic, MemoryType::semantic}) {
    CHECK(*parse_memory_type(to_string(type)) == type);
  }
  for (const char* bad : {"", "Episodic", "semantic ", "other"}) {
    REQUIRE_FALSE(parse_memory_type(bad));
    CHECK(parse_memory_type(bad).error().message.find(bad) != std::string::npos);
  }
  std::set<std::string_view> codes;
  for (const Errc code : {Errc::invalid_argument, Errc::not_found, Errc::conflict, Errc::unavailable, Errc::io,
                          Errc::corruption, Errc::unsupported}) {
    codes.insert(to_string(code));
  }
  CHECK(codes.size() == 7);
  CHECK_FALSE(codes.contains("unknown"));
  CHECK(to_string(SearchMode::hybrid) == "hybrid");
  CHECK(to_string(SearchMode::automatic) == "automatic");
  CHECK(to_string(ChangeKind::stored) == "stored");
  CHECK(to_string(ChangeKind::unlinked) == "unlinked");
  CHECK(version() == FRACTAL_VERSION_STRING);
}

TEST_CASE("a batch holds its entries in order") {
  Batch batch;
  CHECK(batch.empty());
  batch.store({.coordinate = {1}, .payload = "{}"}, {.if_version = 3})
      .update({1}, {.importance = 0.5})
      .remove({2})
      .link({.from = {1}, .to = {2}, .type = "part_of"})
      .unlink({1}, {2})
      .restore({.coordinate = {3}, .version = 9})
      .restore_link({.from = {3}, .to = {1}});
  REQUIRE(batch.size() == 7);
  const auto& entries = batch.entries();
  CHECK(std::get<Batch::Store>(entries[0]).options.if_version == 3);
  CHECK(std::get<Batch::Update>(entries[1]).patch.importance == 0.5);
  CHECK(std::get<Batch::Remove>(entries[2]).coordinate == Coordinate{2});
  CHECK(std::get<Batch::Link>(entries[3]).link.type == "part_of");
  CHECK(std::get<Batch::Unlink>(entries[4]).type == "related");
  CHECK(std::get<Batch::Restore>(entries[5]).memory.version == 9);
  CHECK(std::get<Batch::RestoreLink>(entries[6]).link.from == Coordinate{3});
  batch.clear();
  CHECK(batch.empty());
}

TEST_CASE("a result is a value or an error") {
  Result<int> good = 7;
  CHECK(good.value() == 7);
  CHECK(good.value_or(1) == 7);
  const Result<int> bad = Error{Errc::not_found, "no memory at 1.0"};
  CHECK_FALSE(bad);
  CHECK(bad.value_or(1) == 1);
  CHECK_THROWS_WITH_AS(static_cast<void>(bad.value()), "no memory at 1.0", Exception);
  try {
    static_cast<void>(bad.value());
  } catch (const Exception& thrown) { CHECK(thrown.error() == bad.error()); }
  const Result<void> failed = Error{Errc::io, "disk full"};
  CHECK_THROWS_AS(failed.value(), Exception);
  CHECK(fmt::format("{}", failed.error()) == "io: disk full");
}
