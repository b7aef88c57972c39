// The files of generations while nothing fails: what is written is read, blocks are shared, files go when they should.
#include "tests/hnsw/generations.h"
#include "tests/temporary_folder.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>

namespace fractal::testing {
namespace {

using hnsw::Generation;
using hnsw::GenerationFolder;
using hnsw::Published;

TEST_CASE("What is written is read, mapped or not") {
  const TemporaryFolder temporary;
  std::uint64_t number = 0;
  for (const std::size_t rows : {1, 15, 16, 17, 31, 32, 40, 160}) {
    for (const Metric metric : {Metric::cosine, Metric::dot, Metric::l2}) {
      CAPTURE(rows);
      GenerationFolder folder(temporary.file("index"), database, true);
      const Generation made = make_generation({.rows = rows, .number = ++number, .metric = metric});
      const Published published = folder.write(made, nullptr).value();
      CHECK(published.number == number);
      CHECK(published.sequence == rows);
      for (const bool map : {true, false}) {
        const auto read = GenerationFolder(temporary.file("index"), database, map).read(space, published).value();
        CHECK(difference(made, *read) == "");
      }
    }
  }
}

TEST_CASE("Blocks of the usual size") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.file("index"), database, true);
  const std::size_t block_rows = VectorChunk::block_rows(3);
  const Generation made = make_generation({.rows = block_rows + 100, .dimension = 3, .block_rows = block_rows});
  const auto read = folder.read(space, folder.write(made, nullptr).value()).value();
  CHECK(difference(made, *read) == "");
}

TEST_CASE("So much that two threads verify it") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.path().string(), database, true);
  const std::size_t block_rows = VectorChunk::block_rows(4096);
  const Generation made = make_generation({.rows = 4 * block_rows + 10, .dimension = 4096, .block_rows = block_rows});
  const Published published = folder.write(made, nullptr).value();
  CHECK(difference(made, *folder.read(space, published).value()) == "");
  std::string bytes = bytes_of(temporary.file(published.vectors));
  for (const std::size_t block : {3, 1}) {
    bytes[part + block * made.block_bytes + 7] ^= 1;
    put_bytes(temporary.file(published.vectors), bytes);
    const auto read = folder.read(space, published);
    REQUIRE_FALSE(read);
    CHECK(read.error().message.find(block == 3 ? "block 3" : "block 1") != std::string::npos);
  }
}

TEST_CASE("A larger generation is appended to the vectors of the one before") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.path().string(), database, true);
  const Generation one = make_generation({.rows = 40});
  const Published first = folder.write(one, nullptr).value();
  const std::string before = bytes_of(temporary.file(first.vectors));
  CHECK(before.size() == 3 * part);  // header, two blocks

  const Generation two = extend(*folder.read(space, first).value(), {.rows = 100, .number = 2});
  const Published second = folder.write(two, &first).value();
  const std::string after = bytes_of(temporary.file(second.vectors));
  CHECK(second.vectors == first.vectors);
  CHECK(second.graph != first.graph);
  CHECK(after.size() == 7 * part);
  CHECK(after.substr(0, before.size()) == before);

  // Nothing but the last block has changed.
  const Generation three = extend(two, {.rows = 110, .number = 3});
  const Published third = folder.write(three, &second).value();
  CHECK(third.vectors == first.vectors);
  CHECK(bytes_of(temporary.file(third.vectors)) == after);

  CHECK(difference(one, *folder.read(space, first).value()) == "");
  CHECK(difference(two, *folder.read(space, second).value()) == "");
  CHECK(difference(three, *folder.read(space, third).value()) == "");
}

TEST_CASE("Other rows at the front, or another shape: a new vector file") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.path().string(), database, true);
  const Published first = folder.write(make_generation({.rows = 40}), nullptr).value();
  std::uint64_t number = 1;
  for (const Plan& plan : {Plan{.rows = 40, .seed = 2}, Plan{.rows = 31}, Plan{.rows = 40, .dimension = 9},
                           Plan{.rows = 64, .block_rows = 32}, Plan{.rows = 40, .metric = Metric::dot}}) {
    Plan numbered = plan;
    numbered.number = ++number;
    const Generation made = make_generation(numbered);
    const Published published = folder.write(made, &first).value();
    CHECK(published.vectors != first.vectors);
    CHECK(difference(made, *folder.read(space, published).value()) == "");
  }
  CHECK(folder.read(space, first).has_value());
}

