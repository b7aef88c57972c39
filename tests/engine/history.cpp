// changes() and audit(): what moved, in order, and for how long it is remembered.
#include "engine.h"

#include <map>
#include <set>
#include <sstream>

using namespace engine;

namespace {

std::string told(const std::vector<Change>& changes) {
  std::ostringstream out;
  for (const Change& change : changes) {
    out << change.sequence << ' ' << to_string(change.kind) << ' ' << change.coordinate.to_string();
    if (!change.to.empty()) out << " -" << change.type << "-> " << change.to.to_string();
    out << '\n';
  }
  return out.str();
}

std::string told(const std::vector<AuditRecord>& records) {
  std::string text;
  for (const AuditRecord& record : records)
    text += record.action + ' ' + record.subject + ' ' + std::to_string(record.version) + '\n';
  return text;
}

}  // namespace

TEST_CASE("changes: the last to each memory and link, oldest first") {
  const auto memory = open_fresh();
  CHECK(memory.changes(0).value().empty());
  memory.store({.coordinate = {1}}).value();                   // 1
  memory.store({.coordinate = {2}}).value();                   // 2
  memory.link({.from = {1}, .to = {2}, .type = "a"}).value();  // 3
  memory.update({1}, {.importance = 1}).value();               // 4: 1 is not told of any more
  memory.link({.from = {2}, .to = {3}, .type = "b"}).value();  // 5
  CHECK(told(memory.changes(0).value()) ==
        "2 stored 2.0\n3 linked 1.0 -a-> 2.0\n4 stored 1.0\n5 linked 2.0 -b-> 3.0\n");
  CHECK(told(memory.changes(3).value()) == "4 stored 1.0\n5 linked 2.0 -b-> 3.0\n");
  memory.unlink({2}, {3}, "b").value();  // 6
  memory.remove({2}).value();            // 7 the link, 8 the memory
  CHECK(told(memory.changes(5).value()) == "6 unlinked 2.0 -b-> 3.0\n7 unlinked 1.0 -a-> 2.0\n8 removed 2.0\n");
  CHECK(memory.changes(8).value().empty());
  CHECK(memory.changes(800).value().empty());
  CHECK(memory.changes(0, 0).value().empty());
}

TEST_CASE("a copy that follows changes() page by page is the original") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const auto memory = open_fresh();
  std::map<Coordinate, std::uint64_t> copy;  // version
  std::set<std::pair<Coordinate, Coordinate>> links;
  std::uint64_t seen = 0;
  for (int round = 0; round < 60; ++round) {
    for (int i = 0; i < 12; ++i) {
      const Coordinate at{static_cast<double>(below(random, 20))}, to{static_cast<double>(below(random, 20))};
      switch (below(random, 5)) {
        case 0: memory.remove(at).value(); break;
        case 1: memory.link({.from = at, .to = to}).value(); break;
        case 2: memory.unlink(at, to).value(); break;
        default: memory.store({.coordinate = at}).value();
      }
    }
    for (;;) {
      const auto page = memory.changes(seen, 5).value();
      if (page.empty()) break;
      for (const Change& change : page) {
        CHECK(change.sequence > seen);
        seen = change.sequence;
        switch (change.kind) {
          case ChangeKind::stored:
            if (const auto now = memory.retrieve(change.coordinate)) copy[change.coordinate] = now->version;
            break;
          case ChangeKind::removed: copy.erase(change.coordinate); break;
          case ChangeKind::linked: links.insert({change.coordinate, change.to}); break;
          case ChangeKind::unlinked: links.erase({change.coordinate, change.to}); break;
        }
      }
    }
    CHECK(seen == memory.stats().value().sequence);
    std::map<Coordinate, std::uint64_t> now;
    for (const Memory& one : memory.list().value().memories) now[one.coordinate] = one.version;
    CHECK(copy == now);
    CHECK(links.size() == memory.stats().value().links);
  }
}

TEST_CASE("behind the horizon changes() says that removals are forgotten") {
  Options options = fresh_options();
  options.change_history = 300;
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}}).value();
  memory.remove({1}).value();
  for (double i = 0; i < 800; ++i) memory.store({.coordinate = {2, i}}).value();
  const Error error = error_of(memory.changes(1));
  CHECK(error.code == Errc::not_found);
  const auto now = memory.stats().value().sequence;
  CHECK(memory.changes(now - 100).value().size() == 100);
  CHECK(memory.changes(0).value().size() == 800);  // from nothing: what there is
  // Vectors are found all the same by a search that last looked before the horizon.
  const std::vector<float> vector{1, 1};
  memory.store({.coordinate = {3}, .embedding = {1, 1}}).value();
  CHECK(memory.search(vector).value().matched == 1);
}

