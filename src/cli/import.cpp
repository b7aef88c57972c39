// import: JSON lines, and documents that become memories.
// Invariant: what is in when an import stops is whole batches, and it says how to go on.
#include "src/cli/arguments.h"
#include "src/cli/commands.h"
#include "src/cli/csv.h"
#include "src/cli/document_import.h"
#include "src/cli/failure.h"
#include "src/cli/interrupt.h"
#include "src/cli/paragraph.h"
#include "src/cli/records.h"

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>

namespace fractal::cli {
namespace {

namespace fs = std::filesystem;

// An import does not search: what the index would keep is of no use to it.
constexpr std::uint64_t memory_budget = 32u << 20;

struct Import {
  std::vector<std::string> paths, coordinate_columns;
  std::string format = "automatic", under, delimiter;
  std::size_t batch = 1000;
  std::uint64_t from_line = 1;
};

struct Input {
  std::string path;
  std::string format;
  std::uintmax_t bytes = 0;
};

struct Totals {
  std::uint64_t memories = 0, links = 0, documents = 0, unchanged = 0, other_files = 0;
};

const std::map<std::string, std::string>& formats() {
  static const std::map<std::string, std::string> by_extension{
      {".jsonl", "jsonl"}, {".ndjson", "jsonl"},      {".csv", "csv"},  {".tsv", "csv"},
      {".md", "markdown"}, {".markdown", "markdown"}, {".txt", "text"}, {".text", "text"}};
  return by_extension;
}

std::string format_of(const fs::path& path) {
  const auto found = formats().find(path.extension().string());
  return found == formats().end() ? "" : found->second;
}

// Files of known kinds below a folder, in the order of their names; hidden ones are left out.
void collect(const fs::path& folder, std::vector<Input>& inputs, Totals& totals) {
  std::vector<fs::path> files;
  for (auto at = fs::recursive_directory_iterator(folder); at != fs::recursive_directory_iterator(); ++at) {
    if (at->path().filename().string().starts_with('.')) {
      if (at->is_directory()) at.disable_recursion_pending();
    } else if (at->is_regular_file()) {
      files.push_back(at->path());
    }
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    if (const std::string format = format_of(file); !format.empty()) {
      inputs.push_back({file.lexically_normal().string(), format, fs::file_size(file)});
    } else {
      ++totals.other_files;
    }
  }
}

std::vector<Input> inputs_of(const Import& chosen, Totals& totals) {
  std::vector<Input> inputs;
  const bool automatic = chosen.format == "automatic";
  for (const std::string& path : chosen.paths.empty() ? std::vector<std::string>{"-"} : chosen.paths) {
    if (path == "-") {
      inputs.push_back({path, automatic ? "jsonl" : chosen.format});
    } else if (fs::is_directory(path)) {
      collect(path, inputs, totals);
    } else if (fs::exists(path)) {
      const std::string known = format_of(path);
      std::error_code unknown;  // of a pipe
      const std::uintmax_t bytes = fs::file_size(path, unknown);
      inputs.push_back({fs::path(path).lexically_normal().string(),
                        !automatic      ? chosen.format
                        : known.empty() ? "text"
                                        : known,
                        unknown ? 0 : bytes});
    } else {
      throw Failure(exit_backend, "there is no file " + path);
    }
  }
  return inputs;
}

class Run {
 public:
  Run(Session& session, const Import& chosen)
      : chosen_(chosen),
        under_(optional_coordinate(chosen.under)),
        inputs_(inputs_of(chosen, totals_)),
        memory_(session.memory(Access::create, memory_budget)) {
    for (const Input& input : inputs_) total_ += input.bytes;
  }

  Totals run() {
    check_options();
    for (const Input& input : inputs_) {
      if (input.format == "jsonl") {
        import_lines(input);
      } else {
        import_document(input);
      }
      done_ += input.bytes;
    }
    if (documents_) totals_.memories += documents_->memories();
    progress_.done();
    return totals_;
  }

  // Of documents that were refused while the others went on.
  const std::vector<std::string>& refusals() const { return refusals_; }

