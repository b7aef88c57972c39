// The border of a storage: whoever runs a caller's step calls it through this.
#ifndef FRACTAL_SRC_GUARDED_H
#define FRACTAL_SRC_GUARDED_H

#include "src/error.h"

#include <exception>
#include <new>

namespace fractal {

// What `run` returns, or what it throws, as an error: nothing thrown leaves a transaction open.
template <class Run> Result<void> guarded(const Run& run) {
  try {
    return run();
  } catch (const Exception& exception) { return exception.error(); } catch (const std::bad_alloc&) {
    return Error{Errc::unavailable, "write: out of memory"};
  } catch (const std::exception& exception) {
    return make_error(Errc::unavailable, "write: {}", exception.what());
  } catch (...) { return Error{Errc::unavailable, "write: an exception of unknown type"}; }
}

}  // namespace fractal

#endif
