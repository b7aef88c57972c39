// The suite of every VersionStore, beneath RemoteIndex and beside a storage: what comes twice, late or out of order, what is
// lost, who else writes, what is left. A backend links this file with one that defines what remote_server.h declares.
#include "tests/conformance/remote_server.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using vector_oracle::Model;
using vector_oracle::Vector;

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds long_enough{60};

// Compares with the model as of now; false: unavailable.
bool answers(VectorIndex& index, const Model& model, const Vector& vector, std::size_t k = 10) {
  const VectorQuery query{.vector = vector, .k = k, .as_of = model.sequence()};
  const auto hits = index.search(model.record(), query);
  if (!hits) {
    CHECK(hits.error().code == Errc::unavailable);
    return false;
  }
  CHECK(vector_oracle::fault(model, query, *hits) == "");
  return true;
}

// With short_grace(): or the search took more than a quarter of it, and is not to be trusted.
bool answers_or_is_slow(VectorIndex& index, const Model& model, const Vector& vector, std::size_t k = 10) {
  const auto began = Clock::now();
  return answers(index, model, vector, k) || Clock::now() - began > testing::short_grace() / 4;
}

void change(std::mt19937_64& random, Model& model, std::size_t times, std::size_t dimension) {
  for (std::size_t i = 0; i < times; ++i) {
    const auto ids = model.living();
    const auto what = random() % 10;
    if (ids.size() < 20 || what < 5) {
      model.add(vector_oracle::random_vector(random, dimension));
    } else if (what < 8) {
      model.set(ids[random() % ids.size()], vector_oracle::random_vector(random, dimension));
    } else {
      model.set(ids[random() % ids.size()], {});
    }
  }
}

std::string differences(RemoteIndex& index, const Model& model) {
  const auto found = index.verify(model.record(), model.pull(), {});
  if (!found) return found.error().message;
  return found->empty() ? std::string() : found->front();
}

VersionPlace place_of(const Model& model) {
  const SpaceRecord& record = model.record();
  return {.space = record.space, .number = record.number, .dimension = record.dimension, .metric = record.metric};
}

// Every version that is there, as text.
std::string versions_in(VersionStore& store, const Model& model) {
  const VersionMark mark = store.mark(place_of(model), nullptr).value();
  std::vector<std::string> lines;
  const auto note = [&](std::vector<StoredVersion>&& page) -> Result<void> {
    for (const StoredVersion& version : page) {
      lines.push_back(fmt::format("{} {} {} {}", version.id, version.born, static_cast<int>(version.kind),
                                  version.vector.empty() ? 0.0F : version.vector.back()));
    }
    return {};
  };
  const VersionMoment moment{.epoch = mark.epoch, .as_of = model.sequence(), .token = mark.token};
  REQUIRE(store.list(place_of(model), moment, last_id(model.record().number), true, note, nullptr).has_value());
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, "\n"));
}

std::unique_ptr<RemoteIndex> index_on(const std::string& identity, const Model& model, RemoteSetting setting) {
  setting.wait = true;
  return std::make_unique<RemoteIndex>(testing::remote_store(identity), testing::source_of(model), setting);
}

}  // namespace

TEST_CASE("versions that come twice, late and in another order leave the same rows") {
  std::mt19937_64 random(testing::announced_seed("orders"));
  std::string expected;
  Model model(3, 4, Metric::l2);
  std::vector<Version> versions;
  std::vector<Vector> vectors;
  for (std::uint64_t i = 1; i <= 300; ++i) vectors.push_back(vector_oracle::random_vector(random, 4));
  for (std::uint64_t i = 1; i <= 300; ++i) {
    const bool removed = i % 7 == 0;
    versions.push_back({.id = first_id(3) + random() % 60 + 1,
                        .born = i,
                        .kind = removed ? VersionKind::removed : VersionKind::living,
                        .vector = removed ? std::span<const float>() : vectors[i - 1]});
    model.touch();
  }
  for (int round = 0; round < 4; ++round) {
    const auto store = testing::remote_store(testing::fresh_remote_identity());
    std::vector<Version> sent = versions;
    std::uint64_t token = 0;
    if (round > 0) {
      std::shuffle(sent.begin(), sent.end(), random);
      for (int i = 0; i < 200; ++i) sent.push_back(sent[random() % sent.size()]);
      std::shuffle(sent.begin(), sent.end(), random);
    }
    for (std::size_t begin = 0; begin < sent.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 90, sent.size() - begin);
      // Within one call a key stands once.
      std::vector<Version> call(sent.begin() + static_cast<std::ptrdiff_t>(begin),
                                sent.begin() + static_cast<std::ptrdiff_t>(begin + size));
      std::sort(call.begin(), call.end(), [](const Version& a, const Version& b) { return a.born < b.born; });
      call.erase(
          std::unique(call.begin(), call.end(), [](const Version& a, const Version& b) { return a.born == b.born; }),
          call.end());
      const auto sent_now = store->insert(place_of(model), 77, call, nullptr);
      REQUIRE(sent_now.has_value());
      token = std::max(token, *sent_now);
      begin += size;
    }
    REQUIRE(store->put_mark(place_of(model), {.epoch = 77, .applied = 300, .last_id = 60, .token = token}, true)
                .has_value());
    const std::string found = versions_in(*store, model);
    if (round == 0) expected = found;
    CHECK(found == expected);
  }
}

