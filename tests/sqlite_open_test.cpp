// What open_sqlite_storage() says to every kind of file, and that it leaves alone what it refuses.
#include "sqlite_files.h"

#include "backends/sqlite/connection.h"
#include "backends/sqlite/schema.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

using namespace fractal;
using namespace fractal::test;
using sqlite_backend::Access;
using sqlite_backend::Connection;

namespace {

constexpr std::chrono::milliseconds no_wait{0};

std::unique_ptr<Connection> raw(const std::string& path) {
  return Connection::open(path, Access::create, no_wait).value();
}

void sql(const std::string& path, const char* text) { raw(path)->execute(text, "test").value(); }

// Opening fails with this code, names the file, and changes nothing in the folder.
void refuses(const Folder& folder, const Options& options, Errc code, const std::string& words) {
  const auto before = folder.contents();
  const auto opened = open_sqlite_storage(options);
  REQUIRE_FALSE(opened.has_value());
  CAPTURE(opened.error().message);
  CHECK(opened.error().code == code);
  CHECK(opened.error().message.find(words) != std::string::npos);
  CHECK(opened.error().message.find(options.path) != std::string::npos);
  CHECK((folder.contents() == before));
}

void make_database(const std::string& path) { put(*open_storage(path), {1, 2}, R"({"text":"tea"})", "tea"); }

std::optional<Row> look_up(Storage& storage, const Coordinate& coordinate) {
  return storage.get({}, coordinate.key(), Columns::payload).value();
}

// Runs in a process that file permissions bind, whoever runs the test. True if `run` said so.
bool as_nobody(const std::function<bool()>& run) {
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t nobody = 65534;
    if (::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) ::_exit(2);
    ::_exit(run() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool fails_with(const Options& options, Errc code, std::string_view words) {
  const auto opened = open_sqlite_storage(options);
  return !opened && opened.error().code == code && opened.error().message.find(words) != std::string::npos;
}

bool reads(const Options& options) {
  const auto opened = open_sqlite_storage(options);
  if (!opened || !(*opened)->read_only()) return false;
  const auto row = (*opened)->get({}, Coordinate{1, 2}.key(), Columns::payload);
  const auto written = write(**opened, [](WriteTransaction& t) { return t.set_setting("a", "b"); });
  return row && *row && (*row)->memory.payload == R"({"text":"tea"})" && !written &&
         written.error().code == Errc::unsupported &&
         written.error().message.find("opened read-only") != std::string::npos;
}

}  // namespace

TEST_CASE("a missing file is made, unless it must be there") {
  const Folder folder;
  Options options = options_for(folder.file("a.db"));
  options.create = false;
  refuses(folder, options, Errc::not_found, "no such file");
  options.create = true;
  options.read_only = true;
  refuses(folder, options, Errc::not_found, "no such file");
  options.read_only = false;
  const auto storage = open_sqlite_storage(options).value();
  CHECK_FALSE(storage->read_only());
  CHECK(storage->describe() == std::string("sqlite ") + sqlite3_libversion());
  CHECK(storage->bytes() > 0);
  CHECK(storage->problems().empty());
  options.path = folder.file("nowhere/a.db");
  refuses(folder, options, Errc::io, "No such file or directory");
}

TEST_CASE("an empty file is a new one") {
  const Folder folder;
  write_file(folder.file("a.db"), "");
  Options options = options_for(folder.file("a.db"));
  options.read_only = true;
  refuses(folder, options, Errc::not_found, "empty");
  make_database(folder.file("a.db"));
  CHECK(look_up(*open_storage(folder.file("a.db")), {1, 2}));
}

TEST_CASE("a path that is not that of a file") {
  const Folder folder;
  refuses(folder, options_for(folder.path().string()), Errc::io, "directory");
  for (const std::string& path : {std::string(), std::string(":memory:"), std::string("a\0b", 3)}) {
    CHECK(fails_with(options_for(path), Errc::invalid_argument, "path"));
  }
  REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
  CHECK(fails_with(options_for(folder.file("pipe")), Errc::io, "regular"));
}

TEST_CASE("letters that mean something in a URI mean themselves in a path") {
  const Folder folder;
  for (const char* const name : {"a%41b.db", "a?mode=memory", "a#b.db", "file:a.db", "blank and \xc3\xa9.db"}) {
    make_database(folder.file(name));
    CHECK(std::filesystem::exists(folder.file(name)));
    CHECK(look_up(*open_storage(folder.file(name)), {1, 2}));
  }
}

TEST_CASE("files that are not SQLite are left alone") {
  const Folder folder;
  for (const std::size_t size : {1u, 99u, 100u, 512u, 4096u, 20'000u}) {
    std::string bytes(size, 'x');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + 3);
    write_file(folder.file("a.db"), bytes);
    Options options = options_for(folder.file("a.db"));
    refuses(folder, options, Errc::corruption, "not a FractalMemory file");
    options.read_only = true;
    refuses(folder, options, Errc::corruption, "not a FractalMemory file");
  }
}

TEST_CASE("databases of other programs are left alone") {
  for (const char* const mode : {"PRAGMA journal_mode = DELETE", "PRAGMA journal_mode = WAL"}) {
    for (const char* const mark : {"PRAGMA application_id = 0", "PRAGMA application_id = 77"}) {
      const Folder folder;
      CAPTURE(mode);
      CAPTURE(mark);
      sql(folder.file("a.db"), mode);
      sql(folder.file("a.db"), "CREATE TABLE theirs(x); INSERT INTO theirs VALUES (1)");
      sql(folder.file("a.db"), mark);
      CHECK(folder.contents().size() == 1);
      Options options = options_for(folder.file("a.db"));
      refuses(folder, options, Errc::corruption, "not a FractalMemory file");
      options.read_only = true;
      refuses(folder, options, Errc::corruption, "not a FractalMemory file");
    }
  }
}

TEST_CASE("a newer schema is left alone") {
  const Folder folder;
  make_database(folder.file("a.db"));
  sql(folder.file("a.db"), "PRAGMA user_version = 99");
  Options options = options_for(folder.file("a.db"));
  refuses(folder, options, Errc::unsupported, "newer");
  options.read_only = true;
  refuses(folder, options, Errc::unsupported, "newer");
}

TEST_CASE("a missing table or index is damage") {
  for (const char* const text : {"DROP TABLE sfm_settings", "DROP INDEX sfm_memories_by_key"}) {
    const Folder folder;
    make_database(folder.file("a.db"));
    sql(folder.file("a.db"), text);
    CHECK(fails_with(options_for(folder.file("a.db")), Errc::corruption, "is missing"));
  }
}

TEST_CASE("a locked file is unavailable, and only as long as it is locked") {
  const Folder folder;
  make_database(folder.file("a.db"));
  {
    const auto holder = raw(folder.file("a.db"));
    holder
        ->execute("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; INSERT INTO sfm_settings VALUES ('a', 'b')",
                  "test")
        .value();
    refuses(folder, options_for(folder.file("a.db")), Errc::unavailable, "locked");
  }
  CHECK(look_up(*open_storage(folder.file("a.db")), {1, 2}));
}

TEST_CASE("a write waits for another writer and then is unavailable") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  const auto other = raw(folder.file("a.db"));
  other->execute("BEGIN IMMEDIATE", "test").value();
  const auto written = write(*storage, [](WriteTransaction& t) { return t.set_setting("a", "b"); });
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().code == Errc::unavailable);
  other->execute("ROLLBACK", "test").value();
  CHECK(write(*storage, [](WriteTransaction& t) { return t.set_setting("a", "b"); }).has_value());
  CHECK(storage->setting("a").value() == "b");
}

