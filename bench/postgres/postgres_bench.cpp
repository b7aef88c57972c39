// What a call costs on PostgreSQL beside the same statements sent by libpq alone, what a pipelined batch saves where each
// round trip takes a millisecond longer, and 64 threads that share a pool.
//   postgres_bench --url postgres://... [--rounds N] [--memories N]
// The two sides of a comparison take turns, on one processor, and their servers on another: where they wake up would else
// decide.
// The server must be on this machine: a proxy stands before its socket.
#include "bench/arguments.h"
#include "bench/corpus.h"
#include "bench/postgres/plain_libpq.h"
#include "bench/timing.h"
#include "tests/faults/fault_proxy.h"

#include "backends/postgres/statements.h"

#include <fractal/postgres.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <stdexcept>
#include <thread>

namespace {

using fractal::Columns;
using fractal::FractalMemory;
using fractal::Memory;
using namespace fractal::bench;
namespace sql = fractal::postgres_backend::sql;

constexpr std::size_t calls = 400, batch_size = 100, top_k = 10;

struct Setting {
  std::string server;
  std::string schema = fmt::format("bench_{}", std::random_device{}());

  std::string url(const std::string& base) const {
    return fmt::format("{}{}options=-csearch_path%3D{}", base, base.find('?') == base.npos ? '?' : '&', schema);
  }
  explicit Setting(std::string url) : server(std::move(url)) { run("CREATE SCHEMA " + schema); }
  ~Setting() { run(fmt::format("SET client_min_messages = error; DROP SCHEMA {} CASCADE", schema)); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

  // Values of the first column, if it has rows.
  std::vector<std::string> run(const std::string& text) const {
    const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(server.c_str()), &PQfinish);
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), text.c_str()), &PQclear);
    const auto status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      throw std::runtime_error(PQerrorMessage(connection.get()));
    }
    std::vector<std::string> values;
    for (int row = 0; row < PQntuples(result.get()); ++row) values.emplace_back(PQgetvalue(result.get(), row, 0));
    return values;
  }

  // This thread on the first processor, what serves the connections that there are on the second.
  void take_a_processor_each() const {
    pin(0, 0);
    for (const auto& pid : run("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")) {
      pin(std::stoi(pid), 1 % std::thread::hardware_concurrency());
    }
  }

 private:
  static void pin(pid_t process, unsigned processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    // One of them asked who there is, and has gone.
    if (sched_setaffinity(process, sizeof set, &set) != 0 && errno != ESRCH) {
      throw std::runtime_error("sched_setaffinity: run it as root, or as the server's user");
    }
  }
};

// The statements of each call, with values like those of the library; the floor has a space of its own.
class Floor {
 public:
  Floor(const std::string& url, std::uint64_t space, std::string tenant)
      : libpq_(url), space_(space), tenant_(std::move(tenant)) {}