 private:
  // No option is taken and not used.
  void check_options() const {
    const auto lines =
        std::count_if(inputs_.begin(), inputs_.end(), [](const Input& each) { return each.format == "jsonl"; });
    const auto tables =
        std::count_if(inputs_.begin(), inputs_.end(), [](const Input& each) { return each.format == "csv"; });
    if (chosen_.from_line != 1 && (inputs_.size() != 1 || lines != 1))
      throw usage_error("--from-line wants one file of JSON lines");
    if (!chosen_.under.empty() && lines == std::ssize(inputs_))
      throw usage_error("--under is for documents, not JSON lines");
    if ((!chosen_.delimiter.empty() || !chosen_.coordinate_columns.empty()) && tables == 0) {
      throw usage_error("--delimiter and --coordinate are for CSV");
    }
  }

  void show(std::uint64_t memories, std::istream* in) {
    std::uintmax_t here = 0;
    if (in && total_ > 0) {
      const auto place = in->tellg();
      here = place > 0 ? static_cast<std::uintmax_t>(place) : 0;
    }
    progress_.update(memories, total_ > 0 ? static_cast<double>(done_ + here) / static_cast<double>(total_) : -1.0);
  }

  void import_lines(const Input& input) {
    std::ifstream file;
    if (input.path != "-") {
      file.open(input.path, std::ios::binary);
      if (!file) throw cannot_read(input.path);
    }
    std::istream& in = input.path == "-" ? std::cin : file;
    std::uint64_t lines_in = chosen_.from_line - 1;
    Control control = Session::control();
    control.progress = [&](std::uint64_t lines, std::uint64_t) {
      lines_in = lines;
      show(lines, input.path == "-" ? nullptr : &file);
    };
    const auto report = memory_.import_memories(
        in, {.batch = chosen_.batch, .from_line = chosen_.from_line, .control = std::move(control)});
    if (!report || (input.path == "-" && std::ferror(stdin))) {
      const std::string go_on = fmt::format("all before line {} is in; to go on: fractal import {}--from-line {}",
                                            lines_in + 1, input.path == "-" ? "" : input.path + " ", lines_in + 1);
      if (interrupted()) throw Failure(exit_interrupted, "stopped; " + go_on);
      if (report) throw Failure(exit_backend, "cannot read standard input; " + go_on);
      throw Failure(exit_code(report.error().code), fmt::format("{}; {}", report.error().message, go_on));
    }
    totals_.memories += report->memories;
    totals_.links += report->links;
  }

  void import_document(const Input& input) {
    if (!documents_) documents_.emplace(memory_, under_, chosen_.batch);
    try {
      import_whole_document(input);
    } catch (const Failure& failure) {
      if (failure.code() == exit_interrupted) {
        throw Failure(exit_interrupted, fmt::format("stopped in {}; {} documents are in; the same command goes on",
                                                    input.path, totals_.documents));
      }
      refuse(failure.code(), input, failure.what());
    } catch (const Exception& failure) { refuse(exit_code(failure.error().code), input, failure.what()); }
  }

  // A document that cannot be read as what it is does not keep the others out.
  void refuse(ExitCode code, const Input& input, const std::string& why) {
    const std::string message = fmt::format("{}: {}", input.path, why);
    if (code != exit_refused) throw Failure(code, message);
    refusals_.push_back(message);
    documents_->abandon();
  }

  void import_whole_document(const Input& input) {
    // Standard input cannot be read twice.
    std::stringstream whole;
    std::ifstream file;
    if (input.path == "-") {
      whole << contents_of("-");
    } else {
      file.open(input.path, std::ios::binary);
      if (!file) throw cannot_read(input.path);
    }
    std::istream& in = input.path == "-" ? static_cast<std::istream&>(whole) : file;
    const std::string digest = digest_of(in, input) + settings_digest(input);
    // What comes by standard input has no name but what it is.
    const std::string source = input.path == "-" ? "standard input " + digest.substr(0, 8) : input.path;
    skip_mark(in);
    if (!documents_->begin(source, title_of(input, in), digest, has_coordinates(input, in))) {
      ++totals_.unchanged;
      return;
    }
    skip_mark(in);
    if (input.format == "csv") {
      import_rows(input, in);
    } else {
      import_paragraphs(input, in, source);
    }
    if (in.bad()) throw cannot_read(input.path);
    documents_->finish();
    ++totals_.documents;
  }

