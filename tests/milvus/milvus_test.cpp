// The index on Milvus beside a storage: what comes twice, late or out of order, what is lost, who else writes, what is left.
#include "backends/milvus/expression.h"
#include "tests/conformance/vector_oracle.h"
#include "tests/milvus/server.h"

#include <fractal/format.h>
#include <fractal/milvus.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace fractal;
using vector_oracle::Model;
using vector_oracle::Vector;

namespace {

constexpr std::chrono::seconds long_enough{30};

// The model as the storage that is followed.
RemoteSource source_of(const Model& model) {
  return {.newest = [&model](const SpaceRecord&) -> Result<SpaceRecord> { return model.record(); },
          .read = [&model](const Space&, const RemoteSource::Read& read) -> Result<void> {
            return read(model.record(), model.pull());
          }};
}

// A search that takes a quarter of it is not trusted: a slow server wants more.
std::chrono::milliseconds short_grace() {
  return std::chrono::milliseconds(testing::number_from_environment("FRACTAL_MILVUS_GRACE", 1'000));
}

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

std::string differences(MilvusIndex& index, const Model& model) {
  const auto found = index.verify(model.record(), model.pull(), {});
  if (!found) return found.error().message;
  return found->empty() ? std::string() : found->front();
}

VersionPlace place_of(const Model& model) {
  const SpaceRecord& record = model.record();
  return {.space = record.space, .number = record.number, .dimension = record.dimension, .metric = record.metric};
}

// Every version that is there, as text.
std::string versions_in(milvus::MilvusStore& store, const Model& model) {
  const VersionMark mark = store.mark(place_of(model)).value();
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

Error refused(const MilvusOptions& options, const std::shared_ptr<Storage>& storage = make_memory_storage()) {
  const auto opened = open_milvus_index(options, storage);
  REQUIRE_FALSE(opened.has_value());
  return opened.error();
}

}  // namespace

TEST_CASE("what cannot be an index is refused, and no message has the secret") {
  CHECK(refused({.url = "milvus://there"}, nullptr).code == Errc::invalid_argument);
  for (const char* url :
       {"", "http://there", "milvus://", "milvus://:secret@", "milvus://secret@there?wait=perhaps",
        "milvus://secret@there?consistency=none", "milvus://secret@there?x=1", "milvus://secret@there?x",
        "milvus://secret%@there", "milvus://secret@there?prefix=a-b", "milvus://secret@there?ca=/x"}) {
    CAPTURE(url);
    const Error error = refused({.url = url});
    CHECK(error.code == Errc::invalid_argument);
    CHECK(error.message.find("secret") == std::string::npos);
  }
  CHECK(refused({.url = "milvus+tls://there?ca=/no/such/file"}).code == Errc::io);
  CHECK(refused({.url = "milvus://there", .prefix = "1a"}).code == Errc::invalid_argument);
  CHECK(refused({.url = "milvus://there", .call_timeout = {}}).code == Errc::invalid_argument);
}

TEST_CASE("a URL says where, who and how") {
  const auto read = [](const char* url) { return milvus::read_url({.url = url}).value(); };
  CHECK(read("milvus://there").second.server == "there:19530");
  CHECK(read("milvus://[::1]").second.server == "[::1]:19530");
  const auto [options, address] = read("milvus+tls://ada:a%40b@there:443/notes?prefix=app&consistency=strong&wait=yes");
  CHECK(address.server == "there:443");
  CHECK(address.tls);
  CHECK(address.token == "ada:a@b");
  CHECK(address.database == "notes");
  CHECK(options.prefix == "app");
  CHECK(options.consistency == MilvusConsistency::strong);
  CHECK(options.wait);
}

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
    const auto store = testing::milvus_store(testing::fresh_milvus_identity());
    std::vector<Version> sent = versions;
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
      REQUIRE(store->insert(place_of(model), 77, call, nullptr).has_value());
      begin += size;
    }
    REQUIRE(store->put_mark(place_of(model), {.epoch = 77, .applied = 300, .last_id = 60}).has_value());
    const std::string found = versions_in(*store, model);
    if (round == 0) expected = found;
    CHECK(found == expected);
  }
}

