#include <fractal/fractal_memory.h>
#include <iostream>

int main() {
  auto memory = fractal::FractalMemory::open("agent.db").value();
  memory.store({.coordinate = {1, 2, 3}, .payload = R"({"text": "Ada likes green tea", "year": 2026})"}).value();
  memory.store({.coordinate = {1, 2}, .payload = R"({"text": "Ada is the neighbour on the left"})"}).value();
  memory.link({.from = {1, 2, 3}, .to = {1, 2}, .type = "about", .strength = 0.8}).value();

  auto found = memory.search("what does Ada like?", {.top_k = 3, .filter = fractal::Filter::ge("year", 2024)}).value();
  for (auto& hit : found.hits) std::cout << hit.score << "  " << hit.memory.payload << '\n';
  auto near = memory.neighbors({1, 2, 3}, {.hops = 2}).value();
  for (auto& next : near) std::cout << next.link.type << " -> " << next.coordinate.to_string() << '\n';
}
