// The manual page, in roff.
#ifndef FRACTAL_SRC_CLI_MANUAL_H
#define FRACTAL_SRC_CLI_MANUAL_H

#include <string>

namespace fractal::cli {

class Commands;

std::string manual_page(const Commands& commands);

}  // namespace fractal::cli

#endif
