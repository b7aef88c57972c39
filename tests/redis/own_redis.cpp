#include "tests/redis/own_redis.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace fractal::testing {
namespace {

pid_t started(const std::vector<std::string>& words, const std::string& output, int out_fd) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  if (out_fd >= 0) {
    ::posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
  } else {
    ::posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  }
  ::posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t process = -1;
  const int failed = ::posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("cannot start " + words[0]);
  return process;
}

}  // namespace

OwnRedis::OwnRedis(std::vector<std::string> words, std::uint16_t port, std::string program)
    : words_(std::move(words)), port_(port), program_(std::move(program)) {
  start();
}

OwnRedis::~OwnRedis() { kill(); }

void OwnRedis::start() {
  std::vector<std::string> words{
      program_, "--port", std::to_string(port_),  "--unixsocket", socket(), "--save", "", "--appendonly",
      "no",     "--dir",  folder_.path().string()};
  words.insert(words.end(), words_.begin(), words_.end());
  process_ = started(words, folder_.file("log"), -1);
  for (int i = 0; i < 200; ++i) {
    const std::string answer = ask({"ping"});
    if (answer.starts_with("PONG") || answer.starts_with("NOAUTH")) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  throw std::runtime_error("Redis does not start");
}

void OwnRedis::kill() {
  if (process_ < 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = -1;
}

void OwnRedis::freeze(bool frozen) const { ::kill(process_, frozen ? SIGSTOP : SIGCONT); }

std::string OwnRedis::ask(const std::vector<std::string>& words) const {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  std::vector<std::string> all{"redis-cli", "-s", socket()};
  all.insert(all.end(), words.begin(), words.end());
  const pid_t process = started(all, "", ends[1]);
  ::close(ends[1]);
  std::string text;
  std::array<char, 4'096> bytes{};
  for (ssize_t got = 0; (got = ::read(ends[0], bytes.data(), bytes.size())) > 0;) {
    text.append(bytes.data(), static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  ::waitpid(process, nullptr, 0);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

// Below those that the kernel gives to whoever connects, which somebody may have before the server does. None twice.
std::uint16_t free_port() {
  constexpr unsigned first = 10'000, count = 10'000;
  static std::atomic<unsigned> next{std::random_device()() % count};
  for (unsigned tries = 0; tries < count; ++tries) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    address.sin_port = htons(static_cast<std::uint16_t>(first + next++ % count));
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool is_free = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (is_free) return ntohs(address.sin_port);
  }
  throw std::runtime_error("no free port");
}

}  // namespace fractal::testing