TEST_CASE("several programs that feed the same, each in its own way, agree with the rows") {
  std::mt19937_64 random(testing::announced_seed("feeders"));
  const std::string identity = testing::fresh_milvus_identity();
  Model model(5, 6, Metric::cosine);
  const MilvusOptions options{.wait = true, .grace = short_grace()};
  std::vector<std::shared_ptr<MilvusIndex>> programs;
  for (int i = 0; i < 3; ++i) programs.push_back(testing::milvus_index(options, identity, source_of(model)));
  std::size_t answered = 0;
  for (int round = 0; round < 60; ++round) {
    const SpaceRecord before = model.record();
    change(random, model, 1 + random() % 6, 6);
    // Who commits feeds; it may be late, or another is first, or both do.
    auto& writer = *programs[random() % programs.size()];
    auto& other = *programs[random() % programs.size()];
    if (random() % 3 == 0) { REQUIRE(other.catch_up(model.record(), model.pull()).has_value()); }
    if (random() % 4 != 0) {
      REQUIRE(model.commit(writer).has_value());
    } else {
      model.skip();
    }
    for (auto& program : programs) {
      REQUIRE(program->catch_up(model.record(), model.pull()).has_value());
      answered += answers(*program, model, vector_oracle::random_vector(random, 6)) ? 1 : 0;
    }
    if (round % 20 == 19) CHECK(differences(*programs[0], model) == "");
  }
  CHECK(answered > 150);
  for (auto& program : programs) CHECK(differences(*program, model) == "");
}

