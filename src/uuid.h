// New ids for memories.
#ifndef FRACTAL_SRC_UUID_H
#define FRACTAL_SRC_UUID_H

#include <fractal/types.h>

namespace fractal {

// Version 7 of RFC 9562. Rising within a process while the clock stands still or goes back by less than ten
// seconds. Any thread.
Uuid make_uuid(Time now);

}  // namespace fractal

#endif
