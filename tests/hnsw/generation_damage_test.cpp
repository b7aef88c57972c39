// Files that are damaged, cut, forged or somebody else's: read() says so, whatever the bytes are.
#include "tests/hnsw/file_trouble.h"
#include "tests/hnsw/generations.h"
#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace fractal::testing {
namespace {

using hnsw::Generation;
using hnsw::GenerationFolder;
using hnsw::Published;

constexpr std::size_t format_version_at = 8;  // in both files

struct Written {
  TemporaryFolder temporary;
  GenerationFolder folder{temporary.path().string(), database, true};
  Generation made = make_generation({.rows = 40});
  Published published = folder.write(made, nullptr).value();

  std::string path(const std::string& name) const { return temporary.file(name); }
  Errc error() const {
    const auto read = folder.read(space, published);
    REQUIRE_FALSE(read);
    CHECK(read.error().message.find(temporary.path().string()) != std::string::npos);
    return read.error().code;
  }
  void check_whole() const { CHECK(difference(made, *folder.read(space, published).value()) == ""); }
};

// Every byte of the beginning; of each part, of what is filled with more than zeros, every 61st, so that no array is
// left out; of the zeros every 1021st.
std::vector<std::size_t> places(std::size_t bytes) {
  std::vector<std::size_t> found;
  for (std::size_t at = 0; at < bytes; at += at < 256 ? 1 : at % part < 8192 ? 61 : 1021) found.push_back(at);
  found.push_back(bytes - 1);
  return found;
}

void put_byte(const std::string& path, std::size_t at, char byte) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(at));
  file.put(byte);
  REQUIRE(file.flush());
}

TEST_CASE("A flipped bit anywhere is corruption") {
  const Written written;
  Random random(announced_seed("flips"));
  for (const std::string& name : {written.published.graph, written.published.vectors}) {
    const std::string good = bytes_of(written.path(name));
    for (const std::size_t at : places(good.size())) {
      CAPTURE(name);
      CAPTURE(at);
      put_byte(written.path(name), at, static_cast<char>(good[at] ^ (1 << random.below(8))));
      const Errc code = written.error();
      CHECK((code == Errc::corruption || (code == Errc::unsupported && at - format_version_at < 4)));
      put_byte(written.path(name), at, good[at]);
    }
  }
  written.check_whole();
}

TEST_CASE("A file that is cut at a page, or has bytes too many") {
  const Written written;
  for (const std::string& name : {written.published.graph, written.published.vectors}) {
    const std::string good = bytes_of(written.path(name));
    for (std::size_t size = 0; size < good.size(); size += 4096) {
      CAPTURE(name);
      CAPTURE(size);
      std::filesystem::resize_file(written.path(name), size);
      for (const bool map : {true, false}) {
        const auto read =
            GenerationFolder(written.temporary.path().string(), database, map).read(space, written.published);
        REQUIRE_FALSE(read);
        CHECK(read.error().code == Errc::corruption);
      }
      put_bytes(written.path(name), good);
    }
    put_bytes(written.path(name), good.substr(0, good.size() - 1));
    CHECK(written.error() == Errc::corruption);
    put_bytes(written.path(name), good);
  }
  const std::string good = bytes_of(written.path(written.published.graph));
  put_bytes(written.path(written.published.graph), good + '\0');
  CHECK(written.error() == Errc::corruption);
  put_bytes(written.path(written.published.graph), good);
  // Of the next generation's blocks, which is not there yet.
  put_bytes(written.path(written.published.vectors), bytes_of(written.path(written.published.vectors)) + "more");
  written.check_whole();
}

TEST_CASE("A file that is missing, or no file") {
  for (const bool graph : {true, false}) {
    const Written written;
    const std::string path = written.path(graph ? written.published.graph : written.published.vectors);
    std::filesystem::rename(path, path + ".moved");
    CHECK(written.error() == Errc::not_found);
    std::filesystem::create_directory(path);
    CHECK(written.error() == Errc::io);
    std::filesystem::remove(path);
    std::filesystem::create_symlink(path + ".moved", path);
    CHECK(written.error() == Errc::io);
    std::filesystem::remove(path);
    std::filesystem::rename(path + ".moved", path);
    written.check_whole();
  }
}

