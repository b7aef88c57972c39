// Invariant: a reply counts only if the transport says OK and the server's status does; what is asked for in fields comes
// back with as many values as rows.
#include "backends/milvus/client.h"

#include "src/call_policy.h"
#include "src/error.h"
#include "src/validate.h"

#include "milvus.grpc.pb.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <thread>

namespace fractal::milvus {
namespace {

namespace proto = ::milvus::proto::milvus;

// Of Milvus' schema.proto and common.proto.
constexpr int type_int64 = 5, type_varchar = 21, type_float_vector = 101;
constexpr int dsl_expression = 1, collection_missing = 100, invalid_parameter = 1100, unknown = 0, loaded = 3;
constexpr int level_strong = 0, level_session = 1;
constexpr int most_message = 512 << 20;
constexpr std::chrono::milliseconds step{20}, longest_backoff{1'000};
constexpr std::size_t most_key = 80, most_tenant = 1'024, most_note = 1'024, most_place = 65'535;

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      three = three << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    }
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : digits[three >> (18 - 6 * j) & 63];
  }
  return text;
}

proto::FieldData* add_column(proto::UpsertRequest& request, std::string_view name, int type) {
  auto* const column = request.add_fields_data();
  column->set_field_name(std::string(name));
  column->set_type(type);
  return column;
}

template <class Get>
void add_integers(proto::UpsertRequest& request, std::string_view name, std::span<const WrittenRow> rows,
                  const Get& get) {
  auto* const data = add_column(request, name, type_int64)->mutable_scalars()->mutable_long_data()->mutable_data();
  for (const WrittenRow& row : rows) data->Add(get(row));
}

template <class Get>
void add_texts(proto::UpsertRequest& request, std::string_view name, std::span<const WrittenRow> rows, const Get& get) {
  auto* const data = add_column(request, name, type_varchar)->mutable_scalars()->mutable_string_data()->mutable_data();
  for (const WrittenRow& row : rows) data->Add(std::string(get(row)));
}

template <class Data, class Value>
Result<void> read_values(const proto::FieldData& column, const Data& data, std::vector<Row>& rows, Value Row::*member) {
  if (static_cast<std::size_t>(data.size()) != rows.size()) {
    return make_error(Errc::io, "field {} has {} values for {} rows", column.field_name(), data.size(), rows.size());
  }
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].*member = data[static_cast<int>(i)];
  return {};
}

Result<void> read_integers(const proto::FieldData& column, std::vector<Row>& rows, std::int64_t Row::*member) {
  return read_values(column, column.scalars().long_data().data(), rows, member);
}

Result<void> read_texts(const proto::FieldData& column, std::vector<Row>& rows, std::string Row::*member) {
  return read_values(column, column.scalars().string_data().data(), rows, member);
}

Result<void> read_vectors(const proto::FieldData& column, std::vector<Row>& rows) {
  const auto& data = column.vectors().float_vector().data();
  const auto dimension = static_cast<std::size_t>(column.vectors().dim());
  if (dimension == 0 || static_cast<std::size_t>(data.size()) != rows.size() * dimension) {
    return make_error(Errc::io, "field {} has {} components for {} rows", column.field_name(), data.size(),
                      rows.size());
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* const begin = data.data() + i * dimension;
    rows[i].vector.assign(begin, begin + dimension);
  }
  return {};
}

std::size_t values_of(const proto::FieldData& column) {
  if (column.has_vectors()) {
    const auto dimension = std::max<std::int64_t>(column.vectors().dim(), 1);
    return static_cast<std::size_t>(column.vectors().float_vector().data_size() / dimension);
  }
  if (column.scalars().has_string_data()) return static_cast<std::size_t>(column.scalars().string_data().data_size());
  return static_cast<std::size_t>(column.scalars().long_data().data_size());
}

template <class Columns>
Result<std::vector<Row>> read_rows(const Columns& columns, std::span<const std::string_view> fields) {
  std::vector<Row> rows;
  if (columns.empty()) return rows;
  rows.resize(values_of(columns[0]));
  if (rows.empty()) return rows;
  std::size_t asked = 0;
  for (const proto::FieldData& column : columns) {
    const std::string& name = column.field_name();
    asked += std::find(fields.begin(), fields.end(), name) != fields.end();
    if (name == "note") FRACTAL_TRY(read_texts(column, rows, &Row::note));
    if (name == "epoch") FRACTAL_TRY(read_integers(column, rows, &Row::epoch));
    if (name == "id") FRACTAL_TRY(read_integers(column, rows, &Row::id));
    if (name == "born") FRACTAL_TRY(read_integers(column, rows, &Row::born));
    if (name == "kind") FRACTAL_TRY(read_integers(column, rows, &Row::kind));
    if (name == "vector") FRACTAL_TRY(read_vectors(column, rows));
  }
  if (asked != fields.size()) return make_error(Errc::io, "the reply lacks fields that were asked for");
  return rows;
}

