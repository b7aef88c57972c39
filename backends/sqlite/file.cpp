// Invariant: nothing is changed on the disk, not even a side file, before the file is known to be ours or
// empty. That is asked through a connection that takes no locks and reads no log. The file itself is never
// opened but by SQLite: closing any descriptor of it would drop this process's locks on it.
#include "backends/sqlite/file.h"

#include "backends/sqlite/postings.h"
#include "backends/sqlite/schema.h"
#include "src/error.h"
#include "src/memory_use.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <thread>

namespace fractal::sqlite_backend {
namespace {

constexpr std::size_t most_idle_readers = 8;
// Of the writer, and of each reader: the rows of some 70,000 memories without payload or vector.
constexpr std::uint64_t good_cache_kib = 16'384;
constexpr off_t smallest_database = 512;  // one page of the smallest size

constexpr std::chrono::milliseconds patience_at_close{50};

struct Found {
  bool exists = false;
  bool empty = true;
  unsigned permissions = 0644;
};

Result<Found> look(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return Found{};
    return make_error(Errc::io, "{}: open: {}", path, std::generic_category().message(errno));
  }
  if (S_ISDIR(status.st_mode)) return make_error(Errc::io, "{}: open: is a directory", path);
  if (!S_ISREG(status.st_mode)) return make_error(Errc::io, "{}: open: not a regular file", path);
  // SQLite takes a file of one byte for an empty one, and writes over it.
  if (status.st_size > 0 && status.st_size < smallest_database) {
    return make_error(Errc::corruption, "{}: open: not a FractalMemory file ({} bytes)", path, status.st_size);
  }
  return Found{true, status.st_size == 0, status.st_mode & 0777U};
}

bool has_log(const std::string& path) {
  struct stat status {};
  return ::stat((path + "-wal").c_str(), &status) == 0 && status.st_size > 0;
}

Error not_ours(const std::string& path, const Error& error) {
  if (error.code != Errc::corruption) return error;
  return make_error(Errc::corruption, "{} (not a FractalMemory file, or a damaged one)",
                    error.message.empty() ? path : error.message);
}

Result<Identity> identify_at(const std::string& path, Access access, std::chrono::milliseconds busy_timeout) {
  FRACTAL_TRY_INTO(const auto connection, Connection::open(path, access, busy_timeout));
  auto identity = identify(*connection);
  if (!identity) return not_ours(path, identity.error());
  return identity;
}

// A process that was killed, or works, in the middle of moving the log into the file leaves pages there that do not
// fit together without the log, not even their number. The header can be read all the same.
void read_whatever_the_size(Connection& connection) {
  sqlite3_db_config(connection.handle(), SQLITE_DBCONFIG_DEFENSIVE, 0, nullptr);
  sqlite3_db_config(connection.handle(), SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, nullptr);
}

// What an existing file is, without leaving a trace.
Result<Identity> probe(const std::string& path, std::chrono::milliseconds busy_timeout) {
  const bool log = has_log(path);
  Identity identity;
  {
    FRACTAL_TRY_INTO(const auto connection, Connection::open(path, Access::immutable, busy_timeout));
    if (log) read_whatever_the_size(*connection);
    auto found = identify(*connection);
    // A file whose first commit is still in its log has no mark, and looks empty or damaged without it.
    if (!found && (!log || connection->integer("PRAGMA application_id", "open").value_or(std::nullopt) != 0)) {
      return not_ours(path, found.error());
    }
    identity = found ? *found : Identity{.empty = true};
  }
  if (identity.empty && log) { FRACTAL_TRY_INTO(identity, identify_at(path, Access::read, busy_timeout)); }
  FRACTAL_TRY(check_identity(identity, path));
  return identity;
}

// `share`: of the memory budget, in bytes; 0: there is none.
std::uint64_t cache_kib(std::uint64_t share) {
  return share != 0 ? std::min(good_cache_kib, share / 1024) : good_cache_kib;
}

Result<void> configure_reader(Connection& connection, std::uint64_t cache_kib) {
  const std::string settings =
      fmt::format("PRAGMA query_only = 1; PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -{}", cache_kib);
  FRACTAL_TRY(connection.execute(settings.c_str(), "open"));
  return register_postings(connection);
}

// Two processes that make one file at the same moment: SQLite does not wait here by itself.
Result<void> enter_wal(Connection& connection, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (;;) {
    Query query(connection, "PRAGMA journal_mode = WAL", "open");
    auto row = query.step();
    if (row && *row) {
      if (query.bytes(0) == "wal") return {};
      return make_error(Errc::unsupported, "{}: open: no write-ahead log possible here (journal mode stays {})",
                        connection.path(), query.bytes(0));
    }
    if (row || row.error().code != Errc::unavailable || std::chrono::steady_clock::now() >= end) {
      return row ? make_error(Errc::io, "{}: open: journal mode unknown", connection.path()) : std::move(row).error();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Result<void> configure_writer(Connection& connection, const Options& options) {
  const std::string settings =
      fmt::format("PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON; PRAGMA cache_size = -{}",
                  cache_kib(MemoryShares(options.memory_budget).writer_pages));
  FRACTAL_TRY(connection.execute(settings.c_str(), "open"));
  FRACTAL_TRY(enter_wal(connection, options.busy_timeout));
  const std::string sync = fmt::format("PRAGMA synchronous = {}", synchronous(options.durability));
  return connection.execute(sync.c_str(), "open");
}

Error cannot_write(const std::string& path, std::string_view why) {
  return make_error(Errc::io, "{}{}; a file that cannot be written opens with Options::read_only", path, why);
}

Result<void> prepare_writer(Connection& connection, const Options& options) {
  // The log counts now: what it says may be newer than what probe() saw.
  // It is not moved into a file that is refused, here or by the core: only a writer that has committed
  // something moves the log when it closes.
  connection.move_log_at_close(false);
  FRACTAL_TRY_INTO(const Identity identity, identify(connection));
  FRACTAL_TRY(check_identity(identity, connection.path()));
  // Before the journal mode, which is in the file, is set.
  if (!identity.empty) FRACTAL_TRY(check_tables(connection));  // those of version 1 are in every later one
  FRACTAL_TRY(configure_writer(connection, options));
  FRACTAL_TRY(migrate(connection, migrations()));
  FRACTAL_TRY(check_tables(connection));
  return register_postings(connection);
}

Result<std::unique_ptr<Connection>> open_writer(const std::string& path, const Options& options, bool exists) {
  FRACTAL_TRY_INTO(auto connection,
                   Connection::open(path, exists ? Access::write : Access::create, options.busy_timeout));
  if (sqlite3_db_readonly(connection->handle(), "main") == 1)
    return cannot_write(path, ": open: the file is read-only");
  auto ready = prepare_writer(*connection, options);
  if (!ready && ready.error().code == Errc::io) return cannot_write({}, ready.error().message);
  if (!ready) return std::move(ready).error();
  return connection;
}

// How a file that is only read can be opened: as others see it; or, where no side files can be made, as
// one that nobody writes.
Result<Access> choose_read_access(const std::string& path, std::chrono::milliseconds busy_timeout) {
  const auto readable = [&](Access access) -> Result<void> {
    FRACTAL_TRY_INTO(const auto connection, Connection::open(path, access, busy_timeout));
    FRACTAL_TRY_INTO(const Identity identity, identify(*connection));
    if (identity.empty) return make_error(Errc::not_found, "{}: open: the database is empty", path);
    FRACTAL_TRY(check_identity(identity, path));
    if (identity.version != schema_version) {
      return make_error(Errc::unsupported, "{}: open: schema version {} must be brought to {} by a writer first", path,
                        identity.version, schema_version);
    }
    return check_tables(*connection);
  };
  auto shared = readable(Access::read);
  if (shared) return Access::read;
  if (shared.error().code != Errc::io || has_log(path)) return std::move(shared).error();
  FRACTAL_TRY(readable(Access::immutable));
  return Access::immutable;
}

Result<void> lock_others(LockFile& file, const std::string& path, std::string_view operation,
                         std::chrono::milliseconds patience) {
  FRACTAL_TRY_INTO(const bool ours, file.lock(patience));
  if (ours) return {};
  return make_error(Errc::unavailable, "{}: {}: another process has been writing for longer than the busy timeout",
                    path, operation);
}

Result<void> check_library() {
  if (sqlite3_threadsafe() != 0) return {};
  return make_error(Errc::unsupported, "sqlite: this SQLite was built without threads");
}

}  // namespace

Lease::~Lease() {
  if (connection_) file_->give_back(std::move(connection_));
}

Result<std::shared_ptr<File>> File::open(const Options& options) {
  const std::string& path = options.path;
  if (path.empty() || path.find('\0') != std::string::npos || path == ":memory:") {
    return make_error(Errc::invalid_argument, "open: \"{}\" is not the path of a file", path);
  }
  FRACTAL_TRY(check_library());
  FRACTAL_TRY_INTO(Found found, look(path));
  if (!found.exists && (!options.create || options.read_only)) {
    return make_error(Errc::not_found, "{}: open: no such file", path);
  }
  // Another program may have made them one after the other, since.
  if (found.exists && found.empty && has_log(path)) { FRACTAL_TRY_INTO(found, look(path)); }
  if (found.exists && found.empty && has_log(path)) {
    return make_error(Errc::corruption, "{}: open: the file is empty, but there is a log of it: {}-wal", path, path);
  }
  if (found.exists && (!found.empty || options.read_only)) FRACTAL_TRY(probe(path, options.busy_timeout));
  if (options.read_only) {
    FRACTAL_TRY_INTO(const Access access, choose_read_access(path, options.busy_timeout));
    return std::shared_ptr<File>(new File(options, access, nullptr, std::nullopt));
  }
  std::error_code unknown;  // as SQLite does for its log: one name for all links to the file
  const auto real = std::filesystem::weakly_canonical(path, unknown);
  auto others = LockFile::open((unknown ? path : real.string()) + "-lock", found.permissions);
  if (!others) return cannot_write({}, others.error().message);
  FRACTAL_TRY(lock_others(*others, path, "open", options.busy_timeout));
  auto writer = open_writer(path, options, found.exists);
  if (!writer) {
    others->remove();
    return std::move(writer).error();
  }
  others->unlock();
  std::shared_ptr<File> file(new File(options, Access::read, std::move(*writer), std::move(*others)));
  FRACTAL_TRY(file->log_.watch(*file->writer_));
  return file;
}

File::File(const Options& options, Access read_access, std::unique_ptr<Connection> writer,
           std::optional<LockFile> others)
    : path_(options.path),
      read_access_(read_access),
      busy_timeout_(options.busy_timeout),
      reader_cache_kib_(cache_kib(MemoryShares(options.memory_budget).reader_pages)),
      others_(std::move(others)),
      writer_(std::move(writer)),
      log_(options) {}

// The last connection of all moves the log into the file: also a write, and nobody waits long for it.
File::~File() {
  idle_.clear();
  log_.close();
  if (!writer_) return;
  const auto ours = others_->lock(patience_at_close);
  if (!ours || !*ours) writer_->move_log_at_close(false);
  writer_.reset();
  if (ours && *ours) others_->remove();
}

Result<Lease> File::reader() {
  {
    const std::lock_guard lock(idle_mutex_);
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return Lease(shared_from_this(), std::move(connection));
    }
  }
  FRACTAL_TRY_INTO(auto connection, Connection::open(path_, read_access_, busy_timeout_));
  FRACTAL_TRY(configure_reader(*connection, reader_cache_kib_));
  return Lease(shared_from_this(), std::move(connection));
}

void File::give_back(std::unique_ptr<Connection> connection) noexcept {
  if (connection->in_transaction()) return;  // beyond use: closed
  const std::lock_guard lock(idle_mutex_);
  if (idle_.size() < most_idle_readers) {
    try {
      idle_.push_back(std::move(connection));
    } catch (const std::exception&) {  // no memory for the list: closed
    }
  }
}

void File::tidy_log() {
  log_.tidy([this](const WriteAheadLog::Move& move) -> Result<void> {
    FRACTAL_TRY_INTO(const auto turn, writer("checkpoint"));
    return move();
  });
}

Result<File::Turn> File::writer(std::string_view operation) {
  if (!writer_) return make_error(Errc::unsupported, "{}: {}: opened read-only", path_, operation);
  std::unique_lock lock(writer_mutex_);
  FRACTAL_TRY(lock_others(*others_, path_, operation, busy_timeout_));
  return Turn(std::move(lock), *this);
}

}  // namespace fractal::sqlite_backend
