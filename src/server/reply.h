// What goes back to a client.
#ifndef FRACTAL_SRC_SERVER_REPLY_H
#define FRACTAL_SRC_SERVER_REPLY_H

#include "src/server/fields.h"
#include "src/server/messages.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fractal::server {

inline constexpr std::string_view json_type = "application/json; charset=utf-8";

struct Reply {
  unsigned status = 200;
  std::string body{};
  std::string_view type = json_type;
  std::vector<std::pair<std::string, std::string>> headers{};
  // More of the body, piece by piece, until it gives none; runs on a work thread. Null: body is all of it.
  std::function<std::optional<std::string>()> more{};
  bool patient = false;  // nothing is held for the client: it has a body_timeout for each piece, not for all of them
  std::chrono::milliseconds pause{0};  // after a piece that is empty, before the next one is asked for
  std::function<bool()> is_quiet{};    // then: that it would be empty again; never waits
};

// The first piece decides the status; the others follow while the client takes them.
Reply in_pieces(const std::function<std::optional<std::string>()>& next);

// How many records to take for the next piece of an answer, so that pieces have about a megabyte, whatever the records.
class PieceSize {
 public:
  std::size_t size() const noexcept { return size_; }
  void held(std::size_t records, std::size_t bytes);

 private:
  std::size_t size_ = 16;
};

// {"detail": ...}
Reply refusal(unsigned status, Say what, Language language, std::string_view value = {});
Reply flawed(const std::vector<Flaw>& flaws, Language language);

// Thrown where a request is refused; what the client gets is made in its language.
struct Refused {
  unsigned status;
  Say what;
  std::string value{};
};

// A JSON text; bytes that are no UTF-8, as a path or query may have, become U+FFFD.
std::string quoted(std::string_view text);

// A JSON object with Python's separators, as clients of the service see it.
class Object {
 public:
  explicit Object(std::size_t expected_bytes = 0) {
    text_.reserve(expected_bytes);
    text_ = "{";
  }

  Object& text(std::string_view name, std::string_view value);
  Object& plain(std::string_view name, std::string_view ascii);  // that needs no escapes
  Object& number(std::string_view name, double value);           // finite
  Object& count(std::string_view name, std::uint64_t value);
  Object& flag(std::string_view name, bool value);
  Object& raw(std::string_view name, std::string_view json);
  std::string str() { return std::move(text_ += '}'); }  // at the end

 private:
  std::string text_{};
};

// The elements are JSON.
std::string array_of(const std::vector<std::string>& elements);

}  // namespace fractal::server

#endif
