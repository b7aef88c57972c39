// Invariant: who is past the deadline, or was told to stop, goes no further.
#include "src/error.h"
#include "src/validate.h"

namespace fractal {

Result<void> check_control(const Control& control, std::string_view operation) {
  if (control.cancel != nullptr && control.cancel->load(std::memory_order_relaxed)) {
    return make_error(Errc::unavailable, "{}: cancelled", operation);
  }
  if (control.deadline != std::chrono::steady_clock::time_point::max() &&
      std::chrono::steady_clock::now() >= control.deadline) {
    return make_error(Errc::unavailable, "{}: deadline exceeded", operation);
  }
  return {};
}

}  // namespace fractal