TEST_CASE("several programs that feed the same, each in its own way, agree with the rows") {
  std::mt19937_64 random(testing::announced_seed("feeders"));
  const std::string identity = testing::fresh_remote_identity();
  Model model(5, 6, Metric::cosine);
  std::vector<std::unique_ptr<RemoteIndex>> programs;
  for (int i = 0; i < 3; ++i) { programs.push_back(index_on(identity, model, {.grace = testing::short_grace()})); }
  std::size_t answered = 0;
  for (int round = 0; round < 60; ++round) {
    const SpaceRecord before = model.record();
    change(random, model, 1 + random() % 6, 6);
    // Who commits feeds; it may be late, or another is first, or both do.
    auto& writer = *programs[random() % programs.size()];
    auto& other = *programs[random() % programs.size()];
    if (random() % 3 == 0) {
      const auto caught_up = other.catch_up(model.record(), model.pull());
      REQUIRE_MESSAGE(caught_up.has_value(), caught_up.error().message);
    }
    if (random() % 4 != 0) {
      REQUIRE(model.commit(writer).has_value());
    } else {
      model.skip();
    }
    for (auto& program : programs) {
      REQUIRE(program->catch_up(model.record(), model.pull()).has_value());
      answered += answers_or_is_slow(*program, model, vector_oracle::random_vector(random, 6)) ? 1 : 0;
    }
    if (round % 20 == 19) CHECK(differences(*programs[0], model) == "");
  }
  CHECK(answered > 150);
  for (auto& program : programs) CHECK(differences(*program, model) == "");
}

TEST_CASE("a storage that was set back is loaded anew") {
  std::mt19937_64 random(testing::announced_seed("back"));
  const std::string identity = testing::fresh_remote_identity();
  Model before(4, 5, Metric::cosine), after(4, 5, Metric::cosine);
  for (int i = 0; i < 100; ++i) before.add(vector_oracle::random_vector(random, 5));
  {
    const auto index = index_on(identity, before, {});
    REQUIRE(before.commit(*index).has_value());
    CHECK(answers(*index, before, Vector(5, 1.0F)));
  }
  for (int i = 0; i < 60; ++i) after.add(vector_oracle::random_vector(random, 5));
  for (const bool by_write : {true, false}) {
    const auto index = index_on(identity, after, {});
    if (by_write) {
      REQUIRE(after.commit(*index).has_value());
    } else {
      after.skip();
    }
    REQUIRE(index->catch_up(after.record(), after.pull()).has_value());
    CHECK(answers(*index, after, Vector(5, 1.0F), 100));
    CHECK(differences(*index, after) == "");
    change(random, after, 10, 5);
  }
}

