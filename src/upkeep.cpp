// Health, verify, repair, maintain, backup, spaces.
// Invariant: nothing here changes an answer; what is rebuilt is rebuilt from the rows, and a row that cannot be
// read is reported, never dropped.
#include <fractal/copy.h>
#include <fractal/format.h>
#include <fractal/remote_vector_index.h>

#include "src/cursor.h"
#include "src/database.h"
#include "src/erased_spaces.h"
#include "src/error.h"
#include "src/json.h"
#include "src/kernels.h"
#include "src/link_rows.h"
#include "src/validate.h"
#include "src/vector_index.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <system_error>

namespace fractal {
namespace {

constexpr std::size_t page_rows = 1000;
constexpr std::size_t most_problems = 100;

// Checks the rows of one space against the rules of the core.
class SpaceCheck {
 public:
  SpaceCheck(const Database& database, const Look& look, const Control& control, VerifyReport& report)
      : database_(database), look_(look), control_(control), report_(report) {}

  Result<void> run() {
    FRACTAL_TRY(check_rows());
    FRACTAL_TRY(check_links());
    const SpaceRecord& space = look_.space();
    compare("memories", space.memories, memories_);
    compare("semantic memories", space.semantic, semantic_);
    compare("vectors", space.vectors, vectors_);
    compare("links", space.links, links_);
    for (std::size_t i = 0; i < weight_classes; ++i) compare("words", space.words[i], words_[i]);
    report_.memories += memories_;
    report_.vectors += vectors_;
    report_.links += links_;
    return {};
  }

 private:
  template <class... Args> void problem(fmt::format_string<Args...> format, Args&&... args) {
    if (report_.problems.size() >= most_problems) return;
    const Space& space = look_.space().space;
    report_.problems.push_back(fmt::format("space {}/{}: ", space.tenant, space.name) +
                               fmt::format(format, std::forward<Args>(args)...));
  }

  void compare(std::string_view what, std::uint64_t counter, std::uint64_t counted) {
    if (counter != counted) problem("{} {} counted, the counter says {}", counted, what, counter);
  }

  Result<void> check_rows() {
    Scan scan{.limit = page_rows, .columns = Columns::all};
    for (;;) {
      FRACTAL_TRY(check_control(control_, "verify"));
      FRACTAL_TRY_INTO(const auto rows, look_.view().list(scan));
      for (const Row& row : rows) check_row(row);
      if (control_.progress) control_.progress(report_.memories + memories_, 0);
      if (rows.size() < page_rows) return {};
      scan.after = position_of(rows.back());
    }
  }

  void check_row(const Row& row) {
    const Memory& memory = row.memory;
    const std::string name = memory.coordinate.to_string();
    ++memories_;
    if (memory.type == MemoryType::semantic) ++semantic_;
    if (row.has_vector) ++vectors_;
    for (std::size_t i = 0; i < weight_classes; ++i) words_[i] += row.words[i];
    if (auto checked = check_entry(Batch::Restore{memory}); !checked) problem("{}: {}", name, checked.error().message);
    if (row.has_vector != !memory.embedding.empty()) problem("{}: vector flag and vector disagree", name);
    if (row.has_vector && memory.embedding.size() != look_.space().dimension) {
      problem("{}: vector has {} components, the space {}", name, memory.embedding.size(), look_.space().dimension);
    }
    if (row.id < first_id(look_.space().number) || row.id > (first_id(look_.space().number) | look_.space().last_id)) {
      problem("{}: id {} is not one that the space has given", name, row.id);
    }
    if (row.sequence > look_.space().sequence) problem("{}: its sequence lies ahead of the space's", name);
    if (!row.unindexed && json::check_object(memory.payload, "payload") &&
        database_.text_fields().keywords(memory.payload).words != row.words) {
      problem("{}: number of words and payload disagree", name);
    }
  }

  Result<void> check_links() {
    std::optional<LinkRow> after;
    for (;;) {
      FRACTAL_TRY(check_control(control_, "verify"));
      FRACTAL_TRY_INTO(auto rows, look_.view().list_links(after ? &*after : nullptr, page_rows));
      for (const LinkRow& row : rows) {
        ++links_;
        const auto link = graph_link(row);
        if (!link) {
          problem("link: {}", link.error().message);
        } else if (auto checked = check_entry(Batch::RestoreLink{*link}); !checked) {
          problem("link from {} to {}: {}", link->from.to_string(), link->to.to_string(), checked.error().message);
        }
      }
      if (rows.size() < page_rows) return {};
      after = std::move(rows.back());
    }
  }

