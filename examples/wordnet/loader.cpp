// Invariant: links are stored after all memories, so the numbers of both are right only when a load has
// reached its end.
#include "loader.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace {

constexpr std::size_t batch_size = 1000;

bool whole(const fractal::FractalMemory& memory, const Corpus& corpus) {
  const auto stats = memory.stats().value();
  return stats.memories == corpus.concepts.size() && stats.links == corpus.count_relations();
}

// Collects entries and applies them, batch_size at a time.
class Batches {
 public:
  Batches(const fractal::FractalMemory& memory, Progress& progress) : memory_(memory), progress_(progress) {}

  fractal::Batch& next() {
    if (batch_.size() == batch_size) flush();
    return batch_;
  }

  void flush() {
    const auto entries = batch_.size();
    if (entries == 0) return;
    memory_.apply(std::exchange(batch_, {})).value();
    progress_.advance(entries);
  }

 private:
  const fractal::FractalMemory& memory_;
  Progress& progress_;
  fractal::Batch batch_;
};

void store_concepts(const fractal::FractalMemory& memory, const Corpus& corpus, const Report& report) {
  Progress progress(report, "memories", corpus.concepts.size());
  Batches batches(memory, progress);
  for (const auto& item : corpus.concepts) batches.next().store(to_memory(corpus, item));
  batches.flush();
  progress.finish();
}

void store_links(const fractal::FractalMemory& memory, const Corpus& corpus, const Report& report) {
  Progress progress(report, "links", corpus.count_relations());
  Batches batches(memory, progress);
  for (const auto& item : corpus.concepts) {
    for (const auto& relation : item.relations) {
      fractal::GraphLink link;
      link.from = item.coordinate;
      link.to = corpus.concepts[relation.to].coordinate;
      link.type = relation.type;
      batches.next().link(std::move(link));
    }
  }
  batches.flush();
  progress.finish();
}

}  // namespace

void load(const fractal::FractalMemory& memory, const Corpus& corpus, const Report& report) {
  if (whole(memory, corpus)) {
    report.line("The file holds the whole corpus already.");
    return;
  }
  store_concepts(memory, corpus, report);
  store_links(memory, corpus, report);
  if (!whole(memory, corpus)) {
    const auto stats = memory.stats().value();
    throw std::runtime_error(
        fmt::format("the file has {} memories and {} links, the corpus {} and {}: other data in it?", stats.memories,
                    stats.links, corpus.concepts.size(), corpus.count_relations()));
  }
}