void add_pair(google::protobuf::RepeatedPtrField<proto::KeyValuePair>* pairs, std::string key, std::string value) {
  auto* const pair = pairs->Add();
  pair->set_key(std::move(key));
  pair->set_value(std::move(value));
}

void add_field(proto::CollectionSchema& schema, std::string_view name, int type, std::size_t most = 0) {
  auto* const field = schema.add_fields();
  field->set_name(std::string(name));
  field->set_data_type(type);
  if (most != 0) add_pair(field->mutable_type_params(), "max_length", std::to_string(most));
}

proto::CollectionSchema schema_of(const CollectionPlan& plan) {
  proto::CollectionSchema schema;
  schema.set_name(plan.name);
  add_field(schema, "pk", type_varchar, most_key);
  schema.mutable_fields(0)->set_is_primary_key(true);
  add_field(schema, "tenant", type_varchar, most_tenant);
  schema.mutable_fields(1)->set_is_partition_key(plan.partitioned);
  for (const char* name : {"space", "epoch", "id", "born", "kind", "type", "created_at"})
    add_field(schema, name, type_int64);
  add_field(schema, "note", type_varchar, most_note);
  add_field(schema, "place", type_varchar, most_place);
  add_field(schema, "vector", type_float_vector);
  add_pair(schema.mutable_fields(schema.fields_size() - 1)->mutable_type_params(), "dim",
           std::to_string(plan.dimension));
  return schema;
}

Result<std::string> contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return make_error(Errc::io, "milvus: cannot read {}", path);
  return text.str();
}

std::int32_t code_of(const proto::Status& status) { return status.code() != 0 ? status.code() : status.error_code(); }

}  // namespace

class Client::Calls {
 public:
  Calls(const MilvusAddress& address, const MilvusOptions& options,
        std::shared_ptr<grpc::ChannelCredentials> credentials)
      : name_(fmt::format("milvus at {}", address.server)),
        database_(address.database),
        authorization_(address.token.empty() ? std::string() : base64(address.token)),
        timeout_(options.call_timeout),
        server_(address.server),
        credentials_(std::move(credentials)),
        arguments_(arguments(options)),
        policy_(name_, {}),
        stub_(connect()) {}

  const std::string& name() const { return name_; }
  const std::string& database() const { return database_; }
  CallPolicy& policy() { return policy_; }

  // begin: starts the call on the stub. Checks the transport and the status.
  template <class Reply, class Request, class Begin>
  Result<Reply> call(const Begin& begin, Request& request, const char* what, const Control* control) {
    request.set_db_name(database_);
    return policy_.run(control, [&]() -> Result<Reply> {
      Reply reply;
      FRACTAL_TRY(attempt(begin, request, reply, what, control));
      FRACTAL_TRY(check(status_of(reply), what));
      return reply;
    });
  }

 private:
  using Stub = proto::MilvusService::Stub;

  std::shared_ptr<Stub> connect() const {
    return proto::MilvusService::NewStub(grpc::CreateCustomChannel(server_, credentials_, arguments_));
  }
  std::shared_ptr<Stub> stub() {
    const std::lock_guard lock(mutex_);
    return stub_;
  }
  // A connection that swallows everything stays open for minutes: who waited in vain does not try that one again.
  void connect_anew(const std::shared_ptr<Stub>& failed) {
    const std::lock_guard lock(mutex_);
    if (stub_ == failed) stub_ = connect();
  }