TEST_CASE("data that the server has lost is noticed, and loaded again") {
  std::mt19937_64 random(testing::announced_seed("lost"));
  const std::string identity = testing::fresh_remote_identity();
  Model model(2, 16, Metric::dot);
  const auto index = index_on(identity, model, {});
  for (int i = 0; i < 500; ++i) model.add(vector_oracle::random_vector(random, 16));
  REQUIRE(model.commit(*index).has_value());
  CHECK(answers(*index, model, Vector(16, 1.0F)));
  testing::lose_all(identity);
  CHECK_FALSE(answers(*index, model, Vector(16, 1.0F)));
  CHECK_FALSE(index->problems().empty());
  REQUIRE(index->catch_up(model.record(), model.pull()).has_value());
  CHECK(answers(*index, model, Vector(16, 1.0F)));
  CHECK(index->problems() == std::vector<std::string>{});

  // Some of the rows only, behind its back: an answer that would be short is none.
  const auto store = testing::remote_store(identity);
  const VersionMark mark = store->mark(place_of(model), nullptr).value();
  std::vector<VersionStore::Name> gone;
  for (std::uint64_t i = 1; i <= 480; ++i) gone.emplace_back(first_id(2) + i, i);
  REQUIRE(store->erase(place_of(model), mark.epoch, gone).has_value());
  // By a filter: every memory has a vector.
  SpaceRecord all = model.record();
  all.memories = all.vectors;
  const auto some = std::make_shared<const std::vector<MemoryId>>(
      std::vector{first_id(2) + 470, first_id(2) + 471, first_id(2) + 490});
  const Vector asked(16, 1.0F);
  const auto few = index->search(all, {.vector = asked, .k = 10, .as_of = model.sequence(), .allowed = some});
  REQUIRE_FALSE(few.has_value());
  CHECK(few.error().code == Errc::unavailable);
  // It does not believe the server's mark again, though that is still there.
  REQUIRE(index->catch_up(model.record(), model.pull()).has_value());
  CHECK(answers(*index, model, Vector(16, 1.0F), 50));
  CHECK(differences(*index, model) == "");
  CHECK(store->mark(place_of(model), nullptr).value().epoch > mark.epoch);

  REQUIRE(store->erase(place_of(model), store->mark(place_of(model), nullptr).value().epoch, gone).has_value());
  CHECK_FALSE(answers(*index, model, Vector(16, 1.0F), 50));
}

TEST_CASE("who writes on to what was erased behind its back makes nobody believe that all is there") {
  std::mt19937_64 random(testing::announced_seed("erased"));
  for (const bool by_pull : {false, true}) {
    const std::string identity = testing::fresh_remote_identity();
    Model model(2, 8, Metric::l2);
    const auto writer = index_on(identity, model, {}), reader = index_on(identity, model, {});
    for (int i = 0; i < 200; ++i) model.add(vector_oracle::random_vector(random, 8));
    REQUIRE(model.commit(*writer).has_value());
    REQUIRE(reader->catch_up(model.record(), model.pull()).has_value());
    REQUIRE(testing::remote_store(identity)->erase_space(2).has_value());
    for (int i = 0; i < 40; ++i) model.add(vector_oracle::random_vector(random, 8));
    if (by_pull) {
      model.skip();
      (void)writer->catch_up(model.record(), model.pull());
    } else {
      (void)model.commit(*writer);
    }
    for (auto* index : {reader.get(), writer.get()}) {
      (void)answers(*index, model, Vector(8, 1.0F));
      REQUIRE(index->catch_up(model.record(), model.pull()).has_value());
      CHECK(answers(*index, model, Vector(8, 1.0F)));
      CHECK(differences(*index, model) == "");
    }
    const auto third = index_on(identity, model, {});
    REQUIRE(third->catch_up(model.record(), model.pull()).has_value());
    CHECK(differences(*third, model) == "");
  }
}

TEST_CASE("who knows an old epoch writes to the new one, or not at all") {
  std::mt19937_64 random(testing::announced_seed("epochs"));
  const std::string identity = testing::fresh_remote_identity();
  Model model(2, 8, Metric::cosine);
  const auto one = index_on(identity, model, {.grace = testing::short_grace()});
  const auto other = index_on(identity, model, {.grace = testing::short_grace()});
  for (int i = 0; i < 60; ++i) model.add(vector_oracle::random_vector(random, 8));
  REQUIRE(model.commit(*other).has_value());
  std::size_t answered = 0, searches = 0;
  for (int round = 0; round < 3; ++round) {
    change(random, model, 20, 8);
    REQUIRE(model.commit(*other).has_value());
    std::atomic<bool> built{false};
    const SpaceRecord record = model.record();
    // One thread at a time touches the model: who builds has its own.
    const Model frozen = model;
    const auto builder = index_on(identity, frozen, {.grace = testing::short_grace()});
    std::thread thread([&] {
      CHECK(builder->catch_up(frozen.record(), frozen.pull()).has_value());
      CHECK(builder->build(2, true, {}).has_value());
      built = true;
    });
    do {
      change(random, model, 3, 8);
      (void)model.commit(*other);
      for (auto* index : {one.get(), other.get()}) {
        (void)index->catch_up(model.record(), model.pull());
        answered += answers_or_is_slow(*index, model, vector_oracle::random_vector(random, 8)) ? 1 : 0;
        ++searches;
      }
    } while (!built);
    thread.join();
  }
  MESSAGE(fmt::format("{} searches, {} answered", searches, answered));
  CHECK(answered > 0);
  for (auto* index : {one.get(), other.get()}) {
    (void)index->catch_up(model.record(), model.pull());
    CHECK(differences(*index, model) == "");
  }
}

