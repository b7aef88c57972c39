// {fmt} formatters for the public types: fmt::print("{} {:.3f}\n", hit.memory.coordinate, hit.score).
// Needs {fmt}; the other headers do not.
#ifndef FRACTAL_FORMAT_H
#define FRACTAL_FORMAT_H

#include <fractal/fractal_memory.h>

#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>

namespace fractal::detail {
// Formats a T as the text that `fractal::describe(T)` or to_string() gives, with fmt's string options.
template <class T> struct TextFormatter : fmt::formatter<std::string_view> {
  template <class Context> auto format(const T& value, Context& context) const {
    return fmt::formatter<std::string_view>::format(std::string_view(text(value)), context);
  }

 private:
  static std::string text(const Coordinate& value) { return value.to_string(); }
  static std::string text(const Uuid& value) { return value.to_string(); }
  static std::string text(const Error& value) { return std::string(to_string(value.code)) + ": " + value.message; }
  static std::string text(const Space& value) { return value.tenant + "/" + value.name; }
  static std::string text(const GraphLink& value) {
    return value.from.to_string() + " -" + value.type + "-> " + value.to.to_string();
  }
  static std::string text(const Filter& value) { return value.to_json(); }
  static std::string text(Errc value) { return std::string(to_string(value)); }
  static std::string text(MemoryType value) { return std::string(to_string(value)); }
  static std::string text(SearchMode value) { return std::string(to_string(value)); }
};
}  // namespace fractal::detail

template <> struct fmt::formatter<fractal::Coordinate> : fractal::detail::TextFormatter<fractal::Coordinate> {};
template <> struct fmt::formatter<fractal::Uuid> : fractal::detail::TextFormatter<fractal::Uuid> {};
template <> struct fmt::formatter<fractal::Error> : fractal::detail::TextFormatter<fractal::Error> {};
template <> struct fmt::formatter<fractal::Space> : fractal::detail::TextFormatter<fractal::Space> {};
template <> struct fmt::formatter<fractal::GraphLink> : fractal::detail::TextFormatter<fractal::GraphLink> {};
template <> struct fmt::formatter<fractal::Filter> : fractal::detail::TextFormatter<fractal::Filter> {};
template <> struct fmt::formatter<fractal::Errc> : fractal::detail::TextFormatter<fractal::Errc> {};
template <> struct fmt::formatter<fractal::MemoryType> : fractal::detail::TextFormatter<fractal::MemoryType> {};
template <> struct fmt::formatter<fractal::SearchMode> : fractal::detail::TextFormatter<fractal::SearchMode> {};

#endif
