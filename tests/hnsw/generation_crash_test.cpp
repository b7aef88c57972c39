// Each call of a write fails in turn, or is the last that the process makes: what was published before reads as it
// was, mapped or anew, and the next write succeeds.
#include "tests/hnsw/file_trouble.h"
#include "tests/hnsw/generations.h"
#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fractal::testing {
namespace {

using hnsw::Generation;
using hnsw::GenerationFolder;
using hnsw::Published;

// A generation that is published, and one that is to follow it.
struct Case {
  const char* name;
  std::optional<Generation> before;
  Generation after;
};

std::vector<Case> cases() {
  const Generation one = make_generation({.rows = 40});
  return {{"the first", std::nullopt, one},
          {"full blocks are appended", one, extend(one, {.rows = 100, .number = 2})},
          {"only the last block grows", one, extend(one, {.rows = 45, .number = 2})},
          {"other rows", one, make_generation({.rows = 50, .number = 2, .seed = 2})}};
}

void check_read(const GenerationFolder& folder, const Published& published, const Generation& expected) {
  const auto read = folder.read(space, published);
  REQUIRE_MESSAGE(read, read.error().message);
  CHECK(difference(expected, **read) == "");
}

// True: the trouble came.
bool try_one(const Case& one, Trouble trouble, std::size_t at) {
  const TemporaryFolder temporary;
  const std::string path = temporary.file("index");
  GenerationFolder folder(path, database, true);
  std::optional<Published> before;
  std::shared_ptr<const Generation> mapped;
  if (one.before) {
    before = folder.write(*one.before, nullptr).value();
    mapped = folder.read(space, *before).value();
  }
  const auto picture = picture_of(path);
  bool met = false;
  {
    FileTrouble in_force(trouble, at);
    const auto written = folder.write(one.after, before ? &*before : nullptr);
    met = in_force.met();
    // A short write alone is no failure.
    CHECK((!met || !written));
    if (met) CHECK(written.error().code == Errc::io);
  }
  const bool goes_on = trouble == Trouble::error || trouble == Trouble::disk_full;
  if (met && goes_on) CHECK(picture_of(path) == picture);
  if (before) {
    CHECK(difference(*one.before, *mapped) == "");
    check_read(folder, *before, *one.before);
  }

  const Published after = folder.write(one.after, before ? &*before : nullptr).value();
  check_read(folder, after, one.after);
  if (before) check_read(folder, *before, *one.before);
  folder.keep_only(space, std::vector{after}).value();
  check_read(folder, after, one.after);
  CHECK(picture_of(path).size() == 2);
  if (mapped) CHECK(difference(*one.before, *mapped) == "");
  return met;
}

TEST_CASE("Each call of a write fails, or is the last") {
  const NoWaiting quick;
  for (const Case& one : cases()) {
    for (const Trouble trouble : every_trouble) {
      CAPTURE(one.name);
      CAPTURE(static_cast<int>(trouble));
      std::size_t at = 0;
      for (bool met = true; met; ++at) {
        CAPTURE(at);
        met = try_one(one, trouble, at);
      }
      CHECK(at > 8);
    }
  }
}

TEST_CASE("Each call that removes files fails, or is the last") {
  const NoWaiting quick;
  for (const Trouble trouble : every_trouble) {
    bool met = true;
    for (std::size_t at = 0; met; ++at) {
      const TemporaryFolder temporary;
      GenerationFolder folder(temporary.file("index"), database, true);
      const Generation one = make_generation({.rows = 40}), two = make_generation({.rows = 50, .number = 2, .seed = 2});
      const Published first = folder.write(one, nullptr).value(), second = folder.write(two, &first).value();
      {
        FileTrouble in_force(trouble, at);
        const auto removed = folder.keep_only(space, std::vector{second});
        CHECK(removed.has_value() != in_force.met());
        met = in_force.met();
      }
      check_read(folder, second, two);
      folder.keep_only(space, std::vector{second}).value();
      CHECK(picture_of(temporary.file("index")).size() == 2);
    }
  }
}

// Whatever a kind of call does wrong while reading: the error says it, and the next read is right.
class FailingReads : public FaultsInForce {
 public:
  FailingReads(Call call, std::size_t at) : call_(call), at_(at) {}
  int before(Call call, const std::string&, std::size_t&) override {
    return call == call_ && calls_++ == at_ ? EIO : 0;
  }
  bool met() const { return calls_ > at_; }

