// What every VectorIndex promises (fractal/backend.h), held against a plain comparison with every vector.
// A backend links this file and vector_index_threads.cpp with one that defines make_empty_index().
#include "vector_oracle.h"

#include <atomic>
#include <chrono>
#include <memory>

std::shared_ptr<fractal::VectorIndex> make_empty_index();

using fractal::Control;
using fractal::Errc;
using fractal::MemoryId;
using fractal::Metric;
using fractal::VectorChange;
using fractal::VectorHits;
using fractal::VectorQuery;
using vector_oracle::Model;
using vector_oracle::Vector;

namespace {

constexpr Metric metrics[] = {Metric::cosine, Metric::dot, Metric::l2};

VectorHits search(fractal::VectorIndex& index, const Model& model, VectorQuery query) {
  auto hits = index.search(model.record(), query);
  REQUIRE_MESSAGE(hits.has_value(), hits.error().message);
  return std::move(*hits);
}

// Searches as of now, and compares with the model.
VectorHits checked(fractal::VectorIndex& index, const Model& model, VectorQuery query) {
  query.as_of = model.sequence();
  VectorHits hits = search(index, model, query);
  CHECK(vector_oracle::fault(model, query, hits) == "");
  return hits;
}

void checked_for(fractal::VectorIndex& index, const Model& model, const Vector& vector,
                 std::initializer_list<std::size_t> ks = {0, 1, 10, 1'000'000}) {
  for (const std::size_t k : ks) checked(index, model, {.vector = vector, .k = k});
}

fractal::IdSet set_of(std::vector<MemoryId> ids) {
  return std::make_shared<const std::vector<MemoryId>>(std::move(ids));
}

std::vector<MemoryId> some(std::mt19937_64& random, const std::vector<MemoryId>& ids, double share) {
  std::bernoulli_distribution taken(share);
  std::vector<MemoryId> chosen;
  for (const MemoryId id : ids) {
    if (taken(random)) chosen.push_back(id);
  }
  return chosen;
}

}  // namespace

TEST_CASE("an empty index answers about spaces that have no vector") {
  const auto index = make_empty_index();
  Model model(1, 4, Metric::cosine);
  checked(*index, model, {.vector = Vector{1, 0, 0, 0}});
  model.touch();
  REQUIRE(index->catch_up(model.record(), model.pull()).has_value());
  CHECK(checked(*index, model, {.vector = Vector{1, 0, 0, 0}}).entries.empty());
}

TEST_CASE("every metric and dimension finds the best") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  for (const Metric metric : metrics) {
    for (const std::size_t dimension : {1, 2, 3, 5, 17, 63, 64, 65, 127, 384, 1000}) {
      CAPTURE(static_cast<int>(metric));
      CAPTURE(dimension);
      const auto index = make_empty_index();
      Model model(7, dimension, metric);
      for (int i = 0; i < 700; ++i) model.add(vector_oracle::random_vector(random, dimension));
      REQUIRE(model.commit(*index).has_value());
      for (int i = 0; i < 5; ++i) checked_for(*index, model, vector_oracle::random_vector(random, dimension));
      const MemoryId id = model.living()[random() % 700];
      const Vector stored = *model.vector(id, model.sequence());
      const VectorHits hits = checked(*index, model, {.vector = stored, .k = 3});
      if (metric != Metric::dot && dimension > 1) CHECK(hits.entries.front().score == doctest::Approx(1));
    }
  }
}