TEST_CASE("files cut off at any page are refused and left alone") {
  const Folder folder;
  {
    const auto storage = open_storage(folder.file("whole.db"));
    for (int i = 0; i < 40; ++i) put(*storage, {1.0 * i}, "{\"text\":\"" + std::string(300, 'x') + "\"}", "word");
  }
  const std::string whole = folder.contents().at("whole.db");
  std::filesystem::remove(folder.file("whole.db"));
  for (std::size_t size = 4096; size < whole.size(); size += 4096) {
    CAPTURE(size);
    write_file(folder.file("a.db"), whole.substr(0, size));
    refuses(folder, options_for(folder.file("a.db")), Errc::corruption, "");
  }
  write_file(folder.file("a.db"), whole);
  CHECK(look_up(*open_storage(folder.file("a.db")), {7}));
}

TEST_CASE("random flips: an error or an answer, never a crash") {
  const Folder folder;
  {
    const auto storage = open_storage(folder.file("a.db"));
    for (int i = 0; i < 40; ++i)
      put(*storage, {1.0 * i}, "{\"text\":\"" + std::string(300, 'x') + "\"}", "word", {1, 2});
  }
  const std::string whole = folder.contents().at("a.db");
  std::uint64_t seed = 20'240'501;
  MESSAGE("seed " << seed);
  const auto next = [&] { return seed = seed * 6364136223846793005u + 1442695040888963407u; };
  std::size_t refused = 0, answered = 0;
  for (int round = 0; round < 60; ++round) {
    std::string bytes = whole;
    for (int flip = 0; flip < 20; ++flip)
      bytes[(next() >> 20) % bytes.size()] ^= static_cast<char>(1 << (next() >> 40) % 8);
    for (const char* const suffix : {"", "-wal", "-shm"}) std::filesystem::remove(folder.file("a.db") + suffix);
    write_file(folder.file("a.db"), bytes);
    const auto opened = open_sqlite_storage(options_for(folder.file("a.db")));
    ++(opened ? answered : refused);
    if (!opened) continue;
    Storage& storage = **opened;
    const auto view = storage.read({});
    if (view) {
      (void)(*view)->list({.limit = 100, .columns = Columns::all});
      const std::string terms[] = {"word"};
      (void)(*view)->postings(terms);
      (void)(*view)->select(Filter::eq("$version", 1), {}, 100);
      (void)(*view)->vectors(0, VectorColumns::fields, [](const VectorChange&) { return true; });
      (void)(*view)->changes(0, 100);
    }
    const auto verified = storage.verify({});
    if (verified) CHECK(verified->size() < 1000);
    (void)storage.repair({});
  }
  CHECK(refused + answered == 60);
}

