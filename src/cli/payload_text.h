// Payloads for people.
#ifndef FRACTAL_SRC_CLI_PAYLOAD_TEXT_H
#define FRACTAL_SRC_CLI_PAYLOAD_TEXT_H

#include "src/cli/terminal.h"

#include <string>
#include <string_view>

namespace fractal::cli {

// What a memory says: the first of text, content, summary, title that is a text; else the payload as it is.
std::string payload_text(const std::string& payload);
// With an indentation of two, names coloured, each line after the first moved to the right.
std::string indented(const std::string& payload, std::size_t right, const Terminal& terminal);
// {"text": ...}
std::string text_payload(std::string_view text);

}  // namespace fractal::cli

#endif
