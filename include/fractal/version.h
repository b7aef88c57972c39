// The version of the headers, for `#if`; fractal::version() tells the one that is linked.
#ifndef FRACTAL_VERSION_H
#define FRACTAL_VERSION_H

#define FRACTAL_VERSION_MAJOR 0
#define FRACTAL_VERSION_MINOR 1
#define FRACTAL_VERSION_PATCH 0
#define FRACTAL_VERSION_STRING "0.1.0"

#if defined(FRACTAL_SHARED) && defined(__GNUC__)
#define FRACTAL_API __attribute__((visibility("default")))
#else
#define FRACTAL_API
#endif

#endif
