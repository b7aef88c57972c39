// The pages of --help.
#ifndef FRACTAL_SRC_CLI_HELP_H
#define FRACTAL_SRC_CLI_HELP_H

#include "src/cli/commands.h"

#include <string>

namespace fractal::cli {

// All commands by group; on one screen.
std::string front_page(const Commands& commands);
// One command: its options and its example.
std::string command_page(const Commands& commands, const std::string& name);
// "-k, --limit N", or the name of what stands by its place.
std::string option_usage(const CLI::Option& option);

}  // namespace fractal::cli

#endif