TEST_CASE("a filter of any width, and exclusions, are kept to the letter") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  for (const Metric metric : metrics) {
    const auto index = make_empty_index();
    Model model(3, 24, metric);
    for (int i = 0; i < 6000; ++i) model.add(vector_oracle::random_vector(random, 24));
    REQUIRE(model.commit(*index).has_value());
    const auto ids = model.living();
    for (const double share : {0.0, 0.0005, 0.005, 0.02, 0.1, 0.5, 0.99, 1.0}) {
      auto chosen = some(random, ids, share);
      auto excluded = some(random, ids, 0.003);
      for (const MemoryId id : some(random, chosen, 0.2)) excluded.push_back(id);
      std::sort(excluded.begin(), excluded.end());
      excluded.erase(std::unique(excluded.begin(), excluded.end()), excluded.end());
      if (share > 0) chosen.push_back(ids.back() + 1'000);  // an id that has no vector
      const auto allowed = set_of(std::move(chosen));
      const Vector query = vector_oracle::random_vector(random, 24);
      for (const std::size_t k : {0, 1, 10, 10'000}) {
        checked(*index, model, {.vector = query, .k = k, .allowed = allowed});
        checked(*index, model, {.vector = query, .k = k, .allowed = allowed, .excluded = excluded});
        checked(*index, model, {.vector = query, .k = k, .excluded = excluded});
      }
    }
    // Ids that lie far apart.
    const auto apart = set_of({ids.front(), ids[17], ids[4000], fractal::last_id(3)});
    checked(*index, model, {.vector = vector_oracle::random_vector(random, 24), .allowed = apart});
  }
}

TEST_CASE("ties are in the order of ids, and equal vectors score the same") {
  const auto index = make_empty_index();
  for (const Metric metric : metrics) {
    Model model(10 + static_cast<std::uint64_t>(metric), 6, metric);
    std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
    // Small whole numbers: sums are exact, so the order must be just that of the model.
    for (int i = 0; i < 900; ++i) {
      Vector vector(6);
      for (float& x : vector) x = static_cast<float>(static_cast<int>(random() % 3) - 1);
      vector[0] = 1;
      model.add(vector);
    }
    REQUIRE(model.commit(*index).has_value());
    const Vector vector{1, 1, 0, -1, 1, 0};
    for (const std::size_t k : {1, 7, 100, 900}) {
      const VectorQuery query{.vector = vector, .k = k, .as_of = model.sequence()};
      const VectorHits hits = checked(*index, model, query);
      if (!hits.exact || metric == Metric::cosine) continue;
      const auto expected = model.expected(query);
      for (std::size_t i = 0; i < hits.entries.size(); ++i) CHECK(hits.entries[i].id == expected[i].id);
    }
  }
}

TEST_CASE("updates and removals show at once, and the past is right or unavailable") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  for (const Metric metric : metrics) {
    const auto index = make_empty_index();
    Model model(5, 9, metric);
    for (int round = 0; round < 120; ++round) {
      for (std::uint64_t i = random() % 8; i > 0; --i) {
        const auto ids = model.living();
        const auto what = random() % 10;
        if (ids.empty() || what < 5) {
          model.add(vector_oracle::random_vector(random, 9));
        } else if (what < 8) {
          model.set(ids[random() % ids.size()], vector_oracle::random_vector(random, 9));
        } else if (what < 9) {
          model.set(ids[random() % ids.size()], {});
        } else {
          model.touch();
        }
      }
      REQUIRE(model.commit(*index).has_value());
      const Vector query = vector_oracle::random_vector(random, 9);
      const auto allowed = set_of(some(random, model.living(), 0.3));
      checked_for(*index, model, query);
      for (int i = 0; i < 4; ++i) {
        VectorQuery past{.vector = query, .k = 5, .as_of = random() % (model.sequence() + 1)};
        if (i % 2 == 1) past.allowed = allowed;
        const auto hits = index->search(model.record(), past);
        if (hits) {
          CHECK(vector_oracle::fault(model, past, *hits) == "");
        } else {
          CHECK(hits.error().code == Errc::unavailable);
        }
      }
    }
    const auto stats = index->stats(5);
    CHECK(stats.vectors == model.living().size());
    CHECK(stats.applied == model.sequence());
    CHECK(stats.bytes > 0);
  }
}

