// Rows of comma separated values (RFC 4180).
#ifndef FRACTAL_SRC_CLI_CSV_H
#define FRACTAL_SRC_CLI_CSV_H

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace fractal::cli {

// A field in double quotes may hold delimiters, line breaks, and quotes written twice. Rows end with LF or CRLF; a row
// without any character is skipped.
class CsvReader {
 public:
  CsvReader(std::istream& in, char delimiter) : in_(in), delimiter_(delimiter) {}

  // False at the end. Fails (exit code 3) on a quote that does not end, or stands in the middle of a field.
  bool next(std::vector<std::string>& row);
  // Of the row that came last.
  std::uint64_t line() const noexcept { return line_; }

 private:
  bool read_field(std::string& field);

  std::istream& in_;
  char delimiter_;
  std::uint64_t line_ = 0, lines_read_ = 0;
};

}  // namespace fractal::cli

#endif
