// Follows what one PostgreSQL client sends, as far as is needed to see a COMMIT go by
// (https://www.postgresql.org/docs/current/protocol-message-formats.html).
#ifndef FRACTAL_TESTS_FAULTS_COMMIT_WATCH_H
#define FRACTAL_TESTS_FAULTS_COMMIT_WATCH_H

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace fractal::testing {

class CommitWatch {
 public:
  // The next bytes of the client: whether a message that they end asks for a COMMIT to be done.
  bool sees_commit(std::string_view bytes) {
    rest_.append(bytes);
    bool commits = false;
    for (;;) {
      const std::size_t type = started_ ? 1 : 0;  // the first message has none
      if (rest_.size() < type + 4) return commits;
      const std::size_t size = type + length_at(type);
      if (rest_.size() < size) return commits;
      if (started_) commits = is_commit(rest_[0], std::string_view(rest_).substr(5, size - 5)) || commits;
      started_ = true;
      rest_.erase(0, size);
    }
  }

 private:
  std::size_t length_at(std::size_t at) const {
    std::uint32_t length = 0;
    for (std::size_t i = at; i < at + 4; ++i) length = length << 8 | static_cast<unsigned char>(rest_[i]);
    return length;
  }

  static std::string_view take_text(std::string_view& body) {
    const std::string_view text = body.substr(0, body.find('\0'));
    body.remove_prefix(std::min(body.size(), text.size() + 1));
    return text;
  }

  bool is_commit(char type, std::string_view body) {
    const std::string_view first = take_text(body), second = take_text(body);
    const auto commits = [](std::string_view sql) { return sql.starts_with("COMMIT"); };
    if (type == 'Q') return commits(first);
    if (type == 'P') {  // Parse: name, statement
      commits(second) ? void(prepared_.emplace(first)) : void(prepared_.erase(std::string(first)));
      return false;
    }
    return type == 'B' && prepared_.contains(std::string(second));  // Bind: portal, name
  }

  bool started_ = false;
  std::string rest_{};
  std::set<std::string> prepared_{};  // names of statements that commit
};

}  // namespace fractal::testing

#endif
