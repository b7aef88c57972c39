// An agent that lives through a few turns: it writes down what it sees, links an observation to the one it
// explains, recalls by words, and forgets what was only true for a while.
#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

// The agent's own clock, so that an hour passes in no time.
fractal::Time now{1'767'225'600'000'000us};  // 2026-01-01

struct Observation {
  std::string text;
  std::chrono::minutes valid{0};     // 0: for good
  std::optional<std::size_t> about;  // the turn that it explains
};

const std::vector<Observation> day = {
    {"The charging station stands beside the kitchen door.", 0min, {}},
    {"Ada put the kettle on; the kitchen is full of steam.", 20min, {}},
    {"Ada said that her sister Grace visits on Sunday.", 0min, {}},
    {"The kitchen floor is wet.", 30min, {}},
    {"Grace is allergic to nuts.", 0min, 2},
};

fractal::Coordinate turn(double session, std::size_t number) { return {session, static_cast<double>(number)}; }

void live(const fractal::FractalMemory& memory) {
  for (std::size_t i = 0; i < day.size(); ++i) {
    fractal::Memory seen{.coordinate = turn(1, i), .payload = fmt::format(R"({{"text": "{}"}})", day[i].text)};
    if (day[i].valid > 0min) seen.expires_at = now + day[i].valid;
    fractal::Batch batch;  // the memory and its link: both or none
    batch.store(std::move(seen));
    if (day[i].about) batch.link({.from = turn(1, i), .to = turn(1, *day[i].about), .type = "explains"});
    memory.apply(batch).value();
    now += 1min;
  }
}

std::size_t recall(const fractal::FractalMemory& memory, const char* question) {
  auto found = memory.search(question, {.top_k = 2}).value();
  fmt::print("\n{}  {}\n", fractal::to_string(now).substr(11, 5), question);
  for (const auto& hit : found.hits)
    fmt::print("  {:>5.2f}  {}  {}\n", hit.score, hit.memory.coordinate, hit.memory.payload);
  if (found.hits.empty()) fmt::print("  nothing\n");
  return found.hits.size();
}

}  // namespace

int main() try {
  auto memory = fractal::FractalMemory::open({.clock = [] { return now; }}).value();
  live(memory);
  fmt::print("lived through {} turns\n", memory.within({1}).value().memories.size());

  bool right = recall(memory, "Is the kitchen floor wet?") == 2;
  now += 1h;  // the steam is gone, the floor is dry
  right = recall(memory, "Is the floor wet?") == 0 && right;
  right = recall(memory, "What must I know about Grace?") == 2 && right;

  auto explained = memory.neighbors(turn(1, 4), {.type = "explains"}).value();
  for (const auto& next : explained) fmt::print("  which explains {}\n", next.coordinate);
  auto kept = memory.maintain().value();  // takes the expired ones off the disk
  fmt::print("\nForgotten for good: {} of {}\n", kept.expired_removed, day.size());
  return right && explained.size() == 1 && kept.expired_removed == 2 ? 0 : 1;
} catch (const std::exception& failure) {
  fmt::print(stderr, "agent_loop: {}\n", failure.what());
  return 1;
}
