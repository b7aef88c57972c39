// Files of tables: whatever the bytes, an error or a table that works. AddressSanitizer watches.
#include "embed/sha256.h"
#include "embed/table_embedder.h"
#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

using namespace fractal;
using fractal::testing::Random;
using fractal::testing::TemporaryFolder;

namespace {

using Bytes = std::vector<std::uint8_t>;

void put(Bytes& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}
void pad(Bytes& out) { out.resize((out.size() + 63) / 64 * 64); }

void sign(Bytes& bytes) {
  Sha256 sum;
  sum.add(std::span(bytes).first(32));
  sum.add(std::span(bytes).subspan(64));
  const Sha256::Digest digest = sum.digest();
  std::copy(digest.begin(), digest.end(), bytes.begin() + 32);
}

// A table of five tokens and four components, by the words of the format's description.
Bytes small_table() {
  const std::array<std::string, 5> tokens = {"cat", "dog", "##s", ".", "[PAD]"};
  const std::array<std::uint8_t, 5> factors = {200, 100, 20, 1, 0};
  Bytes bytes = {'F', 'R', 'A', 'C', 'T', 'E', 'M', 'B'};
  std::uint32_t text_bytes = 0;
  for (const std::string& token : tokens) text_bytes += static_cast<std::uint32_t>(token.size());
  for (const std::uint32_t value : {1u, 4u, 5u, 16u, 5u, text_bytes}) put(bytes, value);
  bytes.resize(64);
  for (const char c : std::string("small")) bytes.push_back(static_cast<std::uint8_t>(c));
  bytes.resize(256);
  put(bytes, 0);
  for (std::uint32_t i = 0, at = 0; i < tokens.size(); ++i) {
    at += static_cast<std::uint32_t>(tokens[i].size());
    put(bytes, at);
  }
  pad(bytes);
  std::array<std::uint32_t, 16> slots{};
  for (std::uint32_t i = 0; i < tokens.size(); ++i) {
    std::uint64_t hash = token_hash_start;
    for (const char c : tokens[i]) hash = token_hash(hash, c);
    std::size_t slot = (hash ^ hash >> 32) % slots.size();
    while (slots[slot] != 0) slot = (slot + 1) % slots.size();
    slots[slot] = i + 1;
  }
  for (const std::uint32_t slot : slots) put(bytes, slot);
  pad(bytes);
  for (const std::uint8_t factor : factors) bytes.insert(bytes.end(), {factor, 0});
  pad(bytes);
  for (const std::string& token : tokens) bytes.insert(bytes.end(), token.begin(), token.end());
  pad(bytes);
  for (const int value : {3, 4, 0, 0, 0, 0, 5, 12, 1, 0, 0, 0, 0, 0, 0, -1, 9, 9, 9, 9}) {
    bytes.push_back(static_cast<std::uint8_t>(value));
  }
  pad(bytes);
  sign(bytes);
  return bytes;
}

std::vector<std::vector<float>> vectors_of(const Embedder& embedder) {
  const std::array<std::string_view, 4> texts = {"Cats and dogs.", "dog", "", "\xc3\xa9 [PAD]"};
  return embedder.embed(texts, {}).value();
}

// How many of the changed files were refused.
int try_changes(int rounds, Random& random, bool sign_again) {
  const Bytes sound = small_table();
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    Bytes bytes = sound;
    for (std::uint64_t i = 1 + random.next() % 3; i > 0; --i) {
      std::uint8_t& byte = bytes[random.next() % bytes.size()];
      byte = random.next() % 2 == 0 ? static_cast<std::uint8_t>(byte ^ 1u << random.next() % 8)
                                    : static_cast<std::uint8_t>(random.next());
    }
    if (sign_again) sign(bytes);
    const bool same = bytes == sound;
    const auto embedder = table_embedder(std::move(bytes));
    if (embedder) {
      vectors_of(**embedder);
      CHECK((same || sign_again));
    } else {
      CHECK(embedder.error().code == Errc::corruption);
      ++refused;
    }
  }
  return refused;
}

}  // namespace

