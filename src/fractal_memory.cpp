// The handle: opening, and the writes, each of which is a batch.
#include <fractal/fractal_memory.h>

#include "src/database.h"
#include "src/error.h"
#include "src/validate.h"

#include <utility>

namespace fractal {
namespace {

Result<Written> only_entry(Result<Applied> applied) {
  if (!applied) return std::move(applied).error();
  return applied->written.front();
}

}  // namespace

Reads::Reads(std::shared_ptr<Database> database, Space space, std::shared_ptr<Pinned> pinned)
    : database_(std::move(database)), space_(std::move(space)), pinned_(std::move(pinned)) {}

std::uint64_t Snapshot::sequence() const noexcept { return pinned_->view->space().sequence; }

Result<FractalMemory> FractalMemory::open(std::string_view path) { return open({.path = std::string(path)}); }

Result<FractalMemory> FractalMemory::open(Options options) {
  Space space = options.space;
  FRACTAL_TRY_INTO(auto database, Database::open(std::move(options)));
  return FractalMemory(std::move(database), std::move(space), nullptr);
}

FractalMemory FractalMemory::in(Space space) const { return {database_, std::move(space), nullptr}; }

Result<Written> FractalMemory::store(Memory memory, WriteOptions options) const {
  Batch batch;
  batch.store(std::move(memory), options);
  return only_entry(database_->apply(space_, batch));
}

Result<Written> FractalMemory::store_if_absent(Memory memory) const {
  return store(std::move(memory), {.if_version = 0});
}

Result<Written> FractalMemory::update(const Coordinate& coordinate, Patch patch, WriteOptions options) const {
  Batch batch;
  batch.update(coordinate, std::move(patch), options);
  return only_entry(database_->apply(space_, batch));
}

Result<bool> FractalMemory::remove(const Coordinate& coordinate, WriteOptions options) const {
  Batch batch;
  batch.remove(coordinate, options);
  FRACTAL_TRY_INTO(const Written written, only_entry(database_->apply(space_, batch)));
  return written.removed;
}

Result<Written> FractalMemory::link(GraphLink link) const {
  Batch batch;
  batch.link(std::move(link));
  return only_entry(database_->apply(space_, batch));
}

Result<bool> FractalMemory::unlink(const Coordinate& from, const Coordinate& to, std::string_view type) const {
  Batch batch;
  batch.unlink(from, to, std::string(type));
  FRACTAL_TRY_INTO(const Written written, only_entry(database_->apply(space_, batch)));
  return written.removed;
}

Result<Applied> FractalMemory::apply(const Batch& batch) const { return database_->apply(space_, batch); }

Result<Snapshot> FractalMemory::snapshot() const {
  FRACTAL_TRY_INTO(auto pinned, database_->pin(space_));
  return Snapshot(database_, space_, std::move(pinned));
}

}  // namespace fractal
