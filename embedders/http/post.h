// One POST to one address, from any thread, obeying Control.
#ifndef FRACTAL_HTTP_POST_H
#define FRACTAL_HTTP_POST_H

#include <fractal/http_embedder.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::http {

struct Reply {
  long status = 0;       // 0: none came, and a later attempt may do better
  std::string body{};    // of status 0: why
  std::string target{};  // of a redirect
  std::optional<std::chrono::milliseconds> retry_after{};
};

// unavailable, once the deadline has passed or the call was cancelled.
Result<void> check_control(const Control& control, std::string_view operation);

class Post {
 public:
  // `key` may be empty.
  static Result<std::unique_ptr<Post>> open(const HttpEmbedderOptions& options, std::string_view key);
  ~Post();
  Post(const Post&) = delete;
  Post& operator=(const Post&) = delete;

  // unavailable: Control. io: a failure that stays, as a certificate that is not trusted. corruption: an answer of more
  // than `longest_answer` bytes.
  Result<Reply> send(const std::string& body, std::size_t longest_answer, const Control& control) const;

 private:
  struct Shared;  // what all connections send
  class Connection;

  explicit Post(std::unique_ptr<Shared> shared) noexcept;
  std::unique_ptr<Connection> take() const;
  void give_back(std::unique_ptr<Connection> connection) const;

  std::unique_ptr<Shared> shared_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace fractal::http

#endif
