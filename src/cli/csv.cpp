// Invariant: a file is either read to its end as RFC 4180 has it, or refused with the line where it is not.
#include "src/cli/csv.h"

#include "src/cli/failure.h"

#include <fmt/format.h>

namespace fractal::cli {
namespace {

constexpr int end_of_file = std::char_traits<char>::eof();

}  // namespace

// True if another field of the row follows.
bool CsvReader::read_field(std::string& field) {
  std::streambuf& in = *in_.rdbuf();
  const auto refuse = [&](const char* why) {
    return Failure(exit_refused, fmt::format("line {}: {}", lines_read_ + 1, why));
  };
  bool quoted = false;
  int next = in.sbumpc();
  if (next == '"') {
    quoted = true;
    while (true) {
      next = in.sbumpc();
      if (next == end_of_file) throw refuse("a quoted field does not end");
      if (next == '\n') ++lines_read_;
      if (next != '"') {
        field += static_cast<char>(next);
      } else if (in.sgetc() == '"') {
        field += static_cast<char>(in.sbumpc());
      } else {
        next = in.sbumpc();
        break;
      }
    }
  }
  for (;; next = in.sbumpc()) {
    if (next == delimiter_) return true;
    if (next == '\r' && in.sgetc() == '\n') continue;
    if (next == '\n' || next == end_of_file) {
      lines_read_ += next == '\n' ? 1 : 0;
      return false;
    }
    if (quoted || next == '"') throw refuse("a quote in the middle of a field");
    field += static_cast<char>(next);
  }
}

bool CsvReader::next(std::vector<std::string>& row) {
  while (in_.rdbuf()->sgetc() != end_of_file) {
    line_ = lines_read_ + 1;
    row.clear();
    for (bool more = true; more;) more = read_field(row.emplace_back());
    if (row.size() > 1 || !row[0].empty()) return true;
  }
  return false;
}

}  // namespace fractal::cli
