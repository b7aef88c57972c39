// A piece of a document that becomes a memory.
#ifndef FRACTAL_SRC_CLI_PARAGRAPH_H
#define FRACTAL_SRC_CLI_PARAGRAPH_H

#include <cstddef>
#include <functional>
#include <istream>
#include <string>
#include <string_view>

namespace fractal::cli {

struct Paragraph {
  std::size_t section = 0;  // headings before it in the document
  std::string heading{};    // with those that it stands under: "Guide > Install"; empty before the first
  std::string text{};
};
using TakeParagraph = std::function<void(Paragraph)>;

// Headings begin sections. A paragraph, a list with all its items, a table, a block of code is one paragraph each, without
// the marks of Markdown; HTML is left out. Returns the first heading of the first level, or nothing.
std::string read_markdown(const std::string& text, const TakeParagraph& take);
// Blank lines part paragraphs; there are no sections.
void read_plain_text(std::istream& in, const TakeParagraph& take);

}  // namespace fractal::cli

#endif