  void store(const Memory& memory) {
    const std::string key = memory.coordinate.key();
    const std::uint64_t id = fractal::first_id(space_) | ++last_;
    libpq_.send(sql::begin_write.sql);
    libpq_.send(sql::mark_and_limit.sql, {text("30000")});
    libpq_.send(sql::lock_by_names.sql, {many_bytes({tenant_}), many_bytes({"default"})});
    libpq_.send(sql::fields.sql);
    libpq_.send(sql::first_expiries.sql, {many_bytes({tenant_}), many_bytes({"default"})});
    libpq_.send(sql::find_many.header.sql, {many_bytes({tenant_}), many_bytes({"default"}), many_bytes({key})});
    libpq_.finish();
    const std::string vector(reinterpret_cast<const char*>(memory.embedding.data()), 4 * memory.embedding.size());
    const Parameter zero = number(0), now = number(1'700'000'000'000'000);
    std::string uuid = number(id).bytes;
    uuid += uuid;
    libpq_.send(sql::insert_memory.sql, {number(id),
                                         bytes(uuid),
                                         zero,
                                         real(0),
                                         now,
                                         now,
                                         nothing(20),
                                         number(1),
                                         zero,
                                         number(last_),
                                         number(last_),
                                         truth(true),
                                         number(12),
                                         zero,
                                         zero,
                                         zero,
                                         text("{}"),
                                         text(memory.payload),
                                         number(space_),
                                         bytes(key),
                                         text("{}"),
                                         text(memory.payload),
                                         reals({2, static_cast<double>(last_)}),
                                         text(memory.coordinate.to_string()),
                                         text(tenant_),
                                         text("default")});
    libpq_.send(sql::put_vector.sql, {number(id), number(last_), bytes(vector)});
    std::vector<std::string> terms = words_of(memory.payload);
    for (std::string& term : terms) term = fmt::format("{}:{}", space_, term);
    const std::vector<std::uint64_t> ones(terms.size(), 1), zeros(terms.size(), 0);
    libpq_.send(sql::put_keywords.sql, {number(id), many_texts(terms), numbers(ones), numbers(zeros), numbers(zeros),
                                        numbers(zeros), number(terms.size()), zero, zero, zero});
    libpq_.send(sql::insert_audit.sql,
                {number(space_), now, number(1), text("create"), bytes(memory.coordinate.to_string()), text(""),
                 text(memory.coordinate.to_string()), text(tenant_), text("default")});
    libpq_.send(sql::save_space.sql, {number(space_), number(last_), number(last_), zero, number(last_), zero, zero,
                                      number(last_), number(memory.embedding.size()), zero, number(12 * last_), zero,
                                      zero, zero, number(last_), now, bytes(""), bytes(number(last_).bytes)});
    libpq_.send(sql::commit.sql);
    libpq_.send(sql::notify.sql, {text(fmt::format("{}:{}", space_, last_))});
    libpq_.finish();
  }

  std::size_t get(const std::string& key) {
    libpq_.send(sql::get.all.sql, {bytes(tenant_), bytes("default"), bytes(key)});
    return libpq_.finish().size();
  }

  std::size_t search(const std::vector<std::uint64_t>& ids) {
    libpq_.send(sql::begin_read.sql);
    libpq_.send(sql::savepoint.sql);
    libpq_.send(sql::first_expiry.sql, {bytes(tenant_), bytes("default")});
    libpq_.send(sql::space_by_name.sql, {bytes(tenant_), bytes("default")});
    libpq_.finish();
    libpq_.send(sql::fetch.payload.sql, {number(space_), numbers(ids)});
    const std::size_t found = libpq_.finish().size();
    libpq_.send("ROLLBACK");
    libpq_.flush();  // nobody waits for it
    return found;
  }

 private:
  static std::vector<std::string> words_of(const std::string& payload) {
    std::vector<std::string> words;
    for (std::size_t at = payload.find(": \"") + 3; at < payload.size();) {
      const std::size_t end = std::min(payload.find_first_of(" \"}", at), payload.size());
      if (end > at) words.push_back(payload.substr(at, end - at));
      at = end + 1;
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
  }

  PlainLibpq libpq_;
  std::uint64_t space_;
  std::string tenant_;
  std::uint64_t last_ = 0;
};

void print(const char* what, const Pair& pair, std::size_t of_calls, double wanted) {
  fmt::print("| {} | {:.1f} | {:.1f} | {:.2f} | {} |\n", what, 1e6 * pair.job / static_cast<double>(of_calls),
             1e6 * pair.floor / static_cast<double>(of_calls), pair.floor / pair.job, wanted);
  std::fflush(stdout);
}

class Bench {
 public:
  Bench(const Setting& setting, std::size_t memories, int rounds)
      : setting_(setting),
        rounds_(rounds),
        memory_(open(setting.url(setting.server))),
        ours_(memory_.in({.tenant = "ours"})),
        floor_(make_floor()) {
    fractal::Batch batch;
    for (std::size_t i = 0; i < memories; ++i) {
      batch.store(corpus_.next(1));
      if (batch.size() < 500 && i + 1 != memories) continue;
      ours_.apply(batch).value();
      batch.clear();
    }
    for (std::size_t i = 0; i < memories; ++i) floor_.store(floor_corpus_.next(1));
    for (const Memory& memory : ours_.list({.limit = 1'000}).value().memories)
      coordinates_.push_back(memory.coordinate);
    setting.run("VACUUM ANALYZE");
  }

  void beside_libpq() {
    setting_.take_a_processor_each();
    fmt::print("| call | library, µs | libpq, µs | floor / library | wanted |\n|---|---|---|---|---|\n");
    const Memory question = corpus_.next(9);
    const std::vector<float>& vector = question.embedding;
    (void)ours_.search(vector).value();  // loads the index
    std::vector<std::uint64_t> ids;
    for (std::uint64_t i = 1; i <= top_k; ++i) ids.push_back(fractal::first_id(floor_space_) | (i * 7));
    print("search, 10 hits with payloads",
          side_by_side(
              rounds_,
              [&] { each([&](auto) { expect(ours_.search(vector, {.top_k = top_k}).value().hits.size(), top_k); }); },
              [&] { each([&](auto) { expect(floor_.search(ids), top_k); }); }),
          calls, 0.8);
    print("get",
          side_by_side(
              rounds_, [&] { each([&](std::size_t i) { ours_.retrieve(at(i)).value(); }); },
              [&] { each([&](std::size_t i) { expect(floor_.get(at(i).key()), 1); }); }),
          calls, 0.8);
    print("store",
          side_by_side(
              rounds_, [&] { each([&](auto) { ours_.store(corpus_.next(1)).value(); }); },
              [&] { each([&](auto) { floor_.store(floor_corpus_.next(1)); }); }),
          calls, 0.8);
  }

  void batches_over_latency() {
    const auto socket = setting_.server.substr(setting_.server.find("host=") + 5);
    fractal::testing::FaultProxy proxy(socket.substr(0, socket.find('&')) + "/.s.PGSQL.5432");
    const std::string base = fmt::format("postgres://postgres@/postgres?host={}", proxy.folder());
    const auto far = open(setting_.url(base)).in({.tenant = "ours"});
    proxy.add_latency(std::chrono::microseconds(500));
    const Pair pair = side_by_side(
        rounds_,
        [&] {
          fractal::Batch batch;
          for (std::size_t i = 0; i < batch_size; ++i) batch.store(corpus_.next(1));
          far.apply(batch).value();
        },
        [&] {
          for (std::size_t i = 0; i < batch_size; ++i) far.store(corpus_.next(1)).value();
        });
    fmt::print("\n1 ms of latency: a batch of {} takes {:.1f} ms, one by one {:.1f} ms: {:.1f} times (wanted 5)\n",
               batch_size, 1e3 * pair.job, 1e3 * pair.floor, pair.floor / pair.job);
  }

  void threads_share_a_pool() {
    fmt::print("\n| threads | gets a second | p99, ms |\n|---|---|---|\n");
    for (const std::size_t count : {1, 4, 16, 64}) {
      std::vector<double> times(count * 500);
      std::atomic<std::size_t> next = 0;
      const double all = seconds([&] {
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < count; ++i) {
          threads.emplace_back([&] {
            for (std::size_t call = next++; call < times.size(); call = next++) {
              times[call] = seconds([&] { ours_.retrieve(at(call)).value(); });
            }
          });
        }
        for (std::thread& thread : threads) thread.join();
      });
      std::sort(times.begin(), times.end());
      fmt::print("| {} | {:.0f} | {:.2f} |\n", count, static_cast<double>(times.size()) / all,
                 1e3 * times[times.size() * 99 / 100]);
    }
  }

 private:
  static FractalMemory open(const std::string& url) {
    return FractalMemory::open({.path = url, .embedder = nullptr}).value();
  }
  // A space that the library made and knows nothing more of.
  Floor make_floor() {
    const auto space = memory_.in({.tenant = "floor"});
    space.store({.coordinate = {1}, .payload = "{}"}).value();
    space.remove({1}).value();
    floor_space_ = space.state().value().number;
    return {setting_.url(setting_.server), floor_space_, "floor"};
  }
  template <class Call> static void each(const Call& call) {
    for (std::size_t i = 0; i < calls; ++i) call(i);
  }
  const fractal::Coordinate& at(std::size_t i) const { return coordinates_[i * 13 % coordinates_.size()]; }
  static void expect(std::size_t found, std::size_t wanted) {
    if (found != wanted) throw std::runtime_error(fmt::format("{} found, {} wanted", found, wanted));
  }

  const Setting& setting_;
  const int rounds_;
  Corpus corpus_{1}, floor_corpus_{1};
  FractalMemory memory_, ours_;
  std::uint64_t floor_space_ = 0;
  Floor floor_;
  std::vector<fractal::Coordinate> coordinates_{};
};

}  // namespace

int main(int count, char** arguments) {
  try {
    auto options = options_of(count, arguments);
    const Setting setting(options["--url"]);
    Bench bench(setting, number_of(options, "--memories", 1'000), static_cast<int>(number_of(options, "--rounds", 9)));
    bench.batches_over_latency();
    bench.threads_share_a_pool();
    bench.beside_libpq();
  } catch (const std::exception& error) {
    fmt::print(stderr, "postgres_bench: {}\n", error.what());
    return 1;
  }
}
