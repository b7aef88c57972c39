// One connection to the server with its prepared statements, and the one place where libpq's states and the server's
// codes become errors. The only header that knows libpq-fe.h.
#ifndef FRACTAL_BACKENDS_POSTGRES_CONNECTION_H
#define FRACTAL_BACKENDS_POSTGRES_CONNECTION_H

#include <fractal/fractal_memory.h>

#include <libpq-fe.h>

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace fractal::postgres_backend {

struct Bytes {
  std::string_view bytes;
};
struct Text {
  std::string_view bytes;  // without NUL
};
struct Components {
  std::span<const float> numbers;  // of pgvector's type vector: at most 16,000
};
// Between float32 in this machine's order and in the network's, either way.
void copy_components(const void* from, void* to, std::size_t count);

// Values of a statement in the binary format, in the order of $1, $2, ...
class Values {
 public:
  template <class... All> explicit Values(const All&... all) { (add(all), ...); }

  void add(std::nullptr_t) { entry(nullptr, 0, 0); }
  void add(Bytes value) { copy(value.bytes, bytea_type); }
  void add(Text value) { copy(value.bytes, text_type); }
  void add(bool value) { copy(std::string_view(value ? "\1" : "\0", 1), bool_type); }
  void add(double value);
  template <std::integral T>
  requires(!std::same_as<T, bool>) void add(T value) { add_int8(static_cast<std::uint64_t>(value)); }
  void add(Time value) { add(value.time_since_epoch().count()); }
  void add(const std::optional<Time>& value) { value ? add(*value) : entry(nullptr, 0, int8_type); }
  void add(Components vector);
  void add(std::span<const std::uint64_t> numbers);  // bigint[]
  void add(const std::vector<Bytes>& all);           // bytea[]
  void add(const std::vector<Text>& all);            // text[]
  void add(std::span<const std::uint32_t> numbers);  // bigint[]
  void add(std::span<const double> numbers);         // double precision[]

  int count() const { return static_cast<int>(entries_.size()); }
  std::size_t size() const { return data_.size(); }

 private:
  friend class Connection;
  static constexpr Oid bool_type = 16, bytea_type = 17, int8_type = 20, text_type = 25, float8_type = 701;
  static constexpr Oid not_said = 0;  // the server takes what the statement wants there
  static constexpr Oid bytea_array = 1001, text_array = 1009, int8_array = 1016, float8_array = 1022;

  struct Entry {
    std::size_t begin;
    int size;
    bool null;
    Oid type;
  };
  void entry(const void* data, std::size_t size, Oid type);
  void copy(std::string_view bytes, Oid type) {
    entry(bytes.data() == nullptr ? "" : bytes.data(), bytes.size(), type);
  }
  void add_int8(std::uint64_t value);
  void begin_array(Oid type, Oid element, std::size_t count);
  void end_array();
  void element(std::string_view bytes);

  std::string data_{};
  std::vector<Entry> entries_{};
};

// The rows of one result, in the binary format. Views live as long as this.
class Rows {
 public:
  Rows() = default;
  explicit Rows(PGresult* result) : result_(result, &PQclear) {}

  int count() const { return result_ ? PQntuples(result_.get()) : 0; }
  bool null(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  std::string_view bytes(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column), static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
  }
  std::int64_t integer(int row, int column) const;  // of 1, 2, 4 or 8 bytes
  std::uint64_t natural(int row, int column) const { return static_cast<std::uint64_t>(integer(row, column)); }
  double real(int row, int column) const;
  Time time(int row, int column) const { return Time(std::chrono::microseconds(integer(row, column))); }
  std::uint64_t affected() const;
  std::string_view tag() const { return PQcmdStatus(result_.get()); }

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_{nullptr, &PQclear};
};

// Whom to reach, and how long to wait.
struct Server {
  std::string conninfo{};  // with secrets
  std::string name{};      // without: "postgres://db.example:5432/memory"
  std::string setup{};     // run on each new connection
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds call_timeout{30'000};
  std::chrono::milliseconds busy_timeout{5000};
};

// A statement and what it does in words, for messages. Prepared on first use and kept.
struct Statement {
  const char* operation;
  const char* sql;
};

// One thread at a time.
class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const Server& server);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends what is queued before it, and waits for its rows.
  Result<Rows> run(const Statement& statement, const Values& values = Values());
  // Queued like queue(), but its rows are wanted: answers() has those of all of them, in order.
  Result<void> ask(const Statement& statement, const Values& values = Values());
  Result<void> ask(std::string_view operation, const std::string& sql, const Values& values);
  Result<std::vector<Rows>> answers();
  // Of text made at run time: not kept.
  Result<Rows> run(std::string_view operation, const std::string& sql, const Values& values = Values());
  // Sent with the next run() or flush(), in order. An error of it comes from there.
  Result<void> queue(const Statement& statement, const Values& values = Values());
  // Waits until all that is queued has been done.
  Result<void> flush();
  // Statements without parameters, one after the other, outside of any queue.
  Result<void> script(const std::string& sql, std::string_view operation);

  // Waits end with `unavailable` once the control says so; the statement is cancelled. Null: never. Must live until the
  // next call.
  // Returns the one before.
  const Control* obey(const Control* control) noexcept { return std::exchange(control_, control); }
  Result<void> check(std::string_view operation) const;
  // Statements may take as long as they do: for upkeep, where the server's own time-out is off as well.
  void be_patient(bool patient) noexcept { patient_ = patient; }

  // Ends a use: what is open, or queued, is rolled back, without waiting for it. False: not good for another.
  bool end_use() noexcept;
  // Still connected, as far as can be known without asking the server.
  bool alive() noexcept;
  // What was sent by NOTIFY on the channels that this connection listens to, waiting until then, or until there is
  // something to read from `wake`, or the time is over.
  Result<std::vector<std::string>> notices(std::chrono::milliseconds most, int wake);
  bool broken() const noexcept { return broken_ || PQstatus(handle_) != CONNECTION_OK; }
  std::chrono::steady_clock::time_point used_at() const noexcept { return used_at_; }
  const std::string& server() const noexcept { return name_; }
  // The server undid the transaction for the sake of another one: it may be tried again.
  bool gave_way() const noexcept { return gave_way_; }
  int server_version() const noexcept { return PQserverVersion(handle_); }

 private:
  Connection(PGconn* handle, const Server& server)
      : handle_(handle), name_(server.name), call_timeout_(server.call_timeout) {}
  struct Waiting {
    std::string_view operation;
    bool wanted;           // its rows go to the caller
    std::string prepares;  // a text of prepared_, if that is what was sent
    bool sync = false;     // the end of a queue, behind which the server forgets an error
  };

  Result<std::string> prepared(std::string_view operation, std::string_view sql, std::span<const Oid> types);
  enum class Keep { prepared, nothing };
  Result<void> send(std::string_view operation, std::string_view sql, const Values& values, bool wanted, Keep keep);
  Result<void> send_out(std::string_view operation);
  Result<std::vector<Rows>> collect(std::string_view operation);
  Result<void> take_result(const Waiting& one, std::vector<Rows>& wanted, std::optional<Error>& error);
  Result<void> wait(std::string_view operation, bool to_write);
  Result<PGresult*> next_result(std::string_view operation);
  Error lost(std::string_view operation);
  Error refused(std::string_view operation, const PGresult* result);
  bool cancel();

  PGconn* handle_;
  std::string name_;
  std::chrono::milliseconds call_timeout_;
  std::chrono::steady_clock::time_point used_at_ = std::chrono::steady_clock::now();
  std::unordered_map<std::string, std::string> prepared_{};
  std::uint64_t names_ = 0;
  std::deque<Waiting> waiting_{};
  std::size_t unsent_ = 0;  // bytes queued since the last flush
  bool broken_ = false;
  bool patient_ = false;
  bool gave_way_ = false;
  const Control* control_ = nullptr;
};

}  // namespace fractal::postgres_backend

#endif
