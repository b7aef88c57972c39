// Two programs, as if on two machines, with one memory on a PostgreSQL server.
//   shared_memory postgres://user@host/database
#include <fractal/format.h>
#include <fractal/postgres.h>

#include <fmt/format.h>

int main(int count, char** arguments) {
  if (count != 2) {
    fmt::print(stderr, "usage: shared_memory postgres://user@host/database\n");
    return 2;
  }
  const fractal::Space space{.tenant = "example", .name = "shared_memory"};
  const auto robot = fractal::FractalMemory::open({.path = arguments[1], .space = space}).value();
  const auto phone = fractal::FractalMemory::open({.path = arguments[1], .space = space}).value();

  robot.store({.coordinate = {1}, .payload = R"({"text": "The keys of the red car hang behind the door"})"}).value();
  robot.store({.coordinate = {2}, .payload = R"({"text": "Ada likes green tea"})"}).value();
  robot.link({.from = {1}, .to = {2}, .type = "belongs_to"}).value();

  for (const auto& hit : phone.search("where are the car keys?", {.top_k = 1}).value().hits) {
    fmt::print("the phone finds {}: {}\n", hit.memory.coordinate, hit.memory.payload);
  }
  for (const auto& change : phone.changes(0).value())
    fmt::print("change {} at {}\n", change.sequence, change.coordinate);

  // Both add to the same memory at the same moment: nobody overwrites what he has not seen.
  const auto seen = phone.retrieve({2}).value();
  robot.update({2}, {.payload = R"({"cups": 2})"}, {.if_version = seen.version}).value();
  const auto late = phone.update({2}, {.payload = R"({"cups": 3})"}, {.if_version = seen.version});
  fmt::print("the phone comes late: {}\n", late.error().code == fractal::Errc::conflict);

  robot.erase_space().value();
}
