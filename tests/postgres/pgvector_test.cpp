// The index on a server with pgvector beside a storage: whose it is, who feeds it, what goes wrong, what is left of it.
#include "backends/postgres/pgvector_index.h"
#include "backends/postgres/pgvector_tables.h"
#include "tests/conformance/vector_oracle.h"
#include "tests/postgres/fresh_schema.h"

#include <fractal/format.h>
#include <fractal/pgvector.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace fractal;

namespace {

using Vector = std::vector<float>;

void run_sql(const std::string& url, const std::string& sql) { testing::run_on_postgres(sql, url); }
std::string value_of(const std::string& url, const std::string& sql) { return testing::ask_postgres(sql, url); }

// Storage and index of one schema, as another process would open them.
FractalMemory open_memory(const std::string& url, PgvectorOptions index = {}) {
  Options options{.embedder = nullptr};
  options.storage = open_postgres_storage({.url = url, .durability = Durability::off}).value();
  options.index.graph_from = index.graph_from;
  index.url = url;
  options.vector_index = open_pgvector_index(index, options.storage).value();
  return FractalMemory::open(options).value();
}

Error refused(const PgvectorOptions& options, const std::shared_ptr<Storage>& storage) {
  const auto opened = open_pgvector_index(options, storage);
  REQUIRE_FALSE(opened.has_value());
  return opened.error();
}

bool mentions(const Error& error, std::string_view words) { return error.message.find(words) != std::string::npos; }

const Vector secret{12.5F, -7.25F, 1024.0F, 0.015625F};  // 41480000 c0e80000 44800000 3c800000

// Tables and indexes of ours whose files have its bytes.
std::string files_with_secret(const std::string& url) {
  run_sql(url, "CHECKPOINT");
  return value_of(url,
                  "SELECT count(*) FROM pg_class AS c, pg_read_binary_file(pg_relation_filepath(c.oid)) AS bytes WHERE "
                  "c.relnamespace = current_schema()::regnamespace AND c.relname LIKE 'sfm_pgvector%' AND c.relkind IN "
                  "('r', 'i') AND position('\\x000048410000e8c000008044'::bytea in bytes) > 0");
}

}  // namespace

TEST_CASE("what cannot be an index is refused, with the reason") {
  const auto storage = make_memory_storage();
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  CHECK(refused({.url = "mysql://there"}, storage).code == Errc::invalid_argument);
  CHECK(refused({.url = url}, nullptr).code == Errc::invalid_argument);
  CHECK(refused({.url = url, .graph_from = 0}, storage).code == Errc::invalid_argument);
  CHECK(refused({.url = url, .m = 1}, storage).code == Errc::invalid_argument);
  CHECK(refused({.url = url, .m = 40, .ef_construction = 64}, storage).code == Errc::invalid_argument);
  CHECK(refused({.url = url, .create = false}, storage).code == Errc::not_found);
  CHECK(refused({.url = "postgres:///x?host=/nowhere"}, storage).code == Errc::unavailable);
  const Error absent = refused({.url = testing::fresh_postgres_url()}, storage);
  CHECK(absent.code == Errc::unsupported);
  CHECK(mentions(absent, "CREATE EXTENSION"));
}

TEST_CASE("an older pgvector is refused") {
  CHECK(postgres_backend::is_recent_pgvector("0.8.0"));
  CHECK(postgres_backend::is_recent_pgvector("0.10.1"));
  CHECK(postgres_backend::is_recent_pgvector("1.0"));
  for (const char* version : {"0.7.4", "0.5", "", "?", "x.8"})
    CHECK_FALSE(postgres_backend::is_recent_pgvector(version));
  // A database of its own, whose extension says that it is older.
  const std::string server = testing::pgvector_server();
  const std::string name = fmt::format("old_{}", std::random_device()());
  run_sql(server, "CREATE DATABASE " + name);
  const std::string url = server + "&dbname=" + name;
  run_sql(url, "CREATE EXTENSION vector");
  run_sql(url, "UPDATE pg_extension SET extversion = '0.7.4' WHERE extname = 'vector'");
  const Error old = refused({.url = url}, make_memory_storage());
  CHECK(old.code == Errc::unsupported);
  CHECK(mentions(old, "0.7.4 is older than 0.8"));
  CHECK(value_of(url, "SELECT to_regclass('sfm_pgvector') IS NULL") == "t");
  run_sql(server, "DROP DATABASE " + name + " WITH (FORCE)");
}

