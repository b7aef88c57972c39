// A vector index on a Milvus server, one for all machines that share a storage (docs/backends.md says when it pays).
//
//   #include <fractal/milvus.h>
//   auto memory = fractal::FractalMemory::open(
//       {.path = "agent.db", .vector_index = "milvus://db.example:19530"}).value();
//
// With options of its own:
//
//   fractal::Options options{.path = "agent.db"};
//   options.storage = fractal::open_sqlite_storage(options).value();
//   options.vector_index = fractal::open_milvus_index({.url = "milvus://db.example:19530"}, options.storage).value();
//   auto memory = fractal::FractalMemory::open(options).value();
#ifndef FRACTAL_MILVUS_H
#define FRACTAL_MILVUS_H

#include <fractal/remote_vector_index.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace fractal {

// What a program sees at least when it looks how far others have delivered: strong: everything; bounded: what is older than
// five seconds; session: what it wrote itself, which the others include. Answers are right at each level: what is not
// there yet is compared from the rows. Milvus' "eventually" would only see less.
enum class MilvusConsistency : std::uint8_t { strong, session, bounded };

struct MilvusOptions {
  // milvus://[token@|user:password@]host[:port][/database][?prefix=...&consistency=...&ca=FILE&wait=yes&grace=MS
  // &queue_bytes=N&most_scanned=N], milvus+tls://... with TLS. What it names counts before the fields below; numbers are 1
  // at least. Messages name neither password nor token.
  std::string url{};
  std::string prefix = "fractal";  // of the collections' names: letters, digits and _
  MilvusConsistency consistency = MilvusConsistency::session;
  std::string token{};              // an API key, or user:password
  std::string certificates{};       // PEM of those to trust, of a private authority; empty: the system's
  std::string index = "AUTOINDEX";  // Milvus' index type
  bool partition_by_tenant = true;  // the tenant is the partition key, where the server can
  // false: writes return at once and a thread delivers them; until it has, the core compares what is missing by itself.
  bool wait = false;
  std::uint64_t queue_bytes =
      64u << 20;  // of what waits to be delivered, a space; beyond it is read from the storage again
  std::uint64_t most_scanned = 100'000;  // rows that the core may compare by itself; beyond: `unavailable`
  // Of one attempt to connect, with TLS, 100 ms at least; a server that is there again is found within about a second.
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds call_timeout{10'000};  // of one attempt; there are up to three
  std::chrono::milliseconds grace{60'000};  // replaced vectors are kept so long, for who still reads an older moment
};

// Makes collections when they are needed. The storage has a setting that names them, so several storages may share a
// server and a prefix. Any thread; the index, too. invalid_argument: the URL is none, or an option is out of its range.
// A server that does not answer is no error: the index follows when it does.
FRACTAL_API Result<std::shared_ptr<RemoteVectorIndex>> open_milvus_index(const MilvusOptions& options,
                                                                         const std::shared_ptr<Storage>& storage);

// What Options::vector_index = "milvus://..." does.
FRACTAL_API Result<std::shared_ptr<VectorIndex>> open_milvus_url(const std::string& url, const Options& options,
                                                                 const std::shared_ptr<Storage>& storage);
inline const bool milvus_scheme_added =
    add_vector_index_scheme("milvus", &open_milvus_url) && add_vector_index_scheme("milvus+tls", &open_milvus_url);

}  // namespace fractal

#endif
