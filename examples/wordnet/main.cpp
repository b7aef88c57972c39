// A memory at work on real data: the nouns of WordNet in one file, searched and walked.
// Invariant: the demo ends with 0 only if everything was loaded and every answer was checked; files of its
// own making are gone at the end, files that --db names stay.
#include "loader.h"
#include "readers.h"
#include "report.h"
#include "tour.h"

#include <fractal/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

namespace fs = std::filesystem;

constexpr std::string_view usage =
    "wordnet_demo [--data DIR] [--db FILE] [--small] [--no-measures]\n"
    "  --data DIR      folder with WordNet's data.noun and index.noun; default /usr/share/wordnet\n"
    "                  (Debian: package wordnet-base). Without it a small corpus serves.\n"
    "  --db FILE       keep the memory in this file; default: a temporary one, removed at the end\n"
    "  --small         the small corpus in any case\n"
    "  --no-measures   no times and file sizes: the same output in every run\n";

struct Arguments {
  fs::path data = "/usr/share/wordnet";
  bool data_given = false;
  std::optional<fs::path> database;
  bool small = false;
  bool measures = true;
  bool help = false;
};

Arguments parse(int count, char** texts) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string_view option = texts[i];
    const auto value = [&] {
      if (++i == count) throw std::runtime_error(fmt::format("{} needs a value\n{}", option, usage));
      return fs::path(texts[i]);
    };
    if (option == "--data") {
      arguments.data = value();
      arguments.data_given = true;
    } else if (option == "--db") {
      arguments.database = value();
    } else if (option == "--small") {
      arguments.small = true;
    } else if (option == "--no-measures") {
      arguments.measures = false;
    } else if (option == "--help") {
      arguments.help = true;
    } else {
      throw std::runtime_error(fmt::format("what is {}?\n{}", option, usage));
    }
  }
  return arguments;
}

// A folder that goes with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder() : path_(fs::temp_directory_path() / fmt::format("fractal-demo-{:08x}", std::random_device{}())) {
    if (!fs::create_directory(path_)) throw std::runtime_error(fmt::format("{} is there already", path_.string()));
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;  // nothing to be done about it
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// A corpus and the questions to ask of it.
struct Material {
  Corpus corpus;
  const Questions* questions = nullptr;
};

Material wordnet(const fs::path& data) { return {read_wordnet(data), &wordnet_questions}; }

Material small() { return {read_outline(fs::path(FRACTAL_DEMO_FILES) / "small_corpus.txt"), &outline_questions}; }

Material choose(const Arguments& arguments) {
  if (arguments.small) return small();
  if (has_wordnet(arguments.data)) return wordnet(arguments.data);
  if (arguments.data_given)
    throw std::runtime_error(fmt::format("{} has no data.noun and index.noun", arguments.data.string()));
  fmt::print("{} has no WordNet (Debian: package wordnet-base): a small corpus serves instead.\n\n",
             arguments.data.string());
  return small();
}

void run(const Arguments& arguments) {
  Report report(arguments.measures);
  const Stopwatch reading;
  const auto material = choose(arguments);
  report.title(fmt::format("FractalMemory {} with {}", fractal::version(), material.corpus.name));
  report.took(fmt::format("{} concepts read", grouped(material.corpus.concepts.size())), reading);

  std::optional<TemporaryFolder> temporary;
  if (!arguments.database) temporary.emplace();
  const auto file = arguments.database.value_or(temporary ? temporary->path() / "demo.db" : fs::path());
  auto picture = file;
  picture.replace_extension(".dot");

  report.heading(
      "Load: texts alone. Each batch of 1,000 is embedded and committed, on the disk before the next begins");
  const auto memory = fractal::FractalMemory::open(
                          {.path = file.string(), .durability = fractal::Durability::full, .indexed_fields = {"topic"}})
                          .value();
  load(memory, material.corpus, report);
  tour(memory, material.corpus, *material.questions, report, picture);
  if (arguments.database)
    fmt::print("\nKept: {} and the picture beside it\n", file.string());
  else
    fmt::print("\nThe files are gone again; --db FILE keeps the memory and the picture.\n");
}

}  // namespace

int main(int count, char** texts) try {
  const auto arguments = parse(count, texts);
  if (arguments.help)
    fmt::print("{}", usage);
  else
    run(arguments);
  return 0;
} catch (const std::exception& failure) {
  std::fflush(stdout);
  fmt::print(stderr, "wordnet_demo: {}\n", failure.what());
  return 1;
}