TEST_CASE("an index is one storage's") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto mine = make_memory_storage();
  REQUIRE(open_pgvector_index({.url = url}, mine).has_value());
  CHECK(open_pgvector_index({.url = url, .create = false}, mine).has_value());
  const Error other = refused({.url = url}, make_memory_storage());
  CHECK(other.code == Errc::conflict);
  CHECK(mentions(other, "another storage"));
  // One storage may have several.
  CHECK(open_pgvector_index({.url = testing::fresh_postgres_url(testing::pgvector_server())}, mine).has_value());
  CHECK(open_pgvector_index({.url = url}, mine).has_value());
}

TEST_CASE("openers at the same moment make one index") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto storage = make_memory_storage();
  std::vector<std::string> wrong(6);
  {
    std::vector<std::jthread> threads;
    for (auto& text : wrong) {
      threads.emplace_back([&] {
        const auto opened = open_pgvector_index({.url = url}, storage);
        if (!opened) text = opened.error().message;
      });
    }
  }
  for (const auto& text : wrong) CHECK(text == "");
}

TEST_CASE("tables of a later version are refused") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto storage = make_memory_storage();
  REQUIRE(open_pgvector_index({.url = url}, storage).has_value());
  run_sql(url, "UPDATE sfm_pgvector_about SET version = 2");
  CHECK(refused({.url = url}, storage).code == Errc::unsupported);
}

TEST_CASE("writers feed it commit by commit, whether or not somebody searches") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto memory = open_memory(url), other = open_memory(url);
  const auto applied = [&] { return value_of(url, "SELECT coalesce(max(applied), 0) FROM sfm_pgvector_spaces"); };
  REQUIRE(memory.store({.coordinate = {0}, .payload = "{}"}).has_value());  // without a vector
  REQUIRE(memory.store({.coordinate = {9}, .payload = "{}"}).has_value());
  CHECK(applied() == "0");
  CHECK(value_of(url, "SELECT count(*) FROM sfm_pgvector_spaces") == "0");
  REQUIRE(memory.store({.coordinate = {1}, .embedding = {1, 0}}).has_value());
  CHECK(applied() == std::to_string(memory.stats()->sequence));
  REQUIRE(other.store({.coordinate = {2}, .embedding = {0, 1}}).has_value());
  REQUIRE(memory.link({.from = {1}, .to = {2}}).has_value());
  REQUIRE(other.store({.coordinate = {1}, .embedding = {1, 1}}).has_value());
  REQUIRE(memory.remove({2}).has_value());
  CHECK(applied() == std::to_string(memory.stats()->sequence));
  CHECK(value_of(url, "SELECT count(*) FROM sfm_pgvector") == "1");
  const auto found = memory.search(Vector{1, 1}).value();
  REQUIRE(found.hits.size() == 1);
  CHECK(found.hits[0].score == doctest::Approx(1));
  CHECK(memory.verify()->problems == std::vector<std::string>{});
}

