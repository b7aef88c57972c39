#include <fractal/fractal_memory.h>
#include <iostream>

int main() {
  auto memory = fractal::FractalMemory::open("agent.db").value();
  memory.store({.coordinate = {1, 2, 3}, .payload = R"({"text": "Ada likes green tea", "year": 2026})"}).value();
  memory.store({.coordinate = {1, 2}, .payload = R"({"text": "Ada is the neighbour on the left"})"}).value();
  memory.link({.from = {1, 2, 3}, .to = {1, 2}, .type = "about", .strength = 0.8}).value();

  // By meaning and words: the question shares no word with the answer.
  auto found = memory.search("which hot drink would she enjoy?", {.top_k = 1}).value();
  for (auto& hit : found.hits) std::cout << hit.score << "  " << hit.memory.payload << '\n';
  auto near = memory.neighbors({1, 2, 3}, {.hops = 2}).value();
  for (auto& next : near) std::cout << next.link.type << " -> " << next.coordinate.to_string() << '\n';
}
