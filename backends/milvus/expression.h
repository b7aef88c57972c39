// Milvus' filter expressions. Literals are written, never bound: servers differ in what they can bind.
#ifndef FRACTAL_BACKENDS_MILVUS_EXPRESSION_H
#define FRACTAL_BACKENDS_MILVUS_EXPRESSION_H

#include <fractal/backend.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fractal::milvus {

// A text as a literal, quotes included: " and \ behind a \. None for a text with line breaks: no way to write these is
// understood by every server.
std::optional<std::string> literal(std::string_view text);

// A name as letters, digits, - . _ and %XX: what a literal may hold as it is, and what servers take as a key.
std::string plain(std::string_view name);

// "[1,2,3]"
std::string list(std::span<const MemoryId> ids);

}  // namespace fractal::milvus

#endif
