// Export and import of memories as JSON lines.
// Invariant: what import has acknowledged is whole transactions of whole lines, in the order of the file.
#include <fractal/fractal_memory.h>

#include "src/error.h"
#include "src/export_scan.h"
#include "src/link_rows.h"
#include "src/memory_lines.h"
#include "src/validate.h"

#include <array>
#include <istream>
#include <ostream>
#include <string>

namespace fractal {
namespace {

// Bytes of lines in one transaction, whatever their number.
constexpr std::size_t batch_bytes = 32u << 20;

// Of a memory as large as there may be one, with every byte of its payload escaped.
constexpr std::size_t longest_line = 128u << 20;

// Like std::getline(), but of a longer line only so much that this shows.
bool next_line(std::istream& in, std::string& line) {
  std::array<char, 16'384> part{};
  line.clear();
  while (line.size() <= longest_line) {
    in.getline(part.data(), static_cast<std::streamsize>(part.size()));
    const auto count = static_cast<std::size_t>(in.gcount());
    const bool full = in.fail() && !in.eof() && !in.bad() && count + 1 == part.size();
    const bool delimited = in.good();  // count has the line's end, too
    line.append(part.data(), delimited ? count - 1 : count);
    if (delimited) return true;
    if (!full) return !in.bad() && !line.empty();
    in.clear(in.rdstate() & ~std::ios::failbit);
  }
  return true;
}

Result<void> put_line(std::ostream& out, const std::string& line) {
  out << line << '\n';
  if (!out) return make_error(Errc::io, "export: the stream does not take more");
  return {};
}

}  // namespace

Result<std::uint64_t> Reads::export_memories(std::ostream& out, const ExportOptions& options) const {
  FRACTAL_TRY_INTO(const auto scan, ExportScan::make(*database_, space_, pinned_, options));
  FRACTAL_TRY(put_line(out, header_line({.embedder = scan.embedder(), .vectors = options.embeddings})));
  std::uint64_t done = 0;
  const auto count = [&] {
    ++done;
    if (options.control.progress && done % 1000 == 0) options.control.progress(done, scan.total());
  };
  FRACTAL_TRY(scan.memories([&](const Row& row) -> Result<void> {
    count();
    return put_line(out, to_json(row.memory));
  }));
  if (options.links) {
    FRACTAL_TRY(scan.links([&](const Look&, const LinkRow& row) -> Result<void> {
      count();
      FRACTAL_TRY_INTO(const auto link, graph_link(row));
      return put_line(out, to_json(link));
    }));
  }
  out.flush();
  if (!out) return make_error(Errc::io, "export: the stream does not take more");
  return done;
}

Result<ImportReport> FractalMemory::import_memories(std::istream& in, const ImportOptions& options) const {
  if (options.batch == 0 || options.batch > limits::batch_entries) {
    return make_error(Errc::invalid_argument, "batch {} is not in 1..{}", options.batch, limits::batch_entries);
  }
  ImportReport report;
  Batch batch;
  std::size_t bytes = 0;
  std::uint64_t line_number = 0, first_line = 1;
  HeaderLine header{.vectors = false};
  const auto flush = [&]() -> Result<void> {
    if (batch.empty()) return {};
    if (auto applied = database_->apply(space_, batch); !applied) {
      return fractal::within(applied.error(), "import lines {} to {}", first_line, line_number);
    }
    for (const auto& entry : batch.entries()) {
      ++(std::holds_alternative<Batch::Restore>(entry) ? report.memories : report.links);
    }
    report.lines = line_number;
    if (options.control.progress) options.control.progress(line_number, 0);
    batch.clear();
    bytes = 0;
    return {};
  };
  for (std::string line; next_line(in, line);) {
    ++line_number;
    if (line.size() > longest_line) {
      return make_error(Errc::invalid_argument, "import line {}: longer than {} bytes", line_number, longest_line);
    }
    if (line_number < options.from_line && line_number > 1) continue;
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    FRACTAL_TRY(check_control(options.control, "import"));
    auto parsed = parse_line(line);
    if (!parsed) return fractal::within(parsed.error(), "import line {}", line_number);
    if (auto* found = std::get_if<HeaderLine>(&*parsed)) {
      header = std::move(*found);
      continue;
    }
    if (line_number < options.from_line) continue;
    if (batch.empty()) first_line = line_number;
    if (auto* memory = std::get_if<Batch::Restore>(&*parsed)) {
      batch.restore(std::move(memory->memory), header.embedder, !header.vectors);
    }
    if (auto* link = std::get_if<Batch::RestoreLink>(&*parsed)) batch.restore_link(std::move(link->link));
    if (auto checked = check_entry(batch.entries().back()); !checked) {
      return fractal::within(checked.error(), "import line {}", line_number);
    }
    bytes += line.size();
    if (batch.size() >= options.batch || bytes >= batch_bytes) FRACTAL_TRY(flush());
  }
  if (in.bad()) return make_error(Errc::io, "import: the stream cannot be read after line {}", line_number);
  FRACTAL_TRY(check_control(options.control, "import"));  // what looks like the end may be a read that was interrupted
  FRACTAL_TRY(flush());
  report.lines = line_number;
  return report;
}

}  // namespace fractal
