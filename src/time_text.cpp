// Invariant: a time from 1970 to 9999 is written with all its microseconds, and parse_time() gives it back.
#include <fractal/types.h>

#include "utf8.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace fractal {
namespace {

using std::chrono::microseconds;

constexpr std::int64_t microseconds_in_day = 86'400'000'000;
constexpr std::int64_t days_in_400_years = 146'097;

// Reads fixed-width numbers and single characters from the left.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : left_(text) {}

  // `width` digits; -1 if they are not there.
  int number(std::size_t width) {
    if (left_.size() < width) return -1;
    int value = 0;
    for (const char c : left_.substr(0, width)) {
      if (c < '0' || c > '9') return -1;
      value = value * 10 + (c - '0');
    }
    left_.remove_prefix(width);
    return value;
  }

  bool one_of(std::string_view characters) {
    if (left_.empty() || characters.find(left_.front()) == std::string_view::npos) return false;
    taken_ = left_.front();
    left_.remove_prefix(1);
    return true;
  }

  char taken() const { return taken_; }
  bool at_digit() const { return !left_.empty() && left_.front() >= '0' && left_.front() <= '9'; }
  bool at_end() const { return left_.empty(); }

 private:
  std::string_view left_;
  char taken_ = 0;
};

// Microseconds of ".250"; 0 if there is no point; -1 if it is wrong.
std::int64_t read_fraction(Cursor& cursor) {
  if (!cursor.one_of(".")) return 0;
  if (!cursor.at_digit()) return -1;
  std::int64_t fraction = 0;
  for (int place = 0; place < 6; ++place) fraction = fraction * 10 + (cursor.at_digit() ? cursor.number(1) : 0);
  return fraction;
}

// Minutes east of UTC from "Z", "+02:00"; false if it is wrong.
bool read_offset(Cursor& cursor, int& minutes) {
  minutes = 0;
  if (cursor.one_of("Zz")) return true;
  if (!cursor.one_of("+-")) return false;
  const int sign = cursor.taken() == '-' ? -1 : 1;
  const int hour = cursor.number(2);
  if (!cursor.one_of(":")) return false;
  const int minute = cursor.number(2);
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59) return false;
  minutes = sign * (hour * 60 + minute);
  return true;
}

// Null unless the text is well-formed and the date exists; may lie a day outside 1970 to 9999.
std::optional<Time> read_time(std::string_view text) {
  Cursor cursor(text);
  const int year = cursor.number(4);
  if (!cursor.one_of("-")) return std::nullopt;
  const int month = cursor.number(2);
  if (!cursor.one_of("-")) return std::nullopt;
  const int day = cursor.number(2);
  if (!cursor.one_of("Tt ")) return std::nullopt;
  const int hour = cursor.number(2);
  if (!cursor.one_of(":")) return std::nullopt;
  const int minute = cursor.number(2);
  if (!cursor.one_of(":")) return std::nullopt;
  const int second = cursor.number(2);
  const std::int64_t fraction = read_fraction(cursor);
  int offset = 0;
  if (!read_offset(cursor, offset) || !cursor.at_end()) return std::nullopt;
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59) return std::nullopt;
  if (second < 0 || second > 59 || fraction < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return std::nullopt;
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute - offset) +
         std::chrono::seconds(second) + microseconds(fraction);
}

}  // namespace

std::string to_string(Time time) {
  const std::int64_t count = time.time_since_epoch().count();
  std::int64_t in_day = count % microseconds_in_day;
  if (in_day < 0) in_day += microseconds_in_day;
  const std::int64_t day_number = count / microseconds_in_day - (count % microseconds_in_day < 0 ? 1 : 0);
  // <chrono> counts years in 16 bits; a Time reaches further. The calendar repeats every 400 years.
  const std::int64_t cycles = day_number / days_in_400_years - (day_number % days_in_400_years < 0 ? 1 : 0);
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(day_number - cycles * days_in_400_years))};
  const std::int64_t year = int(date.year()) + 400 * cycles;
  return fmt::format(FMT_COMPILE("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z"), year, unsigned(date.month()),
                     unsigned(date.day()), in_day / 3'600'000'000, in_day / 60'000'000 % 60, in_day / 1'000'000 % 60,
                     in_day % 1'000'000);
}

Result<Time> parse_time(std::string_view text) {
  static const Time end = Time(std::chrono::sys_days(std::chrono::year(10'000) / 1 / 1));
  const std::optional<Time> time = read_time(text);
  if (!time) {
    return Error{Errc::invalid_argument,
                 fmt::format("\"{}\" is not a time such as 2026-05-01T10:00:00.25Z", excerpt(text))};
  }
  if (*time < Time() || *time >= end) {
    return Error{Errc::invalid_argument, fmt::format("time \"{}\" is not in the years 1970 to 9999", excerpt(text))};
  }
  return *time;
}

}  // namespace fractal