TEST_CASE("Files of another database, another space, another generation") {
  const Written written, other;
  for (const char* const id :
       {"another", "d3b07384-d9a0-4c9b-8f3e-1c2d3e4f5a6", "", "d3b07384-d9a0-4c9b-8f3e-1c2d3e4f5a6b "}) {
    const auto read = GenerationFolder(written.temporary.path().string(), id, true).read(space, written.published);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == Errc::corruption);
    CHECK(read.error().message.find("another database") != std::string::npos);
  }
  CHECK(written.folder.read(8, written.published).error().code == Errc::corruption);
  Published wrong = written.published;
  wrong.number = 2;
  CHECK(written.folder.read(space, wrong).error().code == Errc::corruption);
  wrong = written.published;
  wrong.sequence = 41;
  CHECK(written.folder.read(space, wrong).error().code == Errc::corruption);
  wrong = written.published;
  wrong.hash[1] ^= 1;
  CHECK(written.folder.read(space, wrong).error().code == Errc::corruption);
  for (const char* const name : {"../7-1.vectors", "/etc/passwd", "", "7-1.graph", "8-1.vectors"}) {
    wrong = written.published;
    wrong.vectors = name;
    CHECK(written.folder.read(space, wrong).error().code == Errc::corruption);
  }

  // The same generation but for one row: the header is right, the vectors are another's.
  Generation changed = make_generation({.rows = 40});
  changed.blocks[0]->ids[3] += 1;
  GenerationFolder folder(other.temporary.path().string(), database, true);
  static_cast<void>(folder.write(changed, nullptr).value());
  std::filesystem::copy_file(other.path(written.published.vectors), written.path(written.published.vectors),
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(written.error() == Errc::corruption);
}

TEST_CASE("A damaged older generation is not extended") {
  Written written;
  const Generation two = extend(written.made, {.rows = 100, .number = 2});
  for (const bool graph : {true, false}) {
    const std::string path = written.path(graph ? written.published.graph : written.published.vectors);
    const std::string good = bytes_of(path);
    std::string bad = good;
    bad[100] = static_cast<char>(bad[100] ^ 1);
    for (const std::string& bytes : {bad, good.substr(0, good.size() - 4096), std::string()}) {
      put_bytes(path, bytes);
      const Published second = written.folder.write(two, &written.published).value();
      CHECK(second.vectors != written.published.vectors);
      CHECK(difference(two, *written.folder.read(space, second).value()) == "");
      CHECK(bytes_of(path) == bytes);
    }
    put_bytes(path, good);
  }
}

