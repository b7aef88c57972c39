// Invariant: every call has a connection of its own; what must be seen together is read or written in one transaction.
#include "backends/postgres/postgres_storage.h"

#include "backends/postgres/foreign_rows.h"
#include "backends/postgres/read_view.h"
#include "backends/postgres/row_security.h"
#include "backends/postgres/rows.h"
#include "backends/postgres/schema.h"
#include "backends/postgres/statements.h"
#include "backends/postgres/write_transaction.h"
#include "src/error.h"

#include <chrono>
#include <thread>

namespace fractal::postgres_backend {
namespace {

constexpr int most_attempts = 5;  // at a commit that was undone for no fault of its own
// Who comes back at once may overtake the one for whose sake it was undone, and be in its way again.
constexpr std::chrono::milliseconds between_attempts{20};

// The setup of each connection. Our texts are UTF-8 whatever the environment says.
std::string setup_of(const PostgresOptions& options) {
  std::string setup = fmt::format(
      "SET client_encoding = 'UTF8'; SET statement_timeout = {}; SET lock_timeout = {}; "
      "SET standard_conforming_strings = on; SET timezone = 'UTC'",
      options.call_timeout.count(), options.busy_timeout.count());
  if (options.durability == Durability::off) setup += "; SET synchronous_commit = off";
  if (options.read_only) setup += "; SET default_transaction_read_only = on";
  return setup;
}

// What messages call the server: never a password.
std::string name_of(const std::string& url) {
  char* why = nullptr;
  PQconninfoOption* const parts = PQconninfoParse(url.c_str(), &why);
  PQfreemem(why);
  if (parts == nullptr) return "postgres";
  std::string host = "localhost", database;
  for (const PQconninfoOption* part = parts; part->keyword != nullptr; ++part) {
    if (part->val == nullptr) continue;
    if (std::string_view(part->keyword) == "host") host = part->val;
    if (std::string_view(part->keyword) == "dbname") database = part->val;
  }
  PQconninfoFree(parts);
  return fmt::format("postgres://{}/{}", host, database);
}

Result<void> check(const PostgresOptions& options) {
  const bool known = options.url.starts_with("postgres://") || options.url.starts_with("postgresql://");
  char* why = nullptr;
  PQconninfoOption* const parts = known ? PQconninfoParse(options.url.c_str(), &why) : nullptr;
  const bool good = parts != nullptr;
  PQconninfoFree(parts);
  PQfreemem(why);  // names the URL, which has the password in it
  if (!good) return Error{Errc::invalid_argument, "postgres: not a URL such as postgres://user@host:5432/database"};
  if (options.most_connections < 2) return Error{Errc::invalid_argument, "postgres: most_connections is less than 2"};
  return {};
}

Result<void> prepare_tables(Connection& connection, const PostgresOptions& options) {
  FRACTAL_TRY_INTO(const auto version, stored_version(connection));
  if (version == schema_version) return {};
  if (version > schema_version) {
    return make_error(Errc::unsupported,
                      "{}: the tables have version {}, newer than {}, the newest that this version knows",
                      connection.server(), *version, schema_version);
  }
  FRACTAL_TRY(check_no_others(connection));
  if (options.create && !options.read_only) return migrate(connection);
  return make_error(Errc::not_found, "{}: there are no tables", connection.server());
}

Result<bool> prepare_row_security(Connection& connection, const PostgresOptions& options) {
  FRACTAL_TRY_INTO(const bool there, has_row_security(connection));
  if (there || !options.row_security) return there;
  if (options.read_only) {
    return make_error(Errc::unsupported, "{}: no row security, and opened read-only", connection.server());
  }
  FRACTAL_TRY(add_row_security(connection));
  return true;
}

}  // namespace

Result<Server> server_of(const PostgresOptions& options) {
  FRACTAL_TRY(check(options));
  return Server{.conninfo = options.url,
                .name = name_of(options.url),
                .setup = setup_of(options),
                .connect_timeout = options.connect_timeout,
                .call_timeout = options.call_timeout,
                .busy_timeout = options.busy_timeout};
}

Result<void> PostgresStorage::may_write(std::string_view operation) const {
  if (!read_only_) return {};
  return make_error(Errc::unsupported, "{}: {}: opened read-only", pool_->server().name, operation);
}

Result<void> PostgresStorage::apply(std::span<WriteStep> steps) {
  if (steps.empty()) return {};
  FRACTAL_TRY(may_write("write"));
  const auto end = std::chrono::steady_clock::now() + pool_->server().call_timeout;
  for (int attempts = 1;; ++attempts) {
    Attempt attempt;
    {
      FRACTAL_TRY_INTO(const Lease lease, pool_->lease());
      attempt = run_steps(*lease, steps, {.idle_timeout = pool_->server().call_timeout, .row_security = row_security_});
    }
    if (attempt.unanswered) {
      FRACTAL_TRY_INTO(const bool committed, was_committed(*pool_, *attempt.unanswered));
      if (committed) return {};
      attempt.may_repeat = true;
    }
    const bool last = attempts == most_attempts || std::chrono::steady_clock::now() >= end;
    if (attempt.outcome || !attempt.may_repeat || last) return attempt.outcome;
    std::this_thread::sleep_for(between_attempts * attempts);
  }
}

Result<std::unique_ptr<ReadView>> PostgresStorage::read(const Space& space) {
  FRACTAL_TRY_INTO(auto lease, pool_->lease());
  return open_view(std::move(lease), space, row_security_);
}

Result<std::optional<Row>> PostgresStorage::get(const Space& space, std::string_view key, Columns columns) {
  if (!row_security_) {
    FRACTAL_TRY_INTO(const Lease lease, pool_->lease());
    const Values values(Bytes{space.tenant}, Bytes{space.name}, Bytes{key});
    FRACTAL_TRY_INTO(const Rows rows, lease->run(sql::get[columns], values));
    if (rows.count() > 0) return read_one(*lease, rows, columns);
    FRACTAL_TRY_INTO(row_security_, has_row_security(*lease));  // added since: nothing was shown
    if (!row_security_) return std::optional<Row>{};
  }
  FRACTAL_TRY_INTO(const auto view, read(space));  // row security is a matter of transactions
  return view->get(key, columns);
}

Result<std::vector<Space>> PostgresStorage::spaces() {
  FRACTAL_TRY_INTO(const Lease lease, pool_->lease());
  FRACTAL_TRY_INTO(const Rows rows, lease->run(sql::spaces));
  std::vector<Space> spaces;
  spaces.reserve(static_cast<std::size_t>(rows.count()));
  for (int at = 0; at < rows.count(); ++at) {
    spaces.push_back({std::string(rows.bytes(at, 0)), std::string(rows.bytes(at, 1))});
  }
  return spaces;
}

Result<std::optional<std::string>> PostgresStorage::setting(std::string_view name) {
  FRACTAL_TRY_INTO(const Lease lease, pool_->lease());
  FRACTAL_TRY_INTO(const Rows rows, lease->run(sql::setting, Values(Text{name})));
  return rows.count() > 0 ? std::optional(std::string(rows.bytes(0, 0))) : std::nullopt;
}

Result<std::vector<std::string>> PostgresStorage::indexed_fields() {
  FRACTAL_TRY_INTO(const Lease lease, pool_->lease());
  FRACTAL_TRY_INTO(auto fields, read_fields(*lease));
  std::vector<std::string> paths;
  for (Field& field : fields) paths.push_back(std::move(field.path));
  return paths;
}

Result<void> PostgresStorage::backup(const std::string&, const Control&) {
  return make_error(Errc::unsupported, "{}: backup: use pg_dump, or copy the memories", pool_->server().name);
}

std::string PostgresStorage::describe() const {
  return fmt::format("postgres {}.{}", server_version_ / 10'000, server_version_ % 10'000);
}

std::vector<std::string> PostgresStorage::problems() {
  std::vector<std::string> problems;
  for (std::string problem : {pool_->problem(), feed_->problem()}) {
    if (!problem.empty()) problems.push_back(std::move(problem));
  }
  if (!problems.empty()) return problems;
  const auto lease = pool_->lease();
  auto others = lease ? foreign_problems(**lease) : Result<std::vector<std::string>>(lease.error());
  return others ? std::move(*others) : std::vector{others.error().message};
}

std::uint64_t PostgresStorage::bytes() {
  constexpr Statement size{"read the size",
                           "SELECT sum(pg_total_relation_size(c))::bigint FROM unnest(ARRAY['sfm_namespaces', "
                           "'sfm_memories', 'sfm_vector_embeddings', 'sfm_graph_links', 'sfm_removals', "
                           "'sfm_audit_log', 'sfm_keywords', 'sfm_field_values', 'sfm_settings']::regclass[]) AS c"};
  const auto lease = pool_->lease();
  if (!lease) return 0;
  const auto rows = (**lease).run(size);
  return rows ? rows->natural(0, 0) : 0;
}

}  // namespace fractal::postgres_backend

namespace fractal {

Result<std::shared_ptr<Storage>> open_postgres_storage(const PostgresOptions& options) {
  FRACTAL_TRY_INTO(const postgres_backend::Server server, postgres_backend::server_of(options));
  auto pool = std::make_shared<postgres_backend::Pool>(server, options.most_connections);
  FRACTAL_TRY_INTO(const postgres_backend::Lease lease, pool->lease());
  FRACTAL_TRY(postgres_backend::prepare_tables(*lease, options));
  FRACTAL_TRY_INTO(const bool row_security, postgres_backend::prepare_row_security(*lease, options));
  return std::shared_ptr<Storage>(std::make_shared<postgres_backend::PostgresStorage>(
      std::move(pool), options.read_only, row_security, lease->server_version()));
}

Result<std::shared_ptr<Storage>> open_postgres_url(const Options& options) {
  return open_postgres_storage({.url = options.path,
                                .create = options.create,
                                .read_only = options.read_only,
                                .durability = options.durability,
                                .busy_timeout = options.busy_timeout});
}

}  // namespace fractal
