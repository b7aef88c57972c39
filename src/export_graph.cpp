// Export of the graph for other tools: JSON (node-link), GraphML (graphml.graphdrawing.org), DOT (Graphviz).
// Invariant: every end of a written link is a written node, with or without a memory.
#include <fractal/fractal_memory.h>

#include "src/error.h"
#include "src/export_scan.h"
#include "src/json.h"
#include "src/link_rows.h"

#include <array>
#include <ostream>
#include <string>
#include <unordered_set>

namespace fractal {
namespace {

struct NodeView {
  std::string id;     // text of the coordinate
  std::string label;  // a few words of the payload, or the coordinate
  std::string type;   // of the memory; empty: there is none
  double importance = 0;
};

std::string short_label(const Row& row) {
  constexpr std::array paths = {"title", "name", "text", "content", "summary"};
  constexpr std::size_t longest = 60;
  for (const char* path : paths) {
    const auto value = value_at(row.memory.payload, path);
    const auto* text = value ? std::get_if<std::string>(&value->variant()) : nullptr;
    if (text == nullptr || text->empty()) continue;
    if (text->size() <= longest) return *text;
    std::size_t end = longest;
    while (end > 0 && (static_cast<unsigned char>((*text)[end]) & 0xc0) == 0x80) --end;  // not inside a character
    return text->substr(0, end) + "…";
  }
  return row.memory.coordinate.to_string();
}

// XML 1.0 has no way to write most control characters, U+FFFE and U+FFFF.
std::string xml(std::string_view text) {
  constexpr std::string_view replacement = "\xEF\xBF\xBD";
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\t': out += "&#9;"; break;
      case '\n': out += "&#10;"; break;
      case '\r': out += "&#13;"; break;
      default: static_cast<unsigned char>(c) < 0x20 ? out += replacement : out += c;
    }
  }
  for (const std::string_view no_character : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"}) {
    for (std::size_t at = 0; (at = out.find(no_character, at)) != out.npos;)
      out.replace(at, replacement.size(), replacement);
  }
  return out;
}

std::string dot(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out + '"';
}

class GraphWriter {
 public:
  GraphWriter(std::ostream& out, GraphFormat format) : out_(out), format_(format) {}

  Result<void> begin() {
    switch (format_) {
      case GraphFormat::json: out_ << "{\"directed\":true,\"multigraph\":true,\"nodes\":["; break;
      case GraphFormat::dot: out_ << "digraph fractal {\n  node [shape=box, style=rounded];\n"; break;
      case GraphFormat::graphml:
        out_ << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n"
                "  <key id=\"label\" for=\"node\" attr.name=\"label\" attr.type=\"string\"/>\n"
                "  <key id=\"kind\" for=\"node\" attr.name=\"type\" attr.type=\"string\"/>\n"
                "  <key id=\"importance\" for=\"node\" attr.name=\"importance\" attr.type=\"double\"/>\n"
                "  <key id=\"type\" for=\"edge\" attr.name=\"type\" attr.type=\"string\"/>\n"
                "  <key id=\"strength\" for=\"edge\" attr.name=\"strength\" attr.type=\"double\"/>\n"
                "  <graph edgedefault=\"directed\">\n";
        break;
    }
    return check();
  }

  Result<void> node(const NodeView& node) {
    switch (format_) {
      case GraphFormat::json:
        out_ << separator() << "{\"id\":" << json::quote(node.id) << ",\"label\":" << json::quote(node.label);
        if (!node.type.empty()) {
          out_ << ",\"type\":\"" << node.type << "\",\"importance\":" << json::number(node.importance);
        }
        out_ << '}';
        break;
      case GraphFormat::dot:
        out_ << "  " << dot(node.id) << " [label=" << dot(node.label) << (node.type.empty() ? ", style=dashed" : "")
             << "];\n";
        break;
      case GraphFormat::graphml:
        out_ << "    <node id=\"" << xml(node.id) << "\"><data key=\"label\">" << xml(node.label) << "</data>";
        if (!node.type.empty()) {
          out_ << "<data key=\"kind\">" << node.type << "</data><data key=\"importance\">"
               << json::number(node.importance) << "</data>";
        }
        out_ << "</node>\n";
        break;
    }
    return check();
  }

  Result<void> begin_links() {
    if (format_ == GraphFormat::json) out_ << "],\"links\":[";
    first_ = true;
    return check();
  }

