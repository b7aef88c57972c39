// What an answer costs that lies on a Redis: beside the same bytes by hiredis alone, beside an answer that lies in this
// process, and beside the search that it saves; in this program, and over HTTP from `fractal serve`.
//   redis_bench --url redis+unix://... --program FRACTAL [--rounds N] [--memories N]
// The two sides of a comparison take turns; figures are medians of the rounds.
#include "bench/arguments.h"
#include "bench/corpus.h"
#include "bench/server/load.h"
#include "bench/server/served.h"
#include "bench/timing.h"

#include <fractal/redis.h>

#include <fmt/format.h>
#include <hiredis.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace fractal::bench;
using fractal::Cache;
using fractal::FractalMemory;

constexpr std::size_t calls = 2'000, searches = 50, top_k = 10;

class Bare {
 public:
  explicit Bare(const std::string& socket) : redis_(redisConnectUnix(socket.c_str()), &redisFree) {
    if (!redis_ || redis_->err != 0) throw std::runtime_error("no Redis at " + socket);
  }
  void put(const std::string& key, const std::string& value) { ask("SET %b %b", key, value); }
  std::size_t get(const std::string& key) { return ask("GET %b", key, {}); }

 private:
  std::size_t ask(const char* format, const std::string& key, const std::string& value) {
    void* const made = redisCommand(redis_.get(), format, key.data(), key.size(), value.data(), value.size());
    if (made == nullptr) throw std::runtime_error("Redis is gone");
    const std::unique_ptr<redisReply, decltype(&freeReplyObject)> reply(static_cast<redisReply*>(made),
                                                                        &freeReplyObject);
    return reply->len;
  }
  std::unique_ptr<redisContext, decltype(&redisFree)> redis_;
};

void fill(const std::string& path, std::size_t memories, Corpus& corpus) {
  const auto memory = FractalMemory::open(path).value();
  fractal::Batch batch;
  for (std::size_t i = 0; i < memories; ++i) {
    auto one = corpus.next(1);
    one.embedding.clear();  // the built-in embedder's, as of a server
    batch.store(std::move(one));
    if (batch.size() < 500 && i + 1 != memories) continue;
    memory.apply(batch).value();
    batch.clear();
  }
}

void row(const char* what, double seconds, double beside) {
  fmt::print("| {} | {:.1f} | {:.2f} |\n", what, 1e6 * seconds, seconds / beside);
  std::fflush(stdout);
}

void expect(bool true_one, const char* what) {
  if (!true_one) throw std::runtime_error(what);
}

// One answer of `size` bytes, read again and again.
void beside_hiredis(const std::string& url, const std::string& socket, std::size_t size, int rounds) {
  const auto redis = fractal::open_redis_cache({.url = url, .prefix = "bench"}).value();
  const auto near = fractal::make_memory_cache();
  Bare bare(socket);
  const std::string key = "answer/" + std::string(64, 'a'), value(size, 'x');
  for (const auto& cache : {redis, near})
    cache->put(key, value, std::chrono::hours(1), Cache::Keep::while_room).value();
  bare.put("bench " + key, value);
  const auto each = [](const auto& call) {
    for (std::size_t i = 0; i < calls; ++i) call();
  };
  const auto get = [&](Cache& cache) { expect(cache.get(key).value()->size() == size, "another value"); };
  const Pair far = side_by_side(
      rounds, [&] { each([&] { get(*redis); }); },
      [&] { each([&] { expect(bare.get("bench " + key) == size, "bare"); }); });
  const Pair here = side_by_side(
      rounds, [&] { each([&] { get(*near); }); }, [] {});
  const Pair take = side_by_side(
      rounds, [&] { each([&] { redis->take("bench", {.per_second = 1e6, .burst = 1e6}).value(); }); }, [] {});
  fmt::print("\n| {} bytes | µs | beside hiredis |\n|---|---|---|\n", size);
  row("hiredis, GET", far.floor / calls, far.floor / calls);
  row("Redis cache, get", far.job / calls, far.floor / calls);
  row("Redis cache, take", take.job / calls, far.floor / calls);
  row("cache of the process, get", here.job / calls, far.floor / calls);
}

struct Sides {
  std::vector<double> redis{}, process{}, none{};
};

// The same 16 questions over and over, by one client and by eight.
void over_http(const std::string& program, const std::string& file, const std::string& url, Corpus& corpus,
               int rounds) {
  const Served with_redis(program, file, {"--cache", url}), with_own(program, file, {}),
      without(program, file, {"--keep-answers", "false"});
  std::vector<std::string> questions;
  for (int i = 0; i < 16; ++i) {
    questions.push_back(http_request("POST", "/memories/search",
                                     fmt::format(R"({{"query":"{}","top_k":{}}})", corpus.text(60), top_k)));
  }
  const auto many = [&](std::size_t count) {
    std::vector<std::string> requests(count);
    for (std::size_t i = 0; i < count; ++i) requests[i] = questions[i % questions.size()];
    return requests;
  };
  for (const std::size_t clients : {1, 8}) {
    Sides sides;
    const auto time = [&](const Served& served, std::size_t count) {
      return 1 / load_server(served.port(), clients, many(count)).rate();
    };
    for (int round = 0; round <= rounds; ++round) {
      sides.redis.push_back(time(with_redis, calls));
      sides.process.push_back(time(with_own, calls));
      sides.none.push_back(time(without, searches * clients));
      if (round == 0) sides = {};
    }
    const double kept = median(sides.redis);
    fmt::print("\n| {} client{} over HTTP | µs a search | beside Redis |\n|---|---|---|\n", clients,
               clients == 1 ? "" : "s");
    row("answer on Redis", kept, kept);
    row("answer in the process", median(sides.process), kept);
    row("searched each time", median(sides.none), kept);
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    auto options = options_of(count, arguments);
    const std::string url = options["--url"], scheme = "redis+unix://";
    if (!url.starts_with(scheme)) throw std::runtime_error("--url redis+unix://...");
    const int rounds = static_cast<int>(number_of(options, "--rounds", 9));
    const std::size_t memories = number_of(options, "--memories", 20'000);
    for (const std::size_t size : {2'000, 20'000}) beside_hiredis(url, url.substr(scheme.size()), size, rounds);
    const TemporaryFolder folder;
    Corpus corpus(3);
    const std::string file = folder.file("memory.db");
    fill(file, memories, corpus);
    fmt::print("\n{} memories of 1 KB, {} hits\n", memories, top_k);
    over_http(options["--program"], file, url, corpus, rounds);
  } catch (const std::exception& error) {
    fmt::print(stderr, "redis_bench: {}\n", error.what());
    return 1;
  }
}