  static grpc::ChannelArguments arguments(const MilvusOptions& options) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(most_message);
    arguments.SetMaxSendMessageSize(most_message);
    // In spite of its name, how long an attempt to connect may take (gRPC's doc/connection-backoff.md). After one that
    // was refused it waits only until the backoff is over.
    const auto attempt = std::min<std::chrono::milliseconds>(options.connect_timeout, std::chrono::hours(1));
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(attempt.count()));
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, static_cast<int>(std::min(attempt, longest_backoff).count()));
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // each channel has a connection of its own
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
    return arguments;
  }

  template <class Request, class Reply, class Begin>
  Result<void> attempt(const Begin& begin, const Request& request, Reply& reply, const char* what,
                       const Control* control) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + timeout_);
    if (!authorization_.empty()) context.AddMetadata("authorization", authorization_);
    if (!database_.empty()) context.AddMetadata("dbname", database_);
    std::mutex mutex;  // of the next three
    std::condition_variable arrived;
    bool done = false;
    grpc::Status status;
    const std::shared_ptr<Stub> stub = this->stub();
    begin(*stub, &context, &request, &reply, [&](grpc::Status ended) {
      const std::lock_guard lock(mutex);
      status = std::move(ended);
      done = true;
      arrived.notify_one();
    });
    std::unique_lock lock(mutex);
    while (!arrived.wait_for(lock, step, [&] { return done; })) {
      if (policy_.ended(control)) context.TryCancel();
    }
    if (status.ok()) return {};
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) connect_anew(stub);
    switch (status.error_code()) {
      case grpc::StatusCode::UNAUTHENTICATED:
      case grpc::StatusCode::PERMISSION_DENIED:
      case grpc::StatusCode::UNIMPLEMENTED:
        return make_error(Errc::unsupported, "{}: {}: {}", name_, what, status.error_message());
      case grpc::StatusCode::INVALID_ARGUMENT:
      case grpc::StatusCode::OUT_OF_RANGE:
        return make_error(Errc::io, "{}: {}: {}", name_, what, status.error_message());
      default: return make_error(Errc::unavailable, "{}: {}: {}", name_, what, status.error_message());
    }
  }

  static const proto::Status& status_of(const proto::Status& reply) { return reply; }
  template <class Reply> static const proto::Status& status_of(const Reply& reply) { return reply.status(); }

  Result<void> check(const proto::Status& status, const char* what) const {
    const std::int32_t code = code_of(status);
    if (code == 0) return {};
    const Errc errc = code == collection_missing ? Errc::not_found : status.retriable() ? Errc::unavailable : Errc::io;
    return make_error(errc, "{}: {}: {} (code {})", name_, what, status.reason(), code);
  }

  const std::string name_, database_, authorization_;
  const std::chrono::milliseconds timeout_;
  const std::string server_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  const grpc::ChannelArguments arguments_;
  CallPolicy policy_;
  std::mutex mutex_;  // of the next
  std::shared_ptr<Stub> stub_;
};

Client::Client(std::unique_ptr<Calls> calls) : calls_(std::move(calls)) {}
Client::~Client() = default;
const std::string& Client::name() const { return calls_->name(); }
std::string Client::problem() const { return calls_->policy().problem(); }
void Client::stop() { calls_->policy().stop(); }

bool refuses_expression(const Error& error) {
  return error.message.ends_with(fmt::format("(code {})", invalid_parameter));
}

Result<std::unique_ptr<Client>> Client::open(const MilvusAddress& address, const MilvusOptions& options) {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (address.tls) {
    grpc::SslCredentialsOptions tls;
    if (!address.certificates.empty()) { FRACTAL_TRY_INTO(tls.pem_root_certs, contents_of(address.certificates)); }
    credentials = grpc::SslCredentials(tls);
  }
  return std::unique_ptr<Client>(new Client(std::make_unique<Calls>(address, options, std::move(credentials))));
}

// ---- Collections -------------------------------------------------------------------------------------------------

#define FRACTAL_CALL(name)                                                                             \
  [](proto::MilvusService::Stub& on, grpc::ClientContext* call_context, const auto* asked, auto* told, \
     std::function<void(grpc::Status)> then) { on.async()->name(call_context, asked, told, std::move(then)); }

Result<bool> Client::has(const std::string& collection, const Control* control) {
  proto::CollectionRequest request;
  request.set_collection_name(collection);
  auto reply =
      calls_->call<proto::BoolResponse>(FRACTAL_CALL(HasCollection), request, "look for a collection", control);
  if (!reply && reply.error().code == Errc::not_found) return false;
  if (!reply) return reply.error();
  return reply->value();
}

Result<void> Client::need(const std::string& collection, const Control* control) {
  FRACTAL_TRY_INTO(const bool there, has(collection, control));
  if (there) return {};
  return make_error(Errc::not_found, "{}: there is no collection {}", name(), collection);
}