// A reader in another process may have mapped what this one knows nothing of.
TEST_CASE("What a later generation covers stays as it is when an earlier one is extended once more") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.path().string(), database, true);
  const Generation one = make_generation({.rows = 40});
  const Published first = folder.write(one, nullptr).value();
  const Generation two = extend(one, {.rows = 100, .number = 2});
  const Published second = folder.write(two, &first).value();
  const auto mapped = folder.read(space, second).value();
  folder.keep_only(space, std::vector{first}).value();

  const Generation three = extend(one, {.rows = 60, .number = 3, .seed = 2});
  const Published third = folder.write(three, &first).value();
  CHECK(third.vectors != first.vectors);
  CHECK(difference(two, *mapped) == "");
  CHECK(difference(three, *folder.read(space, third).value()) == "");
}

TEST_CASE("Blocks shared with an older generation outlive it, and take no memory of their own") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.path().string(), database, true);
  const Published published = folder.write(make_generation({.rows = 40}), nullptr).value();
  for (const bool map : {true, false}) {
    auto read = GenerationFolder(temporary.path().string(), database, map).read(space, published).value();
    hnsw::Blocks made = hnsw::extend_blocks(*read, 70).value();
    CHECK(made.filled == 40);
    CHECK(made.blocks.size() == 5);
    read.reset();
    CHECK(made.blocks[1]->ids[3] == first_id(space) + 1 + 19UL * 3);
    CHECK(made.blocks[2]->ids[7] == first_id(space) + 1 + 39UL * 3);
    CHECK(made.blocks[1]->all_alive(40));
  }
  // Again and again, in memory alone, and from blocks that the system cannot show twice.
  Generation grown = make_generation({.rows = 40});
  for (std::uint64_t number = 2; number < 12; ++number) {
    grown = extend(grown, {.rows = grown.rows + 11, .number = number});
  }
  CHECK(difference(make_generation({.rows = 150, .number = 11}), grown) == "");
  Generation loose = grown;
  for (auto& block : loose.blocks) {
    auto copied = std::make_shared<VectorChunk>(16, 8);
    for (std::size_t row = 0; row < 16; ++row) copied->copy(row, *block, row);
    block = copied;
  }
  CHECK(difference(grown, extend(loose, {.rows = 150, .number = 11})) == "");
  CHECK(hnsw::extend_blocks(grown, 20).value().filled == 20);
}

TEST_CASE("A part of the memory of a generation keeps it") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.path().string(), database, true);
  const Published published = folder.write(make_generation({.rows = 40}), nullptr).value();
  auto read = folder.read(space, published).value();
  const auto block = read->blocks[2];
  const auto graph = read->graph;
  const std::vector<std::byte> image(graph->image().begin(), graph->image().end());
  read.reset();
  CHECK(block->ids[0] == first_id(space) + 1 + 32UL * 3);
  CHECK(std::ranges::equal(graph->image(), image));
}

TEST_CASE("Files that nobody wants go; who has mapped them does not notice") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.file("index"), database, true);
  CHECK(folder.bytes(space) == 0);
  folder.keep_only(space, {}).value();
  const Generation one = make_generation({.rows = 40});
  Generation other = make_generation({.rows = 20});
  other.space = 70;
  for (std::size_t row = 0; row < other.rows; ++row) other.blocks[row / 16]->ids[row % 16] = first_id(70) + row;
  const Published first = folder.write(one, nullptr).value();
  const Published others = folder.write(other, nullptr).value();
  const Generation two = make_generation({.rows = 50, .number = 2, .seed = 2});
  const Published second = folder.write(two, &first).value();
  put_bytes(temporary.file("index/7-3.graph.tmp"), "left by a crash");
  put_bytes(temporary.file("index/7-3.graph.old"), "somebody's own");
  put_bytes(temporary.file("index/07-3.graph"), "somebody's own");
  const auto mapped = folder.read(space, first).value();

  folder.keep_only(space, std::vector{second}).value();
  CHECK(difference(one, *mapped) == "");
  CHECK(folder.read(space, first).error().code == Errc::not_found);
  CHECK(difference(two, *folder.read(space, second).value()) == "");
  CHECK(folder.read(70, others).has_value());
  const auto left = picture_of(temporary.file("index"));
  CHECK(left.size() == 6);
  CHECK(folder.bytes(space) == left.at(second.vectors).size() + left.at(second.graph).size());
  std::filesystem::remove(temporary.file("index/" + second.vectors));
  CHECK(folder.read(space, second).error().code == Errc::not_found);
}

