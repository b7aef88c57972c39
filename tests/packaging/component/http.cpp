// An embedder without a network: its identity, and what it says of a server that is not there.
#include <fractal/format.h>
#include <fractal/http_embedder.h>

#include <vector>

int main() {
  const fractal::HttpEmbedderOptions options{
      .url = "http://127.0.0.1:1/v1", .model = "small", .dimension = 8, .attempts = 1};
  const auto embedder = fractal::open_http_embedder(options).value();
  const std::vector<std::string_view> texts{"tea"};
  const auto vectors = embedder->embed(texts, {});
  fmt::print("{}: {}\n", embedder->identity().to_string(), vectors ? "an answer?" : vectors.error().message);
  return !vectors && vectors.error().code == fractal::Errc::unavailable ? 0 : 1;
}