Result<std::vector<std::string>> Client::collections() {
  proto::ShowCollectionsRequest request;
  FRACTAL_TRY_INTO(const auto reply, calls_->call<proto::ShowCollectionsResponse>(
                                         FRACTAL_CALL(ShowCollections), request, "list the collections", nullptr));
  return std::vector<std::string>(reply.collection_names().begin(), reply.collection_names().end());
}

Result<void> Client::drop(const std::string& collection, const Control* control) {
  proto::CollectionRequest request;
  request.set_collection_name(collection);
  const auto dropped = calls_->call<proto::Status>(FRACTAL_CALL(DropCollection), request, "drop a collection", control);
  if (!dropped && dropped.error().code != Errc::not_found) return dropped.error();
  return {};
}

Result<void> Client::create(const CollectionPlan& plan, const Control* control) {
  proto::CreateCollectionRequest creation;
  creation.set_collection_name(plan.name);
  creation.set_schema(schema_of(plan).SerializeAsString());
  creation.set_shards_num(1);
  creation.set_consistency_level(level_session);
  auto created = calls_->call<proto::Status>(FRACTAL_CALL(CreateCollection), creation, "create a collection", control);
  // Of another program that is just making it, Milvus Lite 3 refuses this one before it says that it is there.
  bool there = created.has_value();
  for (int look = 0; !there && look < 10 && !calls_->policy().ended(control); ++look) {
    if (look > 0) std::this_thread::sleep_for(step);
    FRACTAL_TRY_INTO(there, has(plan.name, control));
  }
  return there ? make_ready(plan, control) : Result<void>(created.error());
}

// Steps that are done already, by this program or another, are passed over.
Result<void> Client::make_ready(const CollectionPlan& plan, const Control* control) {
  proto::CreateIndexRequest indexing;
  indexing.set_collection_name(plan.name);
  indexing.set_field_name("vector");
  indexing.set_index_name("vector");
  add_pair(indexing.mutable_extra_params(), "index_type", std::string(plan.index));
  add_pair(indexing.mutable_extra_params(), "metric_type", std::string(plan.metric));
  add_pair(indexing.mutable_extra_params(), "params", "{}");
  auto indexed = calls_->call<proto::Status>(FRACTAL_CALL(CreateIndex), indexing, "create an index", control);
  proto::LoadCollectionRequest loading;
  loading.set_collection_name(plan.name);
  loading.set_replica_number(1);
  auto loads = calls_->call<proto::Status>(FRACTAL_CALL(LoadCollection), loading, "load a collection", control);
  if (!loads) {
    FRACTAL_TRY(need(plan.name, control));
    return indexed ? loads.error() : indexed.error();
  }
  for (int look = 0; look < 500; ++look) {
    proto::GetLoadStateRequest asking;
    asking.set_collection_name(plan.name);
    FRACTAL_TRY_INTO(const auto state,
                     calls_->call<proto::GetLoadStateResponse>(FRACTAL_CALL(GetLoadState), asking,
                                                               "look whether a collection is loaded", control));
    if (state.state() == loaded) return {};
    if (state.state() == unknown) FRACTAL_TRY(need(plan.name, control));  // also said while the server cannot tell
    if (calls_->policy().ended(control)) break;
    std::this_thread::sleep_for(step);
  }
  return make_error(Errc::unavailable, "{}: collection {} is not loaded yet", name(), plan.name);
}

// ---- Rows --------------------------------------------------------------------------------------------------------

