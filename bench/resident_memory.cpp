// Resident memory with so many memories, each of 384 dimensions and 1 KB, after a search by vector has loaded
// the index. One line a size: memories, RSS in MB, of which the index. Its own program, so that nothing else counts.
#include "corpus.h"
#include "process_memory.h"

#include <fractal/fractal_memory.h>

#include <cstdio>
#include <cstdlib>

int main(int count, char** arguments) {
  const auto memories = count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 10'000;
  const fractal::bench::TemporaryFolder folder;
  const std::string file = folder.file("rss.db");
  fractal::bench::Corpus corpus(1);
  const auto query = corpus.next(0).embedding;
  auto memory = fractal::FractalMemory::open({.path = file, .durability = fractal::Durability::off}).value();
  fractal::Batch batch;
  for (std::size_t i = 0; i < memories; ++i) {
    batch.store(corpus.next(1));
    if (batch.size() < 1000 && i + 1 != memories) continue;
    memory.apply(batch).value();
    batch = {};
  }
  const auto found = memory.search(query, {.top_k = 10}).value();
  const auto stats = memory.stats().value();
  std::printf("resident_memory memories %lu rss_MB %.1f index_MB %.1f file_MB %.1f hits %zu\n", memories,
              fractal::bench::memory_of_process("VmRSS"), static_cast<double>(stats.index_bytes) / (1 << 20),
              static_cast<double>(stats.file_bytes) / (1 << 20), found.hits.size());
}
