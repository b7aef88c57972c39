// TLS and who asks: what a server behind a certificate of its own hears from the client.
#include "backends/milvus/client.h"
#include "backends/milvus/expression.h"
#include "backends/milvus/milvus_index.h"
#include "tests/seeded_random.h"
#include "tests/temporary_folder.h"

#include "milvus.grpc.pb.h"

#include <grpcpp/grpcpp.h>

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>

using namespace fractal;
namespace proto = ::milvus::proto::milvus;

namespace {

std::string contents(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// Knows no collection, and remembers who asked.
class Server final : public proto::MilvusService::Service {
 public:
  explicit Server(const testing::TemporaryFolder& folder, bool tls) {
    std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
    if (tls) {
      const std::string key = folder.file("key.pem"), certificate = folder.file("certificate.pem");
      const std::string make =
          "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "
          "subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
          key + " -out " + certificate + " 2>/dev/null";
      REQUIRE(std::system(make.c_str()) == 0);
      grpc::SslServerCredentialsOptions options;
      options.pem_key_cert_pairs.push_back({contents(key), contents(certificate)});
      credentials = grpc::SslServerCredentials(options);
    }
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    REQUIRE(server_);
  }
  ~Server() override { server_->Shutdown(std::chrono::system_clock::now()); }

  int port() const { return port_; }
  std::string heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  grpc::Status HasCollection(grpc::ServerContext* context, const proto::CollectionRequest* request,
                             proto::BoolResponse*) override {
    const std::lock_guard lock(mutex_);
    const auto value = [&](const char* name) {
      const auto found = context->client_metadata().find(name);
      return found == context->client_metadata().end() ? std::string("-")
                                                       : std::string(found->second.data(), found->second.size());
    };
    heard_ = value("authorization") + " " + value("dbname") + " " + request->db_name();
    if (heard_.starts_with("d3Jvbmc=")) return {grpc::StatusCode::UNAUTHENTICATED, "who are you?"};
    return grpc::Status::OK;
  }

  std::mutex mutex_;
  std::string heard_{};
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Result<bool> ask(const std::string& url) {
  const auto read = fractal::milvus::read_url({.url = url, .call_timeout = std::chrono::seconds(3)}).value();
  const auto client = fractal::milvus::Client::open(read.second, read.first);
  if (!client) return client.error();
  return (*client)->has("anything", nullptr);
}

}  // namespace

TEST_CASE("a token goes with each call, behind TLS to a server whose certificate is trusted") {
  const testing::TemporaryFolder folder;
  Server server(folder, true);
  const std::string at = "127.0.0.1:" + std::to_string(server.port());
  const std::string trusted = "?ca=" + folder.file("certificate.pem");
  CHECK(ask("milvus+tls://ada:secret@" + at + "/notes" + trusted).value() == false);
  CHECK(server.heard() == "YWRhOnNlY3JldA== notes notes");  // base64 of ada:secret
  CHECK(ask("milvus+tls://k@" + at + trusted).value() == false);
  CHECK(server.heard() == "aw== - ");
  CHECK(ask("milvus+tls://" + at + trusted).value() == false);
  CHECK(server.heard() == "- - ");

  const auto wrong = ask("milvus+tls://wrong@" + at + trusted);
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().code == Errc::unsupported);
  CHECK(wrong.error().message.find("who are you?") != std::string::npos);

  // By the system's authorities it is nobody's, and it takes no plain text.
  for (const std::string& url : {"milvus+tls://ada:secret@" + at, "milvus://ada:secret@" + at}) {
    const auto refused = ask(url);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::unavailable);
    CHECK(refused.error().message.find("secret") == std::string::npos);
  }
}

TEST_CASE("without TLS the same") {
  const testing::TemporaryFolder folder;
  Server server(folder, false);
  CHECK(ask("milvus://ada:secret@127.0.0.1:" + std::to_string(server.port())).value() == false);
  CHECK(server.heard() == "YWRhOnNlY3JldA== - ");
}
