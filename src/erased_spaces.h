// Spaces that were erased while their vectors were elsewhere too: a setting of the storage names them until they are gone
// there, whoever opens it next.
#ifndef FRACTAL_SRC_ERASED_SPACES_H
#define FRACTAL_SRC_ERASED_SPACES_H

#include <fractal/backend.h>

#include <cstdint>
#include <vector>

namespace fractal {

struct ErasedSpace {
  std::uint64_t number = 0;
  Time at{};
};

Result<std::vector<ErasedSpace>> erased_spaces(Storage& storage);
// Within the transaction that erases it. One thread at a time.
Result<void> note_erased_space(WriteTransaction& transaction, Storage& storage, const ErasedSpace& erased);
Result<void> forget_erased_space(Storage& storage, std::uint64_t number);

}  // namespace fractal

#endif
