#include "served.h"

#include "load.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <system_error>

namespace fractal::bench {
namespace {

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string first_line(int pipe) {
  std::string line;
  for (char c = 0; ::read(pipe, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

}  // namespace

Served::Served(const std::string& program, const std::string& database, const std::vector<std::string>& flags) {
  std::vector<std::string> words{program, "--json", "--db", database, "serve", "--port", "0", "--durability", "full"};
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<std::string> variables{"FRACTAL_API_TOKEN=" + std::string(bearer_token)};
  const auto arguments = pointers_to(words), environment = pointers_to(variables);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  child_ = ::fork();
  if (child_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::dup2(pipe[1], STDOUT_FILENO);
    ::execve(program.c_str(), arguments.data(), environment.data());
    ::_exit(127);
  }
  ::close(pipe[1]);
  const std::string line = first_line(pipe[0]);
  ::close(pipe[0]);
  const auto colon = line.find("http://127.0.0.1:");
  if (colon == std::string::npos) throw std::runtime_error(program + " serve does not start");
  port_ = static_cast<std::uint16_t>(std::stoi(line.substr(colon + 17)));
}

Served::~Served() {
  ::kill(child_, SIGTERM);
  ::waitpid(child_, nullptr, 0);
}

double Served::processor_seconds() const { return processor_seconds_of(child_); }

double processor_seconds_of(pid_t process) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace fractal::bench
