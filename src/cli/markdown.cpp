// Invariant: each visible character of the document outside HTML is in one paragraph or one heading. The only file that
// knows the Markdown library.
#include "src/cli/paragraph.h"

#include "src/cli/failure.h"

#include <md4c.h>

#include <exception>
#include <vector>

namespace fractal::cli {
namespace {

// Those that are written to escape Markdown or HTML; others stay as they are.
std::string_view entity(std::string_view written) {
  static constexpr std::pair<std::string_view, std::string_view> known[] = {
      {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}, {"&#39;", "'"}, {"&nbsp;", " "}};
  for (const auto& [name, character] : known) {
    if (written == name) return character;
  }
  return written;
}

class Reader {
 public:
  explicit Reader(const TakeParagraph& take) : take_(take) {}

  void read(const std::string& text) {
    MD_PARSER parser{};
    parser.flags = MD_FLAG_TABLES | MD_FLAG_STRIKETHROUGH | MD_FLAG_PERMISSIVEAUTOLINKS;
    parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* self) {
      return of(self).guarded([&](Reader& reader) { reader.enter(type, detail); });
    };
    parser.leave_block = [](MD_BLOCKTYPE type, void* detail, void* self) {
      return of(self).guarded([&](Reader& reader) { reader.leave(type, detail); });
    };
    parser.enter_span = parser.leave_span = [](MD_SPANTYPE, void*, void*) { return 0; };
    parser.text = [](MD_TEXTTYPE type, const MD_CHAR* characters, MD_SIZE size, void* self) {
      return of(self).guarded([&](Reader& reader) { reader.add(type, {characters, size}); });
    };
    const int failed = md_parse(text.data(), static_cast<MD_SIZE>(text.size()), &parser, this);
    if (thrown_) std::rethrow_exception(thrown_);
    if (failed != 0) throw Failure(exit_refused, "not to be read as Markdown");
    finish();
  }

  const std::string& title() const { return title_; }

 private:
  static Reader& of(void* self) { return *static_cast<Reader*>(self); }

  // Exceptions do not pass through C.
  template <class Work> int guarded(const Work& work) {
    try {
      work(*this);
      return 0;
    } catch (...) {
      thrown_ = std::current_exception();
      return 1;
    }
  }

  bool inside() const { return lists_ > 0 || table_; }

  void enter(MD_BLOCKTYPE type, void* /*detail*/) {
    if (type == MD_BLOCK_UL || type == MD_BLOCK_OL) {
      if (lists_++ == 0) finish();
    } else if (type == MD_BLOCK_LI) {
      begin_line(std::string(2 * (lists_ - 1), ' ') + "- ");
    } else if (type == MD_BLOCK_TABLE) {
      finish();
      table_ = true;
    } else if (type == MD_BLOCK_TR) {
      begin_line("");
    } else if (type == MD_BLOCK_TD || type == MD_BLOCK_TH) {
      if (!text_.empty() && text_.back() != '\n') text_ += " | ";
    } else if (type == MD_BLOCK_HTML) {
      html_ = true;
    } else if (!inside()) {
      finish();
    } else if (type == MD_BLOCK_P || type == MD_BLOCK_CODE || type == MD_BLOCK_H) {
      if (!text_.ends_with("- ")) begin_line("");
    }
  }

  void leave(MD_BLOCKTYPE type, void* detail) {
    if (type == MD_BLOCK_UL || type == MD_BLOCK_OL) {
      --lists_;
    } else if (type == MD_BLOCK_TABLE) {
      table_ = false;
    } else if (type == MD_BLOCK_HTML) {
      html_ = false;
    } else if (type == MD_BLOCK_H && !inside()) {
      begin_section(static_cast<const MD_BLOCK_H_DETAIL*>(detail)->level);
      return;
    }
    if (!inside()) finish();
  }

  void add(MD_TEXTTYPE type, std::string_view characters) {
    if (html_ || type == MD_TEXT_HTML) return;
    if (type == MD_TEXT_BR) {
      text_ += '\n';
    } else if (type == MD_TEXT_SOFTBR) {
      text_ += ' ';
    } else if (type == MD_TEXT_ENTITY) {
      text_ += entity(characters);
    } else if (type == MD_TEXT_NULLCHAR) {
      text_ += "\xEF\xBF\xBD";  // U+FFFD
    } else {
      text_ += characters;
    }
  }

  void begin_line(const std::string& with) {
    if (!text_.empty() && text_.back() != '\n') text_ += '\n';
    text_ += with;
  }

  // A heading's text ends the headings of its level and below.
  void begin_section(unsigned level) {
    while (!headings_.empty() && headings_.back().first >= level) headings_.pop_back();
    if (level == 1 && title_.empty()) title_ = text_;
    headings_.emplace_back(level, std::move(text_));
    text_.clear();
    ++section_;
    heading_.clear();
    for (const auto& [its_level, text] : headings_) heading_ += (heading_.empty() ? "" : " > ") + text;
  }

  void finish() {
    const std::size_t begin = text_.find_first_not_of(" \n");
    if (begin != text_.npos) {
      take_({.section = section_,
             .heading = heading_,
             .text = text_.substr(begin, text_.find_last_not_of(" \n") + 1 - begin)});
    }
    text_.clear();
  }

  const TakeParagraph& take_;
  std::exception_ptr thrown_;
  std::string text_, heading_, title_;
  std::vector<std::pair<unsigned, std::string>> headings_;
  std::size_t section_ = 0, lists_ = 0;
  bool table_ = false, html_ = false;
};

}  // namespace

std::string read_markdown(const std::string& text, const TakeParagraph& take) {
  Reader reader(take);
  reader.read(text);
  return reader.title();
}

}  // namespace fractal::cli
