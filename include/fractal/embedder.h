// Embedders turn text into vectors. FractalMemory::open() takes the built-in one unless Options::embedder says
// otherwise; write your own by deriving from Embedder, or with make_embedder() around a callable.
#ifndef FRACTAL_EMBEDDER_H
#define FRACTAL_EMBEDDER_H

#include <fractal/fractal_memory.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal {

// Which embedder made a vector. Vectors of two identities are never compared: a space keeps the identity of its
// first embedded text.
struct FRACTAL_API EmbedderIdentity {
  std::string name{};  // 1 to 100 bytes of UTF-8 without blanks: "fractal-table-en", "http:text-embedding-3-small"
  std::size_t dimension = 0;  // 1 to limits::dimension
  std::string digest{};  // what tells two versions of one name apart, hexadecimal, up to 64 characters; may be empty

  std::string to_string() const;  // "name 256 0123abcd"
  static Result<EmbedderIdentity> parse(std::string_view text);
  friend bool operator==(const EmbedderIdentity&, const EmbedderIdentity&) = default;
};

// Any thread may call any member at any time.
class FRACTAL_API Embedder {
 public:
  virtual ~Embedder() = default;
  virtual const EmbedderIdentity& identity() const noexcept = 0;
  // One vector a text, in order: `dimension` finite components, not all 0; or an empty one for a text that says
  // nothing to this embedder (no known word). All or an error: unavailable (deadline, cancelled, server down: try
  // again), invalid_argument (a text is refused), io, corruption (an answer of the wrong shape).
  virtual Result<std::vector<std::vector<float>>> embed(std::span<const std::string_view> texts,
                                                        const Control& control) const = 0;
  // SearchOptions::alpha where the caller gives none: the weight of the vector side, measured for this embedder.
  virtual double alpha() const noexcept { return 0.8; }
};

// The static table that is compiled in, or the one in `path` (the file share/fractal_memory/embed_table.bin of an
// installed library): English, 256 components, some 50,000 short texts a second on one core, no start-up cost.
// Null if the library was built with FRACTAL_EMBED_TABLE=OFF.
FRACTAL_API std::shared_ptr<Embedder> builtin_embedder();
// not_found, io, corruption (its digest does not fit).
FRACTAL_API Result<std::shared_ptr<Embedder>> open_embed_table(const std::string& path);

// A callable as an embedder. It gets at least one text and is called from any thread.
using EmbedFunction =
    std::function<Result<std::vector<std::vector<float>>>(std::span<const std::string_view> texts, const Control&)>;
// invalid_argument: a bad identity or alpha.
FRACTAL_API Result<std::shared_ptr<Embedder>> make_embedder(EmbedderIdentity identity, EmbedFunction function,
                                                            double alpha = 0.8);

}  // namespace fractal

#endif
