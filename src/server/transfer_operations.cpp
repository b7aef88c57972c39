// Invariant: an export is of one moment, and holds neither that moment nor a thread while the client takes it: it lies on
// disk, whole, before the first byte is sent. An import begins when the last byte has come.
#include "src/server/operations.h"

#include "src/server/metrics.h"
#include "src/server/records.h"
#include "src/server/spool.h"

#include <memory>
#include <utility>

namespace fractal::server {
namespace {

constexpr std::size_t piece = 256u << 10;

template <class Write> Reply spooled(const Call& call, std::string_view type, const Write& write) {
  Reply reply{.type = type};
  if (call.head) {
    reply.more = [] { return std::nullopt; };
    return reply;
  }
  const std::shared_ptr<Spool> spool = Spool::make(call.service.spools).value();
  write(spool->stream());
  spool->rewind().value();
  reply.body = spool->read(piece).value();
  reply.more = [spool]() -> std::optional<std::string> {
    std::string bytes = spool->read(piece).value();
    return bytes.empty() ? std::nullopt : std::optional(std::move(bytes));
  };
  reply.patient = true;
  return reply;
}

// What was exported, or why not.
void check_export(const Result<std::uint64_t>& exported, const std::ostream& out) {
  if (!exported && !out) throw Refused{503, Say::unavailable};  // no room for it
  (void)accepted(exported, {"query"});
}

ExportOptions export_options_of(const Call& call) {
  ExportOptions options{.filter = filter_of(call.query, "query"), .consistent = true, .control = call.control};
  if (const auto within = call.query.text("within")) options.within = coordinate_of(*within, {"query", "within"});
  return options;
}

}  // namespace

Reply export_memories(Call& call) {
  ExportOptions options = export_options_of(call);
  options.embeddings = call.query.flag("embeddings").value_or(true);
  options.links = call.query.flag("links").value_or(true);
  return spooled(call, "application/x-ndjson",
                 [&](std::ostream& out) { check_export(call.memory.export_memories(out, options), out); });
}

Reply export_graph(Call& call) {
  const std::string wanted = call.query.text("format").value_or("json");
  const auto [format, type] = wanted == "graphml" ? std::pair(GraphFormat::graphml, "application/graphml+xml")
                              : wanted == "dot"   ? std::pair(GraphFormat::dot, "text/vnd.graphviz")
                                                  : std::pair(GraphFormat::json, json_type.data());
  const ExportOptions options = export_options_of(call);
  return spooled(call, type, [&, format = format](std::ostream& out) {
    check_export(call.memory.export_graph(out, format, options), out);
  });
}

Reply import_memories(Call& call) {
  const ImportOptions options{.from_line = static_cast<std::uint64_t>(call.query.integer("from_line").value_or(1)),
                              .control = call.control};
  if (!call.still_permitted()) throw Refused{401, Say::unauthorized};  // it may have taken long to come
  call.upload->rewind().value();
  const ImportReport report = accepted(call.memory.import_memories(call.upload->stream(), options), {"body"});
  call.service.metrics.wrote("import", report.memories + report.links);
  return {
      .body =
          Object().count("lines", report.lines).count("memories", report.memories).count("links", report.links).str()};
}

}  // namespace fractal::server
