// Short-lived tokens, each made from one that lasts, with the same rights or fewer.
#ifndef FRACTAL_SRC_SERVER_SESSIONS_H
#define FRACTAL_SRC_SERVER_SESSIONS_H

#include "src/server/tokens.h"

#include <fractal/cache.h>
#include <fractal/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace fractal::server {

// Any thread. They live in the cache: servers that share one know each other's.
class Sessions {
 public:
  Sessions(Cache& cache, const Tokens& tokens) : cache_(cache), tokens_(tokens) {}

  struct Opened {
    std::string token, id;
    Time expires_at;
  };
  // `rights`: those of the token, or fewer. nullopt: too many of this token, which may make 1,000 at once and then one in ten
  // seconds. unavailable: too many in all.
  Result<std::optional<Opened>> open(const Rights& rights, std::chrono::seconds life);
  // What the session and the token that it was made from allow now; nullopt: there is no such session, or not any more.
  Result<std::optional<Rights>> find(std::string_view token) const;
  // Who may: the session itself, the token that it was made from, and whoever has all rights everywhere. False: there is
  // no such session.
  Result<bool> close(std::string_view id, const Rights& by);

  static bool looks_like(std::string_view token);

 private:
  Result<std::optional<Rights>> at(std::string_view id) const;

  Cache& cache_;
  const Tokens& tokens_;
};

}  // namespace fractal::server

#endif
