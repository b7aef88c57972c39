// Invariant: entries stay in the order of the calls; nothing is checked before the batch is applied.
#include <fractal/types.h>

#include <utility>

namespace fractal {

Batch& Batch::store(Memory memory, WriteOptions options) {
  entries_.emplace_back(Store{std::move(memory), options});
  return *this;
}

Batch& Batch::update(Coordinate coordinate, Patch patch, WriteOptions options) {
  entries_.emplace_back(Update{std::move(coordinate), std::move(patch), options});
  return *this;
}

Batch& Batch::remove(Coordinate coordinate, WriteOptions options) {
  entries_.emplace_back(Remove{std::move(coordinate), options});
  return *this;
}

Batch& Batch::link(GraphLink link) {
  entries_.emplace_back(Link{std::move(link)});
  return *this;
}

Batch& Batch::unlink(Coordinate from, Coordinate to, std::string type) {
  entries_.emplace_back(Unlink{std::move(from), std::move(to), std::move(type)});
  return *this;
}

Batch& Batch::restore(Memory memory, std::string embedder, bool embed) {
  entries_.emplace_back(Restore{std::move(memory), std::move(embedder), embed});
  return *this;
}

Batch& Batch::restore_link(GraphLink link) {
  entries_.emplace_back(RestoreLink{std::move(link)});
  return *this;
}

}  // namespace fractal
