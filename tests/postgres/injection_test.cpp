// Texts that a server might take for something else, wherever the API takes a text: they are found exactly, nothing else is
// touched, and every answer is that of the memory storage.
#include "tests/engine/model_compare.h"
#include "tests/postgres/own_schema.h"

#include <fractal/backend.h>
#include <fractal/format.h>
#include <fractal/postgres.h>

#include <doctest/doctest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace fractal;
using namespace std::string_literals;

const std::vector<std::string>& texts() {
  static const std::vector<std::string> all{
      "it's 'quoted'",
      "\"double\" \"\"quoted\"\"",
      R"(back\slash \' \" \\ \)",
      R"(\x00ff \N \. E'\n')",
      "$1",
      "$2::text $$ $tag$ ${name} $(touch x)",
      "%s %d %n %% %1$s {} {0}",
      "'; DROP TABLE sfm_memories; --",
      "\"; DROP TABLE \"sfm_namespaces\" CASCADE; --",
      "x' OR '1'='1",
      "1); DELETE FROM sfm_graph_links WHERE (1=1",
      "-- comment /* comment */ #",
      "{a,b,NULL,\"c\"}",
      "NULL",
      R"({"$gt": 1})",
      "[1, null]",
      "_like% ^regular.*expression$ [a-z]",
      "tea:* & !coffee | (cup <-> kettle)",
      "NEAR(tea coffee) AND \"cup\" OR -kettle",
      ":name ?1 @p",
      " blanks around ",
      "tab\tline\nreturn\r",
      "control \x01\x1b\x7f",
      "nul\0inside"s,
      "\0"s,
      "e\u0301 combining, \u00e9 composed",
      "\u0627\u0644\u0634\u0627\u064a \u202eright to left\u202c \u05ea\u05d4",
      "\U0001F600 \U0001D54F \U00020000 four bytes",
      "\uFFFE\uFFFF\U0001FFFE\U0010FFFF noncharacters",
      "\uFEFFbyte order mark\u200b\u200d",
      "\u0130stanbul \u00df \ufb00 \u01c5 case",
      "a.dot and a\\.dot",
      "$type",
      "core.text_fields",
      std::string(250, '\''),
  };
  return all;
}

