// Moves a space to another embedder.
// Invariant: until the one transaction of the switch is committed nothing of the space has changed; the vectors on
// the way there lie in a file without a name, which is gone with the process.
#include <fractal/fractal_memory.h>

#include "src/cursor.h"
#include "src/database.h"
#include "src/error.h"
#include "src/validate.h"

#include <cstdio>
#include <memory>
#include <unordered_map>
#include <utility>

namespace fractal {
namespace {

constexpr std::size_t page_rows = 256;
// Rows that may still be embedded inside the switch, while writers wait.
constexpr std::size_t few_rows = 100;
constexpr int most_passes = 10;

// Vectors by memory and its sequence, on disk.
class Shelf {
 public:
  static Result<Shelf> make() {
    std::FILE* const file = std::tmpfile();
    if (file == nullptr) return make_error(Errc::io, "reembed: no temporary file can be made");
    return Shelf(file);
  }

  Result<void> put(MemoryId id, std::uint64_t sequence, std::span<const float> vector) {
    // A text that says nothing has an empty vector, without an address to write from.
    const bool ok =
        vector.empty() || (std::fseek(file_.get(), end_, SEEK_SET) == 0 &&
                           std::fwrite(vector.data(), sizeof(float), vector.size(), file_.get()) == vector.size());
    if (!ok) return make_error(Errc::io, "reembed: the temporary file cannot be written");
    places_[id] = {sequence, end_, vector.size()};
    end_ += static_cast<long>(vector.size_bytes());
    return {};
  }

  bool has(MemoryId id, std::uint64_t sequence) const {
    const auto found = places_.find(id);
    return found != places_.end() && found->second.sequence == sequence;
  }

  Result<std::vector<float>> get(MemoryId id) const {
    const Place& place = places_.at(id);
    std::vector<float> vector(place.size);
    if (vector.empty()) return vector;
    const bool ok = std::fseek(file_.get(), place.offset, SEEK_SET) == 0 &&
                    std::fread(vector.data(), sizeof(float), vector.size(), file_.get()) == vector.size();
    if (!ok) return make_error(Errc::io, "reembed: the temporary file cannot be read");
    return vector;
  }

 private:
  struct Place {
    std::uint64_t sequence;
    long offset;
    std::size_t size;
  };
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit Shelf(std::FILE* file) : file_(file) {}

  std::unique_ptr<std::FILE, Close> file_;
  std::unordered_map<MemoryId, Place> places_;
  long end_ = 0;
};

class Move {
 public:
  Move(Database& database, const Space& space, EmbedderPtr to, const Control& control, Shelf shelf)
      : database_(database), space_(space), to_(std::move(to)), control_(control), shelf_(std::move(shelf)) {}

  Result<ReembedReport> run() {
    for (int pass = 0;; ++pass) {
      FRACTAL_TRY_INTO(const std::size_t embedded, embed_what_is_new());
      if (embedded <= few_rows || pass == most_passes) break;
    }
    const bool added = database_.embedders().add(to_);  // others see the switch before this thread does
    auto switched = database_.write([this](WriteTransaction& transaction) { return change_all(transaction); });
    if (!switched) {
      if (added) database_.embedders().remove(*to_);
      return switched.error();
    }
    database_.drop_vectors(number_);
    database_.embedders().prefer(to_);
    return report_;
  }

 private:
  // Rows that changed since they were embedded; how many there were.
  Result<std::size_t> embed_what_is_new() {
    std::size_t embedded = 0;
    Scan scan{.limit = page_rows, .columns = Columns::payload};
    for (std::uint64_t seen = 0;;) {
      FRACTAL_TRY(check_control(control_, "reembed"));
      std::vector<Row> rows;
      std::uint64_t total = 0;
      {
        FRACTAL_TRY_INTO(const Look look, database_.look(space_, nullptr, control_));
        FRACTAL_TRY_INTO(rows, look.view().list(scan));
        total = look.space().memories;
      }
      if (rows.empty()) return embedded;
      seen += rows.size();
      scan.after = position_of(rows.back());
      const bool last = rows.size() < page_rows;
      std::erase_if(rows, [this](const Row& row) { return shelf_.has(row.id, row.sequence); });
      embedded += rows.size();
      FRACTAL_TRY(embed(rows));
      if (control_.progress) control_.progress(std::min(seen, total), total);
      if (last) return embedded;
    }
  }