// From here on the hashes are right: as if by somebody who means harm.
TEST_CASE("Rows with values that do harm") {
  const NoWaiting quick;
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<std::function<void(VectorChunk&)>> harms = {
      [](VectorChunk& block) { block.ids[2] = first_id(space) - 1; },
      [](VectorChunk& block) { block.ids[2] = last_id(space) + 1; },
      [](VectorChunk& block) { block.ids[2] = ~MemoryId{0}; },
      [](VectorChunk& block) { block.born[2] = 41; },
      [](VectorChunk& block) { block.squares[2] = -1; },
      [](VectorChunk& block) { block.squares[2] = 0; },
      [](VectorChunk& block) { block.squares[2] = std::numeric_limits<double>::quiet_NaN(); },
      [](VectorChunk& block) { block.squares[2] = std::numeric_limits<double>::infinity(); },
      [](VectorChunk& block) { block.scales[2] = -1; },
      [](VectorChunk& block) { block.scales[2] = nan; },
      [](VectorChunk& block) { block.scales[2] = infinity; },
      [](VectorChunk& block) { block.scales[2] = 3e30f; },
      [](VectorChunk& block) { block.norms[2] = nan; },
      [](VectorChunk& block) { block.norms[2] = -1e-30f; },
      [](VectorChunk& block) { block.errors[2] = nan; },
      [](VectorChunk& block) { block.errors[2] = -infinity; },
      [](VectorChunk& block) { block.vectors[2 * 8 + 3] = nan; },
      [](VectorChunk& block) { block.vectors[2 * 8 + 3] = -infinity; },
  };
  for (std::size_t i = 0; i < harms.size(); ++i) {
    for (const std::size_t block : {0, 2}) {
      CAPTURE(i);
      CAPTURE(block);
      const TemporaryFolder temporary;
      GenerationFolder folder(temporary.path().string(), database, true);
      const Generation made = make_generation({.rows = 40});
      harms[i](*made.blocks[block]);
      const auto read = folder.read(space, folder.write(made, nullptr).value());
      REQUIRE_FALSE(read);
      CHECK(read.error().code == Errc::corruption);
    }
  }
  // No code fits such a vector: it is looked at whole.
  const TemporaryFolder temporary;
  GenerationFolder folder(temporary.path().string(), database, true);
  const Generation made = make_generation({.rows = 40});
  made.blocks[1]->scales[3] = made.blocks[1]->norms[3] = 0;
  made.blocks[1]->errors[3] = infinity;
  CHECK(folder.read(space, folder.write(made, nullptr).value()).has_value());
}

TEST_CASE("A header whose hash is right and whose numbers are not") {
  const Written written;
  Random random(announced_seed("headers"));
  const std::string path = written.path(written.published.graph), good = bytes_of(path);
  constexpr std::size_t dead_at = 160, codes_at = 168, header_numbers = 208;
  for (std::size_t at = format_version_at; at < header_numbers; at += 4) {
    for (const std::uint32_t value : {0u, 1u, 2u, 16u, 0x10000u, 0x7fffffffu, 0x80000000u, 0xffff0000u, 0xffffffffu,
                                      static_cast<std::uint32_t>(random.next())}) {
      std::string bad = good;
      std::memcpy(bad.data() + at, &value, sizeof value);
      if (bad == good) continue;
      if (at == dead_at && value == 1) continue;   // the zeros behind say that row 0 is dead: a good header
      if (at == codes_at && value <= 2) continue;  // other codes
      CAPTURE(at);
      CAPTURE(value);
      put_bytes(path, bad);
      Published published = written.published;
      published.hash = hnsw::hash_of(std::as_bytes(std::span(bad).first(part)));
      const auto read = written.folder.read(space, published);
      REQUIRE_FALSE(read);
      CHECK((read.error().code == Errc::corruption || read.error().code == Errc::unsupported));
    }
  }
}

TEST_CASE("A graph whose hash is right and whose bytes are not") {
  const NoWaiting quick;
  Random random(announced_seed("graphs"));
  const Generation good = make_generation({.rows = 40});
  const auto image = good.graph->image();
  for (std::size_t round = 0; round < 400; ++round) {
    std::vector<std::byte> bytes(image.begin(), image.end());
    if (round % 8 == 0) bytes.resize(random.below(image.size() + 100));
    for (std::size_t flips = 1 + random.below(4); flips > 0 && !bytes.empty(); --flips) {
      bytes[random.below(bytes.size())] = static_cast<std::byte>(random.next());
    }
    const TemporaryFolder temporary;
    GenerationFolder folder(temporary.path().string(), database, round % 2 == 0);
    Generation forged = good;
    forged.graph = std::make_shared<ForgedGraph>(bytes, good.rows, good.graph->parameters());
    const auto read = folder.read(space, folder.write(forged, nullptr).value());
    if (!read) CHECK(read.error().code == Errc::corruption);
    if (read) CHECK(difference(forged, **read) == "");
  }
}

}  // namespace
}  // namespace fractal::testing
