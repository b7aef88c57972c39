// Invariant: parse_line(to_json(m)) is m, bit for bit. A payload whose bytes would not survive as a part of
// one line (line breaks, blanks around it) travels as a text, "payload_text".
#include "src/memory_lines.h"

#include "src/error.h"
#include "src/json.h"

#include <charconv>
#include <limits>
#include <span>

namespace fractal {
namespace {

constexpr std::string_view format_name = "fractal_memory";

void append_numbers(std::string& line, std::span<const double> numbers) {
  line += '[';
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i != 0) line += ',';
    line += json::number(numbers[i]);
  }
  line += ']';
}

void append_vector(std::string& line, std::span<const float> vector) {
  char buffer[32];
  line += '[';
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (i != 0) line += ',';
    line.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, vector[i]).ptr);
  }
  line += ']';
}

void append_object(std::string& line, std::string_view name, const std::string& object) {
  const bool one_line = object.find_first_of("\r\n") == object.npos && object.front() == '{' && object.back() == '}';
  line += fmt::format(",\"{}{}\":", name, one_line ? "" : "_text");
  line += one_line ? object : json::quote(object);
}

// Reads the members of one line; the first failure is kept.
class LineReader {
 public:
  LineReader(std::string_view line, json::Node root) : line_(line), root_(root) {}

  bool has(std::string_view name) const { return root_.member(name).has_value(); }

  Result<void> coordinate(std::string_view name, Coordinate& target) const {
    const auto node = root_.member(name);
    if (!node) return make_error(Errc::invalid_argument, "{} is missing", name);
    if (node->kind() == json::Kind::text) {
      FRACTAL_TRY_INTO(target, Coordinate::parse(node->text()));
      return {};
    }
    if (node->kind() != json::Kind::array) return wrong(name, "an array of numbers");
    std::vector<double> components;
    for (std::size_t i = 0; i < node->size(); ++i) {
      const auto component = as_double(node->at(i));
      if (!component) return wrong(name, "an array of numbers");
      components.push_back(*component);
    }
    target = Coordinate(std::span<const double>(components));
    return target.check();
  }

  Result<void> object(std::string_view name, std::string& target) const {
    const std::string text_name = std::string(name) + "_text";
    if (const auto text = root_.member(text_name)) {
      if (text->kind() != json::Kind::text) return wrong(text_name, "a text");
      target = text->text();
    } else if (const auto raw = json::raw_member(line_, name)) {
      target = *raw;
    }
    return {};
  }

  Result<void> number(std::string_view name, double& target) const {
    const auto node = root_.member(name);
    if (!node) return {};
    const auto value = as_double(*node);
    if (!value) return wrong(name, "a number");
    target = *value;
    return {};
  }

  Result<void> count(std::string_view name, std::uint64_t& target) const {
    const auto node = root_.member(name);
    if (!node) return {};
    if (node->kind() == json::Kind::number) {
      const Value value = node->scalar();
      if (const auto* signed_value = std::get_if<std::int64_t>(&value.variant()); signed_value && *signed_value >= 0) {
        target = static_cast<std::uint64_t>(*signed_value);
        return {};
      }
    }
    return wrong(name, "a whole number from 0 to 9223372036854775807");
  }

  Result<void> boolean(std::string_view name, bool& target) const {
    const auto node = root_.member(name);
    if (!node) return {};
    if (node->kind() != json::Kind::boolean) return wrong(name, "true or false");
    target = std::get<bool>(node->scalar().variant());
    return {};
  }
  Result<void> text(std::string_view name, std::string& target) const {
    const auto node = root_.member(name);
    if (!node) return {};
    if (node->kind() != json::Kind::text) return wrong(name, "a text");
    target = node->text();
    return {};
  }

  Result<void> time(std::string_view name, Time& target) const {
    std::string written;
    FRACTAL_TRY(text(name, written));
    if (has(name)) { FRACTAL_TRY_INTO(target, parse_time(written)); }
    return {};
  }

