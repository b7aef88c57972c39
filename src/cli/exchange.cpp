// export, graph, backup.
// Invariant: a file that is written is complete under its name: until then it has another.
#include "src/cli/arguments.h"
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/records.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>

namespace fractal::cli {
namespace {

struct Export {
  std::string file, within, format = "dot";
  std::vector<std::string> tests;
  bool no_vectors = false, no_links = false, consistent = false;

  ExportOptions options(Progress& progress) const {
    return {.within = optional_coordinate(within),
            .filter = filter_of(tests),
            .embeddings = !no_vectors,
            .links = !no_links,
            .consistent = consistent,
            .control = Session::control(&progress)};
  }
};

Failure cannot_write(const std::string& file) {
  return Failure(exit_backend, fmt::format("cannot write {}: {}", file, std::strerror(errno)));
}

void write_into(const std::string& file, const std::function<void(std::ostream&)>& write) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (!out) throw cannot_write(file);
  write(out);
  out.close();
  if (!out) throw cannot_write(file);
}

// To standard output, or to a file that appears when all of it is written. What is no plain file, a pipe or a device, is
// written to as it is; a symbolic link stays one.
void write_to(const std::string& name, const std::function<void(std::ostream&)>& write) {
  if (name.empty() || name == "-") {
    write(std::cout);
    if (!std::cout.flush()) throw cannot_write("the output");
    return;
  }
  std::error_code missing;
  const auto resolved = std::filesystem::canonical(name, missing);
  const std::string file = missing ? name : resolved.string();
  if (!missing && !std::filesystem::is_regular_file(resolved)) {
    write_into(file, write);
    return;
  }
  const std::string unfinished = fmt::format("{}.{}.part", file, ::getpid());
  const int made = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (made < 0) throw cannot_write(unfinished);
  ::close(made);
  try {
    write_into(unfinished, write);
    std::filesystem::rename(unfinished, file);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(unfinished, ignored);
    throw;
  }
}

void tell_file(const Output& out, const std::string& file, const std::string& what, std::uint64_t count) {
  if (file.empty() || file == "-") return;
  out.line(out.json() ? JsonObject().text("file", file).count(what, count).str()
                      : fmt::format("{} {} in {}", count, what, file));
}

void export_lines(Session& session, const Export& chosen) {
  Progress progress("exporting", "lines");
  const ExportOptions options = chosen.options(progress);
  const FractalMemory memory = session.memory(Access::read);
  std::uint64_t lines = 0;
  write_to(chosen.file, [&](std::ostream& out) { lines = memory.export_memories(out, options).value(); });
  progress.done();
  tell_file(session.output(), chosen.file, "lines", lines);
}

// The picture of a graph in the language of dot, by Graphviz.
std::string picture_of(const std::string& dot) {
  char name[] = "/tmp/fractal_graph_XXXXXX";
  const int file = mkstemp(name);
  if (file < 0) throw Failure(exit_backend, fmt::format("cannot write to /tmp: {}", std::strerror(errno)));
  const std::unique_ptr<char, int (*)(const char*)> gone(name, ::unlink);
  const bool written = ::write(file, dot.data(), dot.size()) == static_cast<ssize_t>(dot.size());
  ::close(file);
  if (!written) throw Failure(exit_backend, "cannot write to /tmp");
  std::FILE* pipe = ::popen(fmt::format("dot -Tsvg {}", name).c_str(), "r");
  if (!pipe) throw Failure(exit_backend, fmt::format("cannot start dot: {}", std::strerror(errno)));
  std::string svg;
  char buffer[1 << 14];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) svg.append(buffer, n);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
    throw Failure(exit_backend, "svg needs Graphviz (the program dot); dot, graphml and json do not");
  }
  if (status != 0) throw Failure(exit_backend, "dot could not draw the graph");
  return svg;
}

void graph(Session& session, const Export& chosen) {
  Progress progress("exporting", "items");
  const ExportOptions options = chosen.options(progress);
  const FractalMemory memory = session.memory(Access::read);
  std::uint64_t items = 0;
  write_to(chosen.file, [&](std::ostream& out) {
    if (chosen.format == "svg") {
      std::ostringstream dot;
      items = memory.export_graph(dot, GraphFormat::dot, options).value();
      out << picture_of(dot.str());
    } else {
      const GraphFormat format = chosen.format == "json"      ? GraphFormat::json
                                 : chosen.format == "graphml" ? GraphFormat::graphml
                                                              : GraphFormat::dot;
      items = memory.export_graph(out, format, options).value();
    }
  });
  progress.done();
  tell_file(session.output(), chosen.file, "items", items);
}

void backup(Session& session, const std::string& file) {
  Progress progress("copying", "pages");
  session.memory(Access::read).backup(file, Session::control(&progress)).value();
  progress.done();
  const Output out = session.output();
  const std::uint64_t bytes = std::filesystem::file_size(file);
  out.line(out.json() ? JsonObject().text("file", file).count("bytes", bytes).str()
                      : fmt::format("{} in {}", size_text(bytes), file));
}

void add_selection(CLI::App& command, Export& chosen) {
  command.add_option("file", chosen.file, "Where to; nothing, or -: standard output");
  command.add_option("--within", chosen.within, "Only this coordinate and what is below it");
  command.add_option("--where", chosen.tests, where_help)->allow_extra_args(false);
  command.add_flag("--consistent", chosen.consistent, "All of it of one moment");
}

}  // namespace

void add_exchange(Commands& commands) {
  const auto lines = std::make_shared<Export>();
  CLI::App& export_command = commands.add({.name = "export",
                                           .group = "In and out",
                                           .summary = "Write memories and links as JSON lines",
                                           .example = "fractal export memories.jsonl"},
                                          [lines](Session& session) { export_lines(session, *lines); });
  add_selection(export_command, *lines);
  export_command.add_flag("--no-vectors", lines->no_vectors, "Without vectors: import makes them again from texts");
  export_command.add_flag("--no-links", lines->no_links, "Memories alone");

  const auto drawn = std::make_shared<Export>();
  CLI::App& graph_command = commands.add({.name = "graph",
                                          .group = "In and out",
                                          .summary = "Write the graph of links as dot, graphml, json or svg",
                                          .example = "fractal graph graph.dot"},
                                         [drawn](Session& session) { graph(session, *drawn); });
  add_selection(graph_command, *drawn);
  graph_command.add_option("--format", drawn->format, "dot, graphml, json, or svg (by Graphviz)")
      ->check(CLI::IsMember({"dot", "graphml", "json", "svg"}));

  const auto copy = std::make_shared<std::string>();
  CLI::App& backup_command = commands.add({.name = "backup",
                                           .group = "In and out",
                                           .summary = "Copy the database, of one moment, while others use it",
                                           .example = "fractal backup copy.db"},
                                          [copy](Session& session) { backup(session, *copy); });
  backup_command.add_option("file", *copy, "Where to; must not be there yet")->required();
}

}  // namespace fractal::cli
