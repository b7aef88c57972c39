// A line of the shell as words.
#ifndef FRACTAL_SRC_CLI_LINE_WORDS_H
#define FRACTAL_SRC_CLI_LINE_WORDS_H

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::cli {

// Blanks part words; 'single' and "double" quotes and backslashes work as in a shell. A word that begins with { or [ is
// JSON: it goes on to the bracket that closes it, blanks, quotes and line breaks included. nullopt: a quote or a bracket
// is open, more is to come.
std::optional<std::vector<std::string>> words_of(std::string_view line);

}  // namespace fractal::cli

#endif
