// The floor of the bench: the statements that the component sends for a call, sent by libpq alone, in the same pipelines.
#ifndef FRACTAL_BENCH_POSTGRES_PLAIN_LIBPQ_H
#define FRACTAL_BENCH_POSTGRES_PLAIN_LIBPQ_H

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fractal::bench {

// A value in the binary format of its type.
struct Parameter {
  std::string bytes{};
  Oid type = 0;
  bool null = false;
};
Parameter number(std::uint64_t value);
Parameter real(double value);
Parameter truth(bool value);
Parameter bytes(std::string_view value);
Parameter text(std::string_view value);
Parameter nothing(Oid type);
Parameter numbers(const std::vector<std::uint64_t>& values);  // bigint[]
Parameter reals(const std::vector<double>& values);           // double precision[]
Parameter many_bytes(const std::vector<std::string>& values);
Parameter many_texts(const std::vector<std::string>& values);

class PlainLibpq {
 public:
  explicit PlainLibpq(const std::string& url);  // throws std::runtime_error, as all here

  void send(const char* sql, const std::vector<Parameter>& parameters = {});
  void flush();  // sends, and waits for nothing
  // Waits for all that was sent; values of the first column of the last statement that had rows.
  std::vector<std::string> finish();

 private:
  using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;
  [[noreturn]] void fail() const;
  const std::string& prepared(const char* sql, std::span<const Oid> types);
  Result next();

  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  std::unordered_map<std::string_view, std::string> names_{};  // by statement, which must live
  std::size_t sent_ = 0;
};

}  // namespace fractal::bench

#endif
