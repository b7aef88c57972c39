// Errors are values. Result<T> carries either a T or an Error, with the names of std::expected
// (C++23): has_value(), operator bool, value(), error(), value_or(), operator* and operator->.
//
// Only value() throws, and only when there is an error: fractal::Exception. Compiled with
// -fno-exceptions, value() prints the error on stderr and ends the program instead.
#ifndef FRACTAL_RESULT_H
#define FRACTAL_RESULT_H

#include <fractal/version.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace fractal {

// Seven codes, by what the caller can do about it.
enum class Errc {
  invalid_argument,  // The call is wrong: mend the argument that the message names. Nothing was done.
  not_found,         // No such memory, path or position. Nothing was done.
  conflict,          // The state is not the one the caller expected: read again, decide again.
  unavailable,       // Busy, locked, cancelled or past its deadline: the same call may succeed later.
  io,                // The operating system failed: disk full, no permission, read or write error.
  corruption,        // Stored data is damaged or is not ours. See verify() and repair().
  unsupported,       // This backend, build or file cannot do that.
};

FRACTAL_API std::string_view to_string(Errc code) noexcept;

// What went wrong: the operation, the coordinate, path or limit concerned, and the backend's words.
struct Error {
  Errc code = Errc::invalid_argument;
  std::string message;

  friend bool operator==(const Error&, const Error&) = default;
};

// Thrown by Result<T>::value() alone.
class Exception : public std::runtime_error {
 public:
  explicit Exception(Error error) : std::runtime_error(error.message), error_(std::move(error)) {}
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

namespace detail {
[[noreturn]] FRACTAL_API void fail_without_exceptions(const Error& error) noexcept;

[[noreturn]] inline void fail(const Error& error) {
#if defined(__cpp_exceptions)
  throw Exception(error);
#else
  fail_without_exceptions(error);
#endif
}
}  // namespace detail

// A T or an Error. operator* and operator-> need has_value(); error() needs !has_value().
template <class T> class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return require(), *std::get_if<0>(&state_); }
  const T& value() const& { return require(), *std::get_if<0>(&state_); }
  // By value, so that `for (auto& hit : memory.neighbors(x).value())` walks something that lives.
  T value() && { return require(), std::move(*std::get_if<0>(&state_)); }

  T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  T operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }

  const Error& error() const& noexcept { return *std::get_if<1>(&state_); }
  Error&& error() && noexcept { return std::move(*std::get_if<1>(&state_)); }

  template <class U> T value_or(U&& other) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(other));
  }
  template <class U> T value_or(U&& other) && {
    return has_value() ? std::move(**this) : static_cast<T>(std::forward<U>(other));
  }

 private:
  void require() const {
    if (!has_value()) detail::fail(*std::get_if<1>(&state_));
  }

  std::variant<T, Error> state_;
};

template <> class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() noexcept = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}

  bool has_value() const noexcept { return ok_; }
  explicit operator bool() const noexcept { return ok_; }
  void value() const {
    if (!ok_) detail::fail(error_);
  }
  const Error& error() const& noexcept { return error_; }
  Error&& error() && noexcept { return std::move(error_); }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace fractal

#endif
