// Group commit: concurrent callers share one transaction, and so one sync. Tenants take turns.
#ifndef FRACTAL_SRC_WRITE_QUEUE_H
#define FRACTAL_SRC_WRITE_QUEUE_H

#include <fractal/backend.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fractal {

// One caller's write: a step for Storage::apply, and what to do once it is committed, before any
// caller returns and in commit order.
struct WriteRequest {
  std::function<Result<void>(WriteTransaction&)> run;
  std::function<void()> committed{};
  std::string_view tenant{};  // whose turn it uses up
  std::size_t size = 1;       // entries of the batch
  std::optional<Expected> expected{};
};

// Who waits is served by start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM 1996,
// section 2): a tenant's next write starts, in virtual time, where its last one ended, so that a tenant with large
// batches or many threads waits for itself, not the others for it. Writes of one tenant keep their order.
class WriteQueue {
 public:
  explicit WriteQueue(Storage& storage);

  // Returns when the request is committed, or with the error that undid it.
  Result<void> submit(WriteRequest& request);

  // Requests that nobody has begun to commit.
  std::size_t waiting() const;

 private:
  struct Waiting;
  using Lock = std::unique_lock<std::mutex>;
  void enqueue(Waiting& waiting);
  void lead(Lock& lock);
  void await_company(Lock& lock);
  void take_group();
  void begin_anew();
  void commit() noexcept;

  Storage& storage_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  bool led_ = false;                                     // somebody takes or commits a group
  std::deque<Waiting*> queue_;                           // rising by start
  std::vector<Waiting*> group_;                          // of the one that leads
  std::uint64_t now_ = 0;                                // virtual time: entries
  std::unordered_map<std::string, std::uint64_t> ends_;  // per tenant, of its last write, if later than now_
  std::size_t last_group_ = 1;
  std::chrono::microseconds last_commit_{0};
};

}  // namespace fractal

#endif
