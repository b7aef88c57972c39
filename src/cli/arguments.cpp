// Invariant: what is not understood is refused with the words that were typed.
#include "src/cli/arguments.h"

#include "src/cli/failure.h"
#include "src/cli/json_object.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

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
  static constexpr std::array<long, 5> seconds{1, 60, 3600, 86'400, 604'800};
  long amount = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
  if (error == std::errc{} && end + 1 == text.data() + text.size() && amount > 0 && amount <= 1'000'000) {
    if (const std::size_t unit = units.find(*end); unit != units.npos) {
      return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now() +
                                                                     std::chrono::seconds(amount * seconds[unit]));
    }
  }
  auto time = parse_time(text);
  if (!time) throw usage_error(fmt::format("'{}' is no time: try 7d or 2027-01-31T12:00:00Z", text));
  return *time;
}

std::string contents_of(const std::string& file) {
  std::ostringstream all;
  std::ifstream opened;
  if (file != "-") opened.open(file, std::ios::binary);
  std::istream& in = file == "-" ? std::cin : opened;
  // An empty stream fails the output's state, not the input's.
  if (in) all << in.rdbuf();
  if (!in || in.bad()) { throw Failure(exit_backend, fmt::format("cannot read {}: {}", file, std::strerror(errno))); }
  return std::move(all).str();
}

}  // namespace fractal::cli
