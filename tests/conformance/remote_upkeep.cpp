// What erase_space(), repair() and maintain() do to an index elsewhere, in programs that share it. Beside the suite of every
// VersionStore, for each backend.
#include "src/erased_spaces.h"
#include "src/remote_open.h"
#include "tests/conformance/remote_server.h"

#include <fractal/fractal_memory.h>

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;

namespace {

constexpr std::size_t dimension = 8;
constexpr std::chrono::seconds long_enough{60};

class Programs {
 public:
  std::shared_ptr<VersionStore> store() const { return testing::remote_store(identity_); }
  FractalMemory open(bool wait, std::shared_ptr<VersionStore> on = nullptr) const {
    Options options{.embedder = nullptr, .storage = storage};
    options.vector_index = std::shared_ptr<VectorIndex>(std::make_shared<RemoteIndex>(
        on ? on : store(), source_of(storage), RemoteSetting{.wait = wait, .grace = testing::short_grace()}));
    return FractalMemory::open(options).value();
  }
  SpaceRecord record() const { return storage->read({}).value()->space(); }
  VersionPlace place(const SpaceRecord& of) const {
    return {.space = of.space, .number = of.number, .dimension = dimension, .metric = of.metric};
  }
  // Versions that are there.
  std::size_t versions(const SpaceRecord& of) const {
    const auto on = store();
    const VersionMark mark = on->mark(place(of), nullptr).value();
    if (mark.epoch == 0) return 0;
    std::size_t count = 0;
    const auto visit = [&](std::vector<StoredVersion>&& page) -> Result<void> {
      count += page.size();
      return {};
    };
    const VersionMoment moment{.epoch = mark.epoch, .as_of = of.sequence, .token = mark.token};
    const auto listed = on->list(place(of), moment, last_id(of.number), false, visit, nullptr);
    if (listed) return count;
    CHECK(listed.error().code == Errc::not_found);  // erased just now
    return 0;
  }

  const std::shared_ptr<Storage> storage = make_memory_storage();

 private:
  const std::string identity_ = testing::fresh_remote_identity();
};

std::vector<float> vector_of(testing::Random& random) {
  std::vector<float> vector(dimension);
  for (float& x : vector) x = 1.0F + static_cast<float>(random.below(1'000)) / 1'000.0F;
  return vector;
}

void store(const FractalMemory& memory, testing::Random& random, int first, int last) {
  for (int i = first; i < last; ++i) {
    CHECK(memory.store({.coordinate = {i * 1.0}, .payload = R"({"a":1})", .embedding = vector_of(random)}).has_value());
  }
}

std::size_t found(const FractalMemory& memory) {
  const auto found = memory.search(std::vector<float>(dimension, 1.0F), {.top_k = 1'000});
  REQUIRE_MESSAGE(found.has_value(), found.error().message);
  return found->hits.size();
}

bool becomes(const auto& condition) {
  const auto until = std::chrono::steady_clock::now() + long_enough;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace

TEST_CASE("repair() mends an index elsewhere, and what other programs write then is right") {
  testing::Random random(testing::announced_seed("repair"));
  const Programs programs;
  const FractalMemory one = programs.open(true), other = programs.open(true);
  store(one, random, 0, 60);
  CHECK(found(other) == 60);
  const SpaceRecord record = programs.record();
  const auto on = programs.store();
  std::vector<VersionStore::Name> gone;
  for (std::uint64_t i = 1; i <= 20; ++i) gone.emplace_back(first_id(record.number) + i, i);
  const std::uint64_t epoch = on->mark(programs.place(record), nullptr).value().epoch;
  REQUIRE(on->erase(programs.place(record), epoch, gone).has_value());
  CHECK(one.repair().has_value());
  store(other, random, 60, 100);
  CHECK(found(one) == 100);
  CHECK(found(other) == 100);
  CHECK(one.verify().value().problems == std::vector<std::string>{});
  CHECK(programs.open(true).verify().value().problems == std::vector<std::string>{});
}

TEST_CASE("maintain() compares spaces of any size with an index elsewhere") {
  testing::Random random(testing::announced_seed("maintain"));
  const Programs programs;
  store(programs.open(true), random, 0, 30);
  const SpaceRecord record = programs.record();
  const auto on = programs.store();
  const std::uint64_t epoch = on->mark(programs.place(record), nullptr).value().epoch;
  const std::vector<VersionStore::Name> gone{{first_id(record.number) + 3, 3}, {first_id(record.number) + 4, 4}};
  REQUIRE(on->erase(programs.place(record), epoch, gone).has_value());
  CHECK(programs.open(true).maintain().has_value());
  CHECK(programs.versions(record) == 30);
  CHECK(programs.open(true).verify().value().problems == std::vector<std::string>{});
}

TEST_CASE("maintain(purge) leaves nothing dead elsewhere, whatever this program has used") {
  testing::Random random(testing::announced_seed("purge"));
  const Programs programs;
  {
    const FractalMemory memory = programs.open(true);
    store(memory, random, 0, 30);
    const auto replaced = std::chrono::steady_clock::now();
    store(memory, random, 0, 20);
    for (int i = 0; i < 10; ++i) CHECK(memory.remove({i * 1.0}).has_value());
    const std::size_t versions = programs.versions(programs.record());
    if (std::chrono::steady_clock::now() - replaced < testing::short_grace()) CHECK(versions == 60);
  }
  CHECK(programs.open(true).maintain({.purge = true}).has_value());
  CHECK(programs.versions(programs.record()) == 20);
  CHECK(found(programs.open(true)) == 20);
}

TEST_CASE("rows are maintained, also while the index elsewhere does not answer") {
  testing::Random random(testing::announced_seed("away"));
  const Programs programs;
  const auto on = programs.store();
  const FractalMemory memory = programs.open(false, on);
  store(memory, random, 0, 5);
  Memory brief{.coordinate = {9}, .payload = "{}", .embedding = vector_of(random)};
  brief.expires_at = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
  CHECK(memory.store(brief).has_value());
  on->stop();
  const auto maintained = memory.maintain();
  REQUIRE_FALSE(maintained.has_value());
  CHECK(maintained.error().code == Errc::unavailable);
  CHECK(programs.record().memories == 5);
}

TEST_CASE("a space that was erased is erased elsewhere, whenever that answers again") {
  testing::Random random(testing::announced_seed("erase"));
  const Programs programs;
  store(programs.open(true), random, 0, 30);
  const SpaceRecord record = programs.record();
  {
    const auto on = programs.store();
    const FractalMemory memory = programs.open(false, on);
    on->stop();
    CHECK(memory.erase_space().value() == 30);
    CHECK(found(memory) == 0);
  }
  CHECK(programs.versions(record) == 30);
  CHECK(erased_spaces(*programs.storage).value().size() == 1);
  const FractalMemory memory = programs.open(false);
  CHECK(becomes([&] { return programs.versions(record) == 0; }));
  // Once more after the grace: what was on its way.
  CHECK(becomes([&] { return erased_spaces(*programs.storage).value().empty(); }));
  CHECK(programs.versions(record) == 0);
}
