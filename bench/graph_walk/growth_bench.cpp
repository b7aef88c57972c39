// How search() grows with the memories of a space: vectors compared and time a query at recall@10 of .98, of spaces
// of 33,000 to 300,000 vectors on a file.
//   growth_bench [--texts FILE | --data FOLDER] [--floor yes] [--big yes] [--svg FILE]
// --texts, --data: vectors as vectors.h says, up to as many as there are; else they are made, of 384 dimensions.
// --floor: hnswlib as it comes, built anew for each size, beside it. --big: up to a million. --svg: the curve as a
// picture. Each space has the first so many of the largest. Recall and cost are measured at several targets (for
// hnswlib, several ef), and taken at .98 on the line between two of them.
#include "bench/arguments.h"
#include "raw_hnswlib.h"
#include "timing.h"
#include "vector_store.h"

#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace fractal::bench;
using fractal::FractalMemory;
using fractal::SearchOptions;

constexpr std::size_t k = 10, questions = 300;
constexpr double recall_wanted = 0.98;

struct Cost {
  double recall = 0, compared = 0, microseconds = 0;
};
struct Point {
  std::size_t rows = 0;
  Cost cost{}, floor{};
};

class Measuring {
 public:
  Measuring(const FractalMemory& memory, const Vectors& vectors) : memory_(memory), vectors_(vectors) {
    for (std::size_t q = 0; q < questions; ++q) truth_.push_back(coordinates(q, {.exact = true, .payloads = false}));
  }

  Cost at(double target) const {
    const SearchOptions options{.recall = target, .payloads = false};
    Cost cost;
    for (std::size_t q = 0; q < questions; ++q) {
      const auto found = coordinates(q, options);
      for (const double row : truth_[q]) cost.recall += std::count(found.begin(), found.end(), row) > 0 ? 1 : 0;
      cost.compared += static_cast<double>(search(q, options).visited);
    }
    return {cost.recall / (k * questions), cost.compared / questions,
            microseconds([&](std::size_t q) { (void)search(q, options); })};
  }

  // The vectors that it compares are not counted.
  Cost of_hnswlib(RawHnswlib& raw, std::size_t ef) const {
    Cost cost;
    std::vector<std::uint32_t> found(k);
    for (std::size_t q = 0; q < questions; ++q) {
      raw.search(vectors_.query(q), ef, k, found.data());
      for (const double row : truth_[q]) {
        cost.recall += std::count(found.begin(), found.end(), static_cast<std::uint32_t>(row)) > 0 ? 1 : 0;
      }
    }
    return {cost.recall / (k * questions), 0,
            microseconds([&](std::size_t q) { raw.search(vectors_.query(q), ef, k, found.data()); })};
  }

 private:
  // A query, the median of some rounds.
  template <class Ask> static double microseconds(const Ask& ask) {
    std::vector<double> times;
    for (int round = 0; round < 5; ++round) {
      times.push_back(seconds([&] {
        for (std::size_t q = 0; q < questions; ++q) ask(q);
      }));
    }
    return 1e6 * median(std::move(times)) / questions;
  }

  fractal::SearchResult search(std::size_t q, const SearchOptions& options) const {
    return memory_.search(std::span(vectors_.query(q), vectors_.dimension), options).value();
  }
  std::vector<double> coordinates(std::size_t q, const SearchOptions& options) const {
    std::vector<double> rows;
    for (const auto& hit : search(q, options).hits) rows.push_back(hit.memory.coordinate[0]);
    return rows;
  }

  const FractalMemory& memory_;
  const Vectors& vectors_;
  std::vector<std::vector<double>> truth_;
};

Cost between(const Cost& low, const Cost& high) {
  const double part = high.recall > low.recall ? (recall_wanted - low.recall) / (high.recall - low.recall) : 1;
  const auto mix = [part](double a, double b) { return a + std::clamp(part, 0.0, 1.0) * (b - a); };
  return {recall_wanted, mix(low.compared, high.compared), mix(low.microseconds, high.microseconds)};
}

// The first of the settings, from careless to careful, that reaches the recall, and the one before it.
template <class Setting, class Measure>
Cost cost_at_wanted(const char* name, const std::vector<Setting>& settings, const Measure& measure) {
  Cost low{};
  for (const Setting setting : settings) {
    const Cost high = measure(setting);
    fmt::print("  {} {}: recall {:.4f}, {:.0f} compared, {:.1f} us\n", name, setting, high.recall, high.compared,
               high.microseconds);
    if (high.recall >= recall_wanted) return low.recall > 0 ? between(low, high) : high;
    low = high;
  }
  return low;
}

Point point_of(const FractalMemory& memory, const Vectors& vectors, std::size_t rows, bool with_floor) {
  const Measuring measuring(memory, vectors);
  Point point{.rows = rows};
  point.cost = cost_at_wanted("asked for", std::vector{0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995},
                              [&](double target) { return measuring.at(target); });
  if (!with_floor) return point;
  const auto raw = raw_hnswlib_native(vectors.dimension);
  raw->build(vectors.rows.data(), rows, std::thread::hardware_concurrency());
  point.floor = cost_at_wanted("hnswlib, ef", std::vector<std::size_t>{16, 32, 48, 64, 96, 128, 192, 256, 384, 512},
                               [&](std::size_t ef) { return measuring.of_hnswlib(*raw, ef); });
  return point;
}