  Result<void> link(const GraphLink& link) {
    const std::string from = link.from.to_string(), to = link.to.to_string();
    switch (format_) {
      case GraphFormat::json:
        out_ << separator() << "{\"source\":" << json::quote(from) << ",\"target\":" << json::quote(to)
             << ",\"type\":" << json::quote(link.type) << ",\"strength\":" << json::number(link.strength) << '}';
        break;
      case GraphFormat::dot:
        out_ << "  " << dot(from) << " -> " << dot(to) << " [label=" << dot(link.type) << "];\n";
        break;
      case GraphFormat::graphml:
        out_ << "    <edge source=\"" << xml(from) << "\" target=\"" << xml(to) << "\"><data key=\"type\">"
             << xml(link.type) << "</data><data key=\"strength\">" << json::number(link.strength) << "</data></edge>\n";
        break;
    }
    return check();
  }

  Result<void> end() {
    switch (format_) {
      case GraphFormat::json: out_ << "]}\n"; break;
      case GraphFormat::dot: out_ << "}\n"; break;
      case GraphFormat::graphml: out_ << "  </graph>\n</graphml>\n"; break;
    }
    out_.flush();
    return check();
  }

 private:
  const char* separator() {
    const char* text = first_ ? "\n" : ",\n";
    first_ = false;
    return text;
  }

  Result<void> check() const {
    if (!out_) return make_error(Errc::io, "export_graph: the stream does not take more");
    return {};
  }

  std::ostream& out_;
  const GraphFormat format_;
  bool first_ = true;
};

// Which ends of links are nodes.
class Ends {
 public:
  explicit Ends(const Filter& filter) : filter_(filter) {}

  enum class Kind { memory, bare, left_out };

  Result<Kind> kind(const Look& look, const std::string& key) const {
    FRACTAL_TRY_INTO(const auto row, look.view().get(key, filter_.empty() ? Columns::header : Columns::payload));
    if (!row) return Kind::bare;
    return matches(filter_, *row) ? Kind::memory : Kind::left_out;
  }

 private:
  const Filter& filter_;
};

// Visits each link whose ends are nodes, with the ends that hold no memory.
Result<void> visit_links(bool wanted, const ExportScan& scan, const Ends& ends,
                         const std::function<Result<void>(const LinkRow&, bool bare_from, bool bare_to)>& visit) {
  if (!wanted) return {};
  return scan.links([&](const Look& look, const LinkRow& row) -> Result<void> {
    FRACTAL_TRY_INTO(const auto from, ends.kind(look, row.from));
    FRACTAL_TRY_INTO(const auto to, ends.kind(look, row.to));
    if (from == Ends::Kind::left_out || to == Ends::Kind::left_out) return {};
    return visit(row, from == Ends::Kind::bare, to == Ends::Kind::bare);
  });
}

}  // namespace

Result<std::uint64_t> Reads::export_graph(std::ostream& out, GraphFormat format, const ExportOptions& options) const {
  // Nodes and links must be of one moment, or a link could have an end that is no node.
  ExportOptions of_one_moment = options;
  of_one_moment.consistent = true;
  of_one_moment.embeddings = false;
  FRACTAL_TRY_INTO(const auto scan, ExportScan::make(*database_, space_, pinned_, of_one_moment));
  GraphWriter writer(out, format);
  const Ends ends(options.filter);
  std::uint64_t done = 0;
  const auto count = [&] {
    if (++done % 1000 == 0 && options.control.progress) options.control.progress(done, scan.total());
  };
  FRACTAL_TRY(writer.begin());
  FRACTAL_TRY(scan.memories([&](const Row& row) {
    count();
    return writer.node({row.memory.coordinate.to_string(), short_label(row), std::string(to_string(row.memory.type)),
                        row.memory.importance});
  }));
  std::unordered_set<std::string> bare;
  const auto add_bare = [&](const std::string& key) -> Result<void> {
    if (!bare.insert(key).second) return {};
    FRACTAL_TRY_INTO(const auto coordinate, Coordinate::from_key(key));
    return writer.node({coordinate.to_string(), coordinate.to_string(), {}});
  };
  FRACTAL_TRY(
      visit_links(options.links, scan, ends, [&](const LinkRow& row, bool bare_from, bool bare_to) -> Result<void> {
        if (bare_from) FRACTAL_TRY(add_bare(row.from));
        if (bare_to) FRACTAL_TRY(add_bare(row.to));
        return {};
      }));
  FRACTAL_TRY(writer.begin_links());
  FRACTAL_TRY(visit_links(options.links, scan, ends, [&](const LinkRow& row, bool, bool) -> Result<void> {
    count();
    FRACTAL_TRY_INTO(const auto link, graph_link(row));
    return writer.link(link);
  }));
  FRACTAL_TRY(writer.end());
  return done;
}

}  // namespace fractal
