// A household robot in conversation: it stores each turn with what was said just before, links an answer to its
// question, forgets what was true only for a while, and recalls by meaning. No model: the embedder is built in.
#include <fractal/format.h>
#include <fractal/fractal_memory.h>

#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

namespace {

// The agent's own clock, so that an hour passes in no time.
fractal::Time now{1'767'225'600'000'000us};  // 2026-01-01

struct Turn {
  std::string speaker, text;
  std::chrono::minutes valid{0};  // 0: for good
  bool answer = false;            // to the turn before
};

const std::vector<Turn> conversation = {
    {"robot", "My battery is full. What can I do for you today?"},
    {"Ada", "My sister Grace visits on Sunday. She is allergic to nuts."},
    {"robot", "Shall I buy something for the dinner?"},
    {"Ada", "Yes: salmon, potatoes and a lemon cake from the bakery.", 0min, true},
    {"Ada", "Careful, the kitchen floor is wet, I have just mopped it.", 30min},
    {"robot", "When does the dog need to see the vet?"},
    {"Ada", "On Tuesday at nine. He is afraid of the car, take him on foot.", 0min, true},
};

fractal::Coordinate at(std::size_t turn) { return {1, static_cast<double>(turn)}; }

void listen(const fractal::FractalMemory& memory) {
  for (std::size_t i = 0; i < conversation.size(); ++i) {
    const Turn& turn = conversation[i];
    fractal::Memory heard{.coordinate = at(i),
                          .payload = fmt::format(R"({{"text": "{}", "speaker": "{}", "context": "{}"}})", turn.text,
                                                 turn.speaker, i == 0 ? "" : conversation[i - 1].text)};
    if (turn.valid > 0min) heard.expires_at = now + turn.valid;
    fractal::Batch batch;  // the turn and its link: both or none
    batch.store(std::move(heard));
    if (turn.answer) batch.link({.from = at(i), .to = at(i - 1), .type = "answers"});
    memory.apply(batch).value();
    now += 1min;
  }
}

// Whether that turn is among the two that come to mind.
bool recall(const fractal::FractalMemory& memory, const char* question, double turn) {
  const auto found = memory.search(question, {.top_k = 2}).value();
  fmt::print("\n{}  {}\n", fractal::to_string(now).substr(11, 5), question);
  bool there = false;
  for (const auto& hit : found.hits) {
    const Turn& said = conversation[static_cast<std::size_t>(hit.memory.coordinate[1])];
    fmt::print("  {:>5.2f}  {}: {}\n", hit.score, said.speaker, said.text);
    there = there || hit.memory.coordinate[1] == turn;
  }
  return there;
}

}  // namespace

int main() {
  auto memory = fractal::FractalMemory::open({.clock = [] { return now; }}).value();
  listen(memory);
  bool right = recall(memory, "Is it slippery anywhere?", 4);
  now += 1h;  // the floor is dry
  right = !recall(memory, "Is the kitchen floor wet?", 4) && right;
  right = recall(memory, "Who is coming at the weekend?", 1) && right;
  right = recall(memory, "Which food shall I buy?", 3) && right;
  right = recall(memory, "How does the animal get to the doctor?", 6) && right;
  const auto question = memory.neighbors(at(6), {.type = "answers"}).value();
  for (const auto& next : question) fmt::print("         which answers {}\n", next.link.to);
  const auto kept = memory.maintain().value();  // takes the expired one off the disk
  fmt::print("\nForgotten for good: {} of {}\n", kept.expired_removed, conversation.size());
  return right && question.size() == 1 && kept.expired_removed == 1 ? 0 : 1;
}
