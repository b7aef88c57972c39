// init, store, get, update, delete, list.
// Invariant: a payload is read to its end before anything is written; lines from standard input are stored in whole
// batches, in their order.
#include "src/cli/arguments.h"
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/payload_text.h"
#include "src/cli/place.h"
#include "src/cli/records.h"

#include <fractal/format.h>
#include <fractal/json_lines.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>

namespace fractal::cli {
namespace {

constexpr std::size_t lines_of_batch = 1000, bytes_of_batch = 8u << 20;

struct Init {
  std::vector<std::string> indexed, texts;
};

std::vector<TextField> text_fields(const std::vector<std::string>& written) {
  std::vector<TextField> fields;
  for (const std::string& each : written) {
    const std::size_t equals = each.rfind('=');
    TextField field{.path = each.substr(0, equals)};
    if (equals != each.npos && !CLI::detail::lexical_cast(each.substr(equals + 1), field.weight)) {
      throw usage_error(fmt::format("'{}' is not PATH or PATH=WEIGHT", each));
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

void init(Session& session, const Init& chosen) {
  const std::string& db = session.settings().db;
  if (!is_url(db) && std::filesystem::exists(db)) throw Failure(exit_refused, fmt::format("{} is there already", db));
  Options options{.indexed_fields = chosen.indexed, .text_fields = text_fields(chosen.texts)};
  session.create(std::move(options));
  const Output out = session.output();
  out.line(out.json() ? JsonObject().text("db", shown(db)).flag("created", true).str()
                      : fmt::format("{} is ready", shown(db)));
}

// What store and update have in common.
struct Write {
  std::string coordinate, payload, text, file, metadata, type, expires, vector;
  double importance = 0;
  std::uint64_t if_version = 0;
  bool if_absent = false, never_expires = false;
  CLI::Option *with_importance = nullptr, *with_version = nullptr, *with_text = nullptr;

  void add_to(CLI::App& command) {
    command.add_option("payload", payload, "A JSON object; - or nothing: from standard input")->type_name("JSON");
    with_text = command.add_option("--text", text, R"(The payload is {"text": TEXT})");
    command.add_option("--file", file, "The payload is in this file; -: standard input");
    command.add_option("--type", type, "episodic or semantic")->check(CLI::IsMember({"episodic", "semantic"}));
    with_importance = command.add_option("--importance", importance, "Any number");
    command.add_option("--metadata", metadata, "A JSON object that is not searched by words")->type_name("JSON");
    command.add_option("--expires", expires, "From then on it is gone: 7d, 12h, or 2027-01-31T12:00:00Z");
    command.add_option("--vector", vector, "Its vector: [0.1, 0.2, ...]");
    with_version = command.add_option("--if-version", if_version, "Only if it has this version now (0: is not there)");
  }

  bool has_settings() const {
    return !type.empty() || !metadata.empty() || !expires.empty() || !vector.empty() || *with_importance ||
           *with_version;
  }
  bool has_payload() const { return !payload.empty() || *with_text || !file.empty(); }
  std::string given_payload() const {
    const int ways = (payload.empty() ? 0 : 1) + (*with_text ? 1 : 0) + (file.empty() ? 0 : 1);
    if (ways > 1) throw usage_error("give one of PAYLOAD, --text and --file");
    if (*with_text) return text_payload(text);
    if (!file.empty()) return contents_of(file);
    return payload == "-" ? contents_of("-") : payload;
  }
  WriteOptions options() const { return {.if_version = *with_version ? std::optional(if_version) : std::nullopt}; }
};

// Blanks and line breaks around a payload that came from a file are not part of it.
std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

void tell_written(const Output& out, const Coordinate& coordinate, const Written& written) {
  if (out.json()) {
    out.line(JsonObject()
                 .raw("coordinate", json_of(coordinate))
                 .text("id", written.id.to_string())
                 .count("version", written.version)
                 .count("sequence", written.sequence)
                 .flag("created", written.created)
                 .str());
  } else {
    out.line(fmt::format("{} {}, version {}", written.created ? "stored" : "changed", coordinate, written.version));
  }
}

// JSON lines from standard input, each with its coordinate.
class StoredLines {
 public:
  explicit StoredLines(Session& session) : memory_(session.memory(Access::create)), out_(session.output()) {}

  void run() {
    for (std::string line; next(line);) {
      if (trimmed(line).empty()) continue;
      auto parsed = parse_json_line(line);
      if (!parsed) throw refused(exit_refused, parsed.error().message);
      if (std::holds_alternative<GraphLink>(*parsed)) throw refused(exit_refused, "a link: see fractal link");
      Memory one = std::get<Memory>(std::move(*parsed));
      coordinates_.push_back(one.coordinate);
      bytes_ += line.size();
      batch_.store(std::move(one));
      if (batch_.size() == lines_of_batch || bytes_ >= bytes_of_batch) flush();
    }
    if (std::ferror(stdin)) throw cannot_read("standard input");
    flush();
    if (!out_.json()) out_.line(fmt::format("stored {} memories", stored_));
  }

 private:
  // An interrupted read looks like the end.
  bool next(std::string& line) {
    const bool there = static_cast<bool>(std::getline(std::cin, line));
    if (interrupted()) throw refused(exit_interrupted, "stopped");
    number_ += there ? 1 : 0;
    return there;
  }

  Failure refused(ExitCode code, const std::string& why) const {
    return Failure(
        code, fmt::format("line {}: {}; {} memories are stored, those up to line {}", number_, why, stored_, whole_));
  }

  void flush() {
    if (batch_.empty()) return;
    const auto applied = memory_.apply(batch_);
    if (!applied) throw refused(exit_code(applied.error().code), applied.error().message);
    for (std::size_t i = 0; i < coordinates_.size() && out_.json(); ++i) {
      tell_written(out_, coordinates_[i], applied->written[i]);
    }
    stored_ += batch_.size();
    whole_ = number_;
    batch_.clear();
    coordinates_.clear();
    bytes_ = 0;
  }

  FractalMemory memory_;
  Output out_;
  Batch batch_;
  std::vector<Coordinate> coordinates_;
  std::size_t bytes_ = 0;
  std::uint64_t number_ = 0, stored_ = 0, whole_ = 0;
};

void store(Session& session, const Write& write) {
  if (write.coordinate.empty()) {
    if (write.has_payload()) throw usage_error("store wants a coordinate: fractal store 1,2,3 '{\"text\": \"...\"}'");
    if (isatty(STDIN_FILENO) == 1)
      throw usage_error("store wants a coordinate and a payload, or lines of JSON to read");
    if (write.has_settings() || write.if_absent)
      throw usage_error("these options want a coordinate; lines have their own");
    StoredLines(session).run();
    return;
  }
  Memory memory{.coordinate = coordinate_of(write.coordinate)};
  memory.payload = trimmed(write.has_payload() ? write.given_payload() : contents_of("-"));
  if (!write.type.empty()) memory.type = parse_memory_type(write.type).value();
  if (!write.metadata.empty()) memory.metadata = write.metadata;
  if (!write.expires.empty()) memory.expires_at = time_of(write.expires);
  if (!write.vector.empty()) memory.embedding = vector_of(write.vector);
  memory.importance = write.importance;
  if (write.if_absent && *write.with_version) throw usage_error("give one of --if-absent and --if-version");
  const Coordinate coordinate = memory.coordinate;
  const FractalMemory database = session.memory(Access::create);
  const Written written = write.if_absent ? database.store_if_absent(std::move(memory)).value()
                                          : database.store(std::move(memory), write.options()).value();
  tell_written(session.output(), coordinate, written);
}

void update(Session& session, const Write& write) {
  const Coordinate coordinate = coordinate_of(write.coordinate);
  Patch patch{.never_expires = write.never_expires};
  if (!write.has_payload() && !write.has_settings() && !write.never_expires)
    throw usage_error("nothing to change is given");
  if (write.has_payload()) patch.payload = trimmed(write.given_payload());
  if (!write.metadata.empty()) patch.metadata = write.metadata;
  if (!write.type.empty()) patch.type = parse_memory_type(write.type).value();
  if (*write.with_importance) patch.importance = write.importance;
  if (!write.expires.empty()) patch.expires_at = time_of(write.expires);
  if (!write.vector.empty()) patch.embedding = vector_of(write.vector);
  tell_written(session.output(), coordinate,
               session.memory(Access::write).update(coordinate, std::move(patch), write.options()).value());
}

void check_found(const std::vector<Coordinate>& missing) {
  if (!missing.empty()) {
    throw Failure(exit_not_found, fmt::format("there is no memory at {}", fmt::join(missing, "; ")));
  }
}

struct Get {
  std::vector<std::string> coordinates;
  bool vectors = false;
};

void get(Session& session, const Get& chosen) {
  std::vector<Coordinate> coordinates;
  for (const std::string& each : chosen.coordinates) coordinates.push_back(coordinate_of(each));
  const Output out = session.output();
  std::vector<Coordinate> missing;
  auto found = session.memory(Access::read).retrieve_many(coordinates, {.embeddings = chosen.vectors}).value();
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!found[i]) {
      missing.push_back(coordinates[i]);
      continue;
    }
    out.text(out.json() ? to_json(*found[i]) + "\n" : card(*found[i], out.terminal()));
  }
  check_found(missing);
}

void remove(Session& session, const std::vector<std::string>& written) {
  Batch batch;
  std::vector<Coordinate> coordinates;
  for (const std::string& each : written) {
    coordinates.push_back(coordinate_of(each));
    batch.remove(coordinates.back());
  }
  const Output out = session.output();
  const Applied applied = session.memory(Access::write).apply(batch).value();
  std::vector<Coordinate> missing;
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    const bool removed = applied.written[i].removed;
    if (out.json()) {
      out.line(JsonObject().raw("coordinate", json_of(coordinates[i])).flag("removed", removed).str());
    } else if (removed) {
      out.line(fmt::format("deleted {}", coordinates[i]));
    }
    if (!removed) missing.push_back(coordinates[i]);
  }
  check_found(missing);
}

struct List {
  std::string within, order = "coordinate", after;
  std::vector<std::string> tests;
  std::size_t limit = 100;
  bool descending = false, vectors = false;
};

ListOptions options_of(const List& chosen) {
  ListOptions options{.descending = chosen.descending, .limit = chosen.limit, .after = chosen.after};
  if (chosen.order == "created") options.order = ListOrder::created_at;
  if (chosen.order == "importance") options.order = ListOrder::importance;
  options.within = optional_coordinate(chosen.within);
  options.filter = filter_of(chosen.tests);
  options.embeddings = chosen.vectors;
  options.control = Session::control();
  return options;
}

void list(Session& session, const List& chosen) {
  const Output out = session.output();
  const Page page = session.memory(Access::read).list(options_of(chosen)).value();
  Table table({{.title = "coordinate", .style = Style::name},
               {.title = "text", .flexible = true},
               {.title = "type", .optional = true, .style = Style::faint},
               {.title = "importance", .right = true, .optional = true},
               {.title = "changed", .optional = true, .style = Style::faint}});
  for (const Memory& memory : page.memories) {
    if (out.json()) {
      out.line(to_json(memory));
    } else {
      table.row({memory.coordinate.to_string(), payload_text(memory.payload), std::string(to_string(memory.type)),
                 fmt::format("{}", memory.importance), local_time(memory.updated_at)});
    }
  }
  if (out.json()) {
    if (!page.next.empty()) out.line(JsonObject().text("next", page.next).str());
    return;
  }
  out.text(table.empty() ? "no memories\n" : table.text(out.terminal()));
  if (!page.next.empty()) out.line(out.terminal().paint(Style::faint, "more: --after " + page.next));
}

}  // namespace

void add_memories(Commands& commands) {
  const auto made = std::make_shared<Init>();
  CLI::App& init_command = commands.add({.name = "init",
                                         .group = "Memories",
                                         .summary = "Make a database, with choices that stay",
                                         .example = "fractal --db robot.db init --index room"},
                                        [made](Session& session) { init(session, *made); });
  init_command.add_option("--index", made->indexed, "Payload fields to keep an index for")
      ->type_name("PATH")
      ->allow_extra_args(false);
  init_command.add_option("--text-field", made->texts, "Payload fields that are searched, PATH or PATH=WEIGHT")
      ->allow_extra_args(false);

  const auto stored = std::make_shared<Write>();
  CLI::App& store_command =
      commands.add({.name = "store",
                    .group = "Memories",
                    .summary = "Store a memory, or lines of JSON from standard input",
                    .example = R"(fractal store 1,2,3 --text "Ada likes green tea" --importance 2)"},
                   [stored](Session& session) { store(session, *stored); });
  store_command.add_option("coordinate", stored->coordinate,
                           "Where: 1,2,3; none: lines of JSON are read, each with its own");
  stored->add_to(store_command);
  store_command.add_flag("--if-absent", stored->if_absent, "Refused if there is one already");

  const auto wanted = std::make_shared<Get>();
  CLI::App& get_command =
      commands.add({.name = "get", .group = "Memories", .summary = "Show memories", .example = "fractal get 1,2,3"},
                   [wanted](Session& session) { get(session, *wanted); });
  get_command.add_option("coordinate", wanted->coordinates, "Where they are")->required();
  get_command.add_flag("--vectors", wanted->vectors, "With their vectors");

  const auto changed = std::make_shared<Write>();
  CLI::App& update_command = commands.add({.name = "update",
                                           .group = "Memories",
                                           .summary = "Change parts of a memory",
                                           .example = R"(fractal update 1,2,3 '{"sugar": false}' --type semantic)"},
                                          [changed](Session& session) { update(session, *changed); });
  update_command.add_option("coordinate", changed->coordinate, "Where it is")->required();
  changed->add_to(update_command);
  update_command.get_option("payload")->description("What changes, as a JSON merge patch; -: from standard input");
  update_command.add_flag("--never-expires", changed->never_expires, "It does not expire any more");

  const auto doomed = std::make_shared<std::vector<std::string>>();
  CLI::App& delete_command = commands.add({.name = "delete",
                                           .group = "Memories",
                                           .summary = "Delete memories with their links, all or none",
                                           .example = "fractal delete 1,2,3"},
                                          [doomed](Session& session) { remove(session, *doomed); });
  delete_command.add_option("coordinate", *doomed, "Where they are")->required();

  const auto listed = std::make_shared<List>();
  CLI::App& list_command = commands.add({.name = "list",
                                         .group = "Memories",
                                         .summary = "List memories, page by page",
                                         .example = "fractal list --within 1,2 --where 'sugar=false' --limit 20"},
                                        [listed](Session& session) { list(session, *listed); });
  list_command.add_option("--within", listed->within, "Only this coordinate and what is below it");
  list_command.add_option("--where", listed->tests, where_help)->allow_extra_args(false);
  list_command.add_option("--order", listed->order, "coordinate, created or importance")
      ->check(CLI::IsMember({"coordinate", "created", "importance"}));
  list_command.add_flag("--descending", listed->descending, "The last first");
  list_command.add_option("--limit", listed->limit, "How many at most");
  list_command.add_option("--after", listed->after, "Go on from there: what the page before told");
  list_command.add_flag("--vectors", listed->vectors, "With vectors (--json)");
}

}  // namespace fractal::cli