 private:
  Call call_;
  std::size_t at_, calls_ = 0;
};

TEST_CASE("Each call of a read fails") {
  const TemporaryFolder temporary;
  GenerationFolder writer(temporary.file("index"), database, true);
  const Generation made = make_generation({.rows = 40});
  const Published published = writer.write(made, nullptr).value();
  using Call = hnsw::FileFaults::Call;
  for (const bool map : {true, false}) {
    const GenerationFolder folder(temporary.file("index"), database, map);
    for (const Call call : {Call::open, Call::read, Call::map}) {
      std::size_t at = 0;
      for (bool met = true; met; ++at) {
        {
          const FailingReads in_force(call, at);
          const auto read = folder.read(space, published);
          met = in_force.met();
          CHECK(read.has_value() != met);
          if (!read) CHECK(read.error().code == Errc::io);
        }
        check_read(folder, published, made);
      }
      CHECK(at > 2);
    }
  }
}

// Each write does a part of what is asked, of any length.
class ShortWrites : public FaultsInForce {
 public:
  explicit ShortWrites(std::uint64_t seed) : random_(seed) {}
  int before(Call call, const std::string&, std::size_t& bytes) override {
    if (call == Call::write) bytes = 1 + random_.below(bytes);
    return 0;
  }

 private:
  Random random_;
};

TEST_CASE("Writes that the system makes in parts") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.file("index"), database, true);
  const Generation one = make_generation({.rows = 40}), two = extend(one, {.rows = 100, .number = 2});
  const ShortWrites in_force(announced_seed("short writes"));
  const Published first = folder.write(one, nullptr).value();
  const Published second = folder.write(two, &first).value();
  check_read(folder, first, one);
  check_read(folder, second, two);
}

// The last two that were published, what they hold, and readers of any age.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), folder_(temporary_.file("index"), database, true) {}

  void step() {
    const Published* const older = published_.empty() ? nullptr : &published_.back().first;
    Generation next = grow();
    const bool troubled = random_.below(3) != 0;
    std::optional<Published> row;
    {
      std::optional<FileTrouble> in_force;
      if (troubled) in_force.emplace(random_.pick(every_trouble), random_.below(24));
      auto written = folder_.write(next, older);
      if (written) row = *written;
      // Only what was published counts; the row may fail, too.
      if (row && !random_.one_in(8)) {
        published_.emplace_back(*row, next);
        if (published_.size() > 2) published_.erase(published_.begin());
        static_cast<void>(folder_.keep_only(space, rows()));
      }
    }
    CHECK((troubled || row));
    check();
  }

  void check() {
    for (const auto& [row, expected] : published_) check_read(folder_, row, expected);
    if (!published_.empty() && random_.coin()) {
      const auto& [row, expected] = random_.pick(published_);
      readers_.emplace_back(folder_.read(space, row).value(), expected);
    }
    if (readers_.size() > 6) readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(random_.below(6)));
    for (const auto& [mapped, expected] : readers_) CHECK(difference(expected, *mapped) == "");
  }

  const GenerationFolder& folder() const { return folder_; }

 private:
  Generation grow() {
    const std::uint64_t number = published_.empty() ? 1 : published_.back().first.number + 1;
    const std::size_t rows = published_.empty() ? 20 : published_.back().second.rows;
    // Now and then what is dead is left out: all else moves.
    if (published_.empty() || random_.one_in(4)) {
      seed_ = random_.next();
      return make_generation({.rows = 1 + rows / 2, .number = number, .seed = seed_});
    }
    return extend(published_.back().second, {.rows = rows + 1 + random_.below(40), .number = number, .seed = seed_});
  }
  std::vector<Published> rows() const {
    std::vector<Published> rows;
    for (const auto& each : published_) rows.push_back(each.first);
    return rows;
  }

  Random random_;
  TemporaryFolder temporary_;
  GenerationFolder folder_;
  std::uint64_t seed_ = 1;
  std::vector<std::pair<Published, Generation>> published_;
  std::vector<std::pair<std::shared_ptr<const Generation>, Generation>> readers_;
};

TEST_CASE("Any number of troubles, one after the other") {
  const NoWaiting quick;
  const std::uint64_t seed = announced_seed("generations");
  const std::uint64_t rounds = number_from_environment("FRACTAL_ROUNDS", 2);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(seed);
    CAPTURE(round);
    History history(seed + round);
    for (int i = 0; i < 80; ++i) history.step();
  }
}

}  // namespace
}  // namespace fractal::testing
