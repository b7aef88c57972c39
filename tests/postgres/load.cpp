// Invariant: every write is in the ledger, with the answer to it.
#include "tests/postgres/load.h"

#include "tests/seeded_random.h"

#include <fractal/format.h>

#include <algorithm>
#include <utility>

namespace fractal::testing {
namespace {

// What writers have for themselves, and what they share.
constexpr std::size_t places = 8;
const Coordinate counter{0};

std::vector<float> random_vector(Random& random) {
  std::vector<float> vector(load_dimension);
  for (float& component : vector) component = static_cast<float>(random.below(2001)) / 1000.0f - 1.0f;
  vector[0] += 2;  // never nothing
  return vector;
}

}  // namespace

Space space_of_load(std::size_t number) { return {.tenant = fmt::format("tenant {}", number), .name = "load"}; }

class Load::Writer {
 public:
  Writer(const FractalMemory& handle, std::size_t number, std::uint64_t seed, Ledger& ledger)
      : handle_(handle), number_(number), random_(seed), ledger_(ledger) {}

  void write_once() {
    const Space space = space_of_load(random_.below(load_spaces));
    const FractalMemory memory = handle_.in(space);
    Batch batch;
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2: batch.store(new_memory()).store(new_memory()).link(new_link(space)); break;
      case 3: {
        const Memory again = new_memory();
        batch.remove(again.coordinate).store(again);
        break;
      }
      case 4:
      case 5: batch.remove(own_place()); break;
      case 6:
      case 7: batch.link(new_link(space)); break;
      case 8: batch = unlink_of(space); break;
      case 9:
      case 10:
      case 11: batch = count_up(memory); break;
      default: batch.store(new_memory());
    }
    if (batch.empty()) return;
    ledger_.note(space, batch, memory.apply(batch));
  }

 private:
  std::string new_token() { return fmt::format("w{}.{}", number_, ++tokens_); }
  Coordinate own_place() { return {static_cast<double>(number_), static_cast<double>(random_.below(places))}; }

  Memory new_memory() {
    return {.coordinate = own_place(),
            .payload = fmt::format(R"({{"text":"tea of writer {}","token":"{}"}})", number_, new_token()),
            .embedding = random_vector(random_)};
  }

  // Links of the writer, by space; what it does not know to be there may be.
  GraphLink new_link(const Space& space) {
    const GraphLink link{.from = {1000, static_cast<double>(number_)},
                         .to = {1000, static_cast<double>(random_.below(places))},
                         .type = new_token()};
    links_.emplace_back(space, link);
    return link;
  }

  Batch unlink_of(const Space& space) {
    Batch batch;
    const auto known = std::find_if(links_.begin(), links_.end(), [&](const auto& one) { return one.first == space; });
    if (known == links_.end()) return batch;
    batch.unlink(known->second.from, known->second.to, known->second.type);
    links_.erase(known);
    return batch;
  }

  // All writers, with if_version.
  Batch count_up(const FractalMemory& memory) {
    Batch batch;
    const auto before = memory.retrieve(counter);
    if (!before && before.error().code != Errc::not_found) return batch;
    if (!before) {
      batch.store({.coordinate = counter, .payload = fmt::format(R"({{"token":"{}"}})", new_token())},
                  {.if_version = 0});
    } else {
      batch.update(counter, {.payload = fmt::format(R"({{"token":"{}"}})", new_token())},
                   {.if_version = before->version});
    }
    return batch;
  }

  const FractalMemory& handle_;
  const std::size_t number_;
  Random random_;
  Ledger& ledger_;
  std::uint64_t tokens_ = 0;
  std::vector<std::pair<Space, GraphLink>> links_{};
};

Load::Load(std::vector<FractalMemory> handles, std::size_t writers_each, std::uint64_t seed, Ledger& ledger)
    : ledger_(ledger) {
  std::size_t number = 0;
  for (const FractalMemory& handle : handles) {
    for (std::size_t i = 0; i < writers_each; ++i) {
      ++number;
      threads_.emplace_back([this, handle, number, seed] {
        Writer writer(handle, number, seed + number, ledger_);
        while (!stopping_) writer.write_once();
      });
    }
    threads_.emplace_back([this, handle, seed, number] { read_on(handle, seed + 1000 + number); });
  }
}

Load::~Load() { stop(); }

void Load::stop() {
  stopping_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Load::read_on(const FractalMemory& handle, std::uint64_t seed) {
  Random random(seed);
  while (!stopping_) {
    read_once(handle.in(space_of_load(random.below(load_spaces))), random.below(4), random.next());
    ++reads_;
  }
}

void Load::read_once(const FractalMemory& memory, std::uint64_t choice, std::uint64_t seed) {
  Random random(seed);
  const auto look = [&](const auto& result) {
    if (result || result.error().code == Errc::unavailable || result.error().code == Errc::not_found) return;
    const std::lock_guard lock(mutex_);
    wrong_answers_.push_back(fmt::format("{}: {}", to_string(result.error().code), result.error().message));
  };
  const std::vector<float> vector = random_vector(random);
  switch (choice) {
    case 0: look(memory.search(vector, {.top_k = 20})); break;
    case 1: look(memory.search({.text = "tea of a writer", .vector = vector})); break;
    case 2: look(memory.changes(0, 50)); break;
    default: look(memory.list({.limit = 20}));
  }
}

}  // namespace fractal::testing
