// The index on Milvus: its options, who reads, who asks while nobody answers, and what a text may be.
#include "backends/milvus/expression.h"
#include "tests/conformance/vector_oracle.h"
#include "tests/milvus/server.h"

#include <fractal/format.h>
#include <fractal/milvus.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace fractal;
using vector_oracle::Vector;

namespace {

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
        "milvus://secret%@there", "milvus://secret@there?prefix=a-b", "milvus://secret@there?ca=/x",
        "milvus://root:a/secret@", "milvus://root:a?secret=@there", "milvus://secret@there?most_scanned=0",
        "milvus://secret@there?queue_bytes=1k", "milvus://secret@there?queue_bytes=", "milvus://secret@there?grace=-1",
        "milvus://secret@there?grace=99"}) {
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
  const auto [numbers, slashed] =
      read("milvus://root:pa/ss@there/notes?most_scanned=7&queue_bytes=5000000000&grace=100");
  CHECK(slashed.server == "there:19530");
  CHECK(slashed.token == "root:pa/ss");
  CHECK(slashed.database == "notes");
  CHECK(numbers.most_scanned == 7);
  CHECK(numbers.queue_bytes == 5'000'000'000);
  CHECK(numbers.grace == std::chrono::milliseconds(100));
}

TEST_CASE("a program reads what it wrote, and what others did, before it is delivered") {
  std::mt19937_64 random(testing::announced_seed("sessions"));
  std::string consistency;
  SUBCASE("strong") { consistency = "strong"; }
  SUBCASE("session") { consistency = "session"; }
  SUBCASE("bounded") { consistency = "bounded"; }
  const auto storage = make_memory_storage();
  const auto open = [&] {
    Options options{.embedder = nullptr, .storage = storage};
    options.vector_index = testing::milvus_server() + "?consistency=" + consistency;
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
  MESSAGE(fmt::format("{}: {} of 120 answers by the index alone", consistency, delivered));
  CHECK(one.verify().value().problems == std::vector<std::string>{});
  testing::lose_all(storage->setting("milvus/identity").value().value());
}

TEST_CASE("a collection that was left behind half made") {
  const std::string identity = testing::fresh_remote_identity();
  const MilvusOptions options{.url = testing::milvus_server()};
  const auto read = milvus::read_url(options).value();
  const auto client = milvus::Client::open(read.second, read.first).value();
  REQUIRE(
      client
          ->create(
              {.name = "fractal_" + identity + "_4_L2_by_tenant", .dimension = 4, .metric = "L2", .partitioned = true},
              nullptr)
          .has_value());
  const VersionPlace place{.space = {}, .number = 3, .dimension = 4, .metric = Metric::l2};
  const auto store = testing::milvus_store(identity);
  CHECK((store->mark(place, nullptr).has_value() || store->mark(place, nullptr).error().code == Errc::not_found));
  const std::vector<float> vector(4, 1.0F);
  const std::vector<Version> versions{{.id = first_id(3) + 1, .born = 1, .vector = vector}};
  const auto token = store->insert(place, 9, versions, nullptr);
  REQUIRE_MESSAGE(token.has_value(), token.error().message);
  REQUIRE(store->put_mark(place, {.epoch = 9, .applied = 1, .vectors = 1, .last_id = 1, .token = *token}, true));
  CHECK(testing::milvus_store(identity)->mark(place, nullptr).value().epoch == 9);
}

TEST_CASE("a program that looks while two others make the collection finds none, or that one") {
  const std::vector<float> vector(4, 1.0F);
  const VersionPlace place{.space = {}, .number = 3, .dimension = 4, .metric = Metric::l2};
  const std::vector<Version> versions{{.id = first_id(3) + 1, .born = 1, .vector = vector}};
  for (int round = 0; round < 20; ++round) {
    const std::string identity = testing::fresh_remote_identity();
    const auto maker = testing::milvus_store(identity), other = testing::milvus_store(identity),
               reader = testing::milvus_store(identity);
    std::atomic<bool> made = false;
    std::thread looking([&] {
      for (bool last = false; !last;) {
        last = made;
        const auto mark = reader->mark(place, nullptr);
        CHECK_MESSAGE((mark || mark.error().code == Errc::not_found), mark.error().message);
      }
    });
    auto others = std::async(std::launch::async, [&] { return other->insert(place, 9, versions, nullptr); });
    const auto token = maker->insert(place, 9, versions, nullptr), same = others.get();
    made = true;
    looking.join();
    REQUIRE_MESSAGE(token.has_value(), token.error().message);
    REQUIRE_MESSAGE(same.has_value(), same.error().message);
    CHECK(maker->put_mark(place, {.epoch = 9, .applied = 1, .vectors = 1, .last_id = 1, .token = *token}, true));
    CHECK(reader->mark(place, nullptr).value().epoch == 9);
  }
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

TEST_CASE("a literal means its text, whatever that is, and nothing else") {
  testing::Random random(testing::announced_seed("literals"));
  const auto read = milvus::read_url({.url = testing::milvus_server()}).value();
  const auto client = milvus::Client::open(read.second, read.first).value();
  const std::string collection = "fractal_" + testing::fresh_remote_identity() + "_literals";
  REQUIRE(
      client->create({.name = collection, .dimension = 2, .metric = "L2", .partitioned = false}, nullptr).has_value());
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
  REQUIRE(client->drop(collection, nullptr).has_value());
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
  testing::lose_all(storage->setting("milvus/identity").value().value());
}