TEST_CASE("a moment that the index has not reached is unavailable") {
  const auto index = make_empty_index();
  Model model(2, 3, Metric::l2);
  model.add({1, 2, 3});
  REQUIRE(model.commit(*index).has_value());
  const auto hits = index->search(model.record(), {.vector = Vector{1, 2, 3}, .as_of = model.sequence() + 1});
  REQUIRE_FALSE(hits.has_value());
  CHECK(hits.error().code == Errc::unavailable);
}

TEST_CASE("catching up brings the newest state, with one pull and only if it is behind") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model model(4, 12, Metric::dot);
  int pulls = 0;
  const auto counted = [&](std::uint64_t after, const fractal::VectorVisitor& visit) {
    ++pulls;
    return model.pull()(after, visit);
  };
  for (int round = 0; round < 30; ++round) {
    for (int i = 0; i < 20; ++i) {
      const auto ids = model.living();
      if (ids.size() > 50 && i % 3 == 0) {
        model.set(ids[random() % ids.size()], i % 2 == 0 ? Vector{} : vector_oracle::random_vector(random, 12));
      } else {
        model.add(vector_oracle::random_vector(random, 12));
      }
    }
    if (round % 3 == 0) {
      REQUIRE(model.commit(*index).has_value());
    } else {
      model.skip();
    }
    pulls = 0;
    const bool behind = index->stats(4).applied < model.sequence();
    REQUIRE(index->catch_up(model.record(), counted).has_value());
    REQUIRE(index->catch_up(model.record(), counted).has_value());
    CHECK(pulls == (behind ? 1 : 0));
    CHECK(index->stats(4).applied == model.sequence());
    checked_for(*index, model, vector_oracle::random_vector(random, 12));
  }
}

TEST_CASE("changes apply in their place only, and twice is once") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model model(6, 5, Metric::cosine);
  const MemoryId id = model.add(vector_oracle::random_vector(random, 5));
  REQUIRE(model.commit(*index).has_value());
  const auto before = index->stats(6);
  const Vector other = vector_oracle::random_vector(random, 5);

  // Again the same; from a state that is not the present one; back to an earlier state.
  const VectorChange first{id, 1, *model.vector(id, 1)};
  REQUIRE(index->apply(model.record(), 0, {&first, 1}).has_value());
  fractal::SpaceRecord later = model.record();
  later.sequence = 9;
  const VectorChange gap{id, 9, other};
  REQUIRE(index->apply(later, 5, {&gap, 1}).has_value());
  CHECK(index->stats(6).applied == before.applied);
  CHECK(index->stats(6).vectors == 1);
  checked_for(*index, model, other);

  // A pull may deliver what is there already.
  model.touch();
  model.skip();
  const auto all = [&](std::uint64_t, const fractal::VectorVisitor& visit) { return model.pull()(0, visit); };
  REQUIRE(index->catch_up(model.record(), all).has_value());
  CHECK(index->stats(6).vectors == 1);
  checked_for(*index, model, other);
}

TEST_CASE("one commit may change a memory several times") {
  const auto index = make_empty_index();
  Model model(8, 2, Metric::l2);
  const MemoryId a = model.add({1, 0});
  model.set(a, {2, 0});
  const MemoryId b = model.add({3, 0});
  model.set(b, {});
  REQUIRE(model.commit(*index).has_value());
  checked_for(*index, model, {2, 0});
  model.set(a, {5, 0});
  model.set(a, {6, 0});
  model.set(a, {});
  model.set(b, {7, 0});
  REQUIRE(model.commit(*index).has_value());
  checked_for(*index, model, {6, 0});
  CHECK(index->stats(8).vectors == 1);
}

