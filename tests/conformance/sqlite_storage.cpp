// The Storage suite on SQLite: each storage a file of its own, gone when the storage is.
#include "storage_model.h"

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>

namespace fractal {
namespace {

struct InFolder {
  std::filesystem::path folder{};
  std::shared_ptr<Storage> storage{};
  InFolder() = default;
  InFolder(const InFolder&) = delete;
  InFolder& operator=(const InFolder&) = delete;
  ~InFolder() {
    storage.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
};

}  // namespace

std::shared_ptr<Storage> make_empty_storage() {
  std::string name = (std::filesystem::temp_directory_path() / "fractal-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  auto owner = std::make_shared<InFolder>();
  owner->folder = name;
  Options options;
  options.path = (owner->folder / "suite.db").string();
  options.durability = Durability::off;  // no power cut here
  owner->storage = open_sqlite_storage(options).value();
  Storage* const storage = owner->storage.get();
  return {std::move(owner), storage};
}

}  // namespace fractal
