// Invariant: what is not understood is refused with the words that were typed.
#include "src/cli/arguments.h"

#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/json_object.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>

namespace fractal::cli {
namespace {

// As a part of a filter: {"path": {"$gte": 3}}.
struct Operator {
  std::string_view written, name;
};
constexpr std::array<Operator, 7> operators{
    {{"!=", "$ne"}, {">=", "$gte"}, {"<=", "$lte"}, {"=", "$eq"}, {">", "$gt"}, {"<", "$lt"}, {"~", "$contains"}}};

std::string filter_json(const std::string& path, const Operator& test, std::string_view value) {
  return JsonObject().raw(path, JsonObject().raw(test.name, value).str()).str();
}

Filter test_of(const std::string& text) {
  if (text.starts_with('{')) {
    auto filter = Filter::parse(text);
    if (!filter) throw usage_error(filter.error().message);
    return *filter;
  }
  const std::size_t at = text.find_first_of("!=<>~");
  const Operator* test = nullptr;
  for (const Operator& each : operators) {
    if (at != text.npos && !test && std::string_view(text).substr(at).starts_with(each.written)) test = &each;
  }
  if (!test || at == 0) {
    throw usage_error(fmt::format("'{}' is no test: try topic=tea, year>=2024, text~word, or a filter in JSON", text));
  }
  const std::string path = text.substr(0, at), value = text.substr(at + test->written.size());
  if (auto as_json = Filter::parse(filter_json(path, *test, value))) return *as_json;
  auto as_text = Filter::parse(filter_json(path, *test, json_text(value)));
  if (!as_text) throw usage_error(as_text.error().message);
  return *as_text;
}

}  // namespace

Coordinate coordinate_of(const std::string& text) {
  auto coordinate = Coordinate::parse(text);
  if (!coordinate) throw usage_error(fmt::format("'{}' is no coordinate: {}", text, coordinate.error().message));
  return *coordinate;
}

Coordinate optional_coordinate(const std::string& text) { return text.empty() ? Coordinate() : coordinate_of(text); }

Filter filter_of(const std::vector<std::string>& tests) {
  Filter filter;
  for (const std::string& each : tests) {
    const Filter test = test_of(each);
    filter = filter.empty() ? test : filter && test;
  }
  return filter;
}

std::vector<float> vector_of(const std::string& text) {
  std::vector<float> vector;
  const char *at = text.data(), *const end = text.data() + text.size();
  while (true) {
    while (at != end && std::strchr(" \t\n,[]", *at)) ++at;
    if (at == end) break;
    float component = 0;
    const auto [after, error] = std::from_chars(at, end, component);
    if (error != std::errc{}) throw usage_error(fmt::format("'{}' is no list of numbers", text));
    vector.push_back(component);
    at = after;
  }
  if (vector.empty()) throw usage_error("the vector is empty");
  return vector;
}

Time time_of(const std::string& text) {
  static constexpr std::string_view units = "smhdw";
  static constexpr std::array<std::int64_t, 5> seconds{1, 60, 3600, 86'400, 604'800};
  static constexpr std::int64_t most = 250'000'000'000;  // about 7,900 years
  std::int64_t amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  const std::size_t unit = end + 1 == text.data() + text.size() ? units.find(*end) : units.npos;
  if (error == std::errc{} && unit != units.npos && amount > 0 && amount <= most / seconds[unit]) {
    return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now()) +
           std::chrono::microseconds(1'000'000 * amount * seconds[unit]);
  }
  auto time = parse_time(text);
  if (!time) throw usage_error(fmt::format("'{}' is no time: try 7d or 2027-01-31T12:00:00Z", text));
  return *time;
}

std::string contents_of(const std::string& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(file == "-" ? nullptr : std::fopen(file.c_str(), "rb"),
                                                               std::fclose);
  std::FILE* in = file == "-" ? stdin : opened.get();
  if (!in) throw cannot_read(file);
  std::string all;
  char buffer[1 << 16];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, in)) > 0;) all.append(buffer, n);
  if (interrupted()) throw Failure(exit_interrupted, "interrupted");
  if (std::ferror(in)) throw cannot_read(file == "-" ? "standard input" : file);
  return all;
}

Failure cannot_read(const std::string& file) {
  return Failure(exit_backend, fmt::format("cannot read {}: {}", file, std::strerror(errno)));
}

}  // namespace fractal::cli
