// export_graph: what other tools read. Small readers of each format check the form and give back the graph.
#include "engine.h"

#include "src/json.h"

#include <map>
#include <set>
#include <sstream>

using namespace engine;

namespace {

struct Read {
  std::map<std::string, std::string> nodes;  // id, label
  std::multiset<std::string> links;          // "from|to|type"
};

Read read_json(const std::string& text) {
  Read read;
  const auto document = json::Document::parse(text).value();
  const auto root = document.root();
  CHECK(std::get<bool>(root.member("directed")->scalar().variant()));
  const auto nodes = *root.member("nodes"), links = *root.member("links");
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    read.nodes.emplace(nodes.at(i).member("id")->text(), nodes.at(i).member("label")->text());
  }
  for (std::size_t i = 0; i < links.size(); ++i) {
    const auto link = links.at(i);
    CHECK(link.member("strength")->kind() == json::Kind::number);
    read.links.insert(std::string(link.member("source")->text()) + "|" + std::string(link.member("target")->text()) +
                      "|" + std::string(link.member("type")->text()));
  }
  CHECK(read.nodes.size() == nodes.size());  // each once
  return read;
}

// XML 1.0 without what the writer does not use: comments, sections, namespaces.
class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : text_(text) {}

  struct Tag {
    std::string name;
    std::map<std::string, std::string> attributes;
    bool closing = false, empty = false;
  };

  // Text up to the next tag; characters that XML does not allow are refused.
  std::string text() {
    std::string out;
    while (at_ < text_.size() && text_[at_] != '<') out += character();
    return out;
  }
  bool at_end() const { return at_ == text_.size(); }
  Tag tag() {
    Tag tag;
    expect('<');
    if (peek() == '?') {
      at_ = text_.find("?>", at_) + 2;
      tag.name = "?";
      return tag;
    }
    if (peek() == '/') {
      ++at_;
      tag.closing = true;
    }
    tag.name = name();
    for (;;) {
      while (peek() == ' ') ++at_;
      if (peek() == '/') {
        ++at_;
        tag.empty = true;
      }
      if (peek() == '>') break;
      const std::string key = name();
      expect('=');
      expect('"');
      std::string value;
      while (peek() != '"') {
        REQUIRE(peek() != '<');
        value += character();
      }
      ++at_;
      CHECK(tag.attributes.emplace(key, value).second);
    }
    ++at_;
    return tag;
  }

 private:
  char peek() const {
    REQUIRE(at_ < text_.size());
    return text_[at_];
  }
  void expect(char c) {
    REQUIRE(peek() == c);
    ++at_;
  }
  std::string name() {
    std::string out;
    while (std::isalnum(static_cast<unsigned char>(peek())) || peek() == '.' || peek() == ':') out += text_[at_++];
    REQUIRE_FALSE(out.empty());
    return out;
  }
  std::string character() {
    const char c = peek();
    ++at_;
    const auto byte = static_cast<unsigned char>(c);
    REQUIRE((byte >= 0x20 || c == '\t' || c == '\n' || c == '\r'));
    REQUIRE(c != '>');
    // U+FFFE and U+FFFF are no characters of XML.
    REQUIRE_FALSE((text_.substr(at_ - 1, 3) == "\xEF\xBF\xBE" || text_.substr(at_ - 1, 3) == "\xEF\xBF\xBF"));
    if (c != '&') return {c};
    const std::size_t end = text_.find(';', at_);
    const std::string entity(text_.substr(at_, end - at_));
    at_ = end + 1;
    static const std::map<std::string, std::string> known{{"amp", "&"}, {"lt", "<"},   {"gt", ">"},  {"quot", "\""},
                                                          {"#9", "\t"}, {"#10", "\n"}, {"#13", "\r"}};
    REQUIRE(known.contains(entity));
    return known.at(entity);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

Read read_graphml(const std::string& text) {
  Read read;
  XmlReader reader(text);
  std::vector<XmlReader::Tag> open;
  std::string link;
  for (;;) {
    const std::string content = reader.text();
    if (!open.empty() && open.back().name == "data") {
      const auto& owner = open.at(open.size() - 2);
      const std::string key = open.back().attributes.at("key");
      if (owner.name == "node" && key == "label") read.nodes[owner.attributes.at("id")] = content;
      if (owner.name == "edge" && key == "type") {
        read.links.insert(owner.attributes.at("source") + "|" + owner.attributes.at("target") + "|" + content);
      }
    } else {
      CHECK(content.find_first_not_of(" \n") == std::string::npos);
    }
    if (reader.at_end()) break;
    const auto tag = reader.tag();
    if (tag.name == "?" || tag.empty) continue;
    if (!tag.closing) {
      if (tag.name == "node") CHECK_FALSE(read.nodes.contains(tag.attributes.at("id")));
      open.push_back(tag);
    } else {
      REQUIRE_FALSE(open.empty());
      CHECK(open.back().name == tag.name);
      open.pop_back();
    }
  }
  CHECK(open.empty());
  return read;
}

// A line each: "id" [label="..", ..];  or  "id" -> "id" [label=".."];
Read read_dot(const std::string& text) {
  Read read;
  std::istringstream lines(text);
  std::string line;
  std::getline(lines, line);
  CHECK(line == "digraph fractal {");
  std::getline(lines, line);
  bool closed = false;
  while (std::getline(lines, line)) {
    if (line == "}") {
      closed = true;
      continue;
    }
    CHECK_FALSE(closed);
    std::vector<std::string> quoted;
    std::string between;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '"') {
        between += line[i];
        continue;
      }
      std::string one;
      for (++i; i < line.size() && line[i] != '"'; ++i) {
        REQUIRE(static_cast<unsigned char>(line[i]) >= 0x20);
        if (line[i] == '\\') {
          ++i;
          REQUIRE(i < line.size());
          one += line[i] == 'n' ? '\n' : line[i];
        } else {
          one += line[i];
        }
      }
      REQUIRE(i < line.size());
      quoted.push_back(one);
      between += "\"";
    }
    if (between == "  \" [label=\"];" || between == "  \" [label=\", style=dashed];") {
      CHECK(read.nodes.emplace(quoted.at(0), quoted.at(1)).second);
    } else {
      CHECK(between == "  \" -> \" [label=\"];");
      read.links.insert(quoted.at(0) + "|" + quoted.at(1) + "|" + quoted.at(2));
    }
  }
  CHECK(closed);
  return read;
}

