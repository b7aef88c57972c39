// The Storage suite on the storage in memory.
#include "storage_model.h"

namespace fractal {

std::shared_ptr<Storage> make_empty_storage() { return make_memory_storage(); }

}  // namespace fractal
