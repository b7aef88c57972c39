// Snapshots: all reads of one see one moment, whatever is written meanwhile.
#include "engine.h"

#include <optional>
#include <sstream>
#include <thread>

using namespace engine;

namespace {

// Every read, as one text.
std::string everything(const Reads& reads) {
  std::ostringstream out;
  const std::vector<float> vector{1, 0.5};
  const auto add = [&](const SearchResult& result) {
    out << result.matched << ' ' << result.sequence << ' ';
    for (const Hit& hit : result.hits)
      out << hit.memory.coordinate.to_string() << ' ' << hit.score << ' ' << hit.memory.payload;
    out << '\n';
  };
  out.precision(17);
  add(reads.search("tea w1", {.top_k = 100}).value());
  add(reads.search(vector, {.top_k = 100}).value());
  add(reads.search({.text = "tea w2", .vector = vector}, {.top_k = 7}).value());
  add(reads
          .search({.text = "tea w2", .vector = vector},
                  {.top_k = 100, .filter = Filter::gt("n", 5), .fusion = Fusion::rrf})
          .value());
  for (const Memory& memory :
       reads.list({.order = ListOrder::importance, .limit = 1000, .embeddings = true}).value().memories) {
    out << memory.coordinate.to_string() << ' ' << memory.version << memory.payload << '\n';
  }
  out << coordinates(reads.near({10}, {.limit = 20}).value()) << '\n';
  for (const Neighbor& neighbor : reads.neighbors({0}, {.hops = 4, .direction = Direction::both}).value()) {
    out << neighbor.coordinate.to_string() << ' ' << neighbor.hops << ' ' << neighbor.link.strength << '\n';
  }
  const auto way = reads.path({0}, {19});
  out << (way ? way->size() : 0) << '\n';
  const auto one = reads.retrieve({3});
  out << (one ? one->payload : "none") << '\n';
  for (const Change& change : reads.changes(0).value())
    out << change.sequence << ' ' << change.coordinate.to_string() << '\n';
  for (const AuditRecord& record : reads.audit().value())
    out << record.number << record.action << record.subject << '\n';
  const Stats stats = reads.stats().value();
  out << stats.memories << ' ' << stats.links << ' ' << stats.vectors << ' ' << stats.sequence << '\n';
  reads.export_graph(out, GraphFormat::json).value();
  return out.str() + exported(reads);
}

void random_write(const FractalMemory& memory, std::mt19937_64& random) {
  const Coordinate at{static_cast<double>(below(random, 30))};
  const auto number = [&](std::size_t n) { return std::to_string(below(random, n)); };
  const Memory one{.coordinate = at,
                   .payload = "{\"text\": \"tea w" + number(4) + "\", \"n\": " + number(20) + "}",
                   .embedding = below(random, 4) == 0 ? std::vector<float>{} : random_vector(random, 2),
                   .importance = static_cast<double>(below(random, 5))};
  switch (below(random, 6)) {
    case 0: memory.remove(at).value(); break;
    case 1: memory.link({.from = at, .to = {static_cast<double>(below(random, 30))}}).value(); break;
    case 2: memory.unlink(at, {static_cast<double>(below(random, 30))}).value(); break;
    case 3: {
      Batch batch;
      batch.store(one).update(at, {.embedding = random_vector(random, 2)});
      memory.apply(batch).value();
      break;
    }
    default: memory.store(one).value();
  }
}

}  // namespace

TEST_CASE("many snapshots, each of its own moment, while writes go on") {
  std::mt19937_64 random(testing::announced_seed("engine"));
  const auto memory = open_fresh();
  struct Taken {
    Snapshot snapshot;
    std::string then;
  };
  std::vector<Taken> taken;
  for (int round = 0; round < 24; ++round) {
    for (int i = 0; i < 15; ++i) random_write(memory, random);
    auto snapshot = memory.snapshot().value();
    CHECK(snapshot.sequence() == memory.stats().value().sequence);
    // What the index holds at this moment is asked of some at once, of others only later.
    std::string then = everything(memory);
    if (round % 2 == 0) CHECK(everything(snapshot) == then);
    taken.push_back({std::move(snapshot), std::move(then)});
    if (taken.size() > 6) taken.erase(taken.begin() + static_cast<std::ptrdiff_t>(below(random, 6)));
    for (const Taken& one : taken) CHECK(everything(one.snapshot) == one.then);
  }
}

TEST_CASE("a snapshot outlives the handle it was taken from") {
  std::optional<FractalMemory> memory = open_fresh();
  memory->store({.coordinate = {3}, .payload = R"({"text": "tea"})", .embedding = {1, 2}}).value();
  const Snapshot snapshot = memory->snapshot().value();
  const std::string then = everything(snapshot);
  const Snapshot copy = snapshot;
  memory->store({.coordinate = {4}}).value();
  memory.reset();
  CHECK(everything(snapshot) == then);
  CHECK(everything(copy) == then);
  CHECK(snapshot.space() == Space{});
}

TEST_CASE("a snapshot of a space that is not there yet, and of one that is erased") {
  const auto memory = open_fresh();
  const auto before = memory.snapshot().value();
  memory.store({.coordinate = {3}, .payload = R"({"text": "tea"})", .embedding = {1, 2}}).value();
  CHECK(before.sequence() == 0);
  CHECK(before.search("tea").value().matched == 0);
  CHECK(before.list().value().memories.empty());
  const auto full = memory.snapshot().value();
  const std::string then = everything(full);
  memory.erase_space().value();
  memory.store({.coordinate = {9}, .payload = R"({"text": "tea"})", .embedding = {1, 2, 3}}).value();
  CHECK(everything(full) == then);
  CHECK(before.search("tea").value().matched == 0);
  CHECK(memory.search("tea").value().matched == 1);
}

TEST_CASE("the dimension of a snapshot is that of its moment") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .embedding = {1, 2}}).value();
  const auto snapshot = memory.snapshot().value();
  memory.store({.coordinate = {1}, .embedding = {1, 2, 3}}).value();
  const std::vector<float> two{1, 2}, three{1, 2, 3};
  CHECK(snapshot.search(two).value().hits.at(0).score == doctest::Approx(1));
  CHECK(error_of(snapshot.search(three)).code == Errc::invalid_argument);
  CHECK(memory.search(three).value().hits.at(0).score == doctest::Approx(1));
  CHECK(error_of(memory.search(two)).code == Errc::invalid_argument);
}
