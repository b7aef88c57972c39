// Invariant: each command and each option of the tree is on the page.
#include "src/cli/manual.h"

#include "src/cli/commands.h"
#include "src/cli/help.h"

#include <fmt/format.h>

namespace fractal::cli {
namespace {

// Text that troff takes literally.
std::string literal(const std::string& text) {
  std::string all;
  for (const char c : text) {
    if (c == '\\') {
      all += "\\e";
    } else if (c == '-') {
      all += "\\-";
    } else if (c == '\'') {
      all += "\\(aq";
    } else {
      all += c;
    }
  }
  if (all.starts_with('.')) all.insert(0, "\\&");
  return all;
}

std::string options(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    text += fmt::format(".TP\n.B {}\n{}\n", literal(option_usage(*option)), literal(option->get_description()));
  }
  return text;
}

}  // namespace

std::string manual_page(const Commands& commands) {
  std::string page = fmt::format(R"(.TH FRACTAL 1 "" "FractalMemory {}"
.SH NAME
fractal \- a long-term memory in one file
.SH SYNOPSIS
.B fractal
[\-\-db FILE] [\-\-tenant T] [\-\-namespace N] [\-\-json] COMMAND ...
.SH DESCRIPTION
Stores memories, finds them again by meaning, by words or both, and walks the links between them.
.SH OPTIONS
{}.SH COMMANDS
)",
                                 version(), options(commands.root()));
  for (const auto& each : commands.descriptions()) {
    page += fmt::format(".SS {}\n{}.\n{}.PP\nExample:\n.PP\n.RS\n.nf\n{}\n.fi\n.RE\n", each.name, literal(each.summary),
                        options(commands.command(each.name)), literal(each.example));
  }
  return page + R"(.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
Not found.
.TP
.B 2
The command line is wrong.
.TP
.B 3
Refused by the data: a payload that is no JSON, another version than expected, problems found by verify.
.TP
.B 4
The backend failed: no such database, disk full, locked, damaged.
.TP
.B 130
Interrupted.
.SH ENVIRONMENT
.TP
.B FRACTAL_DB, FRACTAL_VECTOR_INDEX, FRACTAL_TENANT, FRACTAL_NAMESPACE
What \-\-db, \-\-vector\-index, \-\-tenant and \-\-namespace are without being given.
.TP
.B NO_COLOR
If set, nothing is coloured.
.TP
.B XDG_STATE_HOME
The history of the shell is in the folder fractal below it [~/.local/state].
)";
}

}  // namespace fractal::cli
