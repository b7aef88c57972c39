// An embedder behind HTTP: any server that answers POST {url}/embeddings the way OpenAI's API does. The component
// `http` of the package: find_package(FractalMemory COMPONENTS http), FractalMemory::http.
#ifndef FRACTAL_HTTP_EMBEDDER_H
#define FRACTAL_HTTP_EMBEDDER_H

#include <fractal/embedder.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace fractal {

struct HttpEmbedderOptions {
  std::string url{};    // up to the API's version: "http://127.0.0.1:8080/v1"; "/embeddings" is added to it
  std::string model{};  // the server's name of the model. The identity is "http:<model>": 95 bytes, no blanks
  // 0: open_http_embedder() asks the server, with one text. Else nothing is sent before the first embed().
  std::size_t dimension = 0;
  // Also ask the server for vectors of `dimension` components, where a model can be cut to size.
  bool send_dimension = false;
  // What tells two versions of the model apart: hexadecimal, up to 64 characters. A server does not say it.
  std::string digest{};

  // The environment variable that holds the API key, read once by open_http_embedder(); empty: no key is sent. The
  // key goes to `url` alone, as "Authorization: Bearer", and into no message.
  std::string key_variable{};
  std::string ca_file{};   // PEM certificates to trust instead of the system's
  bool verify_tls = true;  // false: anybody may answer in the server's place, and read key and texts

  std::size_t batch_texts = 64;       // texts of one request, at most
  std::size_t batch_bytes = 262'144;  // bytes of text in one request, at most; a longer text goes alone
  bool base64 = false;                // ask for vectors as base64: answers of half the size, where a server can

  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds request_timeout{60'000};  // one attempt, from connecting to the last byte

  // A request is sent again after 408, 429, 5xx and a broken, refused or silent connection, never after another
  // answer: at most so often in all, after waits of about first_wait, twice that, four times... up to longest_wait,
  // or as long as Retry-After says. A server that says longer than longest_wait is not waited for.
  std::size_t attempts = 4;
  std::chrono::milliseconds first_wait{250};
  std::chrono::milliseconds longest_wait{30'000};

  double alpha = 0.8;  // Embedder::alpha()
};

// An embedder for any number of threads; each call has a connection of its own, kept for the next. A text that is
// empty or blank is not sent: its vector is empty. Redirects are not followed. The environment's proxy settings hold.
// invalid_argument: an option; a variable without a key; from embed() also what the server refuses (4xx).
// unavailable: no answer after the last attempt, or Control. io: TLS. corruption: an answer of the wrong shape.
FRACTAL_API Result<std::shared_ptr<Embedder>> open_http_embedder(HttpEmbedderOptions options,
                                                                 const Control& control = {});

}  // namespace fractal

#endif
