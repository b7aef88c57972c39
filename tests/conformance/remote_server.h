// What the suite of every VersionStore asks of a backend's tests, and what it gives them: identities, and a model as a storage.
#ifndef FRACTAL_TESTS_CONFORMANCE_REMOTE_SERVER_H
#define FRACTAL_TESTS_CONFORMANCE_REMOTE_SERVER_H

#include "src/remote_index.h"
#include "tests/conformance/vector_oracle.h"
#include "tests/seeded_random.h"

#include <chrono>
#include <memory>
#include <string>

namespace fractal::testing {

// ---- Of each backend: rows past every rule, and all that was made under an identity.

std::shared_ptr<VersionStore> remote_store(const std::string& identity);
void lose_all(const std::string& identity);

// ---- For each backend

// What the environment says; where it says nothing, the test program fails at once.
std::string required_server(const char* variable);

// An identity that nobody had before; what is made under it goes when the program ends, or by lose_all().
std::string fresh_remote_identity();

// The model as the storage that is followed.
inline RemoteSource source_of(const vector_oracle::Model& model) {
  return {.newest = [&model](const SpaceRecord&) -> Result<SpaceRecord> { return model.record(); },
          .read = [&model](const Space&, VectorColumns, const RemoteSource::Read& read) -> Result<void> {
            return read(model.record(), model.pull());
          }};
}

// A storage that is as told, and can be read by nobody.
inline RemoteSource no_source() {
  return {.newest = [](const SpaceRecord& of) -> Result<SpaceRecord> { return of; },
          .read = [](const Space&, VectorColumns, const RemoteSource::Read&) -> Result<void> {
            return Error{Errc::unavailable, "no storage"};
          }};
}

// A search that takes a quarter of it is not trusted, so a slow server wants more: FRACTAL_TEST_GRACE, in milliseconds.
inline std::chrono::milliseconds short_grace() {
  return std::chrono::milliseconds(number_from_environment("FRACTAL_TEST_GRACE", 2'000));
}

}  // namespace fractal::testing

#endif