TEST_CASE("a storage that is set back beneath a running program") {
  std::mt19937_64 random(testing::announced_seed("beneath"));
  for (const bool wait : {true, false}) {
    const std::string identity = testing::fresh_remote_identity();
    Model before(4, 5, Metric::cosine), after(4, 5, Metric::cosine);
    const Model* now = &before;
    const RemoteSource source{.newest = [&](const SpaceRecord&) -> Result<SpaceRecord> { return now->record(); },
                              .read = [&](const Space&, VectorColumns,
                                          const RemoteSource::Read& read) { return read(now->record(), now->pull()); }};
    RemoteIndex index(testing::remote_store(identity), source, {.wait = wait});
    for (int i = 0; i < 100; ++i) before.add(vector_oracle::random_vector(random, 5));
    REQUIRE(before.commit(index).has_value());
    REQUIRE(index.flush(4, {}));
    (void)index.catch_up(before.record(), before.pull());
    CHECK(answers(index, before, Vector(5, 1.0F)));
    for (int i = 0; i < 95; ++i) after.add(vector_oracle::random_vector(random, 5));
    after.skip();
    now = &after;
    // The first commit of the other history tells.
    after.add(vector_oracle::random_vector(random, 5));
    REQUIRE(after.commit(index).has_value());
    (void)answers(index, after, Vector(5, 1.0F), 100);
    REQUIRE(index.flush(4, {}));
    (void)index.catch_up(after.record(), after.pull());
    REQUIRE(index.flush(4, {}));
    CHECK(answers(index, after, Vector(5, 1.0F), 100));
    CHECK(differences(index, after) == "");
  }
}

TEST_CASE("what one program knows of an epoch is not unsaid by another") {
  Model model(5, 4, Metric::l2);
  const auto store = testing::remote_store(testing::fresh_remote_identity());
  const Vector vector(4, 1.0F);
  model.touch();
  const std::vector<Version> versions{{.id = first_id(5) + 1, .born = 1, .vector = vector}};
  const auto token = store->insert(place_of(model), 1u << 21, versions, nullptr);
  REQUIRE(token.has_value());
  VersionMark mark{.epoch = 1u << 21, .applied = 1, .vectors = 1, .last_id = 1, .token = *token, .again = true};
  REQUIRE(store->put_mark(place_of(model), mark, true).has_value());
  mark.again = false;
  mark.raw = true;
  REQUIRE(store->put_mark(place_of(model), mark, false).has_value());
  mark.raw = false;
  REQUIRE(store->put_mark(place_of(model), mark, false).has_value());
  const VersionMark read = store->mark(place_of(model), nullptr).value();
  CHECK(read.again);
  CHECK(read.raw);
  // Where there is no mark any more, nothing is left of what it spoke of.
  REQUIRE(store->erase_space(5).has_value());
  const auto put = store->put_mark(place_of(model), mark, false);
  REQUIRE_FALSE(put.has_value());
  CHECK(put.error().code == Errc::not_found);
}