// Both costs as shares of the smallest space's, and log^2 of the rows, over the logarithm of the rows.
void draw(const std::vector<Point>& points, const std::string& file) {
  constexpr double width = 560, height = 300, left = 50, top = 20;
  constexpr int most = 4;  // times the cost of the smallest space, at the top
  const Point& first = points.front();
  const auto squared_log = [](std::size_t rows) { return std::pow(std::log(static_cast<double>(rows)), 2); };
  const double span = std::log(static_cast<double>(points.back().rows) / static_cast<double>(first.rows));
  const auto line = [&](const char* name, const char* colour, double label_at, const auto& value) {
    std::string path, last;
    for (const Point& point : points) {
      const double x =
          left + width * std::log(static_cast<double>(point.rows) / static_cast<double>(first.rows)) / span;
      const double y = top + height * (1 - value(point) / most);
      path += fmt::format("{:.1f},{:.1f} ", x, y);
      last += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x, y, colour);
    }
    return fmt::format(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n{}"
        "<text x=\"{}\" y=\"{}\" fill=\"{}\">{}</text>\n",
        path, colour, last, left + 12, label_at, colour, name);
  };
  std::ofstream out(file);
  out << fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"13\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      left + width + 60, top + height + 50);
  for (int i = 0; i <= most; ++i) {
    const double y = top + height * (1 - static_cast<double>(i) / most);
    out << fmt::format(
        "<line x1=\"{0}\" y1=\"{1}\" x2=\"{2}\" y2=\"{1}\" stroke=\"#ddd\"/><text x=\"{3}\" y=\"{4}\">{5} x</text>\n",
        left, y, left + width, left - 34, y + 4, i);
  }
  for (const Point& point : points) {
    const double x = left + width * std::log(static_cast<double>(point.rows) / static_cast<double>(first.rows)) / span;
    out << fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}k</text>\n", x, top + height + 20,
                       point.rows / 1000);
  }
  out << fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">vectors in the space</text>\n", left + width / 2,
                     top + height + 40);
  out << line("log\u00b2 of the vectors", "#999", top + 20,
              [&](const Point& point) { return squared_log(point.rows) / squared_log(first.rows); });
  out << line("vectors compared a query", "#1f77b4", top + 38,
              [&](const Point& point) { return point.cost.compared / first.cost.compared; });
  out << line("time a query", "#d62728", top + 56,
              [&](const Point& point) { return point.cost.microseconds / first.cost.microseconds; });
  if (first.floor.microseconds > 0) {
    out << line("time a query, hnswlib", "#ff7f0e", top + 74,
                [&](const Point& point) { return point.floor.microseconds / first.floor.microseconds; });
  }
  out << "</svg>\n";
}

}  // namespace

int main(int count, char** arguments) {
  auto options = options_of(count, arguments);
  std::vector<std::size_t> sizes{33'000, 66'000, 100'000, 150'000, 200'000, 300'000};
  if (options.contains("--big")) sizes.insert(sizes.end(), {600'000, 1'000'000});
  const Vectors vectors = options.contains("--texts")  ? vectors_of_texts(options["--texts"], questions)
                          : options.contains("--data") ? vectors_of_folder(options["--data"])
                                                       : clustered_vectors(sizes.back(), questions, false);
  std::erase_if(sizes, [&](std::size_t size) { return size > vectors.row_count(); });
  const std::string folder = (std::filesystem::temp_directory_path() / "fractal_growth_bench").string();
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  {
    const FractalMemory memory = open_vector_store(folder + "/growth.db", {.background = false});
    std::vector<Point> points;
    std::size_t there = 0;
    for (const std::size_t size : sizes) {
      store_rows(memory, vectors, there, size, [](std::size_t) { return "{}"; });
      there = size;
      memory.maintain().value();
      fmt::print("{} vectors, graph over {}\n", size, memory.stats().value().graph_vectors);
      points.push_back(point_of(memory, vectors, size, options.contains("--floor")));
    }
    const Point& first = points.front();
    for (const Point& point : points) {
      const double logs = std::log(static_cast<double>(point.rows)) / std::log(static_cast<double>(first.rows));
      fmt::print(
          "{:8} vectors: {:6.0f} compared ({:.2f} x, log^2 {:.2f} x), {:6.1f} us ({:.2f} x) a query at recall {}",
          point.rows, point.cost.compared, point.cost.compared / first.cost.compared, logs * logs,
          point.cost.microseconds, point.cost.microseconds / first.cost.microseconds, recall_wanted);
      if (options.contains("--floor")) {
        fmt::print("; hnswlib {:.1f} us ({:.2f} x)", point.floor.microseconds,
                   point.floor.microseconds / first.floor.microseconds);
      }
      fmt::print("\n");
    }
    if (options.contains("--svg")) draw(points, options["--svg"]);
  }
  std::filesystem::remove_all(folder);
}
