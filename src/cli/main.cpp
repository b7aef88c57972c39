#include "src/cli/commands.h"
#include "src/cli/interrupt.h"

int main(int count, char** arguments) {
  fractal::cli::watch_signals();
  fractal::cli::Session session({});
  return fractal::cli::run_line(session, {arguments + 1, arguments + count});
}
