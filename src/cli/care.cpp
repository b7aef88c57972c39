// stats, health, verify, repair, maintain, reembed, erase.
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/records.h"

#include <fractal/embedder.h>
#include <fractal/format.h>

#include <unistd.h>

#include <iostream>
#include <memory>

namespace fractal::cli {
namespace {

void stats(Session& session) {
  const FractalMemory memory = session.memory(Access::read);
  const Stats now = memory.stats().value();
  const Output out = session.output();
  if (out.json()) {
    out.line(JsonObject()
                 .text("tenant", memory.space().tenant)
                 .text("namespace", memory.space().name)
                 .count("memories", now.memories)
                 .count("episodic", now.episodic)
                 .count("semantic", now.semantic)
                 .count("links", now.links)
                 .count("vectors", now.vectors)
                 .count("dimension", now.dimension)
                 .count("sequence", now.sequence)
                 .count("file_bytes", now.file_bytes)
                 .text("embedder", now.embedder)
                 .raw("indexed_fields", json_texts(now.indexed_fields))
                 .str());
    return;
  }
  Table table = facts();
  table.row({"space", fmt::format("{}", memory.space())});
  table.row({"memories", fmt::format("{} ({} episodic, {} semantic)", now.memories, now.episodic, now.semantic)});
  table.row({"links", fmt::format("{}", now.links)});
  table.row({"vectors", now.vectors == 0 ? "0" : fmt::format("{} of {} components", now.vectors, now.dimension)});
  table.row({"made by", now.embedder.empty() ? "the caller, if any" : now.embedder});
  table.row({"last change", fmt::format("{}", now.sequence)});
  table.row({"files", fmt::format("{}, with those of other spaces", size_text(now.file_bytes))});
  table.row(
      {"indexed", now.indexed_fields.empty() ? "no fields" : fmt::format("{}", fmt::join(now.indexed_fields, ", "))});
  out.text(table.text(out.terminal()));
}

void print_problems(const Output& out, const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) out.line(out.terminal().paint(Style::bad, "- ") + problem);
}

void health(Session& session) {
  const Health now = session.memory(Access::read).health().value();
  const Output out = session.output();
  if (out.json()) {
    out.line(JsonObject()
                 .flag("ok", now.ok)
                 .text("backend", now.backend)
                 .text("simd", now.simd)
                 .raw("problems", json_texts(now.problems))
                 .str());
  } else {
    out.line(fmt::format(
        "{}: {}, {}", now.ok ? out.terminal().paint(Style::good, "well") : out.terminal().paint(Style::bad, "not well"),
        now.backend, now.simd));
    print_problems(out, now.problems);
  }
  if (!now.ok) throw Failure(exit_refused, "");
}

void verify(Session& session) {
  Progress progress("verifying", "items");
  const VerifyReport report = session.memory(Access::read).verify(Session::control(&progress)).value();
  progress.done();
  const Output out = session.output();
  if (out.json()) {
    out.line(JsonObject()
                 .flag("ok", report.ok())
                 .count("memories", report.memories)
                 .count("links", report.links)
                 .count("vectors", report.vectors)
                 .raw("problems", json_texts(report.problems))
                 .str());
  } else {
    const std::string counts =
        fmt::format("{} memories, {} links, {} vectors", report.memories, report.links, report.vectors);
    out.line(report.ok() ? fmt::format("{}: {}", out.terminal().paint(Style::good, "everything agrees"), counts)
                         : fmt::format("{} problems: {}; fractal repair mends what can be mended",
                                       report.problems.size(), counts));
    print_problems(out, report.problems);
  }
  if (!report.ok()) throw Failure(exit_refused, "");
}

void repair(Session& session) {
  Progress progress("repairing", "items");
  const RepairReport report = session.memory(Access::write).repair(Session::control(&progress)).value();
  progress.done();
  const Output out = session.output();
  if (out.json()) {
    out.line(JsonObject().raw("repaired", json_texts(report.repaired)).str());
    return;
  }
  if (report.repaired.empty()) out.line("nothing to repair");
  for (const std::string& each : report.repaired) out.line("- " + each);
}

void maintain(Session& session, bool purge) {
  Progress progress("maintaining", "items");
  const MaintainReport report =
      session.memory(Access::write).maintain({.purge = purge, .control = Session::control(&progress)}).value();
  progress.done();
  const Output out = session.output();
  out.line(out.json() ? JsonObject()
                            .count("expired_removed", report.expired_removed)
                            .count("audit_removed", report.audit_removed)
                            .count("bytes_rewritten", report.bytes_rewritten)
                            .count("indexed", report.indexed)
                            .str()
                      : fmt::format("{} expired memories and {} audit records removed, {} rewritten",
                                    report.expired_removed, report.audit_removed, size_text(report.bytes_rewritten)));
  if (!out.json() && report.indexed != 0) {
    out.line(fmt::format("{} memories that other programs wrote are indexed now", report.indexed));
  }
}

void reembed(Session& session, const std::string& table) {
  std::shared_ptr<Embedder> embedder = builtin_embedder();
  if (!table.empty()) {
    auto opened = open_embed_table(table);
    if (!opened) throw Failure(exit_backend, opened.error().message);
    embedder = *opened;
  }
  if (!embedder) throw Failure(exit_backend, "this program has no built-in embedder: give --table");
  Progress progress("embedding", "memories");
  const ReembedReport report =
      session.memory(Access::write).reembed(std::move(embedder), Session::control(&progress)).value();
  progress.done();
  const Output out = session.output();
  out.line(out.json() ? JsonObject().count("memories", report.memories).count("vectors", report.vectors).str()
                      : fmt::format("{} of {} memories have a vector now", report.vectors, report.memories));
}

void erase(Session& session, bool sure) {
  const FractalMemory memory = session.memory(Access::write);
  const std::string space = fmt::format("{}", memory.space());
  if (!sure) {
    if (isatty(STDIN_FILENO) != 1) throw usage_error("erase wants --yes where nobody can be asked");
    fmt::print(stderr, "All {} memories of {} will be gone. Its name to go on: ", memory.stats().value().memories,
               space);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != space) throw Failure(exit_refused, "nothing was erased");
  }
  const std::uint64_t memories = memory.erase_space().value();
  const Output out = session.output();
  out.line(out.json()
               ? JsonObject()
                     .text("tenant", memory.space().tenant)
                     .text("namespace", memory.space().name)
                     .count("memories", memories)
                     .str()
               : fmt::format("{} memories of {} erased; fractal maintain --purge takes their bytes out of the file",
                             memories, space));
}

}  // namespace

