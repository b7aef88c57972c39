// The border: every argument is checked here, before anything is read or written. The message names the
// argument and the limit.
#ifndef FRACTAL_SRC_VALIDATE_H
#define FRACTAL_SRC_VALIDATE_H

#include <fractal/embedder.h>
#include <fractal/fractal_memory.h>

#include <span>
#include <string_view>

namespace fractal {

Result<void> check_text(std::string_view text, std::string_view what, std::size_t limit);
Result<void> check_space(const Space& space);
Result<void> check_vector(std::span<const float> vector, std::string_view what);
Result<void> check_link_type(std::string_view type);
// Of a walk: how far, and along which links (empty: all).
Result<void> check_walk(std::size_t hops, std::string_view type);
Result<void> check_activation(std::span<const Coordinate> seeds, const ActivateOptions& options);
Result<void> check_entry(const Batch::Entry& entry);
Result<void> check_batch(const Batch& batch);
// What limits::batch_bytes counts.
std::size_t bytes_of(const Batch::Entry& entry);
Result<void> check_query(const Query& query, const SearchOptions& options);
// A path that create_index() takes: into the payload, not a built-in field.
Result<void> check_index_path(std::string_view path);
Result<void> check_embedder(const Embedder& embedder);
// What an embedder gave for so many texts; corruption if it has another shape than promised.
Result<void> check_vectors(const std::vector<std::vector<float>>& vectors, std::size_t texts,
                           const EmbedderIdentity& identity);
Result<void> check_options(const Options& options);
// `unavailable` once the deadline has passed or the call was cancelled.
Result<void> check_control(const Control& control, std::string_view operation);

}  // namespace fractal

#endif
