// The vector index on Milvus, its parts in hand: for this component's own files and tests.
#ifndef FRACTAL_BACKENDS_MILVUS_INDEX_H
#define FRACTAL_BACKENDS_MILVUS_INDEX_H

#include "backends/milvus/client.h"
#include "backends/milvus/milvus_store.h"
#include "src/remote_index.h"

#include <fractal/milvus.h>

#include <memory>
#include <string>
#include <utility>

namespace fractal::milvus {

// Options with what their URL says, and the address that it names. invalid_argument: it is none, or an option is out of its
// range.
Result<std::pair<MilvusOptions, MilvusAddress>> read_url(MilvusOptions options);

// `identity` tells the collections of one storage from another's.
Result<std::shared_ptr<RemoteVectorIndex>> make_milvus_index(const MilvusOptions& given, const std::string& identity,
                                                             RemoteSource source);

}  // namespace fractal::milvus

#endif
