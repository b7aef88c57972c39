// Which storage a path leads to.
#include "tests/temporary_folder.h"

#include <fractal/backend.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

namespace fractal {
namespace {

Result<std::shared_ptr<Storage>> open_shelf(const Options& options) {
  if (options.path != "shelf://books") return Error{Errc::not_found, "no such shelf"};
  return make_memory_storage();
}

std::shared_ptr<Storage> followed;
std::string asked;

Result<std::shared_ptr<VectorIndex>> open_attic(const std::string& url, const Options&,
                                                const std::shared_ptr<Storage>& storage) {
  followed = storage;
  asked = url;
  return make_flat_index();
}

TEST_CASE("a program's own scheme opens its own storage") {
  CHECK(add_storage_scheme("shelf", &open_shelf));
  const auto schemes = storage_schemes();
  CHECK(std::find(schemes.begin(), schemes.end(), "shelf") != schemes.end());
  const auto memory = FractalMemory::open("shelf://books").value();
  memory.store({.coordinate = {1}, .payload = R"({"text": "on the shelf"})"}).value();
  CHECK(memory.retrieve({1})->payload == R"({"text": "on the shelf"})");
  CHECK(FractalMemory::open("shelf://elsewhere").error().code == Errc::not_found);
}

TEST_CASE("a URL of an unknown scheme is unsupported, and becomes no file") {
  const auto opened = FractalMemory::open("nowhere://user:secret@host/database");
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Errc::unsupported);
  CHECK(opened.error().message.find("nowhere://") != std::string::npos);
  CHECK(opened.error().message.find("secret") == std::string::npos);
  CHECK_FALSE(std::filesystem::exists("nowhere:"));
}

TEST_CASE("an index by a URL follows the storage it was opened for") {
  CHECK(add_vector_index_scheme("attic", &open_attic));
  const auto schemes = vector_index_schemes();
  CHECK(std::find(schemes.begin(), schemes.end(), "attic") != schemes.end());
  const auto storage = make_memory_storage();
  const auto memory = FractalMemory::open({.storage = storage, .vector_index = "attic://box"}).value();
  CHECK(asked == "attic://box");
  CHECK(followed == storage);
  followed.reset();
  memory.store({.coordinate = {1}, .payload = R"({"text": "tea"})"}).value();
  CHECK(memory.search("tea")->hits.size() == 1);
  CHECK(FractalMemory::open({.vector_index = "nowhere://box"}).error().code == Errc::unsupported);
  CHECK(FractalMemory::open({.vector_index = "box"}).error().code == Errc::invalid_argument);
}

TEST_CASE("a path with other signs before :// is a file") {
  const testing::TemporaryFolder folder;
  const std::string path = folder.file("a b:") + "//c.db";  // a folder's name ends with a colon
  std::filesystem::create_directory(folder.file("a b:"));
  FractalMemory::open(path).value().store({.coordinate = {1}, .payload = "{}"}).value();
  CHECK(std::filesystem::exists(folder.file("a b:/c.db")));
}

}  // namespace
}  // namespace fractal
