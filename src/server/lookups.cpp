// Invariant: what is not understood is refused, never left out.
#include "src/server/lookups.h"

#include "src/error.h"
#include "src/json_scan.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace fractal::server {
namespace {

using json::Kind;

constexpr std::array known{std::string_view("exact"),  std::string_view("gt"),       std::string_view("gte"),
                           std::string_view("lt"),     std::string_view("lte"),      std::string_view("in"),
                           std::string_view("isnull"), std::string_view("contains"), std::string_view("startswith"),
                           std::string_view("has_key")};
constexpr std::array unknown{
    std::string_view("iexact"),       std::string_view("icontains"),   std::string_view("istartswith"),
    std::string_view("endswith"),     std::string_view("iendswith"),   std::string_view("regex"),
    std::string_view("iregex"),       std::string_view("range"),       std::string_view("has_keys"),
    std::string_view("has_any_keys"), std::string_view("contained_by")};

template <class List> bool has(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// Beyond these no filter would take them (fractal/filter.h).
constexpr std::size_t longest_name = 512, most_tests = 256;

std::vector<std::string_view> steps_of(std::string_view name) {
  std::vector<std::string_view> steps;
  for (;;) {
    const auto at = name.find("__", 1);
    const bool last = at == std::string_view::npos || at + 2 == name.size();  // __main__ is one name
    steps.push_back(last ? name : name.substr(0, at));
    if (last) return steps;
    name.remove_prefix(at + 2);
  }
}

// A member name as a step of a filter's path.
std::string escaped(std::string_view step, bool first) {
  std::string text;
  for (const char c : step) {
    if (c == '.' || c == '\\' || (first && text.empty() && c == '$')) text += '\\';
    text += c;
  }
  return text;
}

std::string longer(const std::string& path, std::string_view step) {
  return path.empty() ? escaped(step, true) : path + "." + escaped(step, false);
}

Result<Filter> equal(const std::string& path, std::string_view value, std::size_t& tests) {
  if (path.size() > longest_name || ++tests > most_tests) {
    return make_error(Errc::invalid_argument, "more than {} tests, or a name of more than {} bytes", most_tests,
                      longest_name);
  }
  const Kind kind = json::kind_of(value);
  if (kind == Kind::array) return make_error(Errc::invalid_argument, "{}: a list equals nothing", path);
  if (kind != Kind::object) {
    const auto scalar = json::scalar_value(value);
    if (!scalar) return make_error(Errc::invalid_argument, "{}: no such value", path);
    return Filter::eq(path, *scalar);
  }
  Filter all = Filter::exists(path);
  json::MemberReader members(value);
  for (json::Member member; members.next(member);) {
    std::string buffer;
    FRACTAL_TRY_INTO(const Filter one, equal(longer(path, json::decode(member.key, buffer)), member.value, tests));
    all = all && one;
  }
  return all;
}

Result<Filter> one_of(const std::string& path, std::string_view value) {
  if (json::kind_of(value) != Kind::array) return make_error(Errc::invalid_argument, "{}__in: no list", path);
  std::vector<Value> values;
  json::MemberReader elements(value);
  for (json::Member element; elements.next(element);) {
    auto scalar = json::scalar_value(element.value);
    if (!scalar) return make_error(Errc::invalid_argument, "{}__in: a list or object equals nothing", path);
    values.push_back(std::move(*scalar));
  }
  return Filter::in(path, std::move(values));
}

Result<Filter> compared(const std::string& path, std::string_view lookup, std::string_view value, std::size_t& tests) {
  if (lookup == "exact") return equal(path, value, tests);
  if (lookup == "in") return one_of(path, value);
  const auto scalar = json::scalar_value(value);
  if (!scalar) return make_error(Errc::invalid_argument, "{}__{}: needs a single value", path, lookup);
  const auto text = json::kind_of(value) == Kind::text;
  const auto* flag = std::get_if<bool>(&scalar->variant());
  if (lookup == "gt") return Filter::gt(path, *scalar);
  if (lookup == "gte") return Filter::ge(path, *scalar);
  if (lookup == "lt") return Filter::lt(path, *scalar);
  if (lookup == "lte") return Filter::le(path, *scalar);
  if (lookup == "contains") return Filter::contains(path, *scalar);
  if (lookup == "startswith" && text) return Filter::prefix(path, std::get<std::string>(scalar->variant()));
  if (lookup == "has_key" && text) return Filter::exists(longer(path, std::get<std::string>(scalar->variant())));
  if (lookup == "isnull" && flag) return *flag ? !Filter::exists(path) : Filter::exists(path);
  return make_error(Errc::invalid_argument, "{}__{}: not for such a value", path, lookup);
}

Result<Filter> read_lookup(std::string_view name, std::string_view value, std::size_t& tests) {
  if (name.empty()) return Error{Errc::invalid_argument, "a name is empty"};
  if (name.size() > longest_name || ++tests > most_tests) {
    return make_error(Errc::invalid_argument, "more than {} tests, or a name of more than {} bytes", most_tests,
                      longest_name);
  }
  auto steps = steps_of(name);
  std::string_view lookup = "exact";
  if (steps.size() > 1 && has(known, steps.back())) {
    lookup = steps.back();
    steps.pop_back();
  } else if (steps.size() > 1 && has(unknown, steps.back())) {
    return make_error(Errc::invalid_argument, "{}: there is no lookup {} here; use \"filter\"", name, steps.back());
  }
  std::string path;
  for (const std::string_view step : steps) path = longer(path, step);
  return compared(path, lookup, value, tests);
}

}  // namespace

Result<Filter> filter_of_lookups(std::string_view object) {
  Filter all;
  std::size_t tests = 0;
  json::MemberReader members(object);
  for (json::Member member; members.next(member);) {
    std::string buffer;
    FRACTAL_TRY_INTO(const Filter one, read_lookup(json::decode(member.key, buffer), member.value, tests));
    all = all && one;
  }
  FRACTAL_TRY(all.check());
  return all;
}

}  // namespace fractal::server
