// What a call costs over HTTP: the program `fractal serve` on a database of WordNet's glosses, beside its own /ping,
// beside the same call of the library on the same file, and 32 clients that store beside one.
//   server_bench --program FRACTAL --wordnet FOLDER [--rounds N] [--only PART] [--keep FILE] [--work-threads N]
//                [--json FILE]
// --only: reads, vector, hybrid or stores. --keep: the file is made there if need be, and stays.
// The two sides of a comparison take turns, so that what else the machine does hits both alike; figures are medians of
// the rounds, after one that does not count. No question is asked twice of one side: nothing can be remembered.
#include "bench/arguments.h"
#include "bench/corpus.h"
#include "bench/timing.h"
#include "load.h"
#include "served.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using fractal::FractalMemory;
using namespace fractal::bench;

constexpr std::size_t top_k = 10, clients_of_reads = 8, clients_of_stores = 32;

// "word: its gloss", of letters, digits and blanks: JSON needs no escapes then.
std::vector<std::string> glosses_of(const std::string& folder) {
  std::vector<std::string> glosses;
  for (const char* part : {"noun", "verb", "adj", "adv"}) {
    std::ifstream file(folder + "/data." + part);
    for (std::string line; std::getline(file, line);) {
      const auto gloss = line.find(" | ");
      if (line.starts_with("  ") || gloss == std::string::npos) continue;
      std::string text = line.substr(17, line.find(' ', 17) - 17) + ' ' + line.substr(gloss + 3);
      for (char& c : text) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : ' ';
      glosses.push_back(std::move(text));
    }
  }
  if (glosses.empty()) throw std::runtime_error("no WordNet in " + folder);
  return glosses;
}

void fill(const std::string& path, const std::vector<std::string>& glosses) {
  const auto memory = FractalMemory::open({.path = path}).value();
  for (std::size_t begin = 0; begin < glosses.size(); begin += 2'000) {
    fractal::Batch batch;
    for (std::size_t i = begin; i < std::min(begin + 2'000, glosses.size()); ++i) {
      batch.store(
          {.coordinate = {1, static_cast<double>(i)}, .payload = fmt::format(R"({{"text":"{}"}})", glosses[i])});
    }
    memory.apply(batch).value();
  }
  memory.maintain().value();
}

// Questions, coordinates and memories that did not come before.
class Requests {
 public:
  explicit Requests(const std::vector<std::string>& glosses) : glosses_(glosses) {}

  std::size_t glosses() const { return glosses_.size(); }

  // Four words in a row of each of two glosses.
  std::string question() { return words() + ' ' + words(); }

  // Of the first `of`, in any order.
  std::vector<std::string> gets(std::size_t count, std::size_t of) {
    return made(count, [&] { return http_request("GET", fmt::format("/memories/1,{}", random_() % of)); });
  }
  std::vector<std::string> stores(std::size_t count) {
    return made(count, [&] {
      const std::string& text = glosses_[random_() % glosses_.size()];
      return http_request("POST", "/memories",
                          fmt::format(R"({{"coord":"2,{}","payload":{{"text":"{}"}}}})", ++stored_, text));
    });
  }

 private:
  template <class Make> static std::vector<std::string> made(std::size_t count, const Make& make) {
    std::vector<std::string> requests(count);
    std::generate(requests.begin(), requests.end(), make);
    return requests;
  }
  std::string words() {
    const std::string& text = glosses_[random_() % glosses_.size()];
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find(' ', begin), text.size());
      if (end > begin) words.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
    const std::size_t size = std::min<std::size_t>(words.size(), 4), first = random_() % (words.size() - size + 1);
    return fmt::format("{}", fmt::join(words.begin() + static_cast<std::ptrdiff_t>(first),
                                       words.begin() + static_cast<std::ptrdiff_t>(first + size), " "));
  }

  const std::vector<std::string>& glosses_;
  std::mt19937_64 random_{7};
  std::uint64_t stored_ = std::random_device{}() * 100'000ULL;  // a kept file has those of runs before
};

struct Side {
  std::string name;
  std::size_t clients = 1;
  std::function<Load()> run;
  std::function<double()> processor;                          // seconds used by who does the work
  std::vector<double> rates{}, p50{}, p99{}, processor_us{};  // of each round