  // Read from the text, since a float rounded by way of a double may be another float.
  Result<void> vector(std::string_view name, std::vector<float>& target) const {
    const auto node = root_.member(name);
    if (!node) return {};
    if (node->kind() != json::Kind::array) return wrong(name, "an array of numbers");
    std::string_view raw = *json::raw_member(line_, name);
    raw = raw.substr(1, raw.size() - 2);
    while (true) {
      const std::size_t begin = raw.find_first_not_of(" \t");
      if (begin == raw.npos) return target.empty() ? Result<void>{} : wrong(name, "an array of numbers");
      raw.remove_prefix(begin);
      float component = 0;
      const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), component);
      if (error != std::errc{}) return wrong(name, "an array of numbers that fit a float");
      target.push_back(component);
      raw.remove_prefix(static_cast<std::size_t>(end - raw.data()));
      const std::size_t comma = raw.find_first_not_of(" \t");
      if (comma == raw.npos) return {};
      if (raw[comma] != ',') return wrong(name, "an array of numbers");
      raw.remove_prefix(comma + 1);
    }
  }

  // A mistyped name must not pass for a missing one.
  Result<void> only(std::span<const std::string_view> names) const {
    Result<void> result;
    root_.for_each_member([&](std::string_view key, json::Node) {
      for (const std::string_view name : names) {
        if (key == name) return;
      }
      if (result) result = make_error(Errc::invalid_argument, "unknown member {}", json::quote(key));
    });
    return result;
  }

 private:
  static Error wrong(std::string_view name, std::string_view expected) {
    return make_error(Errc::invalid_argument, "{} is not {}", name, expected);
  }

  static std::optional<double> as_double(json::Node node) {
    if (node.kind() != json::Kind::number) return std::nullopt;
    return std::visit(
        [](const auto& number) -> std::optional<double> {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(number)>>) return static_cast<double>(number);
          return std::nullopt;
        },
        node.scalar().variant());
  }

  std::string_view line_;
  json::Node root_;
};

Result<Batch::Restore> read_memory(const LineReader& reader) {
  static constexpr std::string_view names[] = {
      "coordinate", "payload",    "payload_text", "type",       "importance", "metadata", "metadata_text",
      "embedding",  "expires_at", "id",           "created_at", "updated_at", "version",  "accesses"};
  FRACTAL_TRY(reader.only(names));
  Batch::Restore entry;
  Memory& memory = entry.memory;
  FRACTAL_TRY(reader.coordinate("coordinate", memory.coordinate));
  FRACTAL_TRY(reader.object("payload", memory.payload));
  FRACTAL_TRY(reader.object("metadata", memory.metadata));
  FRACTAL_TRY(reader.number("importance", memory.importance));
  FRACTAL_TRY(reader.vector("embedding", memory.embedding));
  FRACTAL_TRY(reader.time("created_at", memory.created_at));
  FRACTAL_TRY(reader.time("updated_at", memory.updated_at));
  FRACTAL_TRY(reader.count("version", memory.version));
  FRACTAL_TRY(reader.count("accesses", memory.accesses));
  if (reader.has("type")) {
    std::string type;
    FRACTAL_TRY(reader.text("type", type));
    FRACTAL_TRY_INTO(memory.type, parse_memory_type(type));
  }
  if (reader.has("id")) {
    std::string id;
    FRACTAL_TRY(reader.text("id", id));
    FRACTAL_TRY_INTO(memory.id, Uuid::parse(id));
  }
  if (reader.has("expires_at")) FRACTAL_TRY(reader.time("expires_at", memory.expires_at.emplace()));
  return entry;
}

