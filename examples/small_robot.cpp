// A robot with little memory and a small disk: budgets for both, and searches that lean towards where it is.
#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <exception>
#include <string>

namespace {

const fractal::Coordinate kitchen{1}, workshop{2};

// Two cups, each linked with the room where it was seen.
void see_things(const fractal::FractalMemory& memory) {
  memory.store({.coordinate = kitchen, .payload = R"({"text": "the kitchen"})"}).value();
  memory.store({.coordinate = workshop, .payload = R"({"text": "the workshop"})"}).value();
  memory.store({.coordinate = {1, 1}, .payload = R"({"text": "a blue cup on the table"})"}).value();
  memory.store({.coordinate = {2, 1}, .payload = R"({"text": "a blue cup with screws in it"})"}).value();
  memory.link({.from = {1, 1}, .to = kitchen, .type = "seen_in"}).value();
  memory.link({.from = {2, 1}, .to = workshop, .type = "seen_in"}).value();
}

void look_for_cup(const fractal::FractalMemory& memory, const std::string& room, const fractal::Coordinate& here) {
  // What comes to mind here counts a third of the score.
  const fractal::SearchOptions options{.top_k = 1, .association = {.seeds = {here}, .weight = 0.33}};
  const auto found = memory.search("where is the blue cup?", options).value();
  fmt::print("in the {}: {}\n", room, found.hits.at(0).memory.payload);
}

// Writes its log until the disk budget says no, then forgets the older half.
void keep_a_log(const fractal::FractalMemory& log) {
  constexpr int most = 100'000, in_a_batch = 50;
  int written = 0;
  std::string refusal = "done";
  while (refusal == "done" && written < most) {
    fractal::Batch batch;
    for (int i = 0; i < in_a_batch; ++i) {
      batch.store({.coordinate = {static_cast<double>(written + i)},
                   .payload = fmt::format(R"({{"text": "step {}", "battery": {}}})", written + i, 100 - i)});
    }
    if (const auto applied = log.apply(batch)) {
      written += in_a_batch;
    } else {
      refusal = applied.error().message;
    }
  }
  fmt::print("{} steps, then: {}\n", written, refusal);

  fractal::Batch oldest;
  for (int i = 0; i < written / 2; ++i) oldest.remove({static_cast<double>(i)});
  log.apply(oldest).value();
  log.maintain({.purge = true}).value();  // gives the room back
  const bool again = log.store({.coordinate = {-1.0}, .payload = R"({"text": "there is room again"})"}).has_value();
  fmt::print("the older half forgotten, {} steps left, room again: {}\n", log.stats().value().memories, again);
}

}  // namespace

int main() try {
  fractal::Options options{.path = "robot.db"};
  options.memory_budget = 8 << 20;
  options.disk_budget = 12 << 20;
  const auto memory = fractal::FractalMemory::open(options).value();
  see_things(memory);
  look_for_cup(memory, "kitchen", kitchen);
  look_for_cup(memory, "workshop", workshop);
  keep_a_log(memory.in({.tenant = "robot", .name = "log"}));
  const auto stats = memory.stats().value();
  fmt::print("{} bytes of memory, {} of disk in use\n", stats.memory_bytes, stats.file_bytes);
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