  void measure() {
    const double before = processor();
    Load load = run();
    const double calls = static_cast<double>(load.latencies.size());
    std::sort(load.latencies.begin(), load.latencies.end());
    rates.push_back(load.rate());
    p50.push_back(1e3 * load.latencies[static_cast<std::size_t>(0.5 * (calls - 1))]);
    p99.push_back(1e3 * load.latencies[static_cast<std::size_t>(0.99 * (calls - 1))]);
    processor_us.push_back(1e6 * (processor() - before) / calls);
  }
  void forget() { rates = p50 = p99 = processor_us = {}; }
};

struct Comparison {
  Side base, job;
  double wanted = 0;  // times base's rate; 0: shown only
  std::function<void()> prepare{};

  double ratio() const { return median(job.rates) / median(base.rates); }

  void measure(std::size_t rounds) {
    for (std::size_t round = 0; round <= rounds; ++round) {
      if (prepare) prepare();
      base.measure();
      job.measure();
      if (round > 0) continue;
      base.forget();
      job.forget();
    }
  }

  void print() const {
    for (const Side* side : {&base, &job}) {
      fmt::print("| {} | {} | {:.0f} | {:.3f} | {:.3f} | {:.0f} | {} | {} |\n", side->name, side->clients,
                 median(side->rates), median(side->p50), median(side->p99), median(side->processor_us),
                 side == &job ? fmt::format("{:.2f}", ratio()) : "1",
                 side == &job && wanted > 0 ? fmt::format("{:.1f}", wanted) : "");
    }
    std::fflush(stdout);
  }
};

std::string json_of(const Side& side) {
  return fmt::format(R"({{"name": "{}", "clients": {}, "per_second": {:.1f}, "p50_ms": {:.4f}, "p99_ms": {:.4f}, )"
                     R"("processor_us": {:.2f}, "per_second_of_rounds": [{:.1f}]}})",
                     side.name, side.clients, median(side.rates), median(side.p50), median(side.p99),
                     median(side.processor_us), fmt::join(side.rates, ", "));
}

std::string json_of(const Comparison& comparison) {
  return fmt::format(R"({{"base": {}, "job": {}, "ratio": {:.3f}, "wanted": {}}})", json_of(comparison.base),
                     json_of(comparison.job), comparison.ratio(),
                     comparison.wanted > 0 ? fmt::to_string(comparison.wanted) : "null");
}

// Questions in the form that each side takes them.
struct Questions {
  fractal::SearchMode mode = fractal::SearchMode::hybrid;
  std::vector<std::string> texts{}, requests{};

  fractal::SearchOptions options() const { return {.top_k = top_k, .mode = mode}; }
  void renew(Requests& from, std::size_t count) {
    texts.resize(count);
    requests.clear();
    for (std::string& text : texts) {
      text = from.question();
      requests.push_back(http_request("POST", "/memories/search",
                                      fmt::format(R"({{"query":"{}","top_k":{},"mode":"{}"}})", text, top_k, mode)));
    }
  }
};

Load load_library(const FractalMemory& memory, std::size_t callers, const Questions& questions) {
  Load load;
  load.latencies.resize(questions.texts.size());
  std::atomic<std::size_t> next = 0;
  const auto call = [&] {
    for (std::size_t i = next++; i < load.latencies.size(); i = next++) {
      load.latencies[i] = seconds([&] { (void)memory.search(questions.texts[i], questions.options()).value(); });
    }
  };
  load.seconds = seconds([&] {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < callers; ++i) threads.emplace_back(call);
    for (std::thread& thread : threads) thread.join();
  });
  return load;
}

// Both sides must have the same hits in the same order; else the figures compare nothing.
void compare_hits(const FractalMemory& memory, std::uint16_t port, const Questions& questions) {
  for (std::size_t i = 0; i < std::min<std::size_t>(questions.texts.size(), 100); ++i) {
    const std::string reply = ask_server(port, questions.requests[i]);
    std::size_t at = 0;
    for (const auto& hit : memory.search(questions.texts[i], questions.options()).value().hits) {
      const auto numbers = hit.memory.coordinate.components();
      at = reply.find(fmt::format("\"coordinate\": [{:.1f}, {:.1f}]", numbers[0], numbers[1]), at);
      if (at++ == std::string::npos) throw std::runtime_error("the server finds something else: " + questions.texts[i]);
    }
  }
}

class Bench {
 public:
  Bench(const Served& served, FractalMemory memory, const std::vector<std::string>& glosses, std::size_t rounds)
      : served_(served), memory_(std::move(memory)), requests_(glosses), rounds_(rounds) {}