Read read_back(const Reads& memory, GraphFormat format, const ExportOptions& options = {}) {
  std::ostringstream out;
  memory.export_graph(out, format, options).value();
  const Read read = format == GraphFormat::json      ? read_json(out.str())
                    : format == GraphFormat::graphml ? read_graphml(out.str())
                                                     : read_dot(out.str());
  for (const std::string& link : read.links) {  // every end is a node
    const std::size_t bar = link.find('|');
    CHECK(read.nodes.contains(link.substr(0, bar)));
    CHECK(read.nodes.contains(link.substr(bar + 1, link.find('|', bar + 1) - bar - 1)));
  }
  return read;
}

constexpr GraphFormat formats[] = {GraphFormat::json, GraphFormat::graphml, GraphFormat::dot};

}  // namespace

TEST_CASE("each format can be read, and holds the graph") {
  const auto memory = open_fresh();
  memory.store({.coordinate = {1}, .payload = R"({"text": "green tea"})", .importance = 0.5}).value();
  memory.store({.coordinate = {1, 2}, .payload = R"({"title": "a \"quoted\" <b>&amp;\\ title", "text": "not this"})"})
      .value();
  memory.store({.coordinate = {3}}).value();
  memory.link({.from = {1}, .to = {1, 2}, .type = "part_of"}).value();
  memory.link({.from = {1}, .to = {1, 2}, .type = "<&\">\\"}).value();
  memory.link({.from = {3}, .to = {3}, .type = "self", .strength = -1e300}).value();
  memory.link({.from = {3}, .to = {8, 8}}).value();  // no memory at either end
  memory.link({.from = {9}, .to = {8, 8}}).value();
  for (const GraphFormat format : formats) {
    CAPTURE(static_cast<int>(format));
    const Read read = read_back(memory, format);
    CHECK(read.nodes.size() == 5);
    CHECK(read.nodes.at("1.0") == "green tea");
    CHECK(read.nodes.at("1.0,2.0") == "a \"quoted\" <b>&amp;\\ title");
    CHECK(read.nodes.at("3.0") == "3.0");
    CHECK(read.nodes.at("8.0,8.0") == "8.0,8.0");
    CHECK(read.links == std::multiset<std::string>{"1.0|1.0,2.0|part_of", "1.0|1.0,2.0|<&\">\\", "3.0|3.0|self",
                                                   "3.0|8.0,8.0|related", "9.0|8.0,8.0|related"});
    std::ostringstream out;
    CHECK(memory.export_graph(out, format).value() == 8);  // memories and links
    std::ostringstream empty;
    CHECK(open_fresh().export_graph(empty, format).value() == 0);
  }
  CHECK(read_back(open_fresh(), GraphFormat::graphml).nodes.empty());
}

