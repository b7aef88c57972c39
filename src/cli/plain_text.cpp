// Invariant: no more than one paragraph is in memory.
#include "src/cli/paragraph.h"

namespace fractal::cli {

void read_plain_text(std::istream& in, const TakeParagraph& take) {
  Paragraph paragraph;
  const auto finish = [&] {
    if (!paragraph.text.empty()) take(paragraph);
    paragraph.text.clear();
  };
  for (std::string line; std::getline(in, line);) {
    const std::size_t end = line.find_last_not_of(" \t\r\f");
    if (end == line.npos) {
      finish();
      continue;
    }
    if (!paragraph.text.empty()) paragraph.text += '\n';
    paragraph.text.append(line, 0, end + 1);
  }
  finish();
}

}  // namespace fractal::cli