  // To the beginning, behind a byte order mark.
  static void skip_mark(std::istream& in) {
    in.clear();
    in.seekg(0);
    for (const char expected : std::string_view("\xEF\xBB\xBF")) {
      if (in.peek() == static_cast<unsigned char>(expected)) {
        in.get();
      } else {
        in.clear();
        in.seekg(0);
        return;
      }
    }
  }

  // Whether its rows have coordinates of their own.
  bool has_coordinates(const Input& input, std::istream& in) const {
    std::vector<std::string> names;
    return input.format == "csv" && reader(input, in).next(names) && !coordinate_columns(names).empty();
  }

  static std::string digest_of(std::istream& in, const Input& input) {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    std::vector<char> buffer(1u << 16);
    while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
      XXH3_128bits_update(&state, buffer.data(), static_cast<std::size_t>(in.gcount()));
    }
    if (in.bad()) throw cannot_read(input.path);
    const XXH128_hash_t hash = XXH3_128bits_digest(&state);
    return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
  }

  // Read otherwise, the same file is another document.
  std::string settings_digest(const Input& input) const {
    std::string columns;
    for (const std::string& column : chosen_.coordinate_columns) columns += ":" + column;
    return fmt::format("/{}{}{}", input.format, chosen_.delimiter.empty() ? "" : ":" + chosen_.delimiter, columns);
  }

  static std::string title_of(const Input& input, std::istream& in) {
    if (input.path == "-") return "standard input";
    std::string name = fs::path(input.path).stem().string();
    if (input.format != "markdown") return name;
    std::ostringstream all;
    all << in.rdbuf();
    std::string title = read_markdown(all.str(), [](const Paragraph&) {});
    return title.empty() ? name : title;
  }

  void import_paragraphs(const Input& input, std::istream& in, const std::string& source) {
    std::size_t section = 0, number = 0;
    std::string context;
    const auto take = [&](const Paragraph& paragraph) {
      if (paragraph.section != section) number = 0;
      section = paragraph.section;
      JsonObject payload;
      payload.text("text", paragraph.text);
      if (!context.empty()) payload.text("context", context);
      if (!paragraph.heading.empty()) payload.text("section", paragraph.heading);
      payload.text("document", source);
      documents_->add({static_cast<double>(section), static_cast<double>(++number)}, payload.str());
      context = paragraph.text;
      show(totals_.memories + documents_->memories(), nullptr);
    };
    if (input.format == "markdown") {
      std::ostringstream all;
      all << in.rdbuf();
      read_markdown(all.str(), take);
    } else {
      read_plain_text(in, take);
    }
  }

  CsvReader reader(const Input& input, std::istream& in) const {
    const bool tabs = chosen_.delimiter == "tab" || (chosen_.delimiter.empty() && input.path.ends_with(".tsv"));
    return CsvReader(in, tabs ? '\t' : chosen_.delimiter.empty() ? ',' : chosen_.delimiter[0]);
  }

  void import_rows(const Input& input, std::istream& in) {
    CsvReader rows = reader(input, in);
    std::vector<std::string> names, row;
    if (!rows.next(names)) return;
    const std::vector<std::size_t> columns = coordinate_columns(names);
    double number = 0;
    while (rows.next(row)) {
      if (row.size() != names.size()) {
        throw Failure(exit_refused,
                      fmt::format("line {}: {} fields, the first line has {}", rows.line(), row.size(), names.size()));
      }
      ++number;
      std::string payload = row_payload(names, row, columns);
      if (columns.empty()) {
        documents_->add({number}, std::move(payload));
      } else {
        documents_->add_at(row_coordinate(row, columns, rows.line()), std::move(payload));
      }
      show(totals_.memories + documents_->memories(), &in);
    }
  }

  // A column "coordinate" is one without being named.
  std::vector<std::size_t> coordinate_columns(const std::vector<std::string>& names) const {
    std::vector<std::size_t> columns;
    for (const std::string& wanted : chosen_.coordinate_columns) {
      const auto found = std::find(names.begin(), names.end(), wanted);
      if (found == names.end()) throw usage_error("there is no column " + wanted);
      columns.push_back(static_cast<std::size_t>(found - names.begin()));
    }
    const auto plain = std::find(names.begin(), names.end(), "coordinate");
    if (columns.empty() && plain != names.end()) columns.push_back(static_cast<std::size_t>(plain - names.begin()));
    return columns;
  }

