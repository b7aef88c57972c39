// The border of a storage or an index: whatever is run through this comes back as a result.
#ifndef FRACTAL_SRC_GUARDED_H
#define FRACTAL_SRC_GUARDED_H

#include "src/error.h"

#include <exception>
#include <new>
#include <string_view>

namespace fractal {

// What `run` returns, or what it throws, as an error that begins with `what`.
template <class Run> auto guarded(std::string_view what, const Run& run) -> decltype(run()) {
  try {
    return run();
  } catch (const Exception& exception) { return exception.error(); } catch (const std::bad_alloc&) {
    return make_error(Errc::unavailable, "{}: out of memory", what);
  } catch (const std::exception& exception) {
    return make_error(Errc::unavailable, "{}: {}", what, exception.what());
  } catch (...) { return make_error(Errc::unavailable, "{}: an exception of unknown type", what); }
}

}  // namespace fractal

#endif