TEST_CASE("a pull that fails passes its error on, and the next one mends all") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model model(9, 16, Metric::cosine);
  for (const bool loaded : {false, true}) {
    for (int i = 0; i < 300; ++i) model.add(vector_oracle::random_vector(random, 16));
    if (loaded) model.set(model.living()[5], {});
    model.skip();
    for (const int count : {0, 1, 100}) {
      int left = count;
      const auto failing = [&](std::uint64_t after, const fractal::VectorVisitor& visit) -> fractal::Result<void> {
        (void)model.pull()(after, [&](const VectorChange& change) { return left-- > 0 && visit(change); });
        return fractal::Error{Errc::io, "the disk is gone"};
      };
      const auto failed = index->catch_up(model.record(), failing);
      REQUIRE_FALSE(failed.has_value());
      CHECK(failed.error().code == Errc::io);
      CHECK(index->stats(9).applied < model.sequence());
      const auto hits = index->search(model.record(), {.vector = Vector(16, 1.0F), .as_of = model.sequence()});
      REQUIRE_FALSE(hits.has_value());
      CHECK(hits.error().code == Errc::unavailable);
    }
    REQUIRE(index->catch_up(model.record(), model.pull()).has_value());
    checked_for(*index, model, vector_oracle::random_vector(random, 16));
    CHECK(index->stats(9).vectors == model.living().size());
  }
}

TEST_CASE("no vector is hard enough to spoil the answer") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto huge_component = [&](std::size_t dimension) {  // the rest vanishes in an 8-bit code
    Vector vector = vector_oracle::random_vector(random, dimension);
    vector[random() % 3] = 1e6F;
    return vector;
  };
  const auto near_duplicate = [&, base = vector_oracle::random_vector(random, 100)](std::size_t dimension) {
    Vector vector(base.begin(), base.begin() + static_cast<std::ptrdiff_t>(dimension));
    for (int i = 0; i < 3; ++i) {
      float& x = vector[random() % dimension];
      x = std::nextafter(x, 100.0F);
    }
    return vector;
  };
  const auto far_from_origin = [&](std::size_t dimension) {
    Vector vector = vector_oracle::random_vector(random, dimension);
    for (float& x : vector) x += 1e4F;
    return vector;
  };
  const auto any_length = [&](std::size_t dimension) {  // squares leave the range of float
    Vector vector = vector_oracle::random_vector(random, dimension);
    const float scale = std::pow(10.0F, static_cast<float>(random() % 71) - 36);
    for (float& x : vector) x *= scale;
    return vector;
  };
  const auto very_long = [&](std::size_t dimension) {
    Vector vector = vector_oracle::random_vector(random, dimension);
    for (float& x : vector) x *= 1e30F;
    return vector;
  };
  const auto subnormal = [&](std::size_t dimension) {
    Vector vector(dimension);
    for (float& x : vector) x = 1e-45F * static_cast<float>(1 + random() % 9);
    return vector;
  };
  const auto one_of_few = [&](std::size_t dimension) {  // many equal vectors
    Vector vector(dimension, 0.1F);
    vector[random() % 4] = 0.3F;
    return vector;
  };
  const auto opposite = [&](std::size_t dimension) {
    Vector vector(dimension, random() % 2 == 0 ? 1.0F : -1.0F);
    vector[random() % dimension] *= 1.001F;
    return vector;
  };
  const std::function<Vector(std::size_t)> kinds[] = {huge_component, near_duplicate, far_from_origin, any_length,
                                                      very_long,      subnormal,      one_of_few,      opposite};
  std::uint64_t number = 100;
  const auto index = make_empty_index();
  for (const Metric metric : metrics) {
    for (std::size_t kind = 0; kind < std::size(kinds); ++kind) {
      CAPTURE(static_cast<int>(metric));
      CAPTURE(kind);
      Model model(++number, 100, metric);
      for (int i = 0; i < 1200; ++i) model.add(kinds[kind](100));
      if (metric != Metric::cosine) model.add(Vector(100, 0.0F));
      REQUIRE(model.commit(*index).has_value());
      for (int i = 0; i < 3; ++i) {
        checked_for(*index, model, kinds[kind](100), {1, 10, 200});
        checked_for(*index, model, kinds[random() % std::size(kinds)](100), {10});
        checked_for(*index, model, vector_oracle::random_vector(random, 100), {10});
      }
      if (metric != Metric::cosine) checked_for(*index, model, Vector(100, 0.0F), {10});
    }
    // All kinds together.
    Model mixed(++number, 100, metric);
    for (int i = 0; i < 1500; ++i) mixed.add(kinds[random() % std::size(kinds)](100));
    REQUIRE(mixed.commit(*index).has_value());
    for (const auto& kind : kinds) checked_for(*index, mixed, kind(100), {1, 10, 300});
  }
}

