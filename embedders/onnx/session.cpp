// Invariant: every object of ONNX Runtime has one owner here and is released before the library's environment, which
// is released before nothing: the library itself is never closed, since its threads may still be on their way out.
#include "session.h"

#include "ort_api.h"

#include "src/error.h"

#include <dlfcn.h>

#include <array>
#include <filesystem>
#include <initializer_list>
#include <string_view>
#include <system_error>
#include <utility>

namespace fractal::onnx {
namespace {

constexpr std::array usual_names = {"libonnxruntime.so", "libonnxruntime.so.1"};

// What is released by a function that the library hands out.
template <class T> class Owned {
 public:
  explicit Owned(void (*release)(T*)) : release_(release) {}
  ~Owned() { release_(object_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  T* get() const noexcept { return object_; }
  T** out() noexcept { return &object_; }

 private:
  T* object_ = nullptr;
  void (*release_)(T*);
};

Result<void> check(const OrtApi& api, OrtStatus* status, Errc code, std::string_view doing) {
  if (status == nullptr) return {};
  Error error = make_error(code, "ONNX Runtime, {}: {}", doing, api.GetErrorMessage(status));
  api.ReleaseStatus(status);
  return error;
}

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

Result<void*> open_library(const std::string& path) {
  if (!path.empty()) {
    if (!is_file(path)) return make_error(Errc::not_found, "ONNX Runtime's library {}: there is no such file", path);
    if (void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    return make_error(Errc::unsupported, "ONNX Runtime's library: {}", ::dlerror());  // NOLINT(concurrency-mt-unsafe)
  }
  for (const char* name : usual_names)
    if (void* library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL)) return library;
  return make_error(Errc::not_found, "ONNX Runtime's library: the loader finds none of {}; name it in `library`",
                    fmt::join(usual_names, ", "));
}

Result<const OrtApi*> open_api(const std::string& path) {
  FRACTAL_TRY_INTO(void* const library, open_library(path));
  const std::string name = path.empty() ? "libonnxruntime.so" : path;
  const auto get_base = reinterpret_cast<const OrtApiBase* (*)()>(::dlsym(library, "OrtGetApiBase"));
  if (get_base == nullptr)
    return make_error(Errc::unsupported, "{} is not ONNX Runtime: it has no OrtGetApiBase", name);
  const OrtApiBase* base = get_base();
  const OrtApi* api = base != nullptr ? base->GetApi(ort_api_version) : nullptr;
  if (api == nullptr)
    return make_error(Errc::unsupported, "{}, version {}, does not have version {} of ONNX Runtime's C API", name,
                      base != nullptr ? base->GetVersionString() : "unknown", ort_api_version);
  return api;
}

// The form of an input or output.
struct Tensor {
  std::string name{};
  int element = 0;                    // 0: not a tensor
  std::vector<std::int64_t> shape{};  // -1: any
};

Result<std::vector<std::int64_t>> read_shape(const OrtApi& api, const OrtTensorInfo* info) {
  std::size_t rank = 0;
  FRACTAL_TRY(check(api, api.GetDimensionsCount(info, &rank), Errc::corruption, "reading a shape"));
  std::vector<std::int64_t> shape(rank);
  FRACTAL_TRY(check(api, api.GetDimensions(info, shape.data(), rank), Errc::corruption, "reading a shape"));
  return shape;
}

enum class Side { input, output };

Result<Tensor> read_tensor(const OrtApi& api, const OrtSession* session, Side side, std::size_t index) {
  const auto checked = [&](OrtStatus* status) {
    return check(api, status, Errc::corruption, "reading the model's form");
  };
  OrtAllocator* allocator = nullptr;
  FRACTAL_TRY(checked(api.GetAllocatorWithDefaultOptions(&allocator)));
  char* name = nullptr;
  FRACTAL_TRY(checked(
      (side == Side::input ? api.SessionGetInputName : api.SessionGetOutputName)(session, index, allocator, &name)));
  Tensor tensor{.name = name};
  FRACTAL_TRY(checked(api.AllocatorFree(allocator, name)));
  Owned<OrtTypeInfo> type(api.ReleaseTypeInfo);
  FRACTAL_TRY(checked(
      (side == Side::input ? api.SessionGetInputTypeInfo : api.SessionGetOutputTypeInfo)(session, index, type.out())));
  const OrtTensorInfo* info = nullptr;
  FRACTAL_TRY(checked(api.CastTypeInfoToTensorInfo(type.get(), &info)));
  if (info == nullptr) return tensor;
  FRACTAL_TRY(checked(api.GetTensorElementType(info, &tensor.element)));
  FRACTAL_TRY_INTO(tensor.shape, read_shape(api, info));
  return tensor;
}

void add_mean(const float* rows, std::size_t length, const std::int64_t* mask, std::vector<float>& mean) {
  float count = 0;
  for (std::size_t row = 0; row < length; ++row) {
    if (mask[row] == 0) continue;
    count += 1;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += rows[row * mean.size() + i];
  }
  for (float& x : mean) x /= count;
}

}  // namespace

struct Session::Parts {
  explicit Parts(const OrtApi& table)
      : api(table), env(table.ReleaseEnv), memory(table.ReleaseMemoryInfo), session(table.ReleaseSession) {}

  Result<void> open(const std::string& model, std::size_t threads);
  Result<void> read_inputs();
  Result<void> read_outputs();

  const OrtApi& api;
  Owned<OrtEnv> env;
  Owned<OrtMemoryInfo> memory;
  Owned<OrtSession> session;
  bool token_types = false;
  std::string output{};
  std::size_t dimension = 0;
};

Result<void> Session::Parts::open(const std::string& model, std::size_t threads) {
  const auto checked = [&](OrtStatus* status) { return check(api, status, Errc::io, "setting it up"); };
  FRACTAL_TRY(checked(api.CreateEnv(ort_log_fatal, "fractal_memory", env.out())));
  FRACTAL_TRY(checked(api.DisableTelemetryEvents(env.get())));
  FRACTAL_TRY(checked(api.CreateCpuMemoryInfo(ort_arena_allocator, ort_mem_default, memory.out())));
  Owned<OrtSessionOptions> options(api.ReleaseSessionOptions);
  FRACTAL_TRY(checked(api.CreateSessionOptions(options.out())));
  FRACTAL_TRY(checked(api.SetSessionLogSeverityLevel(options.get(), ort_log_fatal)));
  FRACTAL_TRY(checked(api.SetIntraOpNumThreads(options.get(), static_cast<int>(threads))));
  FRACTAL_TRY(checked(api.SetInterOpNumThreads(options.get(), 1)));
  FRACTAL_TRY(check(api, api.CreateSession(env.get(), model.c_str(), options.get(), session.out()), Errc::corruption,
                    "opening " + model));
  FRACTAL_TRY(read_inputs());
  return read_outputs();
}

Result<void> Session::Parts::read_inputs() {
  std::size_t count = 0;
  FRACTAL_TRY(check(api, api.SessionGetInputCount(session.get(), &count), Errc::corruption, "counting inputs"));
  bool ids = false;
  bool mask = false;
  for (std::size_t i = 0; i < count; ++i) {
    FRACTAL_TRY_INTO(const Tensor input, read_tensor(api, session.get(), Side::input, i));
    bool* const known = input.name == "input_ids"        ? &ids
                        : input.name == "attention_mask" ? &mask
                        : input.name == "token_type_ids" ? &token_types
                                                         : nullptr;
    if (known == nullptr || input.element != ort_int64 || input.shape.size() != 2)
      return make_error(Errc::unsupported,
                        "the model's input {} is not one of input_ids, attention_mask and "
                        "token_type_ids, [texts, tokens] of int64",
                        input.name);
    *known = true;
  }
  if (!ids || !mask) return make_error(Errc::unsupported, "the model lacks the input input_ids or attention_mask");
  return {};
}

// The first output that fits: last_hidden_state, token_embeddings or whatever it is called.
Result<void> Session::Parts::read_outputs() {
  std::size_t count = 0;
  FRACTAL_TRY(check(api, api.SessionGetOutputCount(session.get(), &count), Errc::corruption, "counting outputs"));
  for (std::size_t i = 0; i < count; ++i) {
    FRACTAL_TRY_INTO(Tensor tensor, read_tensor(api, session.get(), Side::output, i));
    if (tensor.element != ort_float || tensor.shape.size() != 3 || tensor.shape[2] < 1) continue;
    output = std::move(tensor.name);
    dimension = static_cast<std::size_t>(tensor.shape[2]);
    return {};
  }
  return make_error(Errc::unsupported, "the model has no output [texts, tokens, dimension] of float32");
}

Session::Session(std::unique_ptr<Parts> parts) noexcept : parts_(std::move(parts)) {}
Session::~Session() = default;
std::size_t Session::dimension() const noexcept { return parts_->dimension; }

Result<std::unique_ptr<Session>> Session::open(const std::string& library, const std::string& model,
                                               std::size_t threads) {
  FRACTAL_TRY_INTO(const OrtApi* const api, open_api(library));
  if (!is_file(model)) return make_error(Errc::not_found, "the model {}: there is no such file", model);
  auto parts = std::make_unique<Parts>(*api);
  if (const auto opened = parts->open(model, threads); !opened) return within(opened.error(), "{}", model);
  return std::unique_ptr<Session>(new Session(std::move(parts)));
}

Result<std::vector<std::vector<float>>> Session::run(Tokens tokens) const {
  const OrtApi& api = parts_->api;
  const auto checked = [&](OrtStatus* status) { return check(api, status, Errc::corruption, "running the model"); };
  std::vector<std::int64_t> types(parts_->token_types ? tokens.ids.size() : 0);
  const std::array<std::int64_t, 2> shape{static_cast<std::int64_t>(tokens.texts),
                                          static_cast<std::int64_t>(tokens.length)};
  const auto make = [&](std::vector<std::int64_t>& numbers, Owned<OrtValue>& value) {
    return checked(api.CreateTensorWithDataAsOrtValue(parts_->memory.get(), numbers.data(), numbers.size() * 8,
                                                      shape.data(), 2, ort_int64, value.out()));
  };
  Owned<OrtValue> ids(api.ReleaseValue);
  Owned<OrtValue> mask(api.ReleaseValue);
  Owned<OrtValue> kinds(api.ReleaseValue);
  FRACTAL_TRY(make(tokens.ids, ids));
  FRACTAL_TRY(make(tokens.mask, mask));
  if (parts_->token_types) FRACTAL_TRY(make(types, kinds));

  const std::array<const char*, 3> names{"input_ids", "attention_mask", "token_type_ids"};
  const std::array<const OrtValue*, 3> inputs{ids.get(), mask.get(), kinds.get()};
  const char* const output_name = parts_->output.c_str();
  Owned<OrtValue> output(api.ReleaseValue);
  FRACTAL_TRY(checked(api.Run(parts_->session.get(), nullptr, names.data(), inputs.data(), parts_->token_types ? 3 : 2,
                              &output_name, 1, output.out())));

  Owned<OrtTensorInfo> info(api.ReleaseTensorInfo);
  FRACTAL_TRY(checked(api.GetTensorTypeAndShape(output.get(), info.out())));
  FRACTAL_TRY_INTO(const auto out_shape, read_shape(api, info.get()));
  const std::vector<std::int64_t> expected{shape[0], shape[1], static_cast<std::int64_t>(parts_->dimension)};
  if (out_shape != expected)
    return make_error(Errc::corruption, "the model answers with the shape [{}], expected [{}]",
                      fmt::join(out_shape, ", "), fmt::join(expected, ", "));
  void* data = nullptr;
  FRACTAL_TRY(checked(api.GetTensorMutableData(output.get(), &data)));
  std::vector<std::vector<float>> means(tokens.texts, std::vector<float>(parts_->dimension));
  for (std::size_t i = 0; i < tokens.texts; ++i)
    add_mean(static_cast<const float*>(data) + i * tokens.length * parts_->dimension, tokens.length,
             tokens.mask.data() + i * tokens.length, means[i]);
  return means;
}

}  // namespace fractal::onnx
