// What the suite of every VersionStore asks of a backend's tests, and what it gives them: a model as a storage.
#ifndef FRACTAL_TESTS_CONFORMANCE_REMOTE_SERVER_H
#define FRACTAL_TESTS_CONFORMANCE_REMOTE_SERVER_H

#include "src/remote_index.h"
#include "tests/conformance/vector_oracle.h"
#include "tests/seeded_random.h"

#include <chrono>
#include <memory>
#include <string>

namespace fractal::testing {

// An identity that nobody had before; what is made under it goes when the program ends, or by lose_all().
std::string fresh_remote_identity();
// Rows past every rule.
std::shared_ptr<VersionStore> remote_store(const std::string& identity);
void lose_all(const std::string& identity);

// A search that takes a quarter of it is not trusted, so a slow server wants more: FRACTAL_TEST_GRACE, in milliseconds.
inline std::chrono::milliseconds short_grace() {
  return std::chrono::milliseconds(number_from_environment("FRACTAL_TEST_GRACE", 1'000));
}

}  // namespace fractal::testing

#endif
