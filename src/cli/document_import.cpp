// Invariant: a document whose memory has a digest is whole, and has nothing that the file of this digest had not; and no
// memory that is not a piece of it has been touched.
#include "src/cli/document_import.h"

#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/json_object.h"

#define XXH_INLINE_ALL
#include <fractal/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>

namespace fractal::cli {
namespace {

constexpr std::size_t batch_bytes = 8u << 20;
constexpr double largest_number = 9'007'199'254'740'991;  // 2^53 - 1: beyond it numbers have no successor

Coordinate under(const Coordinate& above, std::initializer_list<double> numbers) {
  std::vector<double> components(above.components().begin(), above.components().end());
  components.insert(components.end(), numbers);
  return Coordinate(std::span<const double>(components));
}

std::uint64_t hash_of(const std::string& payload) { return XXH3_64bits(payload.data(), payload.size()); }

}  // namespace

DocumentImport::DocumentImport(FractalMemory memory, Coordinate under, std::size_t batch)
    : memory_(std::move(memory)), under_(std::move(under)), batch_size_(batch) {
  const auto fields = memory_.stats().value().indexed_fields;
  if (std::find(fields.begin(), fields.end(), "source") == fields.end()) memory_.create_index("source").value();
}

Coordinate DocumentImport::next_free() const {
  double number = 1;
  const Page last = memory_.list({.descending = true, .limit = 1, .within = under_}).value();
  if (!last.memories.empty() && last.memories[0].coordinate.size() > under_.size()) {
    number = std::max(std::floor(last.memories[0].coordinate[under_.size()]) + 1, 1.0);
  }
  if (number > largest_number) throw Failure(exit_refused, "no number is free for it: choose a coordinate by --under");
  return under(under_, {number});
}

bool DocumentImport::begin(const std::string& source, const std::string& title, const std::string& digest,
                           bool own_coordinates) {
  const Filter document = Filter::eq("source", source) && Filter::exists("digest");
  const Page found = memory_.list({.limit = 1, .within = under_, .filter = document}).value();
  const bool known = !found.memories.empty();
  if (known && !memory_.list({.limit = 1, .within = under_, .filter = document && Filter::eq("digest", digest)})
                    .value()
                    .memories.empty()) {
    return false;
  }
  document_ = known ? found.memories[0].coordinate : next_free();
  source_ = source;
  digest_ = digest;
  metadata_ = JsonObject().text("document", source).str();
  pieces_.clear();
  strangers_.clear();
  if (known) remember_pieces(own_coordinates);
  store({.coordinate = document_,
         .payload = JsonObject().text("title", title).text("source", source).text("digest", "").str()},
        known ? WriteOptions{} : WriteOptions{.if_version = 0});
  return true;
}

void DocumentImport::remember_pieces(bool own_coordinates) {
  ListOptions options{.limit = 1000, .within = own_coordinates ? under_ : document_};
  if (own_coordinates) options.filter = Filter::eq("$metadata.document", source_);
  do {
    const Page page = memory_.list(options).value();
    for (const Memory& memory : page.memories) {
      if (memory.coordinate == document_) continue;
      if (memory.metadata == metadata_) {
        pieces_.emplace(memory.coordinate.key(), hash_of(memory.payload));
      } else {
        strangers_.insert(memory.coordinate.key());
      }
    }
    options.after = page.next;
  } while (!options.after.empty());
}

void DocumentImport::add(std::initializer_list<double> below, std::string payload) {
  add_at(under(document_, below), std::move(payload));
}

void DocumentImport::add_at(const Coordinate& coordinate, std::string payload) {
  const std::string key = coordinate.key();
  if (coordinate == document_ || strangers_.contains(key)) {
    throw Failure(exit_refused,
                  fmt::format("{} is taken by another memory: choose a coordinate by --under", coordinate));
  }
  const auto before = pieces_.find(key);
  const bool same = before != pieces_.end() && before->second == hash_of(payload);
  if (before != pieces_.end()) pieces_.erase(before);
  if (!same) store({.coordinate = coordinate, .payload = std::move(payload), .metadata = metadata_});
}

void DocumentImport::store(Memory memory, WriteOptions options) {
  bytes_ += memory.payload.size();
  batch_.store(std::move(memory), options);
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

void DocumentImport::abandon() {
  batch_.clear();
  stored_ = bytes_ = 0;
}

// The pieces that are left are in the file no more.
void DocumentImport::finish() {
  for (const auto& [key, hash] : pieces_) {
    batch_.remove(Coordinate::from_key(key).value());
    if (batch_.size() >= batch_size_) flush();
  }
  batch_.update(document_, {.payload = JsonObject().text("digest", digest_).str()});
  flush();
}

}  // namespace fractal::cli