TEST_CASE("two tenants with the same vectors never see each other's") {
  std::mt19937_64 random(testing::announced_seed("tenants"));
  const auto memory = open_memory(testing::fresh_postgres_url(testing::pgvector_server()), {.graph_from = 300});
  std::vector<Vector> vectors;
  for (int i = 0; i < 1'000; ++i) vectors.push_back(vector_oracle::random_vector(random, 8));
  const char* const names[] = {"ada", "bob"};
  for (const char* name : names) {
    Batch batch;
    for (int i = 0; i < 1'000; ++i) {
      batch.store({.coordinate = {static_cast<double>(i)},
                   .payload = fmt::format(R"({{"who": "{}", "n": {}}})", name, i),
                   .embedding = vectors[static_cast<std::size_t>(i)]});
    }
    REQUIRE(memory.in({.tenant = name}).apply(batch).has_value());
    REQUIRE(memory.in({.tenant = name}).maintain().has_value());
    CHECK(memory.in({.tenant = name}).stats()->graph_vectors == 1'000);
  }
  std::size_t graphs = 0;
  for (const char* name : names) {
    const auto tenant = memory.in({.tenant = name});
    for (const int limit : {1, 10, 100, 500, 1'000}) {
      for (int i = 0; i < 5; ++i) {
        SearchOptions options{.top_k = 20, .filter = Filter::lt("n", limit)};
        if (limit == 1'000) options = {.top_k = 20, .recall = 0.9};
        const Vector& asked = vectors[random() % vectors.size()];
        const auto found = tenant.search(asked, options).value();
        CHECK(found.matched == static_cast<std::uint64_t>(limit));
        CHECK(found.hits.size() == std::min<std::size_t>(20, static_cast<std::size_t>(limit)));
        for (const Hit& hit : found.hits) {
          CHECK(hit.memory.payload.find(name) != std::string::npos);
          const auto n = static_cast<std::size_t>(std::stoul(hit.memory.coordinate.to_string()));
          CHECK(n < static_cast<std::size_t>(limit));
          CHECK(hit.score == doctest::Approx(vector_oracle::score(Metric::cosine, asked, vectors[n])));
        }
        graphs += found.exact ? 0 : 1;
      }
    }
  }
  CHECK(graphs > 0);
}

TEST_CASE("handles of two programs write and search at once: every answer is of one moment") {
  const std::uint64_t seed = testing::announced_seed("programs");
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  constexpr std::size_t dimension = 8;
  constexpr int rounds = 150, window = 40;
  const auto vector_of = [&](int writer, int i) {
    std::mt19937_64 random(seed + static_cast<std::uint64_t>(writer * 100'000 + i));
    return vector_oracle::random_vector(random, dimension);
  };
  // A writer's i-th batch stores its memory i and removes i - window: at each moment it has its last `window`.
  std::atomic<int> writing{2};
  const auto write = [&](const FractalMemory& memory, int writer) {
    for (int i = 0; i < rounds; ++i) {
      Batch batch;
      batch.store(
          {.coordinate = {static_cast<double>(writer), static_cast<double>(i)}, .embedding = vector_of(writer, i)});
      if (i >= window) batch.remove({static_cast<double>(writer), static_cast<double>(i - window)});
      const auto done = memory.apply(batch);
      CHECK_MESSAGE(done.has_value(), done.error().message);
    }
    --writing;
  };
  const auto fault = [&](const SearchResult& found, const Vector& asked) -> std::string {
    std::vector<int> seen[2];
    for (const Hit& hit : found.hits) {
      const auto components = hit.memory.coordinate.components();
      const int writer = static_cast<int>(components[0]), i = static_cast<int>(components[1]);
      seen[writer].push_back(i);
      const double score = vector_oracle::score(Metric::cosine, asked, vector_of(writer, i));
      if (std::abs(score - hit.score) > 1e-12) return "a wrong score";
    }
    if (found.matched != found.hits.size()) return fmt::format("{} of {}", found.hits.size(), found.matched);
    for (auto& of : seen) {
      std::sort(of.begin(), of.end());
      for (std::size_t j = 1; j < of.size(); ++j) {
        if (of[j] != of[j - 1] + 1) return "a gap";
      }
      const int last = of.empty() ? -1 : of.back();
      if (of.size() != static_cast<std::size_t>(std::min(last + 1, window))) return "not of one moment";
    }
    return "";
  };
  std::atomic<int> answers{0}, by_rows{0};
  const auto search = [&](const FractalMemory& memory, int which) {
    std::mt19937_64 random(seed + 7 + static_cast<std::uint64_t>(which));
    while (writing > 0) {
      const Vector asked = vector_oracle::random_vector(random, dimension);
      const auto found = memory.search(asked, {.top_k = 1'000});
      REQUIRE_MESSAGE(found.has_value(), found.error().message);
      CHECK(fault(*found, asked) == "");
      ++answers;
      by_rows += found->plan.starts_with("rows") ? 1 : 0;
    }
  };
  const auto one = open_memory(url, {.graph_from = 50}), two = open_memory(url, {.graph_from = 50});
  {
    std::vector<std::jthread> threads;
    threads.emplace_back(write, one, 0);
    threads.emplace_back(write, two, 1);
    threads.emplace_back(search, one, 0);
    threads.emplace_back(search, two, 1);
    threads.emplace_back(search, two, 2);
  }
  MESSAGE(fmt::format("{} answers, {} of them by the rows alone", answers.load(), by_rows.load()));
  CHECK(answers > 0);
  CHECK(by_rows < answers);
  CHECK(one.search(Vector(dimension, 1.0F), {.top_k = 1'000})->hits.size() == 2 * window);
  CHECK(one.verify()->problems == std::vector<std::string>{});
}

TEST_CASE("a storage that was set back does not get answers of the time that it lost") {
  std::mt19937_64 random(testing::announced_seed("lost"));
  const auto claim = [](postgres_backend::Connection&) -> Result<std::string> { return std::string("lost"); };
  SpaceRecord stored;
  const auto newest = [&](const SpaceRecord&) -> Result<SpaceRecord> { return stored; };
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  vector_oracle::Model first(4, 5, Metric::cosine), second(4, 5, Metric::cosine);
  {
    const auto index = postgres_backend::make_pgvector_index({.url = url}, claim, newest).value();
    for (int i = 0; i < 50; ++i) first.add(vector_oracle::random_vector(random, 5));
    stored = first.record();
    REQUIRE(first.commit(*index).has_value());
  }
  for (int i = 0; i < 30; ++i) second.add(vector_oracle::random_vector(random, 5));
  stored = second.record();
  const auto fault = [&](VectorIndex& index) {
    const Vector asked = vector_oracle::random_vector(random, 5);
    const VectorQuery query{.vector = asked, .k = 100, .as_of = second.sequence()};
    return vector_oracle::fault(second, query, index.search(second.record(), query).value());
  };
  {
    const auto reader = postgres_backend::make_pgvector_index({.url = url}, claim, newest).value();
    REQUIRE(reader->catch_up(second.record(), second.pull()).has_value());
    CHECK(fault(*reader) == "");
  }
  // The same by a writer, who knows but its own commit.
  REQUIRE(first.commit(*postgres_backend::make_pgvector_index({.url = url}, claim, newest).value()).has_value());
  run_sql(url, "UPDATE sfm_pgvector_spaces SET applied = 90, moments = '{90,90}'");
  const auto writer = postgres_backend::make_pgvector_index({.url = url}, claim, newest).value();
  second.skip();
  second.add(vector_oracle::random_vector(random, 5));
  stored = second.record();
  REQUIRE(second.commit(*writer).has_value());
  CHECK(writer->applied(4) == 0);
  REQUIRE(writer->catch_up(second.record(), second.pull()).has_value());
  CHECK(fault(*writer) == "");
}

TEST_CASE("a reader of an old moment does not bring an erased space back") {
  const auto claim = [](postgres_backend::Connection&) -> Result<std::string> { return std::string("erased"); };
  const auto gone = [](const SpaceRecord&) -> Result<SpaceRecord> { return SpaceRecord{}; };
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto index = postgres_backend::make_pgvector_index({.url = url}, claim, gone).value();
  vector_oracle::Model model(4, 3, Metric::cosine);
  model.add({1, 2, 3});
  const auto loaded = index->catch_up(model.record(), model.pull());
  REQUIRE_FALSE(loaded.has_value());
  CHECK(loaded.error().code == Errc::unavailable);
  CHECK(value_of(url, "SELECT count(*) FROM sfm_pgvector") == "0");
}

TEST_CASE("connections that are cut cost an answer by the rows, never a wrong one") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto memory = open_memory(url);
  for (int i = 0; i < 50; ++i) {
    REQUIRE(
        memory.store({.coordinate = {static_cast<double>(i)}, .embedding = {1, static_cast<float>(i)}}).has_value());
    if (i % 10 != 0) continue;
    value_of(url,
             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
             "pg_backend_pid() AND query LIKE '%sfm_pgvector%' AND application_name = ''");
    for (int again = 0; again < 2; ++again) {
      const auto found = memory.search(Vector{1, 0}, {.top_k = 100});
      if (!found) {
        CHECK(found.error().code == Errc::unavailable);
        continue;
      }
      CHECK(found->hits.size() == static_cast<std::size_t>(i) + 1);
      CHECK(found->hits[0].memory.coordinate == Coordinate{0});
    }
  }
  CHECK(memory.verify()->problems == std::vector<std::string>{});
}

TEST_CASE("an index server that does not answer leaves the memory whole") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto storage = make_memory_storage();
  // What was there when it was opened, and is not any more.
  Options options{.embedder = nullptr};
  options.storage = storage;
  options.vector_index = open_pgvector_index({.url = url}, storage).value();
  const auto memory = FractalMemory::open(options).value();
  REQUIRE(memory.store({.coordinate = {1}, .embedding = {1, 0}}).has_value());
  run_sql(url, "ALTER TABLE sfm_pgvector RENAME TO elsewhere");
  REQUIRE(memory.store({.coordinate = {2}, .embedding = {0, 1}}).has_value());
  const auto found = memory.search(Vector{0, 1}).value();
  CHECK(found.hits.size() == 2);
  CHECK(found.plan.find("rows") != std::string::npos);
  const auto health = memory.health().value();
  CHECK_FALSE(health.ok);
  REQUIRE_FALSE(health.problems.empty());
  CHECK(health.problems[0].find("sfm_pgvector") != std::string::npos);
  run_sql(url, "ALTER TABLE elsewhere RENAME TO sfm_pgvector");
  CHECK(memory.search(Vector{0, 1}).value().plan.starts_with("scan"));
  CHECK(memory.health()->ok);
}

TEST_CASE("verify tells what differs, repair makes it anew") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto memory = open_memory(url);
  for (int i = 0; i < 6; ++i) {
    REQUIRE(
        memory.store({.coordinate = {static_cast<double>(i)}, .embedding = {1, static_cast<float>(i)}}).has_value());
  }
  REQUIRE(memory.verify()->problems == std::vector<std::string>{});
  run_sql(url, "UPDATE sfm_pgvector SET embedding = '[3,3]' WHERE id % 1024 = 2");
  run_sql(url, "DELETE FROM sfm_pgvector WHERE id % 1024 = 3");
  run_sql(url,
          "INSERT INTO sfm_pgvector(space, id, born, dimension, embedding) SELECT space, id + 500, born, 2, embedding "
          "FROM sfm_pgvector WHERE id % 1024 = 4");
  const auto problems = memory.verify()->problems;
  const auto told = [&](std::string_view words) {
    return std::any_of(problems.begin(), problems.end(), [&](const auto& one) { return one.find(words) != one.npos; });
  };
  CHECK(problems.size() == 3);
  CHECK(told("is another than the row's"));
  CHECK(told("is not in it"));
  CHECK(told("has no vector, but one is in it"));
  REQUIRE(memory.repair().has_value());
  CHECK(memory.verify()->problems == std::vector<std::string>{});
  CHECK(memory.search(Vector{1, 0}, {.top_k = 100})->hits.size() == 6);
}

TEST_CASE("a space that was erased while the index did not answer is erased there later") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto memory = open_memory(url);
  const auto ada = memory.in({.tenant = "ada"}), bob = memory.in({.tenant = "bob"});
  for (const auto& tenant : {ada, bob}) REQUIRE(tenant.store({.coordinate = {1}, .embedding = {1, 2}}).has_value());
  run_sql(url, "ALTER TABLE sfm_pgvector_past RENAME TO elsewhere");
  REQUIRE(ada.erase_space().has_value());
  CHECK(value_of(url, "SELECT count(*) FROM sfm_pgvector") == "2");
  CHECK_FALSE(memory.health()->ok);
  run_sql(url, "ALTER TABLE elsewhere RENAME TO sfm_pgvector_past");
  CHECK(bob.search(Vector{1, 2})->hits.size() == 1);
  CHECK(value_of(url, "SELECT count(*) FROM sfm_pgvector") == "1");
  CHECK(memory.health()->ok);
}

TEST_CASE("what is erased is gone from the tables at once, and from their files after a purge") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto memory = open_memory(url, {.graph_from = 100, .background = false});
  const auto ada = memory.in({.tenant = "ada"}), bob = memory.in({.tenant = "bob"});
  for (const auto& tenant : {ada, bob}) {
    Batch batch;
    for (int i = 0; i < 200; ++i) {
      batch.store({.coordinate = {static_cast<double>(i)}, .embedding = {1, 2, 3, static_cast<float>(i)}});
    }
    REQUIRE(tenant.apply(batch).has_value());
  }
  REQUIRE(ada.store({.coordinate = {1'000}, .embedding = secret}).has_value());
  REQUIRE(bob.store({.coordinate = {1'000}, .embedding = secret}).has_value());
  REQUIRE(ada.maintain().has_value());
  CHECK(value_of(url,
                 "SELECT count(*) FROM pg_class WHERE relname LIKE 'sfm_pgvector_graph_%' AND relnamespace = "
                 "current_schema()::regnamespace") == "2");
  CHECK(files_with_secret(url) != "0");
  REQUIRE(ada.erase_space().has_value());
  CHECK(value_of(url, "SELECT count(*) FROM sfm_pgvector") == "201");
  REQUIRE(bob.remove({1'000}).has_value());
  REQUIRE(bob.maintain({.purge = true}).has_value());
  CHECK(files_with_secret(url) == "0");
  CHECK(value_of(url, "SELECT count(*) FROM sfm_pgvector_erased") == "0");
  CHECK(value_of(url, "SELECT count(*) FROM sfm_pgvector_past") == "0");
  // Bob's graph is there now, ada's is not.
  CHECK(value_of(url,
                 "SELECT count(*) FROM pg_class WHERE relname LIKE 'sfm_pgvector_graph_%' AND relnamespace = "
                 "current_schema()::regnamespace") == "1");
  CHECK(bob.stats()->graph_vectors == 200);
  CHECK(bob.search(Vector{1, 2, 3, 0}, {.top_k = 500})->hits.size() == 200);
}

TEST_CASE("a purge waits for who may still read a vector, and is not done before") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto memory = open_memory(url, {.graph_from = 100, .background = false});
  REQUIRE(memory.store({.coordinate = {1}, .embedding = secret}).has_value());
  REQUIRE(memory.store({.coordinate = {2}, .embedding = Vector{1, 2, 3, 4}}).has_value());
  REQUIRE(memory.search(Vector{1, 2, 3, 4})->hits.size() == 2);
  {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> reader(PQconnectdb(url.c_str()), &PQfinish);
    PQclear(PQexec(reader.get(), "BEGIN ISOLATION LEVEL REPEATABLE READ"));
    PQclear(PQexec(reader.get(), "SELECT count(*) FROM pg_class"));
    REQUIRE(memory.remove({1}).has_value());
    const auto refused = memory.maintain({.purge = true});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::unavailable);
    CHECK(files_with_secret(url) != "0");
  }
  REQUIRE(memory.maintain({.purge = true}).has_value());
  CHECK(files_with_secret(url) == "0");
}

TEST_CASE("an index in a schema of its own does not take another's in the next one of the search path") {
  const auto one = make_memory_storage(), other = make_memory_storage();
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  REQUIRE(open_pgvector_index({.url = testing::pgvector_server()}, one).has_value());
  CHECK(open_pgvector_index({.url = url}, other).has_value());
  run_sql(testing::pgvector_server(),
          "DROP TABLE sfm_pgvector_about, sfm_pgvector, sfm_pgvector_past, sfm_pgvector_spaces, "
          "sfm_pgvector_erased");
}

TEST_CASE("a claim that broke off is made good by its storage") {
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto mine = make_memory_storage();
  REQUIRE(open_pgvector_index({.url = url}, mine).has_value());
  run_sql(url, "UPDATE sfm_pgvector_about SET claimed = false");
  REQUIRE(open_pgvector_index({.url = url}, mine).has_value());
  CHECK(refused({.url = url}, make_memory_storage()).code == Errc::conflict);
}

TEST_CASE("a graph is built in the background, and a build that was cancelled leaves none that counts") {
  std::mt19937_64 random(testing::announced_seed("background"));
  const std::string url = testing::fresh_postgres_url(testing::pgvector_server());
  const auto memory = open_memory(url, {.graph_from = 200});
  Batch batch;
  for (int i = 0; i < 600; ++i) {
    batch.store({.coordinate = {static_cast<double>(i)}, .embedding = vector_oracle::random_vector(random, 6)});
  }
  REQUIRE(memory.apply(batch).has_value());
  // An index that was left unfinished stands in its place.
  run_sql(url,
          "CREATE INDEX sfm_pgvector_graph_1_6_0 ON sfm_pgvector USING hnsw ((embedding::public.vector(6)) "
          "public.vector_cosine_ops) "
          "WHERE space = 1 AND dimension = 6");
  run_sql(url, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'sfm_pgvector_graph_1_6_0'::regclass");
  CHECK(memory.stats()->graph_vectors == 0);
  const Vector asked = vector_oracle::random_vector(random, 6);
  CHECK(memory.search(asked)->exact);
  for (int i = 0; i < 600 && memory.stats()->graph_vectors == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  CHECK(memory.stats()->graph_vectors == 600);
  CHECK_FALSE(memory.search(asked, {.recall = 0.9})->exact);
  CHECK(memory.search(asked, {.exact = true})->exact);
}
