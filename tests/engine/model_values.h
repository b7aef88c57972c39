// Random arguments of the public API, over so few coordinates, words and values that they meet often.
#ifndef FRACTAL_TESTS_ENGINE_MODEL_VALUES_H
#define FRACTAL_TESTS_ENGINE_MODEL_VALUES_H

#include <fractal/fractal_memory.h>

#include "tests/seeded_random.h"

#include <cstddef>
#include <string>
#include <vector>

namespace fractal::model {

using testing::Random;

inline constexpr std::size_t dimension = 6;

// What the world must know to make mostly valid arguments.
struct Surroundings {
  Time now{};
  bool may_break = true;  // now and then an argument that must be refused
};

class Values {
 public:
  explicit Values(Random& random) : random_(random) {}

  Coordinate coordinate();
  std::vector<float> vector();
  std::string words(std::size_t most);
  std::string payload();
  std::string metadata();
  Memory memory(const Surroundings& around);
  GraphLink link(const Surroundings& around);
  Patch patch(const Surroundings& around);
  WriteOptions condition();
  Batch batch(const Surroundings& around);
  Uuid uuid();
  std::string link_type();

  Filter filter(const Surroundings& around, int depth = 2);
  SearchOptions search_options(const Surroundings& around);
  ListOptions list_options(const Surroundings& around);
  NearOptions near_options(const Surroundings& around);
  NeighborOptions neighbor_options();
  PathOptions path_options();
  ExportOptions export_options(const Surroundings& around);

 private:
  Value value(const Surroundings& around);
  Filter single_test(const Surroundings& around);
  std::string scalar();
  Coordinate ancestor();

  Random& random_;
};

}  // namespace fractal::model

#endif
