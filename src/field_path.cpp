// Invariant: a path without a problem has at least one key, none of them empty, or is a built-in field.
#include "field_path.h"

#include "utf8.h"

#include <fmt/format.h>

#include <cstddef>
#include <iterator>
#include <utility>

namespace fractal {
namespace {

constexpr std::size_t longest_path = 512;
constexpr std::string_view metadata_prefix = "$metadata.";

struct BuiltIn {
  std::string_view name;
  FilterField field;
};
constexpr BuiltIn built_ins[] = {
    {"$type", FilterField::type},
    {"$importance", FilterField::importance},
    {"$version", FilterField::version},
    {"$created_at", FilterField::created_at},
    {"$updated_at", FilterField::updated_at},
    {"$expires_at", FilterField::expires_at},
    {"$id", FilterField::id},
    {"$coordinate", FilterField::coordinate},
};

// Splits at the dots; returns what is wrong.
std::string split(std::string_view path, std::vector<std::string>& keys) {
  std::string key;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '.') {
      if (key.empty()) return "has an empty part";
      keys.push_back(std::exchange(key, {}));
      continue;
    }
    if (path[i] != '\\') {
      key.push_back(path[i]);
      continue;
    }
    ++i;
    const bool dollar = i == 1 && i < path.size() && path[i] == '$';
    if (i == path.size() || !(path[i] == '.' || path[i] == '\\' || dollar)) {
      return "has a backslash that is not one of \\. \\\\ and, at the start, \\$";
    }
    key.push_back(path[i]);
  }
  if (key.empty()) return "has an empty part";
  keys.push_back(std::move(key));
  return {};
}

}  // namespace

FieldPath parse_field_path(std::string_view path) {
  FieldPath result;
  if (path.empty()) {
    result.problem = "is empty";
  } else if (path.size() > longest_path) {
    result.problem = fmt::format("is longer than {} bytes", longest_path);
  } else if (!valid_text(path)) {
    result.problem = "is not valid UTF-8 without NUL";
  } else if (path.starts_with(metadata_prefix)) {
    result.field = FilterField::metadata;
    result.problem = split(path.substr(metadata_prefix.size()), result.keys);
  } else if (path.front() != '$') {
    result.problem = split(path, result.keys);
  } else {
    result.problem = "is no built-in field (a key that begins with $ is written \\$)";
    for (const BuiltIn& built_in : built_ins) {
      if (path != built_in.name) continue;
      result.field = built_in.field;
      result.problem.clear();
    }
  }
  return result;
}

std::string payload_path(const std::vector<std::string>& keys) {
  std::string path;
  for (const std::string& key : keys) {
    if (!path.empty()) path.push_back('.');
    for (const char c : key) {
      if (c == '.' || c == '\\' || (c == '$' && path.empty())) path.push_back('\\');
      path.push_back(c);
    }
  }
  return path;
}

}  // namespace fractal