  void reads() {
    const auto pings = [] { return std::vector(20'000, http_request("GET", "/ping")); };
    run({.base = side("GET /ping", clients_of_reads, pings),
         .job =
             side("GET /memories/{coord}, of 5,000", clients_of_reads, [&] { return requests_.gets(20'000, 5'000); }),
         .wanted = 0.5});
    run({.base = side("GET /ping", clients_of_reads, pings),
         .job = side("GET /memories/{coord}, of all", clients_of_reads,
                     [&] { return requests_.gets(20'000, requests_.glosses()); })});
  }

  void searches(fractal::SearchMode mode, std::size_t clients) {
    Questions questions{.mode = mode};
    const auto renew = [&] { questions.renew(requests_, mode == fractal::SearchMode::vector ? 3'000 : 600); };
    renew();
    compare_hits(memory_, served_.port(), questions);
    run({.base = {.name = fmt::format("search(), {}", mode),
                  .clients = clients,
                  .run = [&] { return load_library(memory_, clients, questions); },
                  .processor = [] { return processor_seconds_of(0); }},
         .job = side(fmt::format("POST /memories/search, {}", mode), clients, [&] { return questions.requests; }),
         .wanted = 0.6,
         .prepare = renew});
  }

  void stores() {
    run({.base = side("POST /memories", 1, [&] { return requests_.stores(400); }),
         .job = side("POST /memories", clients_of_stores, [&] { return requests_.stores(3'200); }),
         .wanted = 2.5});
  }

  std::string json() const {
    std::vector<std::string> texts;
    for (const Comparison& comparison : done_) texts.push_back(json_of(comparison));
    return fmt::format("[\n  {}\n]", fmt::join(texts, ",\n  "));
  }

 private:
  // The requests are made before the clock runs.
  Side side(std::string name, std::size_t clients, std::function<std::vector<std::string>()> requests) const {
    return {.name = std::move(name),
            .clients = clients,
            .run = [this, clients, make = std::move(requests)] { return load_server(served_.port(), clients, make()); },
            .processor = [this] { return served_.processor_seconds(); }};
  }
  void run(Comparison comparison) {
    comparison.measure(rounds_);
    comparison.print();
    comparison.prepare = nullptr;
    done_.push_back(std::move(comparison));
  }

  const Served& served_;
  FractalMemory memory_;
  Requests requests_;
  std::size_t rounds_;
  std::vector<Comparison> done_{};
};

void run(std::map<std::string, std::string> options) {
  const TemporaryFolder folder;
  const std::string path = options.contains("--keep") ? options["--keep"] : folder.file("memory.db");
  const std::string only = options["--only"];
  const auto glosses = glosses_of(options["--wordnet"]);
  const std::size_t rounds = options.contains("--rounds") ? std::stoul(options["--rounds"]) : 7;
  if (!std::filesystem::exists(path)) fill(path, glosses);
  std::vector<std::string> flags;
  for (const std::string name : {"--io-threads", "--work-threads"}) {
    if (options.contains(name)) flags.insert(flags.end(), {name, options[name]});
  }
  const Served served(options["--program"], path, flags);
  fmt::print("{} memories with vectors, {} rounds, {} processors\n\n", glosses.size(), rounds,
             std::thread::hardware_concurrency());
  fmt::print("| | clients | a second | p50, ms | p99, ms | processor, µs | × | wanted |\n");
  fmt::print("|---|---|---|---|---|---|---|---|\n");
  Bench bench(served, FractalMemory::open({.path = path}).value(), glosses, rounds);
  if (only.empty() || only == "reads") bench.reads();
  for (const auto mode : {fractal::SearchMode::vector, fractal::SearchMode::hybrid}) {
    for (const std::size_t clients : {1, 4}) {
      if (only.empty() || only == to_string(mode)) bench.searches(mode, clients);
    }
  }
  if (only.empty() || only == "stores") bench.stores();
  if (options.contains("--json")) {
    std::ofstream(options["--json"]) << fmt::format(
        "{{\"memories\": {}, \"rounds\": {}, \"processors\": {}, \"comparisons\": {}}}\n", glosses.size(), rounds,
        std::thread::hardware_concurrency(), bench.json());
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    run(options_of(count, arguments));
  } catch (const std::exception& error) {
    fmt::print(stderr, "server_bench: {}\n", error.what());
    return 1;
  }
}
