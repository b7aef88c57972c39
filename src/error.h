// How the core makes and passes on errors.
#ifndef FRACTAL_SRC_ERROR_H
#define FRACTAL_SRC_ERROR_H

#include <fractal/result.h>

#include <fmt/format.h>

#include <utility>

namespace fractal {

template <class... Args> Error make_error(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  return {code, fmt::format(format, std::forward<Args>(args)...)};
}

// The same error, told from further out: "import line 7: payload is not an object".
template <class... Args> Error within(const Error& inner, fmt::format_string<Args...> format, Args&&... args) {
  return {inner.code, fmt::format(format, std::forward<Args>(args)...) + ": " + inner.message};
}

}  // namespace fractal

#define FRACTAL_JOIN_(a, b) a##b
#define FRACTAL_JOIN(a, b) FRACTAL_JOIN_(a, b)
// A name of its own for each use, since uses nest (a lambda inside an argument).
#define FRACTAL_NAME(stem) FRACTAL_JOIN(stem, __COUNTER__)

#define FRACTAL_TRY_(temporary, expression)                                                 \
  do {                                                                                      \
    if (auto temporary = (expression); !temporary) { return std::move(temporary).error(); } \
  } while (false)
#define FRACTAL_TRY_INTO_(temporary, target, expression) \
  auto temporary = (expression);                         \
  if (!temporary) return std::move(temporary).error();   \
  target = std::move(*temporary)

// Leaves the function with the error, if there is one.
#define FRACTAL_TRY(expression) FRACTAL_TRY_(FRACTAL_NAME(fractal_result_), expression)
// FRACTAL_TRY_INTO(auto row, view.get(key)): the value, or leaves the function with the error.
#define FRACTAL_TRY_INTO(target, expression) FRACTAL_TRY_INTO_(FRACTAL_NAME(fractal_result_), target, expression)

#endif
