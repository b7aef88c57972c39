// bench: what this machine does with this library, in a database of its own that goes away.
// Invariant: each figure has its floor, or its recall, beside it.
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/records.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>

namespace fractal::cli {
namespace {

constexpr std::size_t single_stores = 200, lookups = 1000, questions = 200, rows_of_batch = 1000;
constexpr std::string_view nouns[] = {"kettle",  "garden", "robot",  "window",  "battery", "neighbour",
                                      "letter",  "river",  "engine", "kitchen", "ladder",  "violin",
                                      "harbour", "lamp",   "bridge", "carpet"};
constexpr std::string_view verbs[] = {"stands beside", "was moved to", "needs",      "belongs to",
                                      "is older than", "was lent to",  "broke near", "hums like"};

struct Bench {
  std::size_t memories = 20'000;
};

class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "fractal_bench_XXXXXX").string();
    if (!mkdtemp(name.data())) throw Failure(exit_backend, "cannot make a folder for the database of the bench");
    folder_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string file(const char* name) const { return (folder_ / name).string(); }

 private:
  std::filesystem::path folder_;
};

template <class Work> double rate(std::size_t count, const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    if (interrupted()) throw Failure(exit_interrupted, "interrupted");
    work(i);
  }
  return static_cast<double>(count) / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

std::string sentence(std::mt19937& random) {
  const auto noun = [&] { return nouns[random() % std::size(nouns)]; };
  return fmt::format("The {} {} the {}, number {}", noun(), verbs[random() % std::size(verbs)], noun(),
                     random() % 100'000);
}

Memory memory_of(std::size_t number, std::mt19937& random) {
  return {.coordinate = {static_cast<double>(number % 100), static_cast<double>(number)},
          .payload = JsonObject().text("text", sentence(random)).str()};
}

// Four kilobytes appended and synced: what a commit costs at least.
double syncs(const std::string& file) {
  const int out = ::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (out < 0) throw Failure(exit_backend, "cannot write " + file);
  const std::string page(4096, 'x');
  const double per_second = rate(single_stores, [&](std::size_t) {
    if (::write(out, page.data(), page.size()) != static_cast<ssize_t>(page.size()) || ::fdatasync(out) != 0) {
      throw Failure(exit_backend, "cannot write " + file);
    }
  });
  ::close(out);
  return per_second;
}

struct Figure {
  std::string name;
  double per_second;
  std::string beside;
};

std::vector<Figure> measure(const Bench& chosen) {
  const Scratch scratch;
  Options options{.path = scratch.file("bench.db")};
  options.index.background = false;
  const FractalMemory memory = FractalMemory::open(options).value();
  std::mt19937 random(7);
  std::vector<Figure> figures;
  Progress progress("measuring", "memories");
  const std::size_t batches = (chosen.memories + rows_of_batch - 1) / rows_of_batch;
  const double bulk = rows_of_batch * rate(batches, [&](std::size_t i) {
                        Batch batch;
                        for (std::size_t row = 0; row < rows_of_batch; ++row)
                          batch.store(memory_of(i * rows_of_batch + row, random));
                        memory.apply(batch).value();
                        progress.of((i + 1) * rows_of_batch, batches * rows_of_batch);
                      });
  figures.push_back({"store in batches of 1000, memories", bulk, "with keywords and vectors"});
  const double floor = syncs(scratch.file("floor"));
  const double single =
      rate(single_stores, [&](std::size_t i) { memory.store(memory_of(batches * rows_of_batch + i, random)).value(); });
  figures.push_back({"store, one durable commit each", single,
                     fmt::format("{:.2f} of 4 kB written and synced ({:.0f}/s)", single / floor, floor)});
  figures.push_back({"get",
                     rate(lookups,
                          [&](std::size_t) {
                            const std::size_t number = random() % (batches * rows_of_batch);
                            memory.retrieve({static_cast<double>(number % 100), static_cast<double>(number)}).value();
                          }),
                     ""});
  memory.maintain().value();
  const RecallReport recall = memory.recall_probe(256, 0.98, Session::control()).value();
  const auto search_rate = [&](SearchMode mode, bool exact) {
    (void)memory.search(sentence(random), {.mode = mode, .exact = exact}).value();
    return rate(questions,
                [&](std::size_t) { (void)memory.search(sentence(random), {.mode = mode, .exact = exact}).value(); });
  };
  figures.push_back({"search by meaning", search_rate(SearchMode::vector, false),
                     recall.exact ? "recall 1: exact at this size" : fmt::format("recall {:.3f}", recall.recall)});
  figures.push_back({"search by meaning, every vector compared", search_rate(SearchMode::vector, true), "recall 1"});
  figures.push_back({"search by words", search_rate(SearchMode::keyword, false), "exact"});
  figures.push_back({"search by both", search_rate(SearchMode::hybrid, false), ""});
  return figures;
}

void bench(Session& session, const Bench& chosen) {
  const auto figures = measure(chosen);
  const Output out = session.output();
  Table table({{.title = ""},
               {.title = "a second", .right = true, .style = Style::strong},
               {.title = "beside it", .flexible = true, .style = Style::faint}});
  for (const Figure& each : figures) {
    if (out.json()) {
      out.line(
          JsonObject().text("name", each.name).number("per_second", each.per_second).text("beside", each.beside).str());
    } else {
      table.row({each.name, fmt::format("{:.0f}", each.per_second), each.beside});
    }
  }
  if (!out.json()) out.text(table.text(out.terminal()));
}

}  // namespace

void add_bench(Commands& commands) {
  const auto chosen = std::make_shared<Bench>();
  CLI::App& command = commands.add({.name = "bench",
                                    .group = "More",
                                    .summary = "Measure this machine, in a database of its own",
                                    .example = "fractal bench --memories 2000"},
                                   [chosen](Session& session) { bench(session, *chosen); });
  command.add_option("--memories", chosen->memories, "How many to store [20000]")->check(CLI::Range(1000, 10'000'000));
}

}  // namespace fractal::cli
