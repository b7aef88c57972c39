// What a mistyped name was meant to be.
#ifndef FRACTAL_SRC_CLI_SUGGESTION_H
#define FRACTAL_SRC_CLI_SUGGESTION_H

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace fractal::cli {

// The nearest of the names, if at most a third of its letters are wrong, missing, too many or swapped; else empty.
std::string nearest_name(const std::string& typed, const std::vector<std::string>& names);
// "--db", "--json": the long names.
std::vector<std::string> option_names(const CLI::App& app);
// Why the words are no command line: an unknown name with the one that was meant, else `reason`.
std::string explain_usage(const CLI::App& root, const std::vector<std::string>& words, const std::string& reason);

}  // namespace fractal::cli

#endif