TEST_CASE("what is replaced is cleaned away after the grace, and the past is unavailable then") {
  std::mt19937_64 random(testing::announced_seed("cleaning"));
  const std::string identity = testing::fresh_remote_identity();
  Model model(9, 4, Metric::l2);
  const auto index = index_on(identity, model, {.grace = testing::short_grace()});
  for (int i = 0; i < 50; ++i) model.add(vector_oracle::random_vector(random, 4));
  REQUIRE(model.commit(*index).has_value());
  const auto replaced = Clock::now();
  for (int round = 0; round < 5; ++round) {
    for (const MemoryId id : model.living()) model.set(id, vector_oracle::random_vector(random, 4));
    REQUIRE(model.commit(*index).has_value());
  }
  const std::uint64_t past = model.sequence() - 50;
  const Vector asked(4, 1.0F);
  const auto store = testing::remote_store(identity);
  const auto rows = [&] {
    const std::string text = versions_in(*store, model);
    return std::count(text.begin(), text.end(), '\n') + 1;
  };
  const auto before = rows();
  if (Clock::now() - replaced < testing::short_grace()) CHECK(before == 300);
  const auto until = Clock::now() + long_enough;
  while (rows() > 50 && Clock::now() < until) {
    const VectorQuery query{.vector = asked, .k = 50, .as_of = past};
    const auto hits = index->search(model.record(), query);
    if (hits) CHECK(vector_oracle::fault(model, query, *hits) == "");
    CHECK(answers_or_is_slow(*index, model, Vector(4, 1.0F), 50));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(rows() == 50);
  const auto hits = index->search(model.record(), {.vector = asked, .k = 50, .as_of = past});
  REQUIRE_FALSE(hits.has_value());
  CHECK(hits.error().code == Errc::unavailable);
  CHECK(differences(*index, model) == "");
}

TEST_CASE("reconcile finds what is missing, stale and without a row, and mends it") {
  std::mt19937_64 random(testing::announced_seed("reconcile"));
  const std::string identity = testing::fresh_remote_identity();
  Model model(6, 8, Metric::cosine);
  const auto index = index_on(identity, model, {});
  for (int i = 0; i < 400; ++i) model.add(vector_oracle::random_vector(random, 8));
  REQUIRE(model.commit(*index).has_value());
  CHECK(differences(*index, model) == "");
  const auto store = testing::remote_store(identity);
  const VersionPlace place = place_of(model);
  const VersionMark mark = store->mark(place, nullptr).value();
  const Vector other(8, 0.5F);
  std::vector<VersionStore::Name> gone;
  for (std::uint64_t i = 1; i <= 7; ++i) gone.emplace_back(first_id(6) + i, i);
  REQUIRE(store->erase(place, mark.epoch, gone).has_value());
  std::vector<Version> wrong;
  for (std::uint64_t i = 11; i <= 15; ++i) wrong.push_back({.id = first_id(6) + i, .born = i, .vector = other});
  for (std::uint64_t i = 21; i <= 23; ++i) wrong.push_back({.id = first_id(6) + i, .born = i + 100, .vector = other});
  for (std::uint64_t i = 1; i <= 2; ++i) wrong.push_back({.id = first_id(6) + 900 + i, .born = 100, .vector = other});
  REQUIRE(store->insert(place, mark.epoch, wrong, nullptr).has_value());
  CHECK(index->verify(model.record(), model.pull(), {}).value().size() == 17);
  const ReconcileReport report = index->reconcile(model.record(), model.pull(), {}).value();
  CHECK(report.vectors == 400);
  CHECK(report.missing == 7);
  CHECK(report.stale == 8);
  CHECK(report.orphans == 2);
  CHECK(differences(*index, model) == "");
  CHECK(index->reconcile(model.record(), model.pull(), {}).value().missing == 0);
  CHECK(answers(*index, model, other, 400));
}

TEST_CASE("built anew, nothing of what was is left") {
  std::mt19937_64 random(testing::announced_seed("anew"));
  const std::string identity = testing::fresh_remote_identity();
  Model model(7, 4, Metric::l2);
  const auto index = index_on(identity, model, {.grace = testing::short_grace()});
  for (int i = 0; i < 40; ++i) model.add(vector_oracle::random_vector(random, 4));
  REQUIRE(model.commit(*index).has_value());
  for (const MemoryId id : model.living()) model.set(id, id % 2 == 0 ? Vector{} : Vector(4, 2.0F));
  REQUIRE(model.commit(*index).has_value());
  REQUIRE(index->build(7, true, {}).has_value());
  CHECK(answers_or_is_slow(*index, model, Vector(4, 1.0F), 40));
  const std::string text = versions_in(*testing::remote_store(identity), model);
  CHECK(std::count(text.begin(), text.end(), '\n') + 1 == 20);
  CHECK(differences(*index, model) == "");
  index->erase(7);
  const auto mark = testing::remote_store(identity)->mark(place_of(model), nullptr);
  REQUIRE(mark.has_value());
  CHECK(mark->epoch == 0);
}
