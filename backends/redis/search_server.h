// A Redis with vector search: what it has to be, and its FT indexes.
#ifndef FRACTAL_BACKENDS_REDIS_SEARCH_SERVER_H
#define FRACTAL_BACKENDS_REDIS_SEARCH_SERVER_H

#include "backends/redis/index_keys.h"
#include "backends/redis/pool.h"

#include <fractal/backend.h>

#include <atomic>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace fractal::redis_backend {

// Any thread. Errors: unavailable: it may do it later; unsupported: it cannot, or the user may not; io: what else it says.
class SearchServer {
 public:
  SearchServer(Address address, Pool::Limits limits)
      : pool_(std::move(address), limits), most_scan_(limits.call_timeout) {}

  std::string name() const { return pool_.name(); }
  std::string problem() { return pool_.problem(); }
  void stop() { stopping_ = true; }

  // unsupported: it has no vector search, throws keys out, or is a cluster. False: nobody answers.
  Result<bool> try_out();
  // The same of one that answers; again and again, since settings change.
  Result<void> check();

  // Commands that may be done twice. An error of one is everyone's.
  Result<std::vector<Reply>> ask(std::span<const Command> commands, const Control* control);
  Result<Reply> ask_one(const Command& command, const Control* control);

  // The FT index of these rows, and it has all of them; made if need be, and waited for as long as a call may take.
  Result<void> prepare(const PlaceKeys& place, const VersionPlace& of, const Control* control);
  // Keys of rows, and of each command behind it the reply.
  struct Found {
    std::vector<std::string> keys{};
    std::vector<Reply> replies{};
  };
  struct Question {
    std::string condition{};  // of the FT index' query language
    std::span<const float> vector{};
    std::size_t k = 0;
  };
  // While the FT index is still being filled it is `unavailable` at once; one that is missing is begun.
  Result<Found> nearest(const PlaceKeys& place, const VersionPlace& of, const Question& question,
                        std::span<const Command> then, const Control* control);
  // Whatever was known of FT indexes: it is found out again.
  void forget(const PlaceKeys& place);

 private:
  // An index that had all rows, and the server's life in which that was.
  struct Ready {
    std::string index{}, life{};
  };
  // What is done about an FT index that is still being filled.
  enum class Filling { await, refuse };
  Result<Ready> ready(const PlaceKeys& place, const VersionPlace& of, Filling filling, const Control* control);
  Result<std::string> life(const Control* control);
  Result<std::string> current(const PlaceKeys& place, const VersionPlace& of, Filling filling, const Control* control);
  Result<void> make(const PlaceKeys& place, const VersionPlace& of, const std::string& index, const Control* control);
  Result<bool> scanned(const std::string& index, const Control* control);
  Result<void> await_scan(const std::string& index, Filling filling, const Control* control);
  Error said(const Command& command, const Reply& reply) const;
  Result<void> may_go_on(const Control* control) const;
  Result<std::vector<Reply>> ask_pool(std::span<const Command> commands, const Control* control);

  Pool pool_;
  const std::chrono::milliseconds most_scan_;  // how long prepare() waits for one
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;                      // of what follows
  std::map<std::string, Ready> ready_{};  // by place
};

}  // namespace fractal::redis_backend

#endif