TEST_CASE("a program reads what it wrote, and what others did, before it is delivered") {
  std::mt19937_64 random(testing::announced_seed("sessions"));
  const auto storage = make_memory_storage();
  const auto open = [&] {
    Options options{.embedder = nullptr, .storage = storage};
    options.vector_index = testing::milvus_server();  // its URL
    return FractalMemory::open(options).value();
  };
  const auto one = open(), two = open();
  std::size_t delivered = 0;
  for (int i = 0; i < 60; ++i) {
    const auto vector = vector_oracle::random_vector(random, 8);
    const auto& writer = i % 2 == 0 ? one : two;
    writer.store({.coordinate = {static_cast<double>(i)}, .payload = "{}", .embedding = vector}).value();
    for (const auto* reader : {&one, &two}) {
      const auto found = reader->search(vector, {.top_k = 5}).value();
      REQUIRE(found.hits.size() == std::min<std::size_t>(5, i + 1));
      CHECK(found.hits[0].memory.coordinate == Coordinate{static_cast<double>(i)});
      CHECK(found.matched == static_cast<std::uint64_t>(i + 1));
      delivered += found.plan.find("rows") == std::string::npos ? 1 : 0;
    }
    if (i % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  MESSAGE(fmt::format("{} of 120 answers by the index alone", delivered));
  CHECK(one.verify().value().problems == std::vector<std::string>{});
  testing::drop_milvus_collections(storage->setting("milvus/identity").value().value());
}

TEST_CASE("while no server answers the rows do, and what waits has its bound") {
  const auto storage = make_memory_storage();
  const std::uint64_t bound = 1u << 20;
  Options options{.embedder = nullptr, .storage = storage};
  const auto index =
      open_milvus_index(
          {.url = "milvus://127.0.0.1:1", .queue_bytes = bound, .connect_timeout = std::chrono::seconds(1)}, storage)
          .value();
  options.vector_index = index;
  const auto memory = FractalMemory::open(options).value();
  std::mt19937_64 random(testing::announced_seed("down"));
  std::vector<Vector> vectors;
  std::uint64_t most = 0;
  for (int batch = 0; batch < 20; ++batch) {
    Batch stores;
    for (int i = 0; i < 200; ++i) {
      vectors.push_back(vector_oracle::random_vector(random, 64));
      stores.store({.coordinate = {static_cast<double>(vectors.size())}, .payload = "{}", .embedding = vectors.back()});
    }
    memory.apply(stores).value();
    most = std::max(most, index->bytes(1));
  }
  CHECK(most <= bound);
  for (const std::size_t which : {0u, 1'999u, 3'999u}) {
    const auto found = memory.search(vectors[which], {.top_k = 3}).value();
    CHECK(found.hits.size() == 3);
    CHECK(found.matched == 4'000);
    CHECK(found.hits[0].memory.coordinate == Coordinate{static_cast<double>(which + 1)});
  }
  CHECK_FALSE(memory.health().value().ok);
}

TEST_CASE("a storage that was set back is loaded anew") {
  std::mt19937_64 random(testing::announced_seed("back"));
  const std::string identity = testing::fresh_milvus_identity();
  Model before(4, 5, Metric::cosine), after(4, 5, Metric::cosine);
  for (int i = 0; i < 100; ++i) before.add(vector_oracle::random_vector(random, 5));
  {
    const auto index = testing::milvus_index({.wait = true}, identity, source_of(before));
    REQUIRE(before.commit(*index).has_value());
    CHECK(answers(*index, before, Vector(5, 1.0F)));
  }
  for (int i = 0; i < 60; ++i) after.add(vector_oracle::random_vector(random, 5));
  for (const bool by_write : {true, false}) {
    const auto index = testing::milvus_index({.wait = true}, identity, source_of(after));
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
  const std::string identity = testing::fresh_milvus_identity();
  Model model(2, 16, Metric::dot);
  const auto index = testing::milvus_index({.wait = true}, identity, source_of(model));
  for (int i = 0; i < 500; ++i) model.add(vector_oracle::random_vector(random, 16));
  REQUIRE(model.commit(*index).has_value());
  CHECK(answers(*index, model, Vector(16, 1.0F)));
  REQUIRE(testing::milvus_store(identity)->drop_all().has_value());
  CHECK_FALSE(answers(*index, model, Vector(16, 1.0F)));
  CHECK_FALSE(index->problems().empty());
  REQUIRE(index->catch_up(model.record(), model.pull()).has_value());
  CHECK(answers(*index, model, Vector(16, 1.0F)));
  CHECK(index->problems() == std::vector<std::string>{});

  // Some of the rows only, behind its back: an answer that would be short is none.
  const auto store = testing::milvus_store(identity);
  const VersionMark mark = store->mark(place_of(model)).value();
  std::vector<VersionStore::Name> gone;
  for (std::uint64_t i = 1; i <= 480; ++i) gone.emplace_back(first_id(2) + i, i);
  REQUIRE(store->erase(place_of(model), mark.epoch, gone).has_value());
  CHECK_FALSE(answers(*index, model, Vector(16, 1.0F), 50));
}

TEST_CASE("what is replaced is cleaned away after the grace, and the past is unavailable then") {
  std::mt19937_64 random(testing::announced_seed("cleaning"));
  const std::string identity = testing::fresh_milvus_identity();
  Model model(9, 4, Metric::l2);
  const auto index = testing::milvus_index({.wait = true, .grace = short_grace()}, identity, source_of(model));
  for (int i = 0; i < 50; ++i) model.add(vector_oracle::random_vector(random, 4));
  REQUIRE(model.commit(*index).has_value());
  for (int round = 0; round < 5; ++round) {
    for (const MemoryId id : model.living()) model.set(id, vector_oracle::random_vector(random, 4));
    REQUIRE(model.commit(*index).has_value());
  }
  const std::uint64_t past = model.sequence() - 50;
  const Vector asked(4, 1.0F);
  const auto store = testing::milvus_store(identity);
  const auto rows = [&] {
    const std::string text = versions_in(*store, model);
    return std::count(text.begin(), text.end(), '\n') + 1;
  };
  CHECK(rows() == 300);
  const auto until = std::chrono::steady_clock::now() + long_enough;
  while (rows() > 50 && std::chrono::steady_clock::now() < until) {
    const VectorQuery query{.vector = asked, .k = 50, .as_of = past};
    const auto hits = index->search(model.record(), query);
    if (hits) CHECK(vector_oracle::fault(model, query, *hits) == "");
    CHECK(answers(*index, model, Vector(4, 1.0F), 50));
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
  const std::string identity = testing::fresh_milvus_identity();
  Model model(6, 8, Metric::cosine);
  const auto index = testing::milvus_index({.wait = true}, identity, source_of(model));
  for (int i = 0; i < 400; ++i) model.add(vector_oracle::random_vector(random, 8));
  REQUIRE(model.commit(*index).has_value());
  CHECK(differences(*index, model) == "");
  const auto store = testing::milvus_store(identity);
  const VersionPlace place = place_of(model);
  const VersionMark mark = store->mark(place).value();
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
  const MilvusReport report = index->reconcile(model.record(), model.pull(), {}).value();
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
  const std::string identity = testing::fresh_milvus_identity();
  Model model(7, 4, Metric::l2);
  const auto index = testing::milvus_index({.wait = true, .grace = short_grace()}, identity, source_of(model));
  for (int i = 0; i < 40; ++i) model.add(vector_oracle::random_vector(random, 4));
  REQUIRE(model.commit(*index).has_value());
  for (const MemoryId id : model.living()) model.set(id, id % 2 == 0 ? Vector{} : Vector(4, 2.0F));
  REQUIRE(model.commit(*index).has_value());
  REQUIRE(index->build(7, true, {}).has_value());
  CHECK(answers(*index, model, Vector(4, 1.0F), 40));
  const std::string text = versions_in(*testing::milvus_store(identity), model);
  CHECK(std::count(text.begin(), text.end(), '\n') + 1 == 20);
  CHECK(differences(*index, model) == "");
  index->erase(7);
  const auto mark = testing::milvus_store(identity)->mark(place_of(model));
  REQUIRE(mark.has_value());
  CHECK(mark->epoch == 0);
}

TEST_CASE("a literal means its text, whatever that is, and nothing else") {
  testing::Random random(testing::announced_seed("literals"));
  const auto read = milvus::read_url({.url = testing::milvus_server()}).value();
  const auto client = milvus::Client::open(read.second, read.first).value();
  const std::string collection = "fractal_" + testing::fresh_milvus_identity() + "_literals";
  REQUIRE(client->create({.name = collection, .dimension = 2, .metric = "L2", .partitioned = false}).has_value());
  constexpr std::string_view pieces[] = {"\"",        "\\", "'",    "\\\"", "n",        "u0041",       "x41", " ",
                                         "|| 1 == 1", "&&", "note", "==",   "(",        ")",           "[",   "{",
                                         "%",         "_",  "\t",   "\x01", "\xC3\xA9", "\xE6\x9D\xB1"};
  std::vector<std::string> texts;
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (std::size_t n = 1 + random.below(9); n > 0; --n) text += random.pick(pieces);
    texts.push_back(text);
  }
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  std::vector<milvus::WrittenRow> rows;
  const Vector vector{1, 0};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    rows.push_back({.key = std::to_string(i),
                    .tenant = "t",
                    .id = static_cast<std::int64_t>(i),
                    .note = texts[i],
                    .vector = vector});
  }
  REQUIRE(client->upsert(collection, rows, nullptr).has_value());
  constexpr std::string_view fields[] = {"id"};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CAPTURE(texts[i]);
    const auto found =
        client->query(collection, "note == " + milvus::literal(texts[i]).value(), fields, 100, {}, nullptr);
    REQUIRE_MESSAGE(found.has_value(), found.error().message);
    REQUIRE(found->size() == 1);
    CHECK((*found)[0].id == static_cast<std::int64_t>(i));
  }
  CHECK_FALSE(milvus::literal("a\nb").has_value());
  REQUIRE(client->drop(collection).has_value());
}

TEST_CASE("no tenant's name makes another's vectors visible") {
  const auto storage = make_memory_storage();
  Options options{.embedder = nullptr, .storage = storage};
  options.vector_index = open_milvus_index({.url = testing::milvus_server(), .wait = true}, storage).value();
  const auto memory = FractalMemory::open(options).value();
  const std::string names[] = {"a",
                               "a\"",
                               "a\\",
                               "a' or 1 == 1 or tenant == '",
                               "a\" || space > 0 || tenant == \"",
                               "%",
                               "\xE6\x9D\xB1\xE4\xBA\xAC",
                               "a\nb",
                               "\x01",
                               std::string(255, '"')};
  double number = 0;
  for (const std::string& name : names) {
    const auto tenant = memory.in({.tenant = name, .name = "x"});
    tenant.store({.coordinate = {++number}, .payload = "{}", .embedding = {1, static_cast<float>(number)}}).value();
  }
  number = 0;
  for (const std::string& name : names) {
    const auto tenant = memory.in({.tenant = name, .name = "x"});
    const std::vector<float> vector{1, 1};
    const auto found = tenant.search(vector, {.top_k = 20}).value();
    REQUIRE(found.hits.size() == 1);
    CHECK(found.hits[0].memory.coordinate == Coordinate{++number});
    CHECK(found.plan.find("rows") == std::string::npos);
  }
  CHECK(memory.health().value().problems == std::vector<std::string>{});
  testing::drop_milvus_collections(storage->setting("milvus/identity").value().value());
}