TEST_CASE("Files have the database's permissions") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.file("index"), database, true, 0600);
  const auto lock = folder.lock().value();
  const Published published = folder.write(make_generation({}), nullptr).value();
  const auto permissions = [&](const std::string& name) {
    struct stat status {};
    REQUIRE(::stat(temporary.file(name).c_str(), &status) == 0);
    return status.st_mode & 0777;
  };
  CHECK(permissions("index") == 0700);
  CHECK(permissions("index/lock") == 0600);
  CHECK(permissions("index/" + published.graph) == 0600);
  CHECK(permissions("index/" + published.vectors) == 0600);
}

TEST_CASE("One holder of the lock at a time") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.file("index"), database, true), second(temporary.file("index"), database, true);
  auto held = folder.lock().value();
  CHECK(held);
  CHECK_FALSE(folder.lock().value());
  CHECK_FALSE(second.lock().value());
  held.reset();
  CHECK(second.lock().value());

  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const auto taken = folder.lock();
    const char answer = taken && *taken ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char answer = 0;
  REQUIRE(::read(ready[0], &answer, 1) == 1);
  CHECK(answer == 'y');
  CHECK_FALSE(folder.lock().value());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(folder.lock().value());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("Writing stops when asked to, and leaves nothing") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.file("index"), database, true);
  const Generation one = make_generation({.rows = 40}), two = extend(one, {.rows = 100, .number = 2});
  for (const bool first : {true, false}) {
    const std::optional<Published> older = first ? std::nullopt : std::optional(folder.write(one, nullptr).value());
    const auto before = picture_of(temporary.file("index"));
    int asked = 0;
    for (int patience = 0;; ++patience) {
      asked = 0;
      const auto written = folder.write(two, older ? &*older : nullptr, [&] { return asked++ < patience; });
      if (written) break;
      CHECK(written.error().code == Errc::unavailable);
      CHECK(picture_of(temporary.file("index")) == before);
    }
    CHECK(asked > 5);
    folder.keep_only(space, {}).value();
  }
}

TEST_CASE("What is no generation is not written") {
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.file("index"), database, true);
  const auto refused = [&](const Generation& generation) {
    return folder.write(generation, nullptr).error().code == Errc::invalid_argument;
  };
  const Generation good = make_generation({.rows = 40});
  CHECK(refused({}));
  Generation wrong = good;
  wrong.blocks.pop_back();
  CHECK(refused(wrong));
  wrong = good;
  wrong.rows = 41;
  CHECK(refused(wrong));
  wrong = good;
  wrong.graph.reset();
  CHECK(refused(wrong));
  CHECK(GenerationFolder(temporary.file("index"), "", true).write(good, nullptr).error().code ==
        Errc::invalid_argument);
  CHECK(hnsw::make_blocks(10, 0).error().code == Errc::invalid_argument);
  CHECK(hnsw::make_blocks(10, 4, 24).error().code == Errc::invalid_argument);
  CHECK(hnsw::make_blocks(0, 4).value().blocks.empty());
  CHECK(picture_of(temporary.file("index")).empty());
}

TEST_CASE("The row of a generation, and texts that are none") {
  const Published published{12, 345, "7-3.vectors", "7-12.graph", {0x1, 0xfedcba9876543210}};
  CHECK(published.to_string() == "12 345 7-3.vectors 7-12.graph 1 fedcba9876543210");
  CHECK(Published::parse(published.to_string()).value() == published);
  for (const char* const text :
       {"", " ", "12", "12 345 7-3.vectors 7-12.graph 1", "12 345 7-3.vectors 7-12.graph 1 g",
        "12 345 7-3.vectors 7-12.graph 1 2 ", "12 345  7-3.vectors 7-12.graph 1 2",
        "012 345 7-3.vectors 7-12.graph 1 2", "12 345 ../7-3.vectors 7-12.graph 1 2",
        "12 345 7-3.vectors 7-12.grap 1 2", "-1 345 7-3.vectors 7-12.graph 1 2",
        "99999999999999999999 345 7-3.vectors 7-12.graph 1 2", "12 345 7-03.vectors 7-12.graph 1 2"}) {
    CAPTURE(text);
    const auto parsed = Published::parse(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == Errc::corruption);
  }
}

}  // namespace
}  // namespace fractal::testing