// As a JSON string. NUL and other controls as \u00..
std::string json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// As one member of a filter's path.
std::string member(std::string_view key, bool first) {
  std::string out = first && key.starts_with('$') ? "\\" : "";
  for (const char c : key) {
    if (c == '.' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

Coordinate place(std::size_t number) { return {7, static_cast<double>(number)}; }

Memory memory_of(std::size_t number) {
  const std::string text = json(texts()[number]);
  return {.coordinate = place(number),
          .payload = fmt::format(R"({{"text": {0}, {0}: {1}, "inner": {{{0}: {0}}}, "list": [{0}]}})", text, number),
          .embedding = {1, static_cast<float>(number) / 10},
          .metadata = fmt::format(R"({{{0}: {0}}})", text)};
}

std::vector<Filter> filters_of(std::size_t number) {
  const std::string& text = texts()[number];
  const std::string inner = "inner." + member(text, false);
  std::vector<Filter> filters{Filter::eq("text", text),
                              Filter::eq(member(text, true), number),
                              Filter::exists(member(text, true)),
                              Filter::eq(inner, text),
                              Filter::prefix(inner, text),
                              Filter::ge("text", text) && Filter::le("text", text),
                              Filter::in("text", {Value(text), Value("nothing such")}),
                              Filter::contains("list", text),
                              Filter::eq("$metadata." + member(text, false), text)};
  if (auto parsed = Filter::parse(fmt::format(R"({{"text": {0}, "list": {{"$contains": {0}}}}})", json(text)))) {
    filters.push_back(std::move(*parsed));
  }
  return filters;
}

// Two databases to which the same is done at the same time of the clock.
class Worlds {
 public:
  Worlds() : server_(open_server()), memory_(open_with(make_memory_storage())) {}

  template <class Call> void both(std::string_view what, const Space& space, const Call& call) {
    const auto left = call(server_.in(space)), right = call(memory_.in(space));
    CAPTURE(what);
    REQUIRE(left.has_value() == right.has_value());
    if (!left) {
      CHECK(left.error().code == right.error().code);
    } else if (!comparison_.same(*left, *right)) {
      FAIL_CHECK("server: ", model::show(*left), "\nmemory: ", model::show(*right));
    }
  }
  const FractalMemory& server() const { return server_; }

 private:
  FractalMemory open_server() {
    return open_with(open_postgres_storage({.url = schema_.url(), .durability = Durability::off}).value());
  }
  static FractalMemory open_with(std::shared_ptr<Storage> storage) {
    Options options;
    options.storage = std::move(storage);
    options.embedder = nullptr;
    options.audit.payloads = true;
    options.clock = [] { return Time(std::chrono::microseconds(1'700'000'000'000'000)); };
    return FractalMemory::open(std::move(options)).value();
  }

  testing::OwnSchema schema_{};
  FractalMemory server_, memory_;
  model::Comparison comparison_{false};
};

const Space shared{.tenant = "shared", .name = "texts"}, bystander{.tenant = "bystander", .name = "texts"};

void write_all(Worlds& worlds) {
  worlds.both("store", bystander, [](const auto& memory) { return memory.store(memory_of(0)); });
  for (std::size_t i = 0; i < texts().size(); ++i) {
    const std::string& text = texts()[i];
    CAPTURE(text);
    worlds.both("store", shared, [&](const auto& memory) { return memory.store(memory_of(i)); });
    const std::string metadata = fmt::format(R"({{{0}: {0}}})", json(text));
    const GraphLink link{.from = place(i), .to = place(i + 1), .type = text.substr(0, 100), .metadata = metadata};
    worlds.both("link", shared, [&](const auto& memory) { return memory.link(link); });
    for (const Space& own : {Space{.tenant = text, .name = "own"}, Space{.tenant = "own", .name = text}}) {
      worlds.both("store in a space of that name", own, [&](const auto& memory) { return memory.store(memory_of(i)); });
    }
  }
}

void find_all(Worlds& worlds) {
  for (std::size_t i = 0; i < texts().size(); ++i) {
    const std::string& text = texts()[i];
    CAPTURE(text);
    for (const Space& own : {Space{.tenant = text, .name = "own"}, Space{.tenant = "own", .name = text}}) {
      worlds.both("list the space of that name", own, [](const auto& memory) { return memory.list(); });
    }
    for (const Filter& filter : filters_of(i)) {
      worlds.both("list", shared, [&](const auto& memory) { return memory.list({.filter = filter}); });
      worlds.both("search", shared, [&](const auto& memory) {
        const std::vector<float> vector{1, 1};
        return memory.search(vector, {.filter = filter});
      });
    }
    worlds.both("search", shared, [&](const auto& memory) {
      return memory.search(text, {.mode = SearchMode::keyword, .explain = true});
    });
    const std::string type = text.substr(0, 100);
    worlds.both("neighbors", shared, [&](const auto& memory) {
      return memory.neighbors(place(i), {.direction = Direction::both, .type = type});
    });
    worlds.both("path", shared,
                [&](const auto& memory) { return memory.path(place(i), place(i + 1), {.type = type}); });
    // Not only the same as in memory, but what was written, byte for byte. The API takes no NUL anywhere.
    const FractalMemory server = worlds.server().in(shared);
    if (text.find('\0') != text.npos) {
      CHECK(server.store(memory_of(i)).error().code == Errc::invalid_argument);
      CHECK(server.list({.filter = Filter::eq("text", text)}).error().code == Errc::invalid_argument);
      continue;
    }
    const auto found = server.list({.filter = Filter::eq("text", text)}).value();
    REQUIRE(found.memories.size() == 1);
    CHECK(found.memories[0].coordinate == place(i));
    CHECK(found.memories[0].payload == memory_of(i).payload);
    CHECK(found.memories[0].metadata == memory_of(i).metadata);
  }
}

void compare_all(Worlds& worlds) {
  for (const Space& space : {shared, bystander}) {
    worlds.both("list", space, [](const auto& memory) { return memory.list({.embeddings = true}); });
    worlds.both("changes", space, [](const auto& memory) { return memory.changes(0); });
    worlds.both("audit", space, [](const auto& memory) { return memory.audit(10'000); });
    worlds.both("stats", space, [](const auto& memory) { return memory.stats(); });
    worlds.both("export", space, [](const auto& memory) -> Result<std::string> {
      std::ostringstream out;
      auto written = memory.export_memories(out);
      if (!written) return written.error();
      return model::without_ids(out.str());
    });
  }
  worlds.both("spaces", shared, [](const auto& memory) { return memory.spaces(); });
}

void change_all(Worlds& worlds) {
  for (std::size_t i = 0; i < texts().size(); ++i) {
    const std::string& text = texts()[i];
    CAPTURE(text);
    const std::string patch = fmt::format(R"({{{0}: {{"was": {0}}}, "inner": {{{0}: null}}}})", json(text));
    worlds.both("update", shared,
                [&](const auto& memory) { return memory.update(place(i), {.payload = patch, .metadata = patch}); });
    if (i % 2 == 0) {
      worlds.both("unlink", shared,
                  [&](const auto& memory) { return memory.unlink(place(i), place(i + 1), text.substr(0, 100)); });
    }
    if (i % 3 == 0) worlds.both("remove", shared, [&](const auto& memory) { return memory.remove(place(i)); });
    if (i % 4 == 0) {
      worlds.both("erase the space of that name", {.tenant = text, .name = "own"},
                  [](const auto& memory) { return memory.erase_space(); });
    }
  }
}

}  // namespace

TEST_CASE("texts that look like something else are texts") {
  Worlds worlds;
  write_all(worlds);
  find_all(worlds);
  compare_all(worlds);
  // The same, now that the server looks for them.
  std::vector<std::string> paths{"text", "list"};
  for (const std::string& text : texts()) paths.push_back(member(text, true));
  for (const std::string& path : paths) {
    CAPTURE(path);
    worlds.both("create_index", shared, [&](const auto& memory) -> Result<bool> {
      auto made = memory.create_index(path);
      if (!made) return made.error();
      return true;
    });
  }
  find_all(worlds);
  change_all(worlds);
  compare_all(worlds);
  CHECK(worlds.server().verify().value().problems == std::vector<std::string>{});
}
