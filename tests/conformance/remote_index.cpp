// The index over a VersionStore under the suite of every VectorIndex, each with rows of its own.
#include "tests/conformance/remote_server.h"

std::shared_ptr<fractal::VectorIndex> make_empty_index() {
  using namespace fractal::testing;
  static std::string last;
  if (!last.empty()) lose_all(last);
  last = fresh_remote_identity();
  return std::make_shared<fractal::RemoteIndex>(remote_store(last), no_source(), fractal::RemoteSetting{.wait = true});
}
