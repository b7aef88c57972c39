// An index on Milvus for a storage: opened without a server, it is behind, and rows are compared.
#include <fractal/milvus.h>

#include <cstdio>

int main() {
  const auto opened = fractal::FractalMemory::open({.path = ":memory:", .vector_index = "milvus://127.0.0.1:1"});
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
  opened->store({.coordinate = {1}, .payload = "{}", .embedding = {1, 0}}).value();
  const std::vector<float> vector{1, 0};
  if (opened->search(vector).value().hits.size() != 1) return 1;
  const auto refused = fractal::FractalMemory::open({.path = ":memory:", .vector_index = "milvus://there?x=1"});
  return !refused && refused.error().code == fractal::Errc::invalid_argument ? 0 : 1;
}
