#include "engine.h"

#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <filesystem>
#include <sstream>

namespace engine {
namespace {

template <class Items, class Of> std::string joined(const Items& items, const Of& of) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : " ") + of(item).to_string();
  return text;
}

}  // namespace

std::string fresh_path(std::string_view name) {
  static const testing::TemporaryFolder folder;
  static std::atomic<int> number{0};
  const auto place = folder.path() / std::to_string(++number);
  std::filesystem::create_directory(place);
  return (place / name).string();
}

std::string exported(const Reads& reads) {
  std::ostringstream out;
  reads.export_memories(out).value();
  return out.str();
}

std::string coordinates(const std::vector<Memory>& memories) {
  return joined(memories, [](const Memory& memory) { return memory.coordinate; });
}
std::string coordinates(const std::vector<Hit>& hits) {
  return joined(hits, [](const Hit& hit) { return hit.memory.coordinate; });
}
std::string coordinates(const std::vector<NearHit>& hits) {
  return joined(hits, [](const NearHit& hit) { return hit.memory.coordinate; });
}
std::string coordinates(const std::vector<Neighbor>& neighbors) {
  return joined(neighbors, [](const Neighbor& neighbor) { return neighbor.coordinate; });
}

std::vector<float> random_vector(std::mt19937_64& random, std::size_t dimension) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(dimension);
  for (float& component : vector) component = normal(random);
  return vector;
}

}  // namespace engine