  Result<void> embed(const std::vector<Row>& rows) {
    std::vector<std::string_view> payloads;
    payloads.reserve(rows.size());
    for (const Row& row : rows) payloads.push_back(row.memory.payload);
    FRACTAL_TRY_INTO(const auto vectors, embed_payloads(*to_, database_.text_fields(), payloads, control_));
    for (std::size_t i = 0; i < rows.size(); ++i) FRACTAL_TRY(shelf_.put(rows[i].id, rows[i].sequence, vectors[i]));
    return {};
  }

  Result<void> change_all(WriteTransaction& transaction) {
    report_ = {};
    FRACTAL_TRY_INTO(SpaceRecord* const space, transaction.space(space_));
    number_ = space->number;
    for (MemoryId after = 0;;) {
      FRACTAL_TRY(check_control(control_, "reembed"));
      FRACTAL_TRY_INTO(auto rows, transaction.scan(number_, after, page_rows, Columns::payload));
      std::vector<Row> late;
      for (const Row& row : rows) {
        if (!shelf_.has(row.id, row.sequence)) late.push_back(row);
      }
      FRACTAL_TRY(embed(late));
      for (Row& row : rows) FRACTAL_TRY(change(transaction, *space, row));
      if (rows.size() < page_rows) break;
      after = rows.back().id;
    }
    space->vectors = report_.vectors;
    space->dimension = report_.vectors == 0 ? 0 : static_cast<std::uint32_t>(to_->identity().dimension);
    space->embedder = report_.vectors == 0 ? "" : to_->identity().to_string();
    space->metric = database_.options().metric;
    return {};
  }

  Result<void> change(WriteTransaction& transaction, SpaceRecord& space, Row& row) {
    FRACTAL_TRY_INTO(row.memory.embedding, shelf_.get(row.id));
    ++report_.memories;
    report_.vectors += row.memory.embedding.empty() ? 0 : 1;
    if (row.memory.embedding.empty() && !row.has_vector) return {};
    row.has_vector = !row.memory.embedding.empty();
    row.sequence = row.vector_sequence = ++space.sequence;
    return transaction.put(space.number, row, {.created = false, .vector = true, .keywords = nullptr});
  }

  Database& database_;
  const Space& space_;
  const EmbedderPtr to_;
  const Control& control_;
  Shelf shelf_;
  std::uint64_t number_ = 0;
  ReembedReport report_;
};

}  // namespace

Result<ReembedReport> FractalMemory::reembed(std::shared_ptr<Embedder> to, const Control& control) const {
  FRACTAL_TRY(check_space(space_));
  EmbedderPtr embedder = to ? EmbedderPtr(std::move(to)) : EmbedderPtr(database_->options().embedder);
  if (!embedder) return make_error(Errc::invalid_argument, "reembed: no embedder is given, and the options have none");
  FRACTAL_TRY(check_embedder(*embedder));
  if (database_->storage().read_only()) {
    return make_error(Errc::unsupported, "reembed: the database is opened read-only");
  }
  FRACTAL_TRY_INTO(const auto spaces, database_->storage().spaces());
  if (std::find(spaces.begin(), spaces.end(), space_) == spaces.end()) return ReembedReport{};
  FRACTAL_TRY_INTO(auto shelf, Shelf::make());
  return Move(*database_, space_, std::move(embedder), control, std::move(shelf)).run();
}

}  // namespace fractal
