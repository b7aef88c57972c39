// How to call a server that may be slow, down or overloaded: again after a little while, as long as there is a budget for
// that; and not at all for some time once it has shown that it does not answer.
#ifndef FRACTAL_SRC_CALL_POLICY_H
#define FRACTAL_SRC_CALL_POLICY_H

#include <fractal/backend.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>

namespace fractal {

class CallPolicy {
 public:
  struct Setting {
    int attempts = 3;                                                   // of one call
    std::chrono::milliseconds first_delay{20}, longest_delay{500};      // before the next attempt: a random part of it
    std::chrono::milliseconds first_pause{500}, longest_pause{10'000};  // without calls, once one has failed wholly
    double budget = 10;                                                 // attempts beyond the first, saved up at most
    double earned = 0.1;                                                // by each call that succeeds
  };
  CallPolicy(std::string name, Setting setting) : name_(std::move(name)), setting_(setting) {}

  // `call` returns a Result; `unavailable` means that another attempt may succeed. Only for calls that may be repeated.
  template <class Call> auto run(const Control* control, const Call& call) -> decltype(call()) {
    if (auto admitted = admit(); !admitted) return admitted.error();
    // Of a call that ends by the caller's will, or throws: that says nothing about the server.
    const auto give_back = [](CallPolicy* policy) { policy->give_back(); };
    std::unique_ptr<CallPolicy, decltype(give_back)> admission(this, give_back);
    for (int attempt = 1;; ++attempt) {
      auto done = call();
      if (done || done.error().code != Errc::unavailable) {
        succeeded();
        (void)admission.release();
        return done;
      }
      if (ended(control)) return done;
      if (attempt >= setting_.attempts || !may_repeat()) {
        failed(done.error());
        (void)admission.release();
        return done;
      }
      rest(control, attempt);
    }
  }

  void stop() { stopping_ = true; }
  bool stopping() const { return stopping_; }
  bool ended(const Control* control) const;
  // Why nobody calls at present; empty: they do.
  std::string problem() const;

 private:
  using Clock = std::chrono::steady_clock;
  Result<void> admit();
  void succeeded();
  void failed(const Error& error);
  void give_back();
  bool may_repeat();
  void rest(const Control* control, int attempt);

  const std::string name_;
  const Setting setting_;
  std::atomic<bool> stopping_{false};

  mutable std::mutex mutex_;
  std::minstd_rand random_{std::random_device{}()};
  double budget_ = setting_.budget;
  std::string problem_{};
  std::chrono::milliseconds pause_{0};
  Clock::time_point closed_until_{};
  bool trying_ = false;  // one caller finds out whether it answers again
};

}  // namespace fractal

#endif
