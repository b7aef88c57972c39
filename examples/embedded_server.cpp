// A program whose memory others use over HTTP while it does: here curl.
#include <fractal/format.h>
#include <fractal/server.h>

#include <cstdlib>
#include <string>

int main() {
  const auto memory = fractal::FractalMemory::open("robot.db").value();
  memory.store({.coordinate = {1}, .payload = R"({"text": "Ada likes green tea"})"}).value();

  auto server = fractal::Server::start(memory, {.port = 0, .token = "a long secret"}).value();
  const std::string url = fmt::format("http://127.0.0.1:{}/memories", server.port());
  fmt::print("asked at {}\n", url);
  std::fflush(stdout);
  const auto ask = [&](const std::string& words) {
    return std::system(fmt::format("curl -sS -w '\\n' -H 'Authorization: Bearer a long secret' {}", words).c_str());
  };
  const int failed =
      ask(url + "/1") + ask("-d '{\"coord\": \"2\", \"payload\": {\"text\": \"and a window seat\"}}' " + url);

  server.stop();
  fmt::print("remembers {}\n", memory.stats().value().memories);
  return failed == 0 ? 0 : 1;
}