TEST_CASE("the largest dimension works") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const std::size_t dimension = fractal::limits::dimension;
  for (const Metric metric : metrics) {
    const auto index = make_empty_index();
    Model model(1, dimension, metric);
    model.add(Vector(dimension, 1.0F));  // every code at its end: the largest sums there are
    model.add(Vector(dimension, -1.0F));
    for (int i = 0; i < 40; ++i) model.add(vector_oracle::random_vector(random, dimension));
    REQUIRE(model.commit(*index).has_value());
    checked_for(*index, model, Vector(dimension, 1.0F), {1, 5});
    checked_for(*index, model, vector_oracle::random_vector(random, dimension), {5});
  }
}

TEST_CASE("vectors that differ by less than the rounding of a float sum are told apart") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const std::size_t dimension = fractal::limits::dimension;
  for (const Metric metric : metrics) {
    const auto index = make_empty_index();
    Model model(1, dimension, metric);
    const Vector query(dimension, 127.0F);  // exact in 8 bits, as the others are; its square is 2^28
    std::vector<std::size_t> differences(200);
    for (std::size_t i = 0; i < differences.size(); ++i) differences[i] = i;
    std::shuffle(differences.begin(), differences.end(), random);
    for (const std::size_t count : differences) {
      Vector vector = query;
      for (std::size_t i = 0; i < count; ++i) vector[1 + (i * 81) % (dimension - 1)] = 126.0F;
      model.add(vector);
    }
    REQUIRE(model.commit(*index).has_value());
    checked_for(*index, model, query, {1, 3, 20});
  }
}

TEST_CASE("the past is right behind a narrow filter, too") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model model(1, 8, Metric::dot);
  for (int i = 0; i < 2000; ++i) model.add(vector_oracle::random_vector(random, 8));
  REQUIRE(model.commit(*index).has_value());
  const auto ids = model.living();
  const auto lasting = set_of({ids.begin(), ids.begin() + 25});  // asked with again and again
  for (int i = 0; i < 300; ++i) {
    const MemoryId id = ids[random() % 40];
    model.set(id, i % 5 == 0 ? Vector{} : vector_oracle::random_vector(random, 8));
    REQUIRE(model.commit(*index).has_value());
    const Vector query = vector_oracle::random_vector(random, 8);
    checked(*index, model, {.vector = query, .k = 20, .allowed = lasting});
    const auto allowed = set_of({ids[3], ids[11], id > ids[11] ? id : ids[41]});
    checked(*index, model, {.vector = query, .allowed = allowed});
    const VectorQuery past{.vector = query, .as_of = 2000 + random() % (model.sequence() - 1999), .allowed = allowed};
    const auto hits = index->search(model.record(), past);
    if (hits) {
      CHECK(vector_oracle::fault(model, past, *hits) == "");
    } else {
      CHECK(hits.error().code == Errc::unavailable);
    }
  }
}