  const Database& database_;
  const Look& look_;
  const Control& control_;
  VerifyReport& report_;
  std::uint64_t memories_ = 0, semantic_ = 0, vectors_ = 0, links_ = 0;
  std::array<std::uint64_t, weight_classes> words_{};
};

// It may name a coordinate that was removed since.
Result<void> forget_copy_mark(Database& database, const Space& space) {
  FRACTAL_TRY_INTO(const auto view, database.storage().read(space));
  const std::string setting = copy_mark_setting(view->space().number);
  FRACTAL_TRY_INTO(const auto mark, database.storage().setting(setting));
  if (!mark || mark->empty()) return {};
  return database.write([&](WriteTransaction& transaction) { return transaction.set_setting(setting, ""); });
}

// Small spaces are not loaded for it, unless the index is elsewhere: there each of them is compared. No moment is held while
// a graph is built.
Result<void> build_index(const Database& database, const Space& space, const MaintainOptions& options) {
  std::uint64_t number = 0;
  {
    FRACTAL_TRY_INTO(const Look look, database.look(space, nullptr, options.control));
    number = look.space().number;
    RemoteVectorIndex* const remote = database.remote_index();
    const bool large = database.is_large(look.space());
    if (remote != nullptr) {
      FRACTAL_TRY(remote->reconcile(look.space(), database.pull_from(look), options.control));
    } else if (large) {
      FRACTAL_TRY(database.catch_up_if_room(look));
    }
    if (!options.purge && (remote != nullptr || !large)) return {};
    FRACTAL_TRY(check_control(options.control, "maintain"));
  }
  return database.index().build(number, options.purge, options.control);
}

// What was derived from the rows: made again when it is next needed, or, of an index elsewhere, compared and mended now.
Result<void> renew_views(const Database& database, const Space& space, std::uint64_t number, const Control& control) {
  RemoteVectorIndex* const remote = database.remote_index();
  if (remote == nullptr) {
    database.erase_views(number);
    return {};
  }
  database.drop_links(number);
  FRACTAL_TRY_INTO(const Look look, database.look(space, nullptr, control));
  FRACTAL_TRY(remote->reconcile(look.space(), database.pull_from(look), control));
  return {};
}

}  // namespace

Result<std::uint64_t> FractalMemory::erase_space() const {
  FRACTAL_TRY(check_space(space_));
  FRACTAL_TRY_INTO(const auto spaces, database_->storage().spaces());
  if (std::find(spaces.begin(), spaces.end(), space_) == spaces.end()) return std::uint64_t{0};
  std::uint64_t number = 0, memories = 0;
  const std::lock_guard turn(database_->erasing());
  const bool elsewhere = database_->remote_index() != nullptr;
  FRACTAL_TRY(database_->write([&](WriteTransaction& transaction) -> Result<void> {
    FRACTAL_TRY_INTO(const SpaceRecord* record, transaction.space(space_));
    number = record->number;
    memories = record->memories;
    const ErasedSpace erased{.number = number,
                             .at = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now())};
    if (elsewhere) FRACTAL_TRY(note_erased_space(transaction, database_->storage(), erased));
    FRACTAL_TRY(transaction.erase_space(number));
    FRACTAL_TRY(transaction.set_setting(copy_mark_setting(number), ""));
    return transaction.set_setting(vector_index_setting(number), "");
  }));
  database_->read_log().take(space_);
  database_->erase_views(number);
  return memories;
}

Result<std::vector<Space>> FractalMemory::spaces() const { return database_->storage().spaces(); }

Result<void> FractalMemory::create_index(std::string_view path, const Control& control) const {
  FRACTAL_TRY(check_index_path(path));
  FRACTAL_TRY_INTO(const auto present, database_->storage().indexed_fields());
  if (std::find(present.begin(), present.end(), path) != present.end()) return {};
  if (present.size() >= limits::indexed_fields) {
    return make_error(Errc::invalid_argument, "create_index: {} paths are indexed, no more than {} can be",
                      present.size(), limits::indexed_fields);
  }
  return database_->storage().create_index(path, control);
}

Result<Health> FractalMemory::health() const {
  Storage& storage = database_->storage();
  Health health{.backend = storage.describe(), .simd = kernels::instruction_set(), .problems = storage.problems()};
  for (auto& problem : database_->index().problems()) health.problems.push_back(std::move(problem));
  if (auto problem = database_->foreign_rows_problem(); !problem.empty()) health.problems.push_back(std::move(problem));
  if (auto spaces = storage.spaces(); !spaces) health.problems.push_back(spaces.error().message);
  health.ok = health.problems.empty();
  return health;
}