  static Coordinate row_coordinate(const std::vector<std::string>& row, const std::vector<std::size_t>& columns,
                                   std::uint64_t line) {
    std::string text;
    for (const std::size_t column : columns) text += (text.empty() ? "" : ",") + row[column];
    auto coordinate = Coordinate::parse(text);
    if (!coordinate) {
      throw Failure(exit_refused,
                    fmt::format("line {}: '{}' is no coordinate: {}", line, text, coordinate.error().message));
    }
    return *coordinate;
  }

  // Fields that are numbers of JSON are numbers; empty ones are left out.
  static std::string row_payload(const std::vector<std::string>& names, const std::vector<std::string>& row,
                                 const std::vector<std::size_t>& columns) {
    JsonObject payload;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i].empty() || std::find(columns.begin(), columns.end(), i) != columns.end()) continue;
      if (is_json_number(row[i])) {
        payload.raw(names[i], row[i]);
      } else {
        payload.text(names[i], row[i]);
      }
    }
    return payload.str();
  }

  static bool is_json_number(const std::string& text) {
    if (text.find_first_not_of("+-.0123456789eE") != text.npos) return false;
    return Filter::parse("{\"n\":" + text + "}").has_value();
  }

  const Import& chosen_;
  Coordinate under_;
  Totals totals_;
  std::vector<Input> inputs_;
  FractalMemory memory_;
  std::optional<DocumentImport> documents_;
  std::vector<std::string> refusals_;
  Progress progress_{"importing", "memories"};
  std::uintmax_t total_ = 0, done_ = 0;
};

void report(Session& session, const Totals& totals) {
  const Output out = session.output();
  if (out.json()) {
    out.line(JsonObject()
                 .count("memories", totals.memories)
                 .count("links", totals.links)
                 .count("documents", totals.documents)
                 .count("unchanged", totals.unchanged)
                 .count("other_files", totals.other_files)
                 .str());
    return;
  }
  std::string line = fmt::format("{} memories", totals.memories);
  if (totals.links > 0) line += fmt::format(", {} links", totals.links);
  if (totals.documents > 0) line += fmt::format(" of {} documents", totals.documents);
  if (totals.unchanged > 0) line += fmt::format("; {} documents were in already", totals.unchanged);
  if (totals.other_files > 0) line += fmt::format("; {} files of other kinds left out", totals.other_files);
  out.line(line);
  const std::uint64_t vectors = session.memory(Access::read).stats().value().vectors;
  if (vectors >= IndexOptions().graph_from && 2 * totals.memories > vectors) {
    out.line("searches of so many are quicker by a graph: fractal maintain");
  }
}

void import(Session& session, const Import& chosen) {
  if (chosen.batch == 0 || chosen.batch > limits::batch_entries / 2) {
    throw usage_error(fmt::format("--batch is 1 to {}", limits::batch_entries / 2));
  }
  if (chosen.delimiter.size() > 1 && chosen.delimiter != "tab")
    throw usage_error("--delimiter is one character, or tab");
  Run run(session, chosen);
  const Totals totals = run.run();
  report(session, totals);
  if (!run.refusals().empty()) throw Failure(exit_refused, fmt::format("{}", fmt::join(run.refusals(), "; ")));
}

}  // namespace

void add_import(Commands& commands) {
  const auto chosen = std::make_shared<Import>();
  CLI::App& command = commands.add({.name = "import",
                                    .group = "In and out",
                                    .summary = "Take in JSON lines, CSV, Markdown, text, or folders of them",
                                    .example = "fractal import notes/"},
                                   [chosen](Session& session) { import(session, *chosen); });
  command.add_option("paths", chosen->paths, "Files and folders; none, or -: standard input");
  command.add_option("--format", chosen->format, "automatic (by the file's name), jsonl, csv, markdown or text")
      ->check(CLI::IsMember({"automatic", "jsonl", "csv", "markdown", "text"}));
  command.add_option("--under", chosen->under, "Documents get their numbers below this coordinate");
  command.add_option("--coordinate", chosen->coordinate_columns, "CSV: the columns that make a row's coordinate")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("COLUMN,...");
  command.add_option("--delimiter", chosen->delimiter, "CSV: between fields; tab, or a character");
  command.add_option("--batch", chosen->batch, "Memories in one transaction [1000]");
  command.add_option("--from-line", chosen->from_line, "JSON lines: go on from this line");
}

}  // namespace fractal::cli