TEST_CASE("SHA-256 of the standard's examples, in pieces") {
  const auto sum = [](std::string_view text, std::size_t step) {
    Sha256 sha;
    const std::span bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    for (std::size_t at = 0; at < text.size(); at += step) sha.add(bytes.subspan(at, std::min(step, text.size() - at)));
    return to_hex(sha.digest());
  };
  CHECK(sum("", 1) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sum("abc", 3) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sum("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 5) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const std::string million(1'000'000, 'a');
  for (const std::size_t step : {std::size_t{1'000'000}, std::size_t{63}, std::size_t{64}, std::size_t{129}}) {
    CHECK(sum(million, step) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  }
}

TEST_CASE("A small table by hand") {
  const auto embedder = table_embedder(small_table()).value();
  CHECK(embedder->identity().name == "small");
  CHECK(embedder->identity().dimension == 4);
  CHECK(embedder->identity().digest.size() == 16);
  const std::array<std::string_view, 7> texts = {"cat", "Dog!", "cats", "cat DOG", ".", "[PAD] bird", "cat bird"};
  const auto vectors = embedder->embed(texts, {}).value();
  CHECK(vectors[0] == std::vector<float>{0.6f, 0.8f, 0, 0});
  CHECK(vectors[1] == std::vector<float>{0, 0, static_cast<float>(5.0 / 13), static_cast<float>(12.0 / 13)});
  const double cats = std::sqrt(620.0 * 620 + 800.0 * 800), both = std::sqrt(600.0 * 600 + 800 * 800 + 1300 * 1300);
  CHECK(vectors[2] == std::vector<float>{static_cast<float>(620 / cats), static_cast<float>(800 / cats), 0, 0});
  CHECK(vectors[3] == std::vector<float>{static_cast<float>(600 / both), static_cast<float>(800 / both),
                                         static_cast<float>(500 / both), static_cast<float>(1200 / both)});
  CHECK(vectors[4] == std::vector<float>{0, 0, 0, -1});
  CHECK(vectors[5].empty());  // a silent token's letters, and words that cannot be spelled
  CHECK(vectors[6] == vectors[0]);
}

TEST_CASE("Every truncation, and bytes behind the end") {
  const Bytes sound = small_table();
  for (std::size_t size = 0; size < sound.size(); ++size) {
    const auto embedder = table_embedder(Bytes(sound.begin(), sound.begin() + static_cast<std::ptrdiff_t>(size)));
    REQUIRE(!embedder);
    CHECK(embedder.error().code == Errc::corruption);
  }
  Bytes longer = sound;
  longer.push_back(0);
  CHECK(table_embedder(longer).error().code == Errc::corruption);
}

TEST_CASE("Any one byte changed is noticed") {
  const Bytes sound = small_table();
  for (std::size_t at = 0; at < sound.size(); ++at) {
    Bytes bytes = sound;
    bytes[at] ^= 0x40;
    CHECK(!table_embedder(std::move(bytes)));
  }
}

TEST_CASE("Random changes: an error or a table that works") {
  Random random(fractal::testing::announced_seed("token_table"));
  CHECK(try_changes(2'000, random, false) > 1'900);
  CHECK(try_changes(20'000, random, true) > 1'000);
}

TEST_CASE("Headers that promise too much, signed") {
  for (const std::uint32_t value : {0u, 3u, 17u, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu}) {
    for (std::size_t field = 8; field < 32; field += 4) {
      Bytes bytes = small_table();
      for (std::size_t i = 0; i < 4; ++i) bytes[field + i] = static_cast<std::uint8_t>(value >> (8 * i));
      sign(bytes);
      const auto embedder = table_embedder(std::move(bytes));
      // A small one may hide in the padding.
      if (embedder) {
        CHECK((value == 3 || value == 17));
        vectors_of(**embedder);
      }
    }
  }
  Bytes full = small_table();
  for (std::size_t slot = 0; slot < 16; ++slot) full[320 + 4 * slot] = 1;
  sign(full);
  CHECK(table_embedder(std::move(full)).error().message == "embedding table: its hash is full");
}

TEST_CASE("open_embed_table: the compiled-in file, and files that are none") {
  const TemporaryFolder folder;
  const auto open = [&](std::span<const std::uint8_t> bytes) {
    std::ofstream(folder.file("table"), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return open_embed_table(folder.file("table"));
  };
  const auto opened = open(compiled_table());
  REQUIRE(opened);
  const auto builtin = builtin_embedder();
  CHECK((*opened)->identity() == builtin->identity());
  CHECK(vectors_of(**opened) == vectors_of(*builtin));

  CHECK(open_embed_table(folder.file("none")).error().code == Errc::not_found);
  CHECK(open_embed_table(folder.path().string()).error().code == Errc::io);
  CHECK(open({}).error().code == Errc::corruption);
  const auto cut = open(compiled_table().first(1'000'000));
  CHECK(cut.error().code == Errc::corruption);
  CHECK(cut.error().message.find(folder.file("table")) == 0);
  Bytes flipped(compiled_table().begin(), compiled_table().end());
  flipped[flipped.size() / 2] ^= 1;
  CHECK(open(flipped).error().message.ends_with("its digest does not fit"));
}
