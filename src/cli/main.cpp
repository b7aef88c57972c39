#include "src/cli/commands.h"
#include "src/cli/interrupt.h"

#include <clocale>
#include <cstdlib>

namespace {

void take_variable(const char* name, std::string& setting) {
  if (const char* value = std::getenv(name); value && *value) setting = value;
}

}  // namespace

int main(int count, char** arguments) {
  // The line editor reads characters by it. Numbers stay as in C.
  if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
  fractal::cli::watch_signals();
  fractal::cli::Settings settings;
  take_variable("FRACTAL_DB", settings.db);
  take_variable("FRACTAL_VECTOR_INDEX", settings.vector_index);
  take_variable("FRACTAL_TENANT", settings.space.tenant);
  take_variable("FRACTAL_NAMESPACE", settings.space.name);
  fractal::cli::Session session(settings);
  return fractal::cli::run_line(session, {arguments + 1, arguments + count});
}