Result<Batch::RestoreLink> read_link(const LineReader& reader) {
  static constexpr std::string_view names[] = {"from",          "to",        "type", "strength", "metadata",
                                               "metadata_text", "created_at"};
  FRACTAL_TRY(reader.only(names));
  Batch::RestoreLink entry;
  GraphLink& link = entry.link;
  FRACTAL_TRY(reader.coordinate("from", link.from));
  FRACTAL_TRY(reader.coordinate("to", link.to));
  FRACTAL_TRY(reader.text("type", link.type));
  FRACTAL_TRY(reader.number("strength", link.strength));
  FRACTAL_TRY(reader.object("metadata", link.metadata));
  FRACTAL_TRY(reader.time("created_at", link.created_at));
  return entry;
}

}  // namespace

std::string header_line(const HeaderLine& header) {
  return fmt::format("{{\"format\":\"{}\",\"version\":1,\"embedder\":{},\"vectors\":{}}}", format_name,
                     json::quote(header.embedder), header.vectors);
}

std::string to_json(const Memory& memory) {
  std::string line = "{\"coordinate\":";
  append_numbers(line, memory.coordinate.components());
  append_object(line, "payload", memory.payload);
  line += fmt::format(",\"type\":\"{}\",\"importance\":{}", to_string(memory.type), json::number(memory.importance));
  append_object(line, "metadata", memory.metadata);
  if (!memory.embedding.empty()) {
    line += ",\"embedding\":";
    append_vector(line, memory.embedding);
  }
  if (memory.expires_at) line += fmt::format(",\"expires_at\":\"{}\"", to_string(*memory.expires_at));
  line +=
      fmt::format(",\"id\":\"{}\",\"created_at\":\"{}\",\"updated_at\":\"{}\",\"version\":{}", memory.id.to_string(),
                  to_string(memory.created_at), to_string(memory.updated_at), memory.version);
  if (memory.accesses != 0) line += fmt::format(",\"accesses\":{}", memory.accesses);
  line += '}';
  return line;
}

std::string to_json(const GraphLink& link) {
  std::string line = "{\"from\":";
  append_numbers(line, link.from.components());
  line += ",\"to\":";
  append_numbers(line, link.to.components());
  line += fmt::format(",\"type\":{},\"strength\":{}", json::quote(link.type), json::number(link.strength));
  append_object(line, "metadata", link.metadata);
  line += fmt::format(",\"created_at\":\"{}\"}}", to_string(link.created_at));
  return line;
}

Result<std::variant<HeaderLine, Batch::Restore, Batch::RestoreLink>> parse_line(std::string_view line) {
  using Line = std::variant<HeaderLine, Batch::Restore, Batch::RestoreLink>;
  FRACTAL_TRY_INTO(const json::Document document, json::Document::parse(line));
  if (document.root().kind() != json::Kind::object) return make_error(Errc::invalid_argument, "not a JSON object");
  const LineReader reader(line, document.root());
  if (reader.has("format")) {
    std::string format;
    std::uint64_t version = 0;
    FRACTAL_TRY(reader.text("format", format));
    FRACTAL_TRY(reader.count("version", version));
    if (format == format_name && version == 1) {
      HeaderLine header;
      FRACTAL_TRY(reader.text("embedder", header.embedder));
      FRACTAL_TRY(reader.boolean("vectors", header.vectors));
      return Line(std::move(header));
    }
    return make_error(Errc::unsupported, "format {} version {}: only {} version 1 is known", format, version,
                      format_name);
  }
  if (reader.has("from") || reader.has("to")) {
    FRACTAL_TRY_INTO(auto link, read_link(reader));
    return Line(std::move(link));
  }
  FRACTAL_TRY_INTO(auto memory, read_memory(reader));
  return Line(std::move(memory));
}

Result<std::variant<Memory, GraphLink>> parse_json_line(std::string_view line) {
  using Line = std::variant<Memory, GraphLink>;
  FRACTAL_TRY_INTO(auto parsed, parse_line(line));
  if (auto* memory = std::get_if<Batch::Restore>(&parsed)) return Line(std::move(memory->memory));
  if (auto* link = std::get_if<Batch::RestoreLink>(&parsed)) return Line(std::move(link->link));
  return make_error(Errc::invalid_argument, "the first line of an export, neither a memory nor a link");
}

}  // namespace fractal
