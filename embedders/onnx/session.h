// ONNX Runtime with one model in it.
#ifndef FRACTAL_ONNX_SESSION_H
#define FRACTAL_ONNX_SESSION_H

#include <fractal/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fractal::onnx {

// Texts of one length in tokens, padded where they are shorter: row after row.
struct Tokens {
  std::size_t texts = 0;
  std::size_t length = 0;
  std::vector<std::int64_t> ids{};   // texts * length
  std::vector<std::int64_t> mask{};  // 1 for a token, 0 for padding
};

// Any thread may run it at any time.
class Session {
 public:
  // The library and the model are looked for in that order. Errors as of open_onnx_embedder().
  static Result<std::unique_ptr<Session>> open(const std::string& library, const std::string& model,
                                               std::size_t threads);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  std::size_t dimension() const noexcept;
  // A vector a text: the mean of what the model says about its tokens, as long as it comes out.
  Result<std::vector<std::vector<float>>> run(Tokens tokens) const;

 private:
  struct Parts;
  explicit Session(std::unique_ptr<Parts> parts) noexcept;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fractal::onnx

#endif
