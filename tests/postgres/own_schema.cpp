// Invariant: nothing of one test is seen by another, though all share a server: each has a schema, and tells its
// connections by their application_name.
#include "tests/postgres/own_schema.h"

#include "tests/postgres/fresh_schema.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <stdexcept>

namespace fractal::testing {
namespace {

// As a value in the query of a URL.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

Sql::Sql() : Sql(PQconnectdb(postgres_server().c_str())) {}
Sql::Sql(std::string_view database)
    : Sql(PQconnectdb(fmt::format("{}&dbname={}", postgres_server(), database).c_str())) {}  // the last one counts
Sql::Sql(pg_conn* handle) : handle_(handle) {
  if (PQstatus(handle_) == CONNECTION_OK) return;
  const std::string why = PQerrorMessage(handle_);
  PQfinish(handle_);
  throw std::runtime_error(why);
}

Sql::~Sql() { PQfinish(handle_); }

std::vector<std::vector<std::string>> Sql::rows(const std::string& statement, const std::vector<std::string>& values) {
  std::vector<const char*> data;
  for (const std::string& value : values) data.push_back(value.c_str());
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(
      PQexecParams(handle_, statement.c_str(), static_cast<int>(data.size()), nullptr, data.data(), nullptr, nullptr,
                   0),
      &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) throw std::runtime_error(PQerrorMessage(handle_));
  std::vector<std::vector<std::string>> rows(static_cast<std::size_t>(PQntuples(result.get())));
  for (std::size_t at = 0; at < rows.size(); ++at) {
    for (int column = 0; column < PQnfields(result.get()); ++column) {
      rows[at].emplace_back(PQgetvalue(result.get(), static_cast<int>(at), column));
    }
  }
  return rows;
}

std::string Sql::value(const std::string& statement, const std::vector<std::string>& values) {
  const auto all = rows(statement, values);
  return all.empty() || all[0].empty() ? std::string() : all[0][0];
}

std::string Sql::folder() const { return PQhost(handle_); }
std::string Sql::socket() const { return fmt::format("{}/.s.PGSQL.{}", PQhost(handle_), PQport(handle_)); }

OwnSchema::OwnSchema() : name_(make_schema(postgres_server())) {}

std::string OwnSchema::url(std::string_view host, std::string_view settings) const {
  std::string url = postgres_server() + "&application_name=" + name_;
  url += "&options=" + escaped(fmt::format("-c search_path={} {}", name_, settings));
  if (!host.empty()) url += "&host=" + escaped(host);  // the last one counts
  return url;
}

PlainRole::PlainRole(const OwnSchema& schema) : name_("plain_" + schema.name()), url_(schema.url()) {
  Sql().rows("CREATE ROLE " + name_ + " LOGIN");
}

PlainRole::~PlainRole() { run_on_postgres(fmt::format("DROP OWNED BY {0} CASCADE; DROP ROLE {0}", name_)); }

std::string PlainRole::url() const {
  std::string url = url_;
  return url.replace(url.find("postgres@"), 8, name_);
}

}  // namespace fractal::testing