TEST_CASE("control characters and every kind of text stay readable in each format") {
  const auto memory = open_fresh();
  double i = 0;
  for (int c = 1; c < 0x20; ++c) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(c));
    memory.store({.coordinate = {++i}, .payload = std::string("{\"text\": \"a") + escaped + "b\"}"}).value();
    memory.link({.from = {i}, .to = {i + 1}, .type = std::string("t") + static_cast<char>(c) + "t"}).value();
  }
  for (const char* text : {"\xEF\xBF\xBE", "\xEF\xBF\xBF", "\xC2\x80", "\xE2\x80\xA8", "\x7F", "]]>", "<!--", "&#0;",
                           "\xF0\x9F\x8D\xB5"}) {
    memory.store({.coordinate = {++i}, .payload = std::string("{\"text\": \"") + text + "\"}"}).value();
    memory.link({.from = {i}, .to = {1}, .type = text}).value();
  }
  // Longer than a label; the cut must not split a character.
  for (std::size_t n = 50; n < 70; ++n) {
    std::string text(n, 'x');
    for (int k = 0; k < 10; ++k) text += "\xF0\x9F\x8D\xB5";
    memory.store({.coordinate = {++i}, .payload = "{\"text\": \"" + text + "\"}"}).value();
  }
  const Stats stats = memory.stats().value();
  for (const GraphFormat format : formats) {
    CAPTURE(static_cast<int>(format));
    const Read read = read_back(memory, format);
    CHECK(read.nodes.size() == stats.memories);
    CHECK(read.links.size() == stats.links);
    std::ostringstream out;
    memory.export_graph(out, format).value();
    std::string quoted = "\"";
    for (const char c : out.str())
      if (static_cast<unsigned char>(c) >= 0x80) quoted += c;
    CHECK(json::Document::parse(quoted + "\"").has_value());  // valid UTF-8
  }
}

TEST_CASE("a part of the graph: links need both ends in it") {
  const auto memory = open_fresh();
  for (const Coordinate& at : std::vector<Coordinate>{{1}, {1, 2}, {1, 3}, {2}}) {
    memory.store({.coordinate = at, .payload = R"({"n": )" + std::to_string(at.size()) + "}"}).value();
  }
  memory.link({.from = {1}, .to = {1, 2}}).value();
  memory.link({.from = {1, 2}, .to = {2}}).value();
  memory.link({.from = {1, 3}, .to = {1, 9}}).value();
  memory.link({.from = {1}, .to = {2}}).value();
  for (const GraphFormat format : formats) {
    const Read subtree = read_back(memory, format, {.within = {1}});
    CHECK(subtree.nodes.size() == 4);
    CHECK(subtree.links == std::multiset<std::string>{"1.0|1.0,2.0|related", "1.0,3.0|1.0,9.0|related"});
    const Read filtered = read_back(memory, format, {.filter = Filter::eq("n", 1)});
    CHECK(filtered.links == std::multiset<std::string>{"1.0|2.0|related"});
    CHECK(filtered.nodes.size() == 2);
    const Read bare = read_back(memory, format, {.links = false});
    CHECK(bare.nodes.size() == 4);
  }
}
