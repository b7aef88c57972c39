// Stores, finds, links and formats through the library as it was installed. A second file includes the same headers.
#include <fractal/backend.h>
#include <fractal/filter.h>
#include <fractal/format.h>
#include <fractal/fractal_memory.h>
#include <fractal/result.h>
#include <fractal/types.h>
#include <fractal/version.h>

#include <cstdlib>
#include <string>

std::string second_unit(const fractal::FractalMemory& memory);

namespace {
void require(bool condition, const char* what) {
  if (condition) return;
  fmt::print(stderr, "failed: {}\n", what);
  std::exit(1);
}
}  // namespace

int main() {
  require(fractal::version() == FRACTAL_VERSION_STRING, "headers and library of one version");
  auto memory = fractal::FractalMemory::open(":memory:").value();
  memory.store({.coordinate = {1, 2, 3}, .payload = R"({"text": "Ada likes green tea", "year": 2024})"}).value();
  memory.link({.from = {1, 2, 3}, .to = {1, 2}, .type = "part_of", .strength = 0.8}).value();
  require(fmt::format("{}", fractal::Coordinate{1, 2, 3}) == "1.0,2.0,3.0", "a coordinate as text");
  require(memory.neighbors({1, 2, 3}).value().size() == 1, "one neighbour");
  auto found = memory.search("green tea", {.top_k = 3, .filter = fractal::Filter::ge("year", 2024)}).value();
  require(found.hits.size() == 1, "one hit");
  require(second_unit(memory) == R"({"text": "Ada likes green tea", "year": 2024})", "the payload, byte for byte");
  try {
    memory.retrieve({7}).value();
    require(false, "value() throws");
  } catch (const fractal::Exception& exception) {
    require(exception.error().code == fractal::Errc::not_found, "not_found, thrown and caught in the program");
  }
  fmt::print("FractalMemory {}: stored, linked, searched\n", fractal::version());
}