TEST_CASE("spaces do not see each other, and a dropped one is gone") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model a(11, 8, Metric::cosine), b(12, 8, Metric::cosine), c(13, 3, Metric::l2);
  const Vector query = vector_oracle::random_vector(random, 8);
  std::vector<VectorHits::Entry> before;
  for (int round = 0; round < 10; ++round) {
    if (round == 0) {
      for (int i = 0; i < 100; ++i) a.add(vector_oracle::random_vector(random, 8));
      REQUIRE(a.commit(*index).has_value());
      before = checked(*index, a, {.vector = query}).entries;
    }
    for (int i = 0; i < 100; ++i) b.add(vector_oracle::random_vector(random, 8));
    c.add(vector_oracle::random_vector(random, 3));
    REQUIRE(b.commit(*index).has_value());
    REQUIRE(c.commit(*index).has_value());
    const auto now = checked(*index, a, {.vector = query}).entries;
    REQUIRE(now.size() == before.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
      CHECK(now[i].id == before[i].id);
      CHECK(now[i].score == before[i].score);  // bit for bit
    }
    checked_for(*index, b, query);
    checked_for(*index, c, {1, 2, 3});
  }
  index->drop(12);
  CHECK(index->stats(12).vectors == 0);
  CHECK(index->stats(12).applied == 0);
  CHECK_FALSE(index->search(b.record(), {.vector = query, .as_of = b.sequence()}).has_value());
  checked_for(*index, a, query);
  REQUIRE(index->catch_up(b.record(), b.pull()).has_value());
  checked_for(*index, b, query);
  index->drop(99);  // one that is not there
}

TEST_CASE("the same vectors give the same scores, bit for bit, however they came in") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  for (const Metric metric : metrics) {
    const auto first = make_empty_index(), second = make_empty_index();
    Model model(1, 77, metric);
    for (int i = 0; i < 500; ++i) {
      model.add(vector_oracle::random_vector(random, 77));
      if (i % 7 == 0)
        model.set(model.living()[random() % model.living().size()], vector_oracle::random_vector(random, 77));
      if (i % 50 == 0) REQUIRE(model.commit(*first).has_value());
    }
    REQUIRE(model.commit(*first).has_value());
    REQUIRE(second->catch_up(model.record(), model.pull()).has_value());
    const auto ids = model.living();
    const auto few = set_of({ids[3], ids[300]});
    const Vector query = vector_oracle::random_vector(random, 77);
    const VectorHits a = checked(*first, model, {.vector = query, .k = 1000});
    const VectorHits b = checked(*second, model, {.vector = query, .k = 1000});
    const VectorHits c = checked(*second, model, {.vector = query, .k = 1000, .allowed = few});
    for (std::size_t i = 0; i < a.entries.size(); ++i) {
      CHECK(a.entries[i].id == b.entries[i].id);
      CHECK(a.entries[i].score == b.entries[i].score);
      for (const auto& entry : c.entries) {
        if (entry.id == a.entries[i].id) CHECK(entry.score == a.entries[i].score);
      }
    }
  }
}

TEST_CASE("a search past its deadline, or cancelled, is unavailable") {
  std::mt19937_64 random(fractal::testing::announced_seed("vectors"));
  const auto index = make_empty_index();
  Model model(1, 10, Metric::cosine);
  for (int i = 0; i < 1000; ++i) model.add(vector_oracle::random_vector(random, 10));
  REQUIRE(model.commit(*index).has_value());
  const Vector query = vector_oracle::random_vector(random, 10);
  const auto few = set_of({model.living()[4]});
  std::atomic<bool> cancel{false};
  Control control{.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1), .cancel = &cancel};
  checked(*index, model, {.vector = query, .control = &control});
  for (const bool late : {false, true}) {
    cancel = !late;
    if (late) control.deadline = std::chrono::steady_clock::now();
    for (const auto& allowed : {fractal::IdSet(), few}) {
      const auto hits = index->search(
          model.record(), {.vector = query, .as_of = model.sequence(), .allowed = allowed, .control = &control});
      REQUIRE_FALSE(hits.has_value());
      CHECK(hits.error().code == Errc::unavailable);
    }
  }
}

TEST_CASE("a query of the wrong dimension is refused") {
  const auto index = make_empty_index();
  Model model(1, 3, Metric::cosine);
  model.add({1, 2, 3});
  REQUIRE(model.commit(*index).has_value());
  const auto hits = index->search(model.record(), {.vector = Vector{1, 2}, .as_of = model.sequence()});
  REQUIRE_FALSE(hits.has_value());
  CHECK(hits.error().code == Errc::invalid_argument);
}