Result<std::uint64_t> Client::upsert(const std::string& collection, std::span<const WrittenRow> rows,
                                     const Control* control) {
  proto::UpsertRequest request;
  request.set_collection_name(collection);
  request.set_num_rows(static_cast<std::uint32_t>(rows.size()));
  add_texts(request, "pk", rows, [](const WrittenRow& row) -> const std::string& { return row.key; });
  add_texts(request, "tenant", rows, [](const WrittenRow& row) { return row.tenant; });
  add_integers(request, "space", rows, [](const WrittenRow& row) { return row.space; });
  add_integers(request, "epoch", rows, [](const WrittenRow& row) { return row.epoch; });
  add_integers(request, "id", rows, [](const WrittenRow& row) { return row.id; });
  add_integers(request, "born", rows, [](const WrittenRow& row) { return row.born; });
  add_integers(request, "kind", rows, [](const WrittenRow& row) { return row.kind; });
  add_texts(request, "note", rows, [](const WrittenRow& row) { return row.note; });
  add_texts(request, "place", rows, [](const WrittenRow& row) -> const std::string& { return row.place; });
  add_integers(request, "type", rows, [](const WrittenRow& row) { return row.type; });
  add_integers(request, "created_at", rows, [](const WrittenRow& row) { return row.created_at; });
  auto* const vectors = add_column(request, "vector", type_float_vector)->mutable_vectors();
  const std::size_t dimension = rows.empty() ? 0 : rows.front().vector.size();
  vectors->set_dim(static_cast<std::int64_t>(dimension));
  auto* const data = vectors->mutable_float_vector()->mutable_data();
  data->Reserve(static_cast<int>(rows.size() * dimension));
  for (const WrittenRow& row : rows) data->Add(row.vector.begin(), row.vector.end());
  FRACTAL_TRY_INTO(const auto reply,
                   calls_->call<proto::MutationResult>(FRACTAL_CALL(Upsert), request, "write vectors", control));
  return reply.timestamp();
}

Result<std::uint64_t> Client::erase(const std::string& collection, const std::string& expression) {
  proto::DeleteRequest request;
  request.set_collection_name(collection);
  request.set_expr(expression);
  request.set_consistency_level(level_session);
  FRACTAL_TRY_INTO(const auto reply,
                   calls_->call<proto::MutationResult>(FRACTAL_CALL(Delete), request, "delete vectors", nullptr));
  return reply.timestamp();
}

namespace {
template <class Request> void ask_for(Request& request, const Consistency& consistency) {
  const bool strong = consistency.level == MilvusConsistency::strong;
  request.set_consistency_level(strong ? level_strong : level_session);
  // 1: nothing in particular; 0 would be everything.
  if (!strong) request.set_guarantee_timestamp(std::max<std::uint64_t>(consistency.timestamp, 1));
}
}  // namespace

Result<std::vector<Row>> Client::query(const std::string& collection, const std::string& expression,
                                       std::span<const std::string_view> fields, std::size_t limit,
                                       const Consistency& consistency, const Control* control) {
  proto::QueryRequest request;
  request.set_collection_name(collection);
  request.set_expr(expression);
  for (const std::string_view field : fields) request.add_output_fields(std::string(field));
  if (limit != 0) add_pair(request.mutable_query_params(), "limit", std::to_string(limit));
  ask_for(request, consistency);
  FRACTAL_TRY_INTO(const auto reply,
                   calls_->call<proto::QueryResults>(FRACTAL_CALL(Query), request, "read vectors", control));
  auto rows = read_rows(reply.fields_data(), fields);
  return rows ? std::move(rows) : Result<std::vector<Row>>(within(rows.error(), "{}: read vectors", name()));
}

Result<std::vector<Row>> Client::search(const std::string& collection, const std::string& expression,
                                        const Nearest& nearest, const Consistency& consistency,
                                        const Control* control) {
  proto::PlaceholderGroup group;
  auto* const placeholder = group.add_placeholders();
  placeholder->set_tag("$0");
  placeholder->set_type(type_float_vector);
  std::string bytes(nearest.vector.size_bytes(), '\0');  // little-endian, as every machine that this is built for
  std::memcpy(bytes.data(), nearest.vector.data(), bytes.size());
  placeholder->add_values(std::move(bytes));
  proto::SearchRequest request;
  request.set_collection_name(collection);
  request.set_dsl(expression);
  request.set_dsl_type(dsl_expression);
  request.set_placeholder_group(group.SerializeAsString());
  request.set_nq(1);
  for (const std::string_view field : nearest.fields) request.add_output_fields(std::string(field));
  auto* const parameters = request.mutable_search_params();
  add_pair(parameters, "anns_field", "vector");
  add_pair(parameters, "topk", std::to_string(nearest.k));
  add_pair(parameters, "metric_type", std::string(nearest.metric));
  add_pair(parameters, "params", "{}");
  add_pair(parameters, "round_decimal", "-1");
  ask_for(request, consistency);
  FRACTAL_TRY_INTO(const auto reply,
                   calls_->call<proto::SearchResults>(FRACTAL_CALL(Search), request, "search", control));
  auto rows = read_rows(reply.results().fields_data(), nearest.fields);
  return rows ? std::move(rows) : Result<std::vector<Row>>(within(rows.error(), "{}: search", name()));
}

}  // namespace fractal::milvus