void add_care(Commands& commands) {
  commands.add({.name = "stats", .group = "Care", .summary = "How much there is", .example = "fractal stats"}, stats);
  commands.add({.name = "health",
                .group = "Care",
                .summary = "Whether all is well (else exit code 3)",
                .example = "fractal health"},
               health);
  commands.add({.name = "verify",
                .group = "Care",
                .summary = "Check the file, its rows, keywords, links and counters (problems: exit code 3)",
                .example = "fractal verify"},
               verify);
  commands.add({.name = "repair",
                .group = "Care",
                .summary = "Make again all that can be made from the rows",
                .example = "fractal repair"},
               repair);
  const auto purge = std::make_shared<bool>(false);
  commands
      .add({.name = "maintain",
            .group = "Care",
            .summary = "Remove what expired, make graphs, tidy the file",
            .example = "fractal maintain --purge"},
           [purge](Session& session) { maintain(session, *purge); })
      .add_flag("--purge", *purge, "Rewrite the file: no byte of what was removed stays; the audit log goes");
  const auto table = std::make_shared<std::string>();
  commands
      .add({.name = "reembed",
            .group = "Care",
            .summary = "Make all vectors of the space anew from the texts",
            .example = "fractal reembed"},
           [table](Session& session) { reembed(session, *table); })
      .add_option("--table", *table, "An embedding table instead of the built-in one");
  const auto sure = std::make_shared<bool>(false);
  commands
      .add({.name = "erase",
            .group = "Care",
            .summary = "Erase all memories and links of the space",
            .example = "fractal --tenant bob erase --yes"},
           [sure](Session& session) { erase(session, *sure); })
      .add_flag("--yes", *sure, "Do not ask");
}

}  // namespace fractal::cli
