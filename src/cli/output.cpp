// Invariant: what was written is whole, or the program says that it is not.
#include "src/cli/output.h"

#include "src/cli/failure.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace fractal::cli {
namespace {

void must(bool ok) {
  if (!ok) throw Failure(exit_backend, std::string("cannot write the output: ") + std::strerror(errno));
}

}  // namespace

void Output::line(std::string_view text) const {
  this->text(text);
  this->text("\n");
}

void Output::text(std::string_view text) const {
  must(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

void Output::flush() const { must(std::fflush(stdout) == 0); }

}  // namespace fractal::cli