Result<VerifyReport> FractalMemory::verify(const Control& control) const {
  VerifyReport report;
  FRACTAL_TRY_INTO(report.problems, database_->storage().verify(control));
  FRACTAL_TRY_INTO(const auto spaces, database_->storage().spaces());
  for (const Space& space : spaces) {
    FRACTAL_TRY_INTO(const Look look, database_->look(space, nullptr, control));
    FRACTAL_TRY(SpaceCheck(*database_, look, control, report).run());
    const bool was_loaded = database_->index().applied(look.space().number) != 0;
    FRACTAL_TRY(database_->catch_up_if_room(look));
    FRACTAL_TRY(check_control(control, "verify"));
    FRACTAL_TRY_INTO(const auto problems, database_->index().verify(look.space(), database_->pull_from(look), control));
    for (const std::string& problem : problems) {
      report.problems.push_back(fmt::format("space {}/{}: vector index: {}", space.tenant, space.name, problem));
    }
    if (!was_loaded) database_->drop_vectors(look.space().number);
  }
  return report;
}

Result<RepairReport> FractalMemory::repair(const Control& control) const {
  RepairReport report;
  FRACTAL_TRY_INTO(report.repaired, database_->storage().repair(control));
  FRACTAL_TRY_INTO(const auto spaces, database_->storage().spaces());
  for (const Space& space : spaces) {
    std::uint64_t number = 0, memories = 0;
    FRACTAL_TRY(database_->write([&](WriteTransaction& transaction) -> Result<void> {
      FRACTAL_TRY_INTO(const SpaceRecord* record, transaction.space(space));
      number = record->number;
      FRACTAL_TRY_INTO(memories, database_->rebuild_keywords(transaction, space, control));
      return transaction.set_setting(vector_index_setting(number), "");
    }));
    FRACTAL_TRY(renew_views(*database_, space, number, control));
    report.repaired.push_back(
        fmt::format("space {}/{}: keywords of {} memories rebuilt", space.tenant, space.name, memories));
  }
  return report;
}

Result<MaintainReport> FractalMemory::maintain(const MaintainOptions& options) const {
  MaintainReport report;
  FRACTAL_TRY_INTO(report.indexed, database_->index_foreign_rows(SIZE_MAX, options.control));
  FRACTAL_TRY_INTO(const auto spaces, database_->storage().spaces());
  const ReadLog::Notes no_notes;
  Result<void> index_is_there;  // rows are maintained, also while an index elsewhere does not answer
  for (const Space& space : spaces) {
    for (std::uint64_t removed = page_rows, forgotten = 0; removed == page_rows;) {
      FRACTAL_TRY(check_control(options.control, "maintain"));
      FRACTAL_TRY(database_->write([&](WriteTransaction& transaction) -> Result<void> {
        PayloadVectors no_vectors;
        const Options& own = database_->options();
        const BatchContext context{space,      own,        database_->text_fields(), database_->now(), {}, no_notes,
                                   no_vectors, own.metric, own.strict_links};
        FRACTAL_TRY_INTO(removed, remove_expired(transaction, context, page_rows));
        const Forget what = options.purge ? Forget::all : Forget::old;
        FRACTAL_TRY_INTO(forgotten, forget(transaction, context, what));
        return {};
      }));
      report.expired_removed += removed;
      report.audit_removed += forgotten;
    }
    if (options.purge) FRACTAL_TRY(forget_copy_mark(*database_, space));
    auto built = build_index(*database_, space, options);
    if (built) continue;
    const bool is_away = database_->remote_index() != nullptr && built.error().code == Errc::unavailable;
    if (!is_away) return built.error();
    FRACTAL_TRY(check_control(options.control, "maintain"));
    if (index_is_there) index_is_there = std::move(built);
  }
  FRACTAL_TRY_INTO(report.bytes_rewritten, database_->storage().maintain(options.purge, options.control));
  FRACTAL_TRY(std::move(index_is_there));
  return report;
}

Result<void> FractalMemory::backup(const std::string& path, const Control& control) const {
  FRACTAL_TRY(check_text(path, "path", 4096));
  std::error_code ignored;
  if (path.empty() || std::filesystem::exists(path, ignored)) {
    return make_error(Errc::conflict, "backup: {} is there already", path.empty() ? "an empty path" : path);
  }
  auto own = database_->storage().backup(path, control);
  if (own || own.error().code != Errc::unsupported) return own;

  const auto copy = [&]() -> Result<void> {
    Options options{.path = path, .audit = {.writes = false}, .clock = database_->options().clock};
    FRACTAL_TRY_INTO(options.indexed_fields, database_->storage().indexed_fields());
    options.text_fields = database_->text_fields().fields();
    FRACTAL_TRY_INTO(const FractalMemory target, FractalMemory::open(std::move(options)));
    FRACTAL_TRY_INTO(const auto spaces, database_->storage().spaces());
    for (const Space& space : spaces) {
      FRACTAL_TRY_INTO(const auto report, copy_space(in(space), target.in(space), {.control = control}));
      if (!report.ok()) return make_error(Errc::corruption, "backup of {}: {}", space, report.differences.front());
    }
    return {};
  };
  auto copied = copy();
  if (!copied) std::filesystem::remove(path, ignored);
  return copied;
}

}  // namespace fractal