TEST_CASE("file permissions") {
  const Folder folder;
  const std::string path = folder.file("a.db");
  make_database(path);
  Options writing = options_for(path), reading = options_for(path);
  reading.read_only = true;
  const auto before = folder.contents();

  SUBCASE("a file that may not be read") {
    ::chmod(folder.path().c_str(), 0777);
    ::chmod(path.c_str(), 0);
    CHECK(as_nobody([&] { return fails_with(writing, Errc::io, "ermission"); }));
    CHECK(as_nobody([&] { return fails_with(reading, Errc::io, "ermission"); }));
  }
  SUBCASE("a file that may not be written") {
    ::chmod(folder.path().c_str(), 0755);
    ::chmod(path.c_str(), 0444);
    CHECK(as_nobody([&] { return fails_with(writing, Errc::io, "read_only"); }));
    CHECK(as_nobody([&] { return reads(reading); }));
  }
  SUBCASE("a folder in which no log can be made") {
    ::chmod(folder.path().c_str(), 0555);
    ::chmod(path.c_str(), 0666);
    if (::geteuid() == 0) {  // otherwise the folder is our own
      CHECK(as_nobody([&] { return fails_with(writing, Errc::io, "read_only"); }));
    }
    CHECK(as_nobody([&] { return reads(reading); }));
  }
  ::chmod(folder.path().c_str(), 0755);
  ::chmod(path.c_str(), 0644);
  CHECK((folder.contents() == before));
}

TEST_CASE("read_only beside a writer sees its commits") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  put(*storage, {1, 2}, R"({"text":"tea"})");
  Options options = options_for(folder.file("a.db"));
  options.read_only = true;
  CHECK(reads(options));
  const auto reader = open_sqlite_storage(options).value();
  CHECK_FALSE(look_up(*reader, {3}));
  put(*storage, {3}, "{}");
  CHECK(look_up(*reader, {3}));
  CHECK(reader->verify({}).value().empty());
  CHECK(reader->maintain(false, {}).error().code == Errc::unsupported);
}

