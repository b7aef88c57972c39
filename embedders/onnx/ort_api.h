// What is used of ONNX Runtime's C API, declared by hand: its library is opened at run time, and Debian 12 has no headers
// of it. The library answers OrtGetApiBase() with a function that hands out the table of a version. Tables only grow at
// their end, and each later library still has the earlier ones, so we ask for version 1, which has all that is
// used here. A member's place in the table is its meaning: the unused ones stand here as gaps, and the numbers are
// checked below.
#ifndef FRACTAL_ONNX_ORT_API_H
#define FRACTAL_ONNX_ORT_API_H

#include <cstddef>
#include <cstdint>

namespace fractal::onnx {

struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtTypeInfo;
struct OrtTensorInfo;  // OrtTensorTypeAndShapeInfo
struct OrtAllocator;

inline constexpr std::uint32_t ort_api_version = 1;
inline constexpr int ort_log_fatal = 4;
inline constexpr int ort_float = 1;  // ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
inline constexpr int ort_int64 = 7;
inline constexpr int ort_arena_allocator = 1;
inline constexpr int ort_mem_default = 0;

using Gap = void (*)();

// A status is null when all went well.
struct OrtApi {
  Gap gap_0[2];
  const char* (*GetErrorMessage)(const OrtStatus*);
  OrtStatus* (*CreateEnv)(int log_level, const char* log_name, OrtEnv** out);
  Gap gap_4[2];
  OrtStatus* (*DisableTelemetryEvents)(const OrtEnv*);
  OrtStatus* (*CreateSession)(const OrtEnv*, const char* path, const OrtSessionOptions*, OrtSession** out);
  Gap gap_8;
  OrtStatus* (*Run)(OrtSession*, const OrtRunOptions*, const char* const* input_names, const OrtValue* const* inputs,
                    std::size_t input_count, const char* const* output_names, std::size_t output_count,
                    OrtValue** outputs);
  OrtStatus* (*CreateSessionOptions)(OrtSessionOptions** out);
  Gap gap_11[11];
  OrtStatus* (*SetSessionLogSeverityLevel)(OrtSessionOptions*, int level);
  Gap gap_23;
  OrtStatus* (*SetIntraOpNumThreads)(OrtSessionOptions*, int threads);
  OrtStatus* (*SetInterOpNumThreads)(OrtSessionOptions*, int threads);
  Gap gap_26[4];
  OrtStatus* (*SessionGetInputCount)(const OrtSession*, std::size_t* out);
  OrtStatus* (*SessionGetOutputCount)(const OrtSession*, std::size_t* out);
  Gap gap_32;
  OrtStatus* (*SessionGetInputTypeInfo)(const OrtSession*, std::size_t index, OrtTypeInfo** out);
  OrtStatus* (*SessionGetOutputTypeInfo)(const OrtSession*, std::size_t index, OrtTypeInfo** out);
  Gap gap_35;
  OrtStatus* (*SessionGetInputName)(const OrtSession*, std::size_t index, OrtAllocator*, char** out);
  OrtStatus* (*SessionGetOutputName)(const OrtSession*, std::size_t index, OrtAllocator*, char** out);
  Gap gap_38[11];
  OrtStatus* (*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo*, void* data, std::size_t bytes,
                                               const std::int64_t* shape, std::size_t rank, int element,
                                               OrtValue** out);
  Gap gap_50;
  OrtStatus* (*GetTensorMutableData)(OrtValue*, void** out);
  Gap gap_52[3];
  OrtStatus* (*CastTypeInfoToTensorInfo)(const OrtTypeInfo*, const OrtTensorInfo** out);  // null: not a tensor
  Gap gap_56[4];
  OrtStatus* (*GetTensorElementType)(const OrtTensorInfo*, int* out);
  OrtStatus* (*GetDimensionsCount)(const OrtTensorInfo*, std::size_t* out);
  OrtStatus* (*GetDimensions)(const OrtTensorInfo*, std::int64_t* out, std::size_t count);
  Gap gap_63[2];
  OrtStatus* (*GetTensorTypeAndShape)(const OrtValue*, OrtTensorInfo** out);
  Gap gap_66[3];
  OrtStatus* (*CreateCpuMemoryInfo)(int allocator, int memory, OrtMemoryInfo** out);
  Gap gap_70[6];
  OrtStatus* (*AllocatorFree)(OrtAllocator*, void*);
  Gap gap_77;
  OrtStatus* (*GetAllocatorWithDefaultOptions)(OrtAllocator** out);  // not to be released
  Gap gap_79[13];
  void (*ReleaseEnv)(OrtEnv*);
  void (*ReleaseStatus)(OrtStatus*);
  void (*ReleaseMemoryInfo)(OrtMemoryInfo*);
  void (*ReleaseSession)(OrtSession*);
  void (*ReleaseValue)(OrtValue*);
  Gap gap_97;
  void (*ReleaseTypeInfo)(OrtTypeInfo*);
  void (*ReleaseTensorInfo)(OrtTensorInfo*);
  void (*ReleaseSessionOptions)(OrtSessionOptions*);
};

#define FRACTAL_ORT_AT(member, place) static_assert(offsetof(OrtApi, member) == (place) * sizeof(Gap))
FRACTAL_ORT_AT(CreateEnv, 3);
FRACTAL_ORT_AT(CreateSession, 7);
FRACTAL_ORT_AT(Run, 9);
FRACTAL_ORT_AT(SetSessionLogSeverityLevel, 22);
FRACTAL_ORT_AT(SetInterOpNumThreads, 25);
FRACTAL_ORT_AT(SessionGetOutputCount, 31);
FRACTAL_ORT_AT(SessionGetOutputName, 37);
FRACTAL_ORT_AT(CreateTensorWithDataAsOrtValue, 49);
FRACTAL_ORT_AT(GetTensorMutableData, 51);
FRACTAL_ORT_AT(CastTypeInfoToTensorInfo, 55);
FRACTAL_ORT_AT(GetDimensions, 62);
FRACTAL_ORT_AT(GetTensorTypeAndShape, 65);
FRACTAL_ORT_AT(CreateCpuMemoryInfo, 69);
FRACTAL_ORT_AT(GetAllocatorWithDefaultOptions, 78);
FRACTAL_ORT_AT(ReleaseEnv, 92);
FRACTAL_ORT_AT(ReleaseSessionOptions, 100);
#undef FRACTAL_ORT_AT

struct OrtApiBase {
  const OrtApi* (*GetApi)(std::uint32_t version);  // null: the library does not have that version
  const char* (*GetVersionString)();
};

}  // namespace fractal::onnx

#endif
