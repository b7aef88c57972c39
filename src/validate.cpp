// Invariant: what passes here can be stored and read back unchanged on every backend.
#include "src/validate.h"

#include "src/error.h"
#include "src/json.h"
#include "src/utf8.h"

#include <algorithm>
#include <cmath>

namespace fractal {
namespace {

Result<void> check_finite(double value, std::string_view what) {
  if (!std::isfinite(value)) return make_error(Errc::invalid_argument, "{} is not a finite number", what);
  return {};
}

Result<void> check_time(Time time, std::string_view what) {
  constexpr std::int64_t year_10000 = 253'402'300'800'000'000;
  const std::int64_t micros = time.time_since_epoch().count();
  if (micros < 0 || micros >= year_10000) {
    return make_error(Errc::invalid_argument, "{} lies outside the years 1970 to 9999", what);
  }
  return {};
}

Result<void> check_json_object(std::string_view text, std::string_view what, std::size_t limit) {
  if (text.size() > limit) {
    return make_error(Errc::invalid_argument, "{} has {} bytes, more than {}", what, text.size(), limit);
  }
  return json::check_object(text, what);
}

Result<void> check_memory(const Memory& memory) {
  FRACTAL_TRY(memory.coordinate.check());
  FRACTAL_TRY(check_json_object(memory.payload, "payload", limits::payload));
  FRACTAL_TRY(check_json_object(memory.metadata, "metadata", limits::metadata));
  FRACTAL_TRY(check_finite(memory.importance, "importance"));
  if (!memory.embedding.empty()) FRACTAL_TRY(check_vector(memory.embedding, "embedding"));
  if (memory.expires_at) FRACTAL_TRY(check_time(*memory.expires_at, "expires_at"));
  return {};
}

Result<void> check_graph_link(const GraphLink& link) {
  FRACTAL_TRY(link.from.check());
  FRACTAL_TRY(link.to.check());
  FRACTAL_TRY(check_link_type(link.type));
  FRACTAL_TRY(check_finite(link.strength, "strength"));
  return check_json_object(link.metadata, "metadata", limits::metadata);
}

Result<void> check_patch(const Patch& patch) {
  if (patch.payload) FRACTAL_TRY(check_json_object(*patch.payload, "payload", limits::payload));
  if (patch.metadata) FRACTAL_TRY(check_json_object(*patch.metadata, "metadata", limits::metadata));
  if (patch.importance) FRACTAL_TRY(check_finite(*patch.importance, "importance"));
  if (patch.embedding && !patch.embedding->empty()) FRACTAL_TRY(check_vector(*patch.embedding, "embedding"));
  if (patch.expires_at) {
    FRACTAL_TRY(check_time(*patch.expires_at, "expires_at"));
    if (patch.never_expires) { return make_error(Errc::invalid_argument, "expires_at and never_expires are both set"); }
  }
  return {};
}

struct EntryChecker {
  Result<void> operator()(const Batch::Store& entry) const { return check_memory(entry.memory); }
  Result<void> operator()(const Batch::Update& entry) const {
    FRACTAL_TRY(entry.coordinate.check());
    return check_patch(entry.patch);
  }
  Result<void> operator()(const Batch::Remove& entry) const { return entry.coordinate.check(); }
  Result<void> operator()(const Batch::Link& entry) const { return check_graph_link(entry.link); }
  Result<void> operator()(const Batch::Unlink& entry) const {
    FRACTAL_TRY(entry.from.check());
    FRACTAL_TRY(entry.to.check());
    return check_link_type(entry.type);
  }
  Result<void> operator()(const Batch::Restore& entry) const {
    FRACTAL_TRY(check_memory(entry.memory));
    FRACTAL_TRY(check_time(entry.memory.created_at, "created_at"));
    return check_time(entry.memory.updated_at, "updated_at");
  }
  Result<void> operator()(const Batch::RestoreLink& entry) const {
    FRACTAL_TRY(check_graph_link(entry.link));
    return check_time(entry.link.created_at, "created_at");
  }
};

struct EntrySize {
  std::size_t of(const Memory& memory) const {
    return memory.payload.size() + memory.metadata.size() + memory.embedding.size() * sizeof(float);
  }
  std::size_t operator()(const Batch::Store& entry) const { return of(entry.memory); }
  std::size_t operator()(const Batch::Restore& entry) const { return of(entry.memory); }
  std::size_t operator()(const Batch::Update& entry) const {
    return entry.patch.payload.value_or("").size() + entry.patch.metadata.value_or("").size() +
           (entry.patch.embedding ? entry.patch.embedding->size() * sizeof(float) : 0);
  }
  std::size_t operator()(const Batch::Link& entry) const { return entry.link.metadata.size(); }
  std::size_t operator()(const Batch::RestoreLink& entry) const { return entry.link.metadata.size(); }
  std::size_t operator()(const auto&) const { return 0; }
};

}  // namespace

std::size_t bytes_of(const Batch::Entry& entry) { return std::visit(EntrySize{}, entry); }

Result<void> check_text(std::string_view text, std::string_view what, std::size_t limit) {
  if (text.size() > limit) {
    return make_error(Errc::invalid_argument, "{} has {} bytes, more than {}", what, text.size(), limit);
  }
  if (text.find('\0') != text.npos) return make_error(Errc::invalid_argument, "{} contains NUL", what);
  if (!valid_utf8(text)) return make_error(Errc::invalid_argument, "{} is not valid UTF-8", what);
  return {};
}

Result<void> check_space(const Space& space) {
  if (space.tenant.empty()) return make_error(Errc::invalid_argument, "tenant is empty");
  if (space.name.empty()) return make_error(Errc::invalid_argument, "name of the space is empty");
  FRACTAL_TRY(check_text(space.tenant, "tenant", limits::space_name));
  return check_text(space.name, "name of the space", limits::space_name);
}

Result<void> check_vector(std::span<const float> vector, std::string_view what) {
  if (vector.empty()) return make_error(Errc::invalid_argument, "{} is empty", what);
  if (vector.size() > limits::dimension) {
    return make_error(Errc::invalid_argument, "{} has {} components, more than {}", what, vector.size(),
                      limits::dimension);
  }
  double square = 0;
  for (std::size_t i = 0; i < vector.size(); ++i) {
    if (!std::isfinite(vector[i])) {
      return make_error(Errc::invalid_argument, "{} component {} is not a finite number", what, i);
    }
    square += static_cast<double>(vector[i]) * vector[i];
  }
  if (square == 0) return make_error(Errc::invalid_argument, "{} has length 0", what);
  return {};
}

Result<void> check_walk(std::size_t hops, std::string_view type) {
  if (hops == 0 || hops > limits::hops) {
    return make_error(Errc::invalid_argument, "hops {} is not in 1..{}", hops, limits::hops);
  }
  return type.empty() ? Result<void>() : check_link_type(type);
}

Result<void> check_link_type(std::string_view type) {
  if (type.empty()) return make_error(Errc::invalid_argument, "link type is empty");
  return check_text(type, "link type", limits::link_type);
}

Result<void> check_entry(const Batch::Entry& entry) { return std::visit(EntryChecker{}, entry); }

Result<void> check_batch(const Batch& batch) {
  if (batch.size() > limits::batch_entries) {
    return make_error(Errc::invalid_argument, "batch has {} entries, more than {}", batch.size(),
                      limits::batch_entries);
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& entry = batch.entries()[i];
    if (auto checked = check_entry(entry); !checked) {
      return batch.size() == 1 ? checked.error() : within(checked.error(), "entry {}", i);
    }
    bytes += bytes_of(entry);
  }
  if (bytes > limits::batch_bytes) {
    return make_error(Errc::invalid_argument, "batch has {} bytes, more than {}", bytes, limits::batch_bytes);
  }
  return {};
}

Result<void> check_activation(std::span<const Coordinate> seeds, const ActivateOptions& options) {
  if (!(options.decay >= 0 && options.decay < 1)) {
    return make_error(Errc::invalid_argument, "activate: decay {} is not in 0..1 (1 excluded)", options.decay);
  }
  FRACTAL_TRY(check_walk(options.hops, options.type));
  if (options.limit > limits::top_k) {
    return make_error(Errc::invalid_argument, "limit {} is more than {}", options.limit, limits::top_k);
  }
  for (const Coordinate& seed : seeds) FRACTAL_TRY(seed.check());
  return {};
}

Result<void> check_query(const Query& query, const SearchOptions& options) {
  const auto within_unit = [](double value) { return value >= 0 && value <= 1; };
  if (options.top_k > limits::top_k || options.offset > limits::top_k - options.top_k) {
    return make_error(Errc::invalid_argument, "top_k {} + offset {} is more than {}", options.top_k, options.offset,
                      limits::top_k);
  }
  if (options.alpha && !within_unit(*options.alpha)) {
    return make_error(Errc::invalid_argument, "alpha {} is not in 0..1", *options.alpha);
  }
  if (!within_unit(options.diversity)) {
    return make_error(Errc::invalid_argument, "diversity {} is not in 0..1", options.diversity);
  }
  const Association& association = options.association;
  if (!(association.weight >= 0 && association.weight < 1)) {
    return make_error(Errc::invalid_argument, "association weight {} is not in 0..1 (1 excluded)", association.weight);
  }
  FRACTAL_TRY(check_activation(association.seeds, association.spread));
  if (!(options.recall >= 0.5 && options.recall <= 0.999)) {
    return make_error(Errc::invalid_argument, "recall {} is not in 0.5..0.999", options.recall);
  }
  FRACTAL_TRY(check_text(query.text, "query text", limits::query_text));
  if (!query.vector.empty()) FRACTAL_TRY(check_vector(query.vector, "query vector"));
  const bool wants_text = options.mode == SearchMode::keyword || options.mode == SearchMode::hybrid;
  const bool wants_vector = options.mode == SearchMode::vector || options.mode == SearchMode::hybrid;
  if (wants_text && query.text.empty()) {
    return make_error(Errc::invalid_argument, "mode {} needs a query text", to_string(options.mode));
  }
  if (wants_vector && query.vector.empty() && query.text.empty()) {
    return make_error(Errc::invalid_argument, "mode {} needs a query vector or text", to_string(options.mode));
  }
  if (!options.within.empty()) FRACTAL_TRY(options.within.check());
  return options.filter.check();
}

Result<void> check_index_path(std::string_view path) {
  const Filter filter = Filter::exists(path);
  FRACTAL_TRY(filter.check());
  if (filter.node()->field != FilterField::payload) {
    return make_error(Errc::invalid_argument, "indexed field {}: only payload paths can be indexed", path);
  }
  return {};
}

Result<void> check_embedder(const Embedder& embedder) {
  FRACTAL_TRY(EmbedderIdentity::parse(embedder.identity().to_string()));
  const double alpha = embedder.alpha();
  if (alpha >= 0 && alpha <= 1) return {};
  return make_error(Errc::invalid_argument, "embedder {}: alpha {} is not in 0..1", embedder.identity().name, alpha);
}

Result<void> check_vectors(const std::vector<std::vector<float>>& vectors, std::size_t texts,
                           const EmbedderIdentity& identity) {
  if (vectors.size() != texts) {
    return make_error(Errc::corruption, "embedder {}: {} vectors for {} texts", identity.name, vectors.size(), texts);
  }
  for (std::size_t i = 0; i < vectors.size(); ++i) {
    const std::vector<float>& vector = vectors[i];
    if (vector.empty()) continue;
    if (vector.size() != identity.dimension) {
      return make_error(Errc::corruption, "embedder {}: vector {} has {} components, not {}", identity.name, i,
                        vector.size(), identity.dimension);
    }
    if (!std::all_of(vector.begin(), vector.end(), [](float each) { return std::isfinite(each); })) {
      return make_error(Errc::corruption, "embedder {}: vector {} is not finite", identity.name, i);
    }
    if (std::all_of(vector.begin(), vector.end(), [](float each) { return each == 0; })) {
      return make_error(Errc::corruption, "embedder {}: all components of vector {} are 0", identity.name, i);
    }
  }
  return {};
}

Result<void> check_options(const Options& options) {
  FRACTAL_TRY(check_space(options.space));
  if (!options.storage) {
    if (options.path.empty()) return make_error(Errc::invalid_argument, "path is empty");
    FRACTAL_TRY(check_text(options.path, "path", 4096));
  }
  if (options.embedder) FRACTAL_TRY(check_embedder(*options.embedder));
  if (options.disk_budget != 0 && options.disk_budget < limits::least_disk_budget) {
    return make_error(Errc::invalid_argument, "disk_budget {} is less than {}", options.disk_budget,
                      limits::least_disk_budget);
  }
  if (options.memory_budget != 0 && options.memory_budget < limits::least_memory_budget) {
    return make_error(Errc::invalid_argument, "memory_budget {} is less than {}", options.memory_budget,
                      limits::least_memory_budget);
  }
  if (options.indexed_fields.size() > limits::indexed_fields) {
    return make_error(Errc::invalid_argument, "indexed_fields has {} paths, more than {}",
                      options.indexed_fields.size(), limits::indexed_fields);
  }
  if (options.index.m < 2 || options.index.m > 64) {
    return make_error(Errc::invalid_argument, "index.m {} is not in 2..64", options.index.m);
  }
  if (options.index.ef_construction < 8 || options.index.ef_construction > 4096) {
    return make_error(Errc::invalid_argument, "index.ef_construction {} is not in 8..4096",
                      options.index.ef_construction);
  }
  if (options.busy_timeout.count() < 0) return make_error(Errc::invalid_argument, "busy_timeout is negative");
  if (options.audit.keep_for.count() < 0) return make_error(Errc::invalid_argument, "audit.keep_for is negative");
  return {};
}

}  // namespace fractal