TEST_CASE("a view outlives its storage, and nothing is left behind after both") {
  const Folder folder;
  auto storage = open_storage(folder.file("a.db"));
  put(*storage, {1, 2}, R"({"text":"tea"})");
  auto view = storage->read({}).value();
  put(*storage, {3}, "{}");
  storage.reset();
  CHECK(view->get(Coordinate{1, 2}.key(), Columns::payload).value());
  CHECK_FALSE(view->get(Coordinate{3}.key(), Columns::payload).value());
  CHECK(view->space().memories == 1);
  view.reset();
  CHECK(folder.contents().size() == 1);
}

TEST_CASE("migrations run in one transaction and once") {
  using sqlite_backend::Migration;
  const Folder folder;
  const std::string path = folder.file("a.db");
  make_database(path);
  const auto now = sqlite_backend::migrations();
  const auto version = static_cast<std::int64_t>(now.size());
  const auto and_then = [&](const char* sql) {
    std::vector<Migration> steps(now.begin(), now.end());
    steps.push_back(Migration{sql});
    return steps;
  };
  {
    const auto connection = raw(path);
    const auto broken = and_then("CREATE TABLE sfm_new(x); CREATE TABLE sfm_new(x)");
    CHECK_FALSE(sqlite_backend::migrate(*connection, broken).has_value());
    CHECK(connection->integer("PRAGMA user_version", "test").value() == version);
    CHECK_FALSE(connection->integer("SELECT 1 FROM sqlite_schema WHERE name = 'sfm_new'", "test").value());
    const auto good = and_then("CREATE TABLE sfm_new(x)");
    sqlite_backend::migrate(*connection, good).value();
    sqlite_backend::migrate(*connection, good).value();
    CHECK(connection->integer("PRAGMA user_version", "test").value() == version + 1);
  }
  CHECK(fails_with(options_for(path), Errc::unsupported, "newer"));
}

TEST_CASE("a file of schema version 1 is brought up to date when it is opened for writing") {
  const Folder folder;
  const std::string path = folder.file("a.db");
  {
    const auto connection = raw(path);
    sqlite_backend::migrate(*connection, sqlite_backend::migrations().first(1)).value();
    connection->execute("INSERT INTO sfm_namespaces(tenant, namespace) VALUES ('old', 'space')", "test").value();
  }
  Options reading = options_for(path);
  reading.read_only = true;
  CHECK(fails_with(reading, Errc::unsupported, "version 1"));
  const auto storage = open_storage(path);
  const auto view = storage->read({.tenant = "old", .name = "space"}).value();
  CHECK(view->space().number == 1);
  CHECK(view->space().embedder.empty());
}

TEST_CASE("a step that throws is undone alone") {
  const Folder folder;
  const auto storage = open_storage(folder.file("a.db"));
  std::array<WriteStep, 4> steps{{
      {[](WriteTransaction& t) { return put(t, {}, {.coordinate = {1}}, "one"); }, {}},
      {[](WriteTransaction& t) -> Result<void> {
         put(t, {}, {.coordinate = {2}}, "two").value();
         throw std::bad_alloc();
       },
       {}},
      {[](WriteTransaction& t) -> Result<void> {
         put(t, {.tenant = "other"}, {.coordinate = {3}}, "three").value();
         throw std::runtime_error("no");
       },
       {}},
      {[](WriteTransaction& t) { return put(t, {}, {.coordinate = {4}}, "four"); }, {}},
  }};
  storage->apply(steps).value();
  CHECK(steps[0].outcome.has_value());
  CHECK(steps[1].outcome.error().code == Errc::unavailable);
  CHECK(steps[2].outcome.error().message == "write: no");
  CHECK(steps[3].outcome.has_value());
  CHECK(storage->spaces().value().size() == 1);
  const auto view = storage->read({}).value();
  CHECK(view->space().memories == 2);
  CHECK(view->space().last_id == 2);
  const std::string terms[] = {"one", "two", "four"};
  CHECK(view->postings(terms).value().entries.size() == 2);
  CHECK(storage->verify({}).value().empty());
  const auto alone = write(*storage, [](WriteTransaction&) -> Result<void> { throw std::bad_alloc(); });
  CHECK(alone.error().code == Errc::unavailable);
  put(*storage, {5}, "{}");
}
