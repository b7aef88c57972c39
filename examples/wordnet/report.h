// What the demo prints: headed sections, aligned columns, a progress bar where there is a terminal.
#ifndef EXAMPLES_WORDNET_REPORT_H
#define EXAMPLES_WORDNET_REPORT_H

#include <fractal/fractal_memory.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

class Stopwatch {
 public:
  double milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// At most so many characters.
std::string cut(std::string_view text, std::size_t width);
// Just so many, filled up with blanks.
std::string fitted(std::string_view text, std::size_t width);
// 82115 -> "82,115"
std::string grouped(std::uint64_t number);
// A text or number of the payload; empty if it has none there.
std::string field(const fractal::Memory& memory, std::string_view path);

class Report {
 public:
  // Without `measures` the output is the same in every run: no times, no sizes of files.
  explicit Report(bool measures);

  void title(std::string_view text) const;
  void heading(std::string_view text);
  void line(std::string_view text) const;
  void entry(std::string_view name, std::string_view value) const;
  void hits(const fractal::SearchResult& found, const Stopwatch& watch) const;
  void took(std::string_view what, const Stopwatch& watch) const;

  bool measures() const { return measures_; }
  bool terminal() const { return terminal_; }

 private:
  bool measures_;
  bool terminal_;
  int section_ = 0;
};

// A bar that is drawn again and again on a terminal; elsewhere one line when it is done.
class Progress {
 public:
  Progress(const Report& report, std::string label, std::uint64_t total);
  void advance(std::uint64_t by);
  void finish();

 private:
  std::string state() const;
  void draw();

  const Report& report_;
  std::string label_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  std::uint64_t drawn_ = 0;  // thousandths
  Stopwatch watch_;
};

#endif
