// All headers once more: whatever they define must be inline.
#include <fractal/backend.h>
#include <fractal/filter.h>
#include <fractal/format.h>
#include <fractal/fractal_memory.h>
#include <fractal/result.h>
#include <fractal/types.h>
#include <fractal/version.h>

std::string second_unit(const fractal::FractalMemory& memory);

std::string second_unit(const fractal::FractalMemory& memory) {
  auto one = memory.retrieve({1, 2, 3});
  return one ? one->payload : fmt::format("{}", one.error());
}