TEST_CASE("audit: what was done to what, newest first") {
  TestClock clock;
  const auto memory = FractalMemory::open(clock.on(fresh_options())).value();
  memory.store({.coordinate = {1}, .payload = R"({"secret": "tea"})"}).value();
  clock.advance(std::chrono::seconds(1));
  memory.store({.coordinate = {1}}).value();
  memory.update({1}, {.importance = 1}).value();
  memory.link({.from = {1}, .to = {2}, .type = "part_of"}).value();
  memory.unlink({1}, {2}, "part_of").value();
  memory.unlink({1}, {2}, "part_of").value();  // nothing to tell
  memory.retrieve({1}).value();
  memory.remove({1}).value();
  const auto records = memory.audit().value();
  CHECK(told(records) ==
        "delete 1.0 3\nunlink 1.0 -part_of-> 2.0 0\nlink 1.0 -part_of-> 2.0 0\nupdate 1.0 3\nupdate 1.0 2\ncreate 1.0 "
        "1\n");
  CHECK(records.front().at == clock.now());
  CHECK(records.back().at == clock.now() - std::chrono::seconds(1));
  for (std::size_t i = 1; i < records.size(); ++i) CHECK(records[i].number < records[i - 1].number);
  for (const AuditRecord& record : records) CHECK(record.payload.empty());

  const auto page = memory.audit(2, records[1].number).value();
  CHECK(told(page) == told({records[2], records[3]}));
  CHECK(memory.audit(0).value().empty());
  CHECK(error_of(memory.store({.coordinate = {5}}, {.if_version = 3})).code == Errc::conflict);
  CHECK(memory.audit().value().size() == records.size());  // what failed was not done
}

TEST_CASE("audit with payloads, only when asked") {
  Options options = fresh_options();
  options.audit.payloads = true;
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}, .payload = R"({"n": 1})"}).value();
  memory.update({1}, {.payload = R"({"n": 2})"}).value();
  memory.remove({1}).value();
  const auto records = memory.audit().value();
  REQUIRE(records.size() == 3);
  CHECK(records[0].payload.empty());
  CHECK(records[1].payload == memory.audit(1, records[0].number).value().at(0).payload);
  CHECK(records[1].payload.find('2') != std::string::npos);
  CHECK(records[2].payload == R"({"n": 1})");
}

TEST_CASE("audit can be left out") {
  Options options = fresh_options();
  options.audit.writes = false;
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}}).value();
  CHECK(memory.audit().value().empty());
}

TEST_CASE("audit is kept by count, for each space its own") {
  Options options = fresh_options();
  options.audit.keep_records = 100;
  const auto memory = FractalMemory::open(options).value();
  const auto other = memory.in({.tenant = "other"});
  other.store({.coordinate = {1}}).value();
  for (int i = 0; i < 700; ++i) memory.store({.coordinate = {2}}).value();
  CHECK(memory.audit(10'000).value().size() < 100 + 300);  // the oldest go at the next writes, some at a time
  CHECK(memory.audit(1).value().at(0).version == 700);
  const auto report = memory.maintain().value();
  CHECK(report.audit_removed > 0);
  const auto left = memory.audit(10'000).value();
  CHECK(left.size() == 100);
  CHECK(left.front().version == 700);
  CHECK(left.back().version == 601);
  CHECK(other.audit().value().size() == 1);
}

TEST_CASE("audit is kept by age") {
  TestClock clock;
  Options options = clock.on(fresh_options());
  options.audit.keep_for = std::chrono::hours(2);
  const auto memory = FractalMemory::open(options).value();
  memory.store({.coordinate = {1}}).value();
  clock.advance(std::chrono::hours(1));
  memory.store({.coordinate = {2}}).value();
  clock.advance(std::chrono::hours(1));
  CHECK(memory.maintain().value().audit_removed == 0);
  clock.advance(std::chrono::microseconds(1));
  CHECK(memory.maintain().value().audit_removed == 1);
  CHECK(told(memory.audit().value()) == "create 2.0 1\n");
}

TEST_CASE("reads are recorded when asked, with the next write") {
  Options options = fresh_options();
  options.audit.reads = true;
  options.count_accesses = true;
  const auto memory = FractalMemory::open(options).value();
  const auto other = memory.in({.tenant = "other"});
  memory.store({.coordinate = {1}}).value();
  memory.store({.coordinate = {2}}).value();
  const std::string before = exported(memory);
  for (int i = 0; i < 3; ++i) CHECK(memory.retrieve({1}).value().accesses == 0);
  const std::vector<Coordinate> asked{{2}, {9}, {1}};
  memory.retrieve_many(asked).value();
  CHECK_FALSE(memory.retrieve({9}).has_value());
  CHECK(exported(memory) == before);  // reads do not write
  CHECK(memory.audit().value().size() == 2);
  other.store({.coordinate = {1}}).value();  // a write elsewhere
  CHECK(memory.audit().value().size() == 2);

  const auto version = memory.retrieve({2}).value().version;
  memory.store({.coordinate = {3}}).value();
  CHECK(memory.retrieve({1}).value().accesses == 4);
  CHECK(memory.retrieve({2}).value().accesses == 2);
  CHECK(memory.retrieve({2}).value().version == version);
  CHECK(memory.retrieve({3}).value().accesses == 0);
  CHECK(told(memory.audit().value()) ==
        "create 3.0 1\nread 2.0 1\nread 1.0 1\nread 2.0 1\nread 1.0 1\nread 1.0 1\nread 1.0 1\ncreate 2.0 1\ncreate "
        "1.0 1\n");
  CHECK(other.retrieve({1}).value().accesses == 0);

  // A write that fails loses none of the counts.
  const auto counted = memory.retrieve({1}).value().accesses;
  CHECK(error_of(memory.store({.coordinate = {1}}, {.if_version = 77})).code == Errc::conflict);
  memory.store({.coordinate = {3}}).value();
  CHECK(memory.retrieve({1}).value().accesses == counted + 2);
  memory.store({.coordinate = {1}}).value();
  CHECK(memory.retrieve({1}).value().accesses == counted + 3);  // storing anew keeps them
  CHECK(memory.verify().value().ok());
}
