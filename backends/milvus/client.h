// Milvus by gRPC: the calls that this component makes, each over again where that helps (src/call_policy.h). What gRPC and
// Protocol Buffers declare stays in client.cpp.
#ifndef FRACTAL_BACKENDS_MILVUS_CLIENT_H
#define FRACTAL_BACKENDS_MILVUS_CLIENT_H

#include <fractal/backend.h>
#include <fractal/milvus.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::milvus {

// The fields of our collections. Of a row that was found, those that were asked for.
struct Row {
  std::int64_t epoch = 0, id = 0, born = 0, kind = 0;
  std::string note{};
  std::vector<float> vector{};
};

struct WrittenRow {
  std::string key{};
  std::string_view tenant{};
  std::int64_t space = 0, epoch = 0, id = 0, born = 0, kind = 0;
  std::string_view note{};
  std::string place{};  // see condition.h
  std::int64_t type = 0, created_at = 0;
  std::span<const float> vector{};
};

struct CollectionPlan {
  std::string name{};
  std::size_t dimension = 0;
  std::string_view metric{};  // COSINE, IP, L2
  std::string_view index = "AUTOINDEX";
  bool partitioned = true;  // by tenant
};

// Where the server is, and who asks.
struct MilvusAddress {
  std::string server{};    // host:port
  std::string database{};  // empty: the server's default
  std::string token{};
  std::string certificates{};  // a file
  bool tls = false;
};

// What a read must see.
struct Consistency {
  MilvusConsistency level = MilvusConsistency::session;
  std::uint64_t timestamp = 0;  // of a write
};

// Of a server that does not take an expression, at any time.
bool refuses_expression(const Error& error);

// Any thread. Errors: unavailable if the server may do it later; not_found: there is no such collection; unsupported: the
// server refuses who asks; io: anything else that it says.
class Client {
 public:
  static Result<std::unique_ptr<Client>> open(const MilvusAddress& address, const MilvusOptions& options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  const std::string& name() const;  // "milvus at host:port"
  std::string problem() const;
  void stop();  // calls end soon, and no new ones begin

  Result<bool> has(const std::string& collection, const Control* control);
  Result<std::vector<std::string>> collections();
  // Made by now, by this program or another, and make_ready().
  Result<void> create(const CollectionPlan& plan, const Control* control);
  // One that is there can be asked: it has its index, and is loaded.
  Result<void> make_ready(const CollectionPlan& plan, const Control* control);
  // Done, too, if there is none.
  Result<void> drop(const std::string& collection, const Control* control);
  // The write's timestamp.
  Result<std::uint64_t> upsert(const std::string& collection, std::span<const WrittenRow> rows, const Control* control);
  Result<std::uint64_t> erase(const std::string& collection, const std::string& expression);
  Result<std::vector<Row>> query(const std::string& collection, const std::string& expression,
                                 std::span<const std::string_view> fields, std::size_t limit,
                                 const Consistency& consistency, const Control* control);
  struct Nearest {
    std::span<const float> vector{};
    std::size_t k = 0;
    std::string_view metric{};
    std::span<const std::string_view> fields{};
  };
  Result<std::vector<Row>> search(const std::string& collection, const std::string& expression, const Nearest& nearest,
                                  const Consistency& consistency, const Control* control);

 private:
  class Calls;
  explicit Client(std::unique_ptr<Calls> calls);
  Result<void> need(const std::string& collection, const Control* control);  // not_found: it is not there
  std::unique_ptr<Calls> calls_;
};

}  // namespace fractal::milvus

#endif
