// Two programs, as if on two of many machines: rows on one server, vectors on another, and on a third what all may lose.
//   many_machines postgres://user@host/database milvus://host:19530 redis://host:6379
#include <fractal/format.h>
#include <fractal/milvus.h>
#include <fractal/postgres.h>
#include <fractal/redis.h>

#include <chrono>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>

namespace {

const fractal::Space kitchen{.tenant = "many_machines", .name = "kitchen"};
const fractal::Space garage{.tenant = "many_machines", .name = "garage"};
constexpr std::chrono::seconds patience{5};

void expect(bool right, const char* what) {
  if (!right) throw std::runtime_error(what);
}

struct Machine {
  explicit Machine(char** urls)
      : memory(fractal::FractalMemory::open({.path = urls[0], .vector_index = urls[1]}).value()),
        // By default a call is given up after 250 ms: a cache is to save time.
        cache(fractal::open_redis_cache({.url = urls[2], .connect_timeout = patience, .call_timeout = patience})
                  .value()) {}

  // Kept by whoever asked the same before, while nothing was written to the space; else searched. The cache may fail.
  std::string answer(const fractal::Space& space, const std::string& question) const {
    const auto there = memory.in(space);
    const auto state = there.state().value();
    const std::string key =
        fmt::format("answer {} {} {} {} {}", state.mark, state.number, state.sequence, state.expired, question);
    const auto kept = cache->get(key);
    if (kept && *kept) return "(kept) " + **kept;
    const auto found = there.search(question, {.top_k = 1}).value();
    const std::string text = found.hits.empty() ? "nothing" : found.hits[0].memory.payload;
    if (!state.mark.empty()) (void)cache->put(key, text, std::chrono::minutes(5), fractal::Cache::Keep::while_room);
    return text;
  }

  fractal::FractalMemory memory;
  std::shared_ptr<fractal::Cache> cache;
};

void run(char** urls) {
  const Machine robot(urls), phone(urls);
  fractal::Batch seen;
  seen.store({.coordinate = {1}, .payload = R"({"kind": "drink", "text": "The green tea is in the left cupboard"})"});
  seen.store({.coordinate = {2}, .payload = R"({"kind": "drink", "text": "The coffee is beside the oven"})"});
  seen.store({.coordinate = {3}, .payload = R"({"kind": "tool", "text": "The tea strainer is in the sink"})"});
  robot.memory.in(kitchen).apply(seen).value();
  robot.memory.in(garage).store({.coordinate = {1}, .payload = R"({"text": "The car keys hang by the door"})"}).value();

  // What the index has not got yet is compared from the rows: the phone sees at once what the robot wrote.
  const auto drinks = fractal::Filter::eq("kind", "drink");
  const auto found = phone.memory.in(kitchen).search("where is the green tea?", {.filter = drinks}).value();
  for (const auto& hit : found.hits) fmt::print("the phone finds {}: {}\n", hit.memory.coordinate, hit.memory.payload);
  fmt::print("by {}\n", found.plan);
  expect(!found.hits.empty() && found.hits[0].memory.coordinate == fractal::Coordinate{1}, "the tea was not found");
  expect(found.hits.size() <= 2, "a tool passed the filter");
  expect(phone.memory.in(garage).search("where are the car keys?").value().hits.size() == 1, "not just the keys");

  // An answer is searched once for all machines, and is never older than the rows.
  const std::string question = "where is the green tea?", first = robot.answer(kitchen, question);
  fmt::print("the robot's answer: {}\nthe phone's: {}\n", first, phone.answer(kitchen, question));
  phone.memory.in(kitchen).update({1}, {.payload = R"({"text": "The green tea is on the table"})"}).value();
  const std::string later = robot.answer(kitchen, question);
  fmt::print("then: {}\n", later);
  expect(first.find("cupboard") != std::string::npos && later.find("table") != std::string::npos, "a wrong answer");

  // Both take from one bucket: two calls, then one in 100 seconds.
  const std::string bucket = fmt::format("calls {}", std::random_device()());
  const fractal::Cache::Bucket calls{.per_second = 0.01, .burst = 2};
  int granted = 0;
  for (const Machine* machine : {&robot, &phone, &robot})
    granted += machine->cache->take(bucket, calls).value().granted;
  expect(granted == 2, "the limit was not counted together");

  for (const auto& space : {kitchen, garage}) robot.memory.in(space).erase_space().value();
  fmt::print("{} of 3 calls were let in\n", granted);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    fmt::print(stderr, "usage: many_machines STORAGE_URL INDEX_URL CACHE_URL\n");
    return 2;
  }
  try {
    run(arguments + 1);
  } catch (const std::exception& error) {
    fmt::print(stderr, "many_machines: {}\n", error.what());
    return 1;
  }
}
