// Memory with the embeddings of a server: any that speaks OpenAI's /v1/embeddings, here or far away.
//   http_embedder http://127.0.0.1:8080/v1 all-MiniLM-L6-v2 [environment variable with the API key]
#include <fractal/format.h>
#include <fractal/http_embedder.h>

#include <cstdio>
#include <exception>
#include <string>

int main(int count, char** words) try {
  if (count < 3) {
    fmt::print("usage: http_embedder URL MODEL [KEY_VARIABLE]\n");
    return 2;
  }
  const auto embedder =
      fractal::open_http_embedder({.url = words[1], .model = words[2], .key_variable = count > 3 ? words[3] : ""})
          .value();
  fmt::print("{}\n", embedder->identity().to_string());

  auto memory = fractal::FractalMemory::open({.path = ":memory:", .embedder = embedder}).value();
  fractal::Batch notes;
  notes.store({.coordinate = {1}, .payload = R"({"text": "The refrigerator hums at night"})"});
  notes.store({.coordinate = {2}, .payload = R"({"text": "Ada repairs bicycles in the garage"})"});
  notes.store({.coordinate = {3}, .payload = R"({"text": "She was afraid in the narrow lift"})"});
  memory.apply(notes).value();  // one request for the three of them

  for (const std::string question : {"a device for keeping food cold", "fear of being shut in"}) {
    const auto found = memory.search(question, {.top_k = 1}).value();
    fmt::print("{} -> {}\n", question, found.hits.at(0).memory.payload);
  }
} catch (const std::exception& failure) {
  fmt::print(stderr, "http_embedder: {}\n", failure.what());
  return 1;
}
