// Invariant: a document whose memory has a digest is whole, and has nothing that the file of this digest had not.
#include "src/cli/document_import.h"

#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/json_object.h"

#include <algorithm>
#include <cmath>

namespace fractal::cli {
namespace {

constexpr std::size_t batch_bytes = 8u << 20;

Coordinate below(const Coordinate& above, std::initializer_list<double> numbers) {
  std::vector<double> components(above.components().begin(), above.components().end());
  components.insert(components.end(), numbers);
  return Coordinate(std::span<const double>(components));
}

}  // namespace

DocumentImport::DocumentImport(FractalMemory memory, Coordinate under, std::size_t batch)
    : memory_(std::move(memory)), under_(std::move(under)), batch_size_(batch) {
  const auto fields = memory_.stats().value().indexed_fields;
  if (std::find(fields.begin(), fields.end(), "source") == fields.end()) memory_.create_index("source").value();
}

double DocumentImport::next_number() const {
  const Page last = memory_.list({.descending = true, .limit = 1, .within = under_}).value();
  if (last.memories.empty() || last.memories[0].coordinate.size() <= under_.size()) return 1;
  return std::max(std::floor(last.memories[0].coordinate[under_.size()]) + 1, 1.0);
}

bool DocumentImport::begin(const std::string& source, const std::string& title, const std::string& digest) {
  const Filter document = Filter::eq("source", source) && Filter::exists("digest");
  const Page found = memory_.list({.limit = 1, .within = under_, .filter = document}).value();
  known_ = !found.memories.empty();
  if (known_ && !memory_.list({.limit = 1, .within = under_, .filter = document && Filter::eq("digest", digest)})
                     .value()
                     .memories.empty()) {
    return false;
  }
  document_ = known_ ? found.memories[0].coordinate : below(under_, {next_number()});
  digest_ = digest;
  kept_.clear();
  if (known_) kept_.insert(document_.key());
  store({.coordinate = document_,
         .payload = JsonObject().text("title", title).text("source", source).text("digest", "").str()});
  return true;
}

void DocumentImport::add(std::initializer_list<double> numbers, std::string payload) {
  add_at(below(document_, numbers), std::move(payload));
}

void DocumentImport::add_at(const Coordinate& coordinate, std::string payload) {
  if (known_) kept_.insert(coordinate.key());
  store({.coordinate = coordinate, .payload = std::move(payload)});
}

void DocumentImport::store(Memory memory) {
  bytes_ += memory.payload.size();
  batch_.store(std::move(memory));
  ++stored_;
  if (batch_.size() >= batch_size_ || bytes_ >= batch_bytes) flush();
}

void DocumentImport::flush() {
  if (interrupted()) throw Failure(exit_interrupted, "");
  if (batch_.empty()) return;
  memory_.apply(batch_).value();
  memories_ += stored_;
  stored_ = 0;
  batch_.clear();
  bytes_ = 0;
}

void DocumentImport::finish() {
  remove_leftovers();
  batch_.update(document_, {.payload = JsonObject().text("digest", digest_).str()});
  flush();
}

// Pages stay valid while memories go.
void DocumentImport::remove_leftovers() {
  if (!known_) return;
  flush();
  std::string after;
  do {
    const Page page = memory_.within(document_, {.limit = 1000, .after = after}).value();
    for (const Memory& memory : page.memories) {
      if (!kept_.contains(memory.coordinate.key())) batch_.remove(memory.coordinate);
    }
    after = page.next;
  } while (!after.empty());
}

}  // namespace fractal::cli
