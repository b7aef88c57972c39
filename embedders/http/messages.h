// The JSON of an embeddings API: what is asked and how an answer is read.
#ifndef FRACTAL_HTTP_MESSAGES_H
#define FRACTAL_HTTP_MESSAGES_H

#include <fractal/result.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fractal::http {

using Vectors = std::vector<std::vector<float>>;

struct Question {
  std::string_view model{};
  std::size_t send_dimension = 0;  // 0: not sent
  bool base64 = false;
};

// invalid_argument: a text is not valid UTF-8.
Result<std::string> write_question(const Question& question, std::span<const std::string_view> texts);

// `count` vectors in the order of their "index", all of one dimension, the given one unless that is 0, and finite; one
// that is all 0 comes back empty. corruption: anything else.
Result<Vectors> read_answer(std::string_view body, std::size_t count, std::size_t dimension);

// The server's words in an answer that is an error: {"error": {"message": ...}}, {"error": ...}, {"message": ...},
// {"detail": ...}, or the body. One line of printable text, not long.
std::string read_complaint(std::string_view body, std::string_view secret);

}  // namespace fractal::http

#endif
