// The text of Page::next: the order, the direction and the position where a page ended.
#ifndef FRACTAL_SRC_CURSOR_H
#define FRACTAL_SRC_CURSOR_H

#include <fractal/backend.h>

#include <string>
#include <string_view>

namespace fractal {

Position position_of(const Row& row);
std::string write_cursor(ListOrder order, bool descending, const Position& last);
// invalid_argument if it is not a cursor of this order and direction.
Result<Position> read_cursor(std::string_view text, ListOrder order, bool descending);

}  // namespace fractal

#endif
