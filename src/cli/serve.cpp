// serve: the database over HTTP, until SIGTERM or Ctrl-C. SIGHUP reads the tokens again.
#include "src/cli/commands.h"
#include "src/cli/failure.h"
#include "src/cli/json_object.h"
#include "src/cli/place.h"
#include "src/cli/serve_settings.h"

#include <fractal/cache.h>
#include <fractal/server.h>

#include <fmt/format.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>

namespace fractal::cli {
namespace {

struct Wanted {
  std::map<std::string, std::string> values;  // by a setting's name; those that were given
  std::map<std::string, bool> flags;
  std::string file;
  bool print = false;
  // By name: whether it was given as a flag or a variable that every command has.
  std::map<std::string, std::function<bool()>> common_given;
};

// As many connections as the system lets us have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Blocked here, and so in all threads that begin later: they come to wait() alone.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, &before_);
    std::signal(SIGPIPE, SIG_IGN);
  }
  ~Signals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int wait() const {
    int number = 0;
    while (sigwait(&set_, &number) != 0) {}
    return number;
  }

 private:
  sigset_t set_{}, before_{};
};

void say_where(const Output& out, const ServeSettings& settings, const Server& server) {
  const ServerOptions& options = settings.server;
  std::string url;
  if (!options.address.empty()) {
    const bool six = options.address.find(':') != std::string::npos;
    url = fmt::format("{}://{}{}{}:{}", options.tls_certificate.empty() ? "http" : "https", six ? "[" : "",
                      options.address, six ? "]" : "", server.port());
  }
  if (out.json()) {
    out.line(JsonObject().text("url", url).text("unix_socket", options.unix_socket).str());
  } else {
    out.line(fmt::format("listening on {}{}{}", url, url.empty() || options.unix_socket.empty() ? "" : " and ",
                         options.unix_socket));
  }
  out.flush();
}

std::shared_ptr<Cache> cache_at(const std::string& url) {
  check_url(url, cache_schemes());
  return open_cache(url).value();
}

void serve(Session& session, const Wanted& wanted) {
  std::map<std::string, std::string> flags = wanted.values;
  for (const auto& [name, given] : wanted.flags) {
    if (given) flags[name] = "true";
  }
  if (wanted.common_given.at("db")()) flags["db"] = session.settings().db;
  if (wanted.common_given.at("vector_index")()) flags["vector_index"] = session.settings().vector_index;
  ServeSettings settings = serve_settings_of(flags, wanted.file);
  if (settings.db.empty()) settings.db = session.settings().db;
  if (wanted.print) {
    session.output().line(to_json(settings));
    return;
  }
  const Signals signals;
  raise_descriptor_limit();
  Settings own = session.settings();
  own.db = settings.db;
  own.vector_index = settings.vector_index;
  session.use(own);
  Options options{.memory_budget = settings.memory_budget};
  options.durability = settings.durability == "normal" ? Durability::normal : Durability::full;
  if (!settings.cache.empty()) settings.server.cache = cache_at(settings.cache);
  auto started = Server::start(session.create(std::move(options)), settings.server);
  if (!started && started.error().code == Errc::invalid_argument) {
    throw usage_error(started.error().message + "; give --token-file, FRACTAL_API_TOKEN, or --open (docs/server.md)");
  }
  Server server = std::move(started).value();
  say_where(session.output(), settings, server);
  while (signals.wait() == SIGHUP) {
    if (auto reloaded = server.reload_tokens(); !reloaded) {
      std::fputs(("fractal: " + reloaded.error().message + "; the tokens stay as they were\n").c_str(), stderr);
    }
  }
  server.stop();
}

}  // namespace

void add_serve(Commands& commands) {
  const auto wanted = std::make_shared<Wanted>();
  CLI::App& command = commands.add({.name = "serve",
                                    .group = "In and out",
                                    .summary = "Serve the database over HTTP until Ctrl-C",
                                    .example = "fractal serve --open --print-config"},
                                   [wanted](Session& session) { serve(session, *wanted); });
  for (const ServeSetting& setting : serve_settings()) {
    const std::string name(setting.name), about(setting.about);
    if (is_common(setting)) {
      wanted->common_given[name] = [option = commands.root().get_option(setting.flag()), name = setting.variable()] {
        const char* variable = std::getenv(name.c_str());
        return option->count() > 0 || (variable != nullptr && *variable != '\0');
      };
      continue;
    }
    if (setting.type.empty()) {
      command.add_flag(setting.flag(), wanted->flags[name], about);
    } else {
      const auto take = [wanted, name](const std::string& value) { wanted->values[name] = value; };
      command.add_option_function<std::string>(setting.flag(), take, about)->type_name(std::string(setting.type));
    }
  }
  command.add_option("--config", wanted->file, "Settings as JSON; the environment and flags go before it")
      ->type_name("FILE");
  command.add_flag("--print-config", wanted->print, "Print the settings in effect, and end");
}

}  // namespace fractal::cli
